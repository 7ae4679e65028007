"""Join the parts of one recording whose encoder was replaced in the middle."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ffenc.config import VideoEncoderConfig
from ffenc.errors import ConcatError, OutputError, ProcessError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.ffprobe import probe_video
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.frames import LAYOUTS
from ffenc.plan.graph import ffmpeg_argv, file_input
from ffenc.video.concat import concat_videos
from ffenc.video.encode import encode_frames
from ffenc.video.reader import VideoReader

logger = logging.getLogger(__name__)

IN_BAND = frozenset({"extradata", "profile", "codec tag"})
"""Properties that may differ if the codec's headers are repeated in the stream, as FFmpeg does for H.264 and HEVC.

Only decoding proves that a decoder handles the change.
"""

_DECODE_TIMEOUT_S = 3600.0


def join_parts(parts: Sequence[Path], output: Path, *, config: VideoEncoderConfig, binaries: Binaries) -> bool:
    """Join parts by stream copy, or re-encode them if the joined file does not decode to the same frames.

    Args:
        parts: videos of one size and rate, in order.
        output: the file to write; must not exist.
        config: encoder settings for re-encoding.

    Returns:
        True if the parts were copied bit by bit, False if they were re-encoded.

    Raises:
        FFencError: both failed; the output then does not exist.
    """
    try:
        concat_videos(parts, output, may_differ=IN_BAND, binaries=binaries)
        expected = [frame for part in parts for frame in frame_hashes(part, binaries=binaries)]
        if frame_hashes(output, binaries=binaries) == expected:
            return True
        why = "the joined file decodes to other frames"
    except (ConcatError, OutputError, ProcessError) as err:
        why = str(err).splitlines()[0]
    output.unlink(missing_ok=True)
    logger.warning("the parts of %s cannot be joined by stream copy (%s); re-encoding them", output, why)
    stored = probe_video(parts[0], binaries=binaries).pix_fmt
    # Depth must not be converted to colour.
    layout = next((name for name, each in LAYOUTS.items() if each.channels == 1 and each.pix_fmt == stored), "rgb")
    readers = [VideoReader(part, layout=layout, binaries=binaries) for part in parts]
    encode_frames(_frames(readers), output, fps=readers[0].fps, config=config, layout=layout, binaries=binaries)
    return False


def frame_hashes(path: Path, *, binaries: Binaries) -> list[str]:
    """Return a hash of every decoded frame, in presentation order.

    Raises:
        ProcessError: the file cannot be decoded without an error.
    """
    argv = ffmpeg_argv(
        binaries.ffmpeg,
        inputs=[file_input(path, "mov")],
        output="pipe:1",
        output_options=[("f", "framemd5")],
    )
    printed = run_tool(argv, timeout_s=_DECODE_TIMEOUT_S).stdout.decode("ascii")
    return [line.rpartition(",")[2].strip() for line in printed.splitlines() if line and not line.startswith("#")]


def _frames(readers: Sequence[VideoReader]) -> Iterator[npt.NDArray[Any]]:
    for reader in readers:
        yield from reader
