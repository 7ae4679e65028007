"""Join the parts of one recording that had to change its encoder in the middle."""

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
from ffenc.plan.graph import VIDEO, Input, ffmpeg_argv, file_url
from ffenc.video.concat import concat_videos
from ffenc.video.encode import encode_frames
from ffenc.video.reader import VideoReader

logger = logging.getLogger(__name__)

IN_BAND = frozenset({"extradata", "profile", "codec tag"})
"""What may differ where the codec's headers are repeated in the stream, as FFmpeg does for H.264 and HEVC; only decoding
proves that a decoder copes."""

_DECODE_TIMEOUT_S = 3600.0


def join_parts(parts: Sequence[Path], output: Path, *, config: VideoEncoderConfig, binaries: Binaries) -> bool:
    """Join parts by stream copy where decoding the result gives every picture of the parts, else encode all of it again.

    Args:
        parts: videos of one size and rate, in order.
        output: the file to write; must not exist.
        config: encoder settings where encoding is needed.
        binaries: the executables.

    Returns:
        True if all bits stayed as they were, False if the parts were re-encoded.

    Raises:
        FFencError: neither worked; there is no output then.
    """
    try:
        concat_videos(parts, output, may_differ=IN_BAND, binaries=binaries)
        shown = [picture for part in parts for picture in frame_hashes(part, binaries=binaries)]
        if frame_hashes(output, binaries=binaries) == shown:
            return True
        why = "decoding the joined file gives other pictures"
    except (ConcatError, OutputError, ProcessError) as err:
        why = str(err).splitlines()[0]
    output.unlink(missing_ok=True)
    logger.warning("the parts of %s cannot be joined as they are (%s); encoding them anew", output, why)
    stored = probe_video(parts[0], binaries=binaries).pix_fmt
    # Depth must not go through colours.
    layout = next((name for name, each in LAYOUTS.items() if each.channels == 1 and each.pix_fmt == stored), "rgb")
    readers = [VideoReader(part, layout=layout, binaries=binaries) for part in parts]
    encode_frames(_frames(readers), output, fps=readers[0].fps, config=config, layout=layout, binaries=binaries)
    return False


def frame_hashes(path: Path, *, binaries: Binaries) -> list[str]:
    """A hash of every decoded picture, in the order of showing.

    Raises:
        ProcessError: it cannot be decoded without an error.
    """
    argv = ffmpeg_argv(
        binaries.ffmpeg,
        inputs=[Input(url=file_url(path), options=(("protocol_whitelist", "file"), ("f", "mov")), stream=VIDEO)],
        output="pipe:1",
        output_options=[("f", "framemd5")],
    )
    printed = run_tool(argv, timeout_s=_DECODE_TIMEOUT_S).stdout.decode("ascii")
    return [line.rpartition(",")[2].strip() for line in printed.splitlines() if line and not line.startswith("#")]


def _frames(readers: Sequence[VideoReader]) -> Iterator[npt.NDArray[Any]]:
    for reader in readers:
        yield from reader
