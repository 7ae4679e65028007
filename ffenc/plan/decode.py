"""Plan the decoding of clips and image series to raw frames, and the search for frames that cannot be decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from ffenc.frames import FrameFormat
from ffenc.plan.clip_frames import ClipFrames
from ffenc.plan.encode import ImageSequence
from ffenc.plan.frame_checks import FULL_CHROMA
from ffenc.plan.graph import VIDEO, Filter, Input, Option, ffmpeg_argv, file_url, restart_clock


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodePlan:
    """One command that writes raw frames to standard output.

    Attributes:
        argv: the command.
        count: number of frames it writes.
    """

    argv: tuple[str, ...]
    count: int


def plan_decode(ffmpeg: Path, parts: Sequence[ClipFrames], frames: FrameFormat, fps: Fraction) -> DecodePlan:
    """Plan to read frames of a clip in order, with one input per seek."""
    # New timestamps close the gaps between chosen frames, which ffmpeg would fill with copies.
    restart = restart_clock(fps)
    argv = _argv(ffmpeg, [part.input() for part in parts], frames, fps, before=[restart], keep_timestamps=True)
    return DecodePlan(argv=argv, count=sum(part.count for part in parts))


def plan_decode_images(ffmpeg: Path, series: ImageSequence, frames: FrameFormat) -> DecodePlan:
    """Plan to read all images of a series in order."""
    return DecodePlan(argv=_argv(ffmpeg, [series.input()], frames, series.fps), count=series.count)


def plan_check_images(ffmpeg: Path, series: ImageSequence) -> tuple[str, ...]:
    """Plan to decode all images of a series and to write nothing."""
    upright = replace(series, orientation=1)
    return ffmpeg_argv(ffmpeg, inputs=[upright.input()], output="-", output_options=[("f", "null")])


def _argv(
    ffmpeg: Path,
    inputs: Sequence[Input],
    frames: FrameFormat,
    fps: Fraction,
    *,
    before: Sequence[Filter] = (),
    keep_timestamps: bool = False,
) -> tuple[str, ...]:
    return ffmpeg_argv(
        ffmpeg,
        inputs=inputs,
        video=[
            *before,
            ("scale", {"flags": FULL_CHROMA}),
            ("format", {"pix_fmts": frames.pix_fmt}),
        ],
        output="pipe:1",
        output_options=[("c:v", "rawvideo"), ("pix_fmt", f"+{frames.pix_fmt}"), ("r", str(fps)), ("f", "rawvideo")],
        keep_timestamps=keep_timestamps,
    )


def plan_frame_list(ffmpeg: Path, path: Path, *, demuxer: str) -> tuple[str, ...]:
    """Plan to decode a complete file and print every frame's timestamp, size and pixel format to standard error."""
    options: tuple[Option, ...] = (("protocol_whitelist", "file"), ("f", demuxer), ("flags", "-output_corrupt"))
    return ffmpeg_argv(
        ffmpeg,
        inputs=[Input(url=file_url(path), options=options, stream=VIDEO, filters=(("showinfo", {}),))],
        output="pipe:1",
        output_options=[("f", "null")],
        loglevel="info",
        skip_errors=True,
        keep_timestamps=True,
    )


def plan_readable_frames(ffmpeg: Path, path: Path, *, demuxer: str, first_only: bool = False) -> tuple[str, ...]:
    """Plan to list, as framecrc, every frame that can be decoded without an error.

    Without ``explode`` a decoder conceals a damaged frame with pixels from around it.

    Args:
        demuxer: its container, by FFmpeg's name.
        first_only: end after the first frame, decoding only what it needs.
    """
    options: tuple[Option, ...] = (
        ("protocol_whitelist", "file"),
        ("f", demuxer),
        ("err_detect", "explode"),
        ("flags", "-output_corrupt"),
    )
    one: tuple[Option, ...] = (("frames:v", "1"),) if first_only else ()
    single: tuple[Option, ...] = (("threads", "1"),) if first_only else ()  # each thread would decode a frame ahead
    return ffmpeg_argv(
        ffmpeg,
        inputs=[Input(url=file_url(path), options=(*options, *single), stream=VIDEO)],
        output="pipe:1",
        output_options=[*one, ("f", "framecrc")],
        skip_errors=True,
    )
