"""The ``info`` block of a depth camera equals that of LeRobot."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.dataset.format.video_info import encoder_config_from_info, is_depth, video_info
from ffenc.ffmpeg.stream_info import VideoStreamInfo

STREAM = VideoStreamInfo(
    path=Path("/in/a.mp4"), codec="hevc", profile="Rext", codec_tag="hvc1", pix_fmt="gray12le", channels=1, width=128,
    height=96, fps=Fraction(30), is_constant_rate=True, time_base=Fraction(1, 15360), start_s=Fraction(0),
    duration_s=None, has_b_frames=0, color_range="pc", color_space=None, color_primaries=None, color_transfer=None,
    sample_aspect_ratio=None, rotation=0, extradata_hash=None, container="mov", size_bytes=1, audio=None,
    frames_declared=None,
)  # fmt: skip


def test_depth_block_equals_that_of_lerobot():
    """The keys and values of a dataset that LeRobot 0.6.1 recorded, and both spellings of the depth marker."""
    assert list(video_info(STREAM, DepthEncoderConfig()).items()) == [
        ("video.height", 96),
        ("video.width", 128),
        ("video.codec", "hevc"),
        ("video.pix_fmt", "gray12le"),
        ("video.fps", 30),
        ("video.channels", 1),
        ("video.is_depth_map", True),
        ("has_audio", False),
        ("video.g", 2),
        ("video.crf", 30),
        ("video.preset", None),
        ("video.fast_decode", 0),
        ("video.video_backend", "pyav"),
        ("video.extra_options", {"x265-params": "lossless=1"}),
        ("video.depth_min", 0.01),
        ("video.depth_max", 10.0),
        ("video.shift", 3.5),
        ("video.use_log", True),
        ("is_depth_map", True),
    ]


def test_block_of_millimetres_has_no_quantizer_keys():
    info = video_info(STREAM, DepthEncoderConfig.lossless16())
    assert is_depth(info)
    assert not {"video.depth_min", "video.depth_max", "video.shift", "video.use_log"} & set(info)


@pytest.mark.parametrize("key", ["is_depth_map", "video.is_depth_map"])
def test_each_depth_marker_gives_a_depth_config(key):
    info = video_info(STREAM, DepthEncoderConfig(depth_max=5.0)) | {"is_depth_map": False, "video.is_depth_map": False}
    assert type(encoder_config_from_info(info)) is VideoEncoderConfig
    config = encoder_config_from_info({**info, key: True})
    assert isinstance(config, DepthEncoderConfig)
    assert config == DepthEncoderConfig(depth_max=5.0, video_backend="pyav")
