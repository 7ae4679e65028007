"""The plan of a comparison: a video against the raw frames that it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from ffenc.frames import FrameFormat
from ffenc.plan.encode import RawFrames, picture_filters, raw_input_options
from ffenc.plan.graph import VIDEO, ComparisonFilter, Filter, Input, file_url, measuring_argv

# The filters pair pictures by time.  Times of 30000/1001 frames a second are rounded otherwise in every time base, and a
# picture would now and then be held against its neighbour; whole numbers are not rounded.
_COUNTED: tuple[Filter, ...] = (("settb", {"expr": "1/1000"}), ("setpts", {"expr": "N"}))


def plan_comparison(
    ffmpeg: Path,
    video: Path,
    original: Path,
    *,
    demuxer: str,
    pix_fmt: str,
    frames: FrameFormat,
    fps: Fraction,
    meters: Sequence[ComparisonFilter],
) -> tuple[str, ...]:
    """The command that decodes a video and holds it against its originals, in the video's own pixel format.

    The originals are converted as they were for the encoder, so that only the encoder's loss is measured.

    Args:
        ffmpeg: the executable.
        video: the encoded file.
        original: the raw frames.
        demuxer: the container of ``video``, by FFmpeg's name.
        pix_fmt: of the stream of ``video``.
        frames: what the raw frames are.
        fps: frame rate of both.
        meters: filters that compare; those that hand the original on come last.
    """
    encoded = Input(
        url=file_url(video),
        options=(("protocol_whitelist", "file"), ("f", demuxer)),
        stream=VIDEO,
        filters=(*_COUNTED, ("format", {"pix_fmts": pix_fmt})),
    )
    raw = Input(
        url=file_url(original),
        options=(("protocol_whitelist", "file"), *raw_input_options(RawFrames(frames=frames, fps=fps))),
        filters=(*picture_filters(pix_fmt), *_COUNTED),
    )
    return measuring_argv(ffmpeg, encoded, raw, meters)
