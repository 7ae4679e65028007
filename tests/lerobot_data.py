"""Small datasets that LeRobot recorded: A and B with two cameras and different encoder settings, and D with depth."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest

from ffenc import Binaries
from ffenc.ffmpeg.process.ffmpeg_process import run_tool

LEROBOT = Path(__file__).parent / "data" / "lerobot"
NAMES = ("A", "B", "D")
DATASETS = pytest.mark.parametrize("root", [LEROBOT / name for name in NAMES], ids=NAMES)


@functools.lru_cache
def _works(ffmpeg: Path, *options: str) -> bool:
    return run_tool([ffmpeg, "-v", "error", *options, "-y", os.devnull], timeout_s=60, check=False).returncode == 0


def needs_av1_decoder(binaries: Binaries) -> None:
    """Skip if this FFmpeg cannot decode the frames of A and B (a build can list a decoder that needs hardware)."""
    video = LEROBOT / "A/videos/observation.images.laptop/chunk-000/file-000.mp4"
    if not _works(binaries.ffmpeg, "-i", str(video), "-frames:v", "1", "-f", "rawvideo"):
        pytest.skip("this build cannot decode AV1")


def needs_png_encoder(binaries: Binaries) -> None:
    """Skip if this FFmpeg cannot write PNG."""
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "1x1", "-i", os.devnull)
    result = run_tool(
        [binaries.ffmpeg, "-v", "error", *raw, "-c:v", "png", "-f", "image2pipe", "-y", os.devnull], check=False
    )
    if "Unknown encoder" in result.stderr:
        pytest.skip("this build cannot write PNG")
