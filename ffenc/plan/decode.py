"""Plan the decoding of clips and image series to raw frames, and the search for frames that cannot be decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from ffenc.frames import FrameFormat
from ffenc.plan.clip_frames import ClipFrames, size_guard
from ffenc.plan.encode import ImageSequence
from ffenc.plan.frame_checks import FULL_CHROMA
from ffenc.plan.graph import STRICT, VIDEO, Filter, Input, Option, ffmpeg_argv, file_input, restart_clock


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
    argv = _argv(
        ffmpeg,
        [part.input() for part in parts],
        frames,
        fps,
        display_size=parts[0].size,
        before=[restart],
        keep_timestamps=True,
    )
    return DecodePlan(argv=argv, count=sum(part.count for part in parts))


def plan_decoder(
    ffmpeg: Path, *, display_size: tuple[int, int], frames: FrameFormat, pix_fmt: str, timescale: int
) -> tuple[str, ...]:
    """Plan a process that decodes the MP4 stream on its standard input, with frames of any files.

    It writes the frames whose timestamp is odd, as NUT.  Every part of it is there so that no frame is held back: the
    smallest probe, one thread for the decoder, one for the raw-video encoder, which has a frame in every thread, and no
    buffer in front of the pipe.  Two threads convert a frame; by default ffmpeg starts up to 16 for each filter.

    Args:
        ffmpeg: the executable.
        display_size: (width, height) of every frame, any rotation applied.
        frames: size and layout of the frames that it writes.
        pix_fmt: what it writes, by FFmpeg's name.
        timescale: ticks per second of both streams.
    """
    options: tuple[Option, ...] = (
        ("protocol_whitelist", "pipe"),
        ("f", "mov"),
        ("probesize", "32"),
        ("threads", "1"),
        *STRICT,
    )
    formats = [PLANES] if frames.layout in _THROUGH_PLANES else []
    formats += [pix_fmt] if pix_fmt not in formats else []
    converted: list[Filter] = [_scaled(frames, display_size), ("format", {"pix_fmts": formats[0]})]
    for name in formats[1:]:
        converted += [("scale", {}), ("format", {"pix_fmts": name})]
    wanted: tuple[Filter, ...] = (("select", {"expr": "mod(pts,2)"}), size_guard(display_size))
    return ffmpeg_argv(
        ffmpeg,
        inputs=[Input(url="pipe:0", options=options, stream=VIDEO, filters=wanted)],
        video=converted,
        output="pipe:1",
        global_options=[("filter_complex_threads", "2")],
        output_options=[
            ("c:v", "rawvideo"),
            ("pix_fmt", f"+{pix_fmt}"),
            ("threads", "1"),
            ("enc_time_base", f"1:{timescale}"),
            ("avioflags", "direct"),
            ("flush_packets", "1"),
            ("f", "nut"),
        ],
        keep_timestamps=True,
    )


def _scaled(frames: FrameFormat, display_size: tuple[int, int]) -> Filter:
    """Return the filter that gives decoded frames the wanted size, and converts their colours.

    Args:
        frames: size and layout of the raw frames.
        display_size: (width, height) of the decoded ones.
    """
    if display_size == (frames.width, frames.height):
        return "scale", {"flags": FULL_CHROMA}
    return "scale", {"w": str(frames.width), "h": str(frames.height), "flags": FULL_CHROMA}


PLANES = "gbrp"
"""FFmpeg's name for red, green and blue as planes."""

_THROUGH_PLANES = ("rgb", "bgr")
"""Layouts that a decoder makes of planes: of every YUV format this gives the same colours bit for bit, and since FFmpeg 5 it
takes a third of the time (measured on 4.2 to 9.0)."""


def plan_decode_images(ffmpeg: Path, series: ImageSequence, frames: FrameFormat) -> DecodePlan:
    """Plan to read all images of a series in order."""
    size = (frames.width, frames.height)
    return DecodePlan(argv=_argv(ffmpeg, [series.input()], frames, series.fps, display_size=size), count=series.count)


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
    display_size: tuple[int, int],
    before: Sequence[Filter] = (),
    keep_timestamps: bool = False,
) -> tuple[str, ...]:
    return ffmpeg_argv(
        ffmpeg,
        inputs=inputs,
        video=[
            *before,
            _scaled(frames, display_size),
            ("format", {"pix_fmts": frames.pix_fmt}),
        ],
        output="pipe:1",
        output_options=[("c:v", "rawvideo"), ("pix_fmt", f"+{frames.pix_fmt}"), ("r", str(fps)), ("f", "rawvideo")],
        keep_timestamps=keep_timestamps,
    )


def plan_frame_list(ffmpeg: Path, path: Path, *, demuxer: str) -> tuple[str, ...]:
    """Plan to decode a complete file and print every frame's timestamp, size and pixel format to standard error."""
    return ffmpeg_argv(
        ffmpeg,
        inputs=[file_input(path, demuxer, ("flags", "-output_corrupt"), filters=(("showinfo", {}),))],
        output="pipe:1",
        output_options=[("f", "null")],
        loglevel="info",
        skip_errors=True,
        keep_timestamps=True,
    )


def plan_readable_frames(
    ffmpeg: Path, paths: Sequence[Path], *, demuxer: str, first_only: bool = False
) -> tuple[str, ...]:
    """Plan to list, as framecrc, every frame that can be decoded without an error.

    Without ``explode`` a decoder conceals a damaged frame with pixels from around it.

    Args:
        ffmpeg: the executable.
        paths: the files; frames of file i are those of stream i in the list.
        demuxer: their container, by FFmpeg's name.
        first_only: end after the first frame of each file, decoding only what it needs.
    """
    one: tuple[Option, ...] = (("frames:v", "1"),) if first_only else ()
    single: tuple[Option, ...] = (("threads", "1"),) if first_only else ()  # each thread would decode a frame ahead
    return ffmpeg_argv(
        ffmpeg,
        inputs=[file_input(path, demuxer, *STRICT, *single) for path in paths],
        output="pipe:1",
        output_options=[*one, ("f", "framecrc")],
        skip_errors=True,
        separate=True,
    )
