"""Clips whose headers differ without a difference in what they show can share one file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ffenc.config import VideoEncoderConfig
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.plan.concat import B_FRAMES
from ffenc.video.concat import concat_videos
from ffenc.video.encode import encode_frames
from ffenc.video.reader import VideoReader

pytestmark = [pytest.mark.integration, pytest.mark.one_build]


def clip(path: Path, frames: int, binaries: Binaries, **settings: object) -> Path:
    images = np.random.default_rng(frames).integers(0, 256, (frames, 4, 6, 3), np.uint8)
    images = images.repeat(16, axis=1).repeat(16, axis=2)
    encode_frames(images, path, fps=30, config=VideoEncoderConfig.model_validate(settings), binaries=binaries)
    return path


def frames_of(path: Path, binaries: Binaries) -> list[np.ndarray]:
    return list(VideoReader(path, method="process", binaries=binaries))


@pytest.mark.parametrize("untagged_first", [True, False])
@pytest.mark.parametrize(
    ("vcodec", "metadata"), [("libx264", "h264_metadata"), ("libx265", "hevc_metadata"), ("libsvtav1", "av1_metadata")]
)
def test_untagged_clip_is_joined_with_a_tagged_one(
    tmp_path: Path, binaries: Binaries, vcodec: str, metadata: str, untagged_first: bool
) -> None:
    """A decoder would otherwise see the colours change in the middle, and FFmpeg would build its filters again."""
    tagged = clip(tmp_path / "tagged.mp4", 4, binaries, vcodec=vcodec)
    untagged = tmp_path / "untagged.mp4"
    bsf = f"{metadata}=matrix_coefficients=2"
    run_tool(
        [str(binaries.ffmpeg), "-v", "error", "-i", str(tagged), "-c", "copy", "-bsf:v", bsf, str(untagged)],
        timeout_s=60,
    )
    pair = (untagged, tagged) if untagged_first else (tagged, untagged)
    joined = tmp_path / "joined.mp4"
    concat_videos(pair, joined, may_differ={"extradata", "colour matrix"}, binaries=binaries)
    assert np.array_equal(frames_of(joined, binaries), [*frames_of(tagged, binaries), *frames_of(tagged, binaries)])


@pytest.mark.parametrize("lengths", [(1, 5), (5, 1), (1, 5, 2, 1, 4)])
def test_clip_that_is_too_short_for_b_frames_is_joined_with_longer_ones(
    tmp_path: Path, binaries: Binaries, lengths: tuple[int, ...]
) -> None:
    settings = {"vcodec": "libx264", "g": 12, "extra_options": {"bf": 2}}
    clips = [clip(tmp_path / f"{k}.mp4", length, binaries, **settings) for k, length in enumerate(lengths)]
    joined = tmp_path / "joined.mp4"
    concat_videos(clips, joined, may_differ={B_FRAMES}, binaries=binaries)
    assert np.array_equal(frames_of(joined, binaries), [frame for each in clips for frame in frames_of(each, binaries)])
