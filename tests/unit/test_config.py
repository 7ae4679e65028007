"""Configs refuse values that are wrong on every machine, and accept all others."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from pydantic import ValidationError

from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.depth import DepthQuantizer


def test_defaults_equal_those_of_lerobot():
    assert VideoEncoderConfig().model_dump(exclude={"device"}) == {
        "vcodec": "libsvtav1",
        "pix_fmt": "yuv420p",
        "g": 2,
        "crf": 30,
        "preset": None,
        "fast_decode": 0,
        "video_backend": "ffmpeg",
        "extra_options": {},
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vcodec", ""),
        ("vcodec", "-y"),
        ("vcodec", "lib x264"),
        ("vcodec", "../libx264"),
        ("vcodec", "libx264\n"),
        ("vcodec", None),
        ("pix_fmt", "YUV420P"),
        ("pix_fmt", "+yuv420p"),
        ("pix_fmt", "yuv420p,format=gray"),
        ("pix_fmt", "yuv420p\n"),
        ("pix_fmt", 420),
        ("g", 0),
        ("g", -1),
        ("g", 2.0),
        ("g", 2.5),
        ("g", True),
        ("g", "2"),
        ("crf", -1),
        ("crf", True),
        ("crf", "30"),
        ("crf", float("nan")),
        ("crf", float("inf")),
        ("preset", ""),
        ("preset", 1.5),
        ("preset", True),
        ("preset", "slow -y"),
        ("preset", "a/b"),
        ("preset", "a=b"),
        ("fast_decode", -1),
        ("device", True),
        ("device", 1.5),
        ("device", ""),
        ("device", "0,1"),
        ("fast_decode", 3),
        ("fast_decode", True),
        ("fast_decode", 1.0),
        ("fast_decode", None),
        ("video_backend", "torchcodec"),
        ("extra_options", []),
        ("extra_options", "tune=film"),
        ("extra_options", {"": 1}),
        ("extra_options", {"-tune": "film"}),
        ("extra_options", {"tune ": "film"}),
        ("extra_options", {"tu ne": "film"}),
        ("extra_options", {"tune\n": "film"}),
        ("extra_options", {1: "film"}),
        ("extra_options", {"tune": None}),
        ("extra_options", {"tune": ["film"]}),
        ("extra_options", {"x264-params": {"aq": {"mode": 1}}}),
    ],
    ids=repr,
)
def test_value_that_is_wrong_on_every_machine_is_refused(field, value):
    with pytest.raises(ValidationError) as caught:
        VideoEncoderConfig(**{field: value})
    assert {error["loc"][0] for error in caught.value.errors()} == {field}


@pytest.mark.parametrize(
    ("field", "hint"),
    [("bitrate", "expected vcodec, pix_fmt, g, crf, "), ("crff", "did you mean 'crf'?"), ("G", "expected vcodec")],
)
def test_error_for_an_unknown_field_suggests_the_nearest(field, hint):
    with pytest.raises(ValidationError, match=f"VideoEncoderConfig has no field '{field}'; ") as caught:
        VideoEncoderConfig(**{field: 100})
    assert hint in str(caught.value)


def test_numpy_numbers_are_accepted():
    config = VideoEncoderConfig(g=np.int64(5), crf=np.float32(3), extra_options={"bf": np.uint8(2)})
    assert config == VideoEncoderConfig(g=5, crf=3.0, extra_options={"bf": 2})
    assert type(config.g) is int


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vcodec", "auto"),
        ("vcodec", "h264_nvenc"),
        ("vcodec", "libvpx-vp9"),
        ("vcodec", "an.encoder_of-tomorrow2"),
        ("pix_fmt", "gray12le"),
        ("g", None),
        ("g", 1),
        ("g", 10**6),
        ("crf", None),
        ("crf", 0),
        ("crf", 30.5),
        ("crf", 200),
        ("preset", "veryfast"),
        ("preset", "p4"),
        ("preset", -2),
        ("preset", "8"),
        ("fast_decode", 2),
        ("video_backend", "pyav"),
        ("extra_options", {"tune": "film", "profile:v": "high", "bf": 2}),
        ("extra_options", {"x264-params": {"aq-mode": 2, "psy": False, "aq-strength": 0.5, "me": "umh"}}),
    ],
    ids=repr,
)
def test_value_that_depends_on_the_machine_is_accepted(field, value):
    kept = getattr(VideoEncoderConfig(**{field: value}), field)
    assert kept == value
    assert type(kept) is type(value)


def test_null_means_no_options():
    assert VideoEncoderConfig(extra_options=None).extra_options == {}


def test_config_is_immutable():
    config = VideoEncoderConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.crf = 20


def test_config_copies_its_options():
    options = {"x264-params": {"aq-mode": 1}}
    config = VideoEncoderConfig(extra_options=options)
    options["x264-params"]["aq-mode"] = 2
    options["tune"] = "film"
    assert config.extra_options == {"x264-params": {"aq-mode": 1}}


EXAMPLE = VideoEncoderConfig(
    vcodec="libx264", crf=23.5, preset="fast", extra_options={"tune": "film", "x264-params": {"aq-mode": 2}}
)


@pytest.mark.parametrize(
    "copied",
    [
        pickle.loads(pickle.dumps(EXAMPLE)),
        copy.deepcopy(EXAMPLE),
        VideoEncoderConfig.model_validate_json(EXAMPLE.model_dump_json(exclude_unset=True)),
    ],
    ids=["pickle", "deepcopy", "JSON"],
)
def test_config_survives_copying_and_serialization(copied):
    assert copied == EXAMPLE
    assert hash(copied) == hash(EXAMPLE)
    # What was left at its default must not come back as a demand.
    assert [copied.was_given(field) for field in ("crf", "g", "pix_fmt")] == [True, False, False]


def test_different_configs_are_different_keys():
    assert len({EXAMPLE, EXAMPLE.model_copy(), VideoEncoderConfig(), VideoEncoderConfig(crf=31)}) == 3


def test_field_set_to_its_default_counts_as_given():
    assert VideoEncoderConfig(crf=30).was_given("crf")
    assert not VideoEncoderConfig().was_given("crf")


STORED = {
    "video.height": 480,
    "video.width": 640,
    "video.codec": "h264",
    "video.pix_fmt": "yuv444p",
    "video.fps": 30,
    "video.channels": 3,
    "video.is_depth_map": False,
    "video.g": 10,
    "video.crf": 23.5,
    "video.preset": "fast",
    "video.fast_decode": 1,
    "video.video_backend": "pyav",
    "video.extra_options": {"tune": "film", "profile:v": "high", "bf": 2},
    "has_audio": False,
    "audio.codec": "aac",
    "is_depth_map": False,
}


def test_stored_config_is_read_back():
    assert VideoEncoderConfig.from_video_info(STORED) == VideoEncoderConfig(
        vcodec="h264",
        pix_fmt="yuv444p",
        g=10,
        crf=23.5,
        preset="fast",
        fast_decode=1,
        video_backend="pyav",
        extra_options={"tune": "film", "profile:v": "high", "bf": 2},
    )


@pytest.mark.parametrize(
    ("codec", "vcodec"),
    [("av1", "libsvtav1"), ("h264", "h264"), ("hevc", "hevc"), ("vp9", "vp9"), ("ffv1", "ffv1"), (None, "libsvtav1")],
)
def test_stored_codec_becomes_the_encoder_of_lerobot(codec, vcodec):
    assert VideoEncoderConfig.from_video_info({"video.codec": codec}).vcodec == vcodec


@pytest.mark.parametrize("absent", [{}, {f"video.{name}": None for name in ("g", "crf", "preset", "pix_fmt")}])
def test_missing_or_null_value_becomes_the_default(absent):
    config = VideoEncoderConfig.from_video_info({**absent, "video.extra_options": {}})
    assert config == VideoEncoderConfig()
    assert not config.model_fields_set


@pytest.mark.parametrize("wrong", [{"video.g": 0}, {"video.crf": "30"}, {"video.video_backend": "torchcodec"}])
def test_invalid_stored_value_is_refused(wrong):
    with pytest.raises(ValidationError):
        VideoEncoderConfig.from_video_info({**STORED, **wrong})


STORED_DEPTH = {
    "is_depth_map": True,
    "depth_unit": "mm",
    "video.codec": "hevc",
    "video.pix_fmt": "gray12le",
    "video.g": 2,
    "video.crf": 30,
    "video.preset": None,
    "video.fast_decode": 0,
    "video.video_backend": "pyav",
    "video.extra_options": {"x265-params": "lossless=1"},
    "video.depth_min": 0.2,
    "video.depth_max": 4.0,
    "video.shift": 0.5,
    "video.use_log": False,
}


def test_depth_defaults_equal_those_of_lerobot():
    config = DepthEncoderConfig()
    assert config.model_dump() == {
        **VideoEncoderConfig().model_dump(),
        "vcodec": "hevc",
        "pix_fmt": "gray12le",
        "extra_options": {"x265-params": "lossless=1"},
        "depth_min": 0.01,
        "depth_max": 10.0,
        "shift": 3.5,
        "use_log": True,
    }
    assert config.quantizes
    assert config.quantizer == DepthQuantizer()
    assert config == DepthEncoderConfig(depth_max=10)
    assert config != VideoEncoderConfig(**{name: getattr(config, name) for name in VideoEncoderConfig.model_fields})
    assert len({config, DepthEncoderConfig(), DepthEncoderConfig(shift=3.0)}) == 2


def test_millimetres_are_stored_losslessly():
    config = DepthEncoderConfig.lossless16()
    assert (config.vcodec, config.pix_fmt, config.extra_options) == ("ffv1", "gray16le", {})
    assert not config.quantizes


def test_stored_depth_config_is_read_back():
    config = DepthEncoderConfig.from_video_info(STORED_DEPTH)
    assert config == DepthEncoderConfig(depth_min=0.2, depth_max=4.0, shift=0.5, use_log=False, video_backend="pyav")
    assert DepthEncoderConfig.from_video_info({}) == DepthEncoderConfig()
    assert not DepthEncoderConfig.from_video_info({"video.shift": None, "video.extra_options": {}}).model_fields_set


def test_missing_stored_options_are_empty_for_other_codecs():
    info = {"video.codec": "ffv1", "video.pix_fmt": "gray16le", "video.crf": None, "video.extra_options": {}}
    config = DepthEncoderConfig.from_video_info(info)
    assert config.extra_options == {}
    assert not config.quantizes
    assert not config.was_given("crf")


@pytest.mark.parametrize(
    "wrong",
    [
        {"depth_min": -0.1},
        {"depth_min": 10.0},
        {"depth_max": float("inf")},
        {"depth_max": "10"},
        {"depth_max": True},
        {"shift": -0.01},
        {"shift": float("nan")},
        {"use_log": 1},
        {"depth_unit": "mm"},
    ],
    ids=repr,
)
def test_invalid_depth_scale_is_refused(wrong):
    with pytest.raises(ValidationError):
        DepthEncoderConfig(**wrong)


def test_the_number_of_a_device_may_be_a_number():
    assert VideoEncoderConfig(device=1) == VideoEncoderConfig(device=np.int64(1)) == VideoEncoderConfig(device="1")
