"""The plan of a decode into raw frames on standard output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ffenc.frames import FrameFormat
from ffenc.plan.encode import ImageSequence, source_input
from ffenc.plan.graph import VIDEO, Filter, Input, Option, ffmpeg_argv, file_url, restart_clock


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeRange:
    """Frames that are reached by one seek.

    Attributes:
        seek_s: where to seek, in seconds from the start of the file; None reads from the start.
        offsets: frames to take, counted from the first one decoded, ascending.
    """

    seek_s: Fraction | None
    offsets: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodePlan:
    """One command that writes raw frames to its standard output.

    Attributes:
        argv: the command.
        count: frames it writes.
    """

    argv: tuple[str, ...]
    count: int


def plan_decode(
    ffmpeg: Path,
    path: Path,
    *,
    demuxer: str,
    ranges: Sequence[DecodeRange],
    frames: FrameFormat,
    fps: Fraction,
) -> DecodePlan:
    """Plan to read ranges of frames, one input per range, joined in order.

    Args:
        ffmpeg: the executable.
        path: the video file.
        demuxer: its container, by FFmpeg's name.
        ranges: what to read, in order.
        frames: what the raw frames shall be.
        fps: frame rate of the file.
    """
    inputs = []
    for part in ranges:
        options: list[Option] = [("protocol_whitelist", "file"), ("f", demuxer)]
        if part.seek_s is not None:
            options.append(("ss", f"{float(part.seek_s):.6f}"))
        inputs.append(Input(url=file_url(path), options=tuple(options), stream=VIDEO, filters=selection(part.offsets)))
    # Chosen frames move together on the time line; ffmpeg would fill gaps with copies otherwise.
    argv = _argv(ffmpeg, inputs, frames, fps, before=[restart_clock(fps)])
    return DecodePlan(argv=argv, count=sum(len(part.offsets) for part in ranges))


def plan_decode_images(ffmpeg: Path, series: ImageSequence, frames: FrameFormat) -> DecodePlan:
    """Plan to read all images of a series, in order.

    Args:
        ffmpeg: the executable.
        series: the images.
        frames: what the raw frames shall be.
    """
    return DecodePlan(argv=_argv(ffmpeg, [source_input(series)], frames, series.fps), count=series.count)


def _argv(
    ffmpeg: Path, inputs: Sequence[Input], frames: FrameFormat, fps: Fraction, *, before: Sequence[Filter] = ()
) -> tuple[str, ...]:
    return ffmpeg_argv(
        ffmpeg,
        inputs=inputs,
        video=[
            *before,
            # The default flags darken every colour by about one level and some by three; with these it is at most one.
            ("scale", {"flags": "bicubic+accurate_rnd+full_chroma_int"}),
            ("format", {"pix_fmts": frames.pix_fmt}),
        ],
        output="pipe:1",
        output_options=[("c:v", "rawvideo"), ("pix_fmt", f"+{frames.pix_fmt}"), ("r", str(fps)), ("f", "rawvideo")],
    )


def plan_readable_frames(ffmpeg: Path, path: Path, *, demuxer: str) -> tuple[str, ...]:
    """Plan to list, as framecrc, every frame that can be decoded without an error; what cannot is left out.

    Without ``explode`` a decoder hides a damaged frame by copying what is around it.

    Args:
        ffmpeg: the executable.
        path: the video file.
        demuxer: its container, by FFmpeg's name.
    """
    options = (("protocol_whitelist", "file"), ("f", demuxer), ("err_detect", "explode"), ("flags", "-output_corrupt"))
    return ffmpeg_argv(
        ffmpeg,
        inputs=[Input(url=file_url(path), options=options, stream=VIDEO)],
        output="pipe:1",
        output_options=[("f", "framecrc")],
        skip_errors=True,
    )


def selection(offsets: Sequence[int]) -> tuple[Filter, ...]:
    """Take the frames with these numbers, and end the input behind the last one."""
    runs: list[list[int]] = []
    for offset in offsets:
        if runs and offset == runs[-1][-1] + 1:
            runs[-1][-1] = offset
        else:
            runs.append([offset, offset])
    trim: Filter = ("trim", {"end_frame": str(offsets[-1] + 1)})
    if runs == [[0, offsets[-1]]]:
        return (trim,)
    return trim, ("select", {"expr": "+".join(f"between(n,{first},{last})" for first, last in runs)})
