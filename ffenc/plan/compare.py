"""Plan the comparison of a video with the raw frames it was encoded from."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from ffenc.frames import FrameFormat
from ffenc.plan.encode import RawFrames, color_filters
from ffenc.plan.graph import ComparisonFilter, Filter, Input, file_input, file_url, measuring_argv

# The filters pair frames by time.  At 30000/1001 frames/s each time base rounds differently, so that some frames would be
# compared with their neighbours; whole numbers are not rounded.
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
    comparisons: Sequence[ComparisonFilter],
) -> tuple[str, ...]:
    """Return the command that decodes a video and compares it with the raw frames, in the video's pixel format.

    The raw frames are converted as they were for the encoder, so that only the encoder's loss is measured.

    Args:
        original: file of raw frames.
        demuxer: the container of ``video``, by FFmpeg's name.
        comparisons: see `measuring_argv`.
    """
    encoded = file_input(video, demuxer, filters=(*_COUNTED, ("format", {"pix_fmts": pix_fmt})))
    raw = Input(
        url=file_url(original),
        options=(("protocol_whitelist", "file"), *RawFrames(frames=frames, fps=fps).input_options()),
        filters=(*color_filters(pix_fmt), *_COUNTED),
    )
    return measuring_argv(ffmpeg, encoded, raw, comparisons)
