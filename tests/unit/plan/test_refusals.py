"""A table of every refused option, with the reason, before anything runs."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from ffenc.config import VideoEncoderConfig
from ffenc.encoders.table import ENCODERS
from ffenc.errors import (
    CapabilityError,
    EncoderOptionError,
    EncoderUnavailableError,
    FrameSizeError,
    PixelFormatError,
)
from ffenc.frames import FrameFormat
from ffenc.plan.encode import EncodePlan, RawFrames, plan_encode
from tests.recordings import recorded


def plan(
    build: str = "9.0.2",
    size: tuple[int, int] = (640, 480),
    threads: int | None = None,
    output: str = "/out/a.mp4",
    **fields: Any,
) -> EncodePlan:
    source = RawFrames(frames=FrameFormat(width=size[0], height=size[1]), fps=Fraction(30))
    config = VideoEncoderConfig.model_validate(fields)
    return plan_encode(
        config, source, output, recorded(build), encoder_threads=threads, device_node="/dev/dri/renderD128"
    )


def options_of(planned: EncodePlan) -> dict[str, str]:
    return dict(planned.encoder.options)


OPTIONS = [
    pytest.param("libx264", {"tunee": "film"}, "'tune'", id="misspelt"),
    pytest.param("libx264", {"nonsense": 1}, "no option 'nonsense'", id="unknown"),
    pytest.param("libsvtav1", {"tune": "film"}, "svtav1-params", id="foreign-but-a-key"),
    pytest.param("libsvtav1", {"bf": 2}, "ignores", id="generic-that-svt-ignores"),
    pytest.param("libx264", {"bf": 99}, "0 to 16", id="out-of-range"),
    pytest.param("libx264", {"bf": 2.5}, "whole numbers", id="fraction"),
    pytest.param("libx264", {"bf": "two"}, "bf", id="wrong-type"),
    pytest.param("libx264", {"bf": True}, "bf", id="boolean-for-a-number"),
    pytest.param("libx264", {"tune": "flim"}, "film", id="misspelt-choice"),
    pytest.param("libx264", {"profile:v": "hihg"}, "high", id="misspelt-profile"),
    pytest.param("libx264", {"profile:v": "high", "profile": "main"}, "same option", id="one-option-twice"),
    pytest.param("libx264", {"crf": 20}, "use crf", id="field-crf"),
    pytest.param("libx264", {"g": 20}, "use g", id="field-g"),
    pytest.param("libx264", {"preset": "slow"}, "use preset", id="field-preset"),
    pytest.param("libx264", {"threads": 2}, "encoder_threads", id="argument-threads"),
    pytest.param("libx264", {"pix_fmt": "yuv444p"}, "pix_fmt", id="field-pix_fmt"),
    pytest.param("libx264", {"colorspace": "bt709"}, "colorspace", id="colour"),
    pytest.param("libx264", {"x264-params": {"keyint": 5}}, "set g", id="field-g-in-params"),
    pytest.param("libx264", {"x264-params": "crf=5"}, "set crf", id="field-crf-in-params"),
    pytest.param("libsvtav1", {"svtav1-params": {"fast-decode": 1}}, "set fast_decode", id="field-in-svt-params"),
    pytest.param("libsvtav1", {"svtav1-params": {"lp": 1}}, "set encoder_threads", id="threads-in-svt-params"),
    pytest.param("libx264", {"x264-params": {"aq-moed": 1}}, "aq-mode", id="misspelt-key"),
    pytest.param("libx264", {"x264-params": 5}, "dictionary", id="params-of-a-wrong-type"),
    pytest.param("libx264", {"x264-params": {"stats": "/etc/x"}}, "stats", id="file-in-params"),
    pytest.param("libx264", {"x264-params": "dump-yuv=/tmp/x"}, "dump-yuv", id="dump-in-params"),
    pytest.param("libx265", {"x265-params": {"csv": "x.csv"}}, "csv", id="csv"),
    pytest.param("libx265", {"x265-params": {"analysis-save": "x"}}, "analysis-save", id="analysis"),
    pytest.param("libx264", {"x264-params": {"aq-mode": "1:stats=x"}}, "aq-mode", id="separator-in-a-value"),
    pytest.param("libx264", {"passlogfile": "/tmp/x"}, "passlogfile", id="passlogfile"),
    pytest.param("libx264", {"stats": "/tmp/x"}, "stats", id="stats"),
    pytest.param("libx264", {"x264opts": "stats=x"}, "x264opts", id="free-text"),
    pytest.param("libx264", {"an": "/out/b.mp4"}, "program", id="flag-with-a-value"),
    *(
        pytest.param("libx264", {name: "1"}, "program", id=f"program-option-{name}")
        for name in (
            "r",
            "t",
            "ss",
            "vf",
            "frames",
            "map",
            "f",
            "y",
            "i",
            "vsync",
            "filter_complex",
            "attach",
            "progress",
        )
    ),
    pytest.param("libx264", {"frames:v": 1}, "program", id="program-option-with-specifier"),
]


@pytest.mark.parametrize(("vcodec", "extra", "message"), OPTIONS)
def test_extra_options(vcodec: str, extra: dict[str, Any], message: str) -> None:
    with pytest.raises(EncoderOptionError, match=message) as caught:
        plan(vcodec=vcodec, extra_options=extra)
    assert caught.value.encoder == vcodec


FIELDS = [
    pytest.param({"vcodec": "libsvtav1", "crf": 0}, "not set", id="svt-crf-0"),
    pytest.param({"build": "5.1.9-deb", "vcodec": "libsvtav1", "g": 1}, "not set", id="svt-g-1-on-5.1"),
    pytest.param({"build": "5.1.9-deb", "vcodec": "libsvtav1", "crf": 30.5}, "whole numbers", id="svt-1-fraction"),
    pytest.param(
        {"build": "5.1.9-deb", "vcodec": "libsvtav1", "fast_decode": 2, "preset": 8}, "0 to 1", id="svt-1-level-2"
    ),
    pytest.param({"build": "5.1.9-deb", "vcodec": "libsvtav1", "fast_decode": 1}, "preset 10", id="svt-1-preset-12"),
    pytest.param({"vcodec": "libx264", "crf": 30, "extra_options": {"qp": 20}}, "set crf to None", id="rival-of-crf"),
    pytest.param({"vcodec": "libx264", "crf": 52}, "0 to 51", id="crf-too-high"),
    pytest.param({"vcodec": "libaom-av1", "crf": 30.5}, "whole numbers", id="aom-fraction"),
    pytest.param({"vcodec": "libsvtav1", "preset": 14}, "13", id="preset-out-of-range"),
    pytest.param({"vcodec": "libsvtav1", "preset": "fast"}, "preset", id="foreign-preset"),
    pytest.param({"vcodec": "libx264", "preset": "fastt"}, "did you mean 'fast'", id="misspelt-preset"),
    pytest.param({"vcodec": "h264_nvenc", "preset": 4}, "use a name", id="nvenc-preset-number"),
    pytest.param({"vcodec": "h264_nvenc", "preset": "veryfast"}, "p1", id="nvenc-x264-preset"),
    pytest.param({"vcodec": "libvpx-vp9", "fast_decode": 1}, "fast-decode", id="no-fast-decode"),
    pytest.param({"vcodec": "ffv1", "crf": 30, "output": "/out/a.mov"}, "no crf", id="lossless-has-no-crf"),
    pytest.param({"vcodec": "h264_v4l2m2m", "crf": 30}, "no crf", id="v4l2-has-no-crf"),
    pytest.param({"vcodec": "mjpeg", "pix_fmt": "yuvj420p", "g": 5}, "every frame is a keyframe", id="intra-only-g"),
    pytest.param({"vcodec": "libx264", "threads": 0}, "encoder_threads", id="no-threads"),
    pytest.param({"vcodec": "libsvtav1", "threads": 7}, "1 to 6", id="svt-level-7"),
    pytest.param({"vcodec": "h264_nvenc", "threads": 2}, "encoder_threads", id="hardware-threads"),
    pytest.param(
        {"vcodec": "libx264rgb", "pix_fmt": "bgr0", "crf": None, "preset": "fast"}, "free text", id="no-row-text"
    ),
]


@pytest.mark.parametrize(("fields", "message"), FIELDS)
def test_fields(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(EncoderOptionError, match=message):
        plan(**fields)


FORMATS_AND_SIZES = [
    pytest.param(PixelFormatError, {"pix_fmt": "yuv420"}, "yuv420p", id="misspelt-format"),
    pytest.param(PixelFormatError, {"vcodec": "libsvtav1", "pix_fmt": "yuv444p"}, "yuv420p10le", id="svt-444"),
    pytest.param(PixelFormatError, {"vcodec": "h264_vaapi", "pix_fmt": "vaapi"}, "nv12", id="hardware-format"),
    pytest.param(
        PixelFormatError, {"build": "4.4", "vcodec": "hevc", "pix_fmt": "gray12le"}, "gray12le", id="8-bit-x265"
    ),
    pytest.param(PixelFormatError, {"vcodec": "ffv1"}, r"\.mov", id="ffv1-in-mp4"),
    pytest.param(FrameSizeError, {"vcodec": "libx264", "size": (255, 193)}, "multiple of 2", id="odd"),
    pytest.param(
        FrameSizeError, {"vcodec": "libx264", "pix_fmt": "yuv422p", "size": (255, 192)}, "multiple of 2", id="odd-422"
    ),
    pytest.param(
        FrameSizeError, {"build": "5.1.9-deb", "vcodec": "libsvtav1", "size": (32, 32)}, "64", id="svt-1-small"
    ),
    pytest.param(FrameSizeError, {"vcodec": "libx264", "size": (16384, 64)}, "16383", id="too-wide"),
]


@pytest.mark.parametrize(("error", "fields", "message"), FORMATS_AND_SIZES)
def test_unsupported_pixel_formats_and_sizes(
    error: type[CapabilityError], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(error, match=message):
        plan(**{"vcodec": "libx264", **fields})


def test_unknown_encoder_offers_the_nearest() -> None:
    with pytest.raises(EncoderUnavailableError, match=r"did you mean 'libx26[45]'") as caught:
        plan(vcodec="libx246")
    assert "libx264" in caught.value.alternatives


def test_codec_without_software_encoder_names_the_candidates() -> None:
    with pytest.raises(EncoderUnavailableError, match="libsvtav1") as caught:
        plan(build="4.2.2", vcodec="libsvtav1")
    assert caught.value.alternatives == ("libaom-av1",)


@pytest.mark.parametrize(
    ("build", "codec", "encoder"),
    [
        ("9.0.2", "h264", "libx264"),
        ("9.0.2", "hevc", "libx265"),
        ("9.0.2", "av1", "libsvtav1"),
        ("5.1.9-deb", "av1", "libsvtav1"),  # FFmpeg's own alias would be libaom-av1 here
        ("4.2.2", "av1", "libaom-av1"),
        ("7.0.2", "vp9", "libvpx-vp9"),
    ],
)
def test_codec_names(build: str, codec: str, encoder: str) -> None:
    planned = plan(build=build, vcodec=codec)
    assert planned.encoder.name == encoder
    assert planned.encoder.config.vcodec == encoder
    assert planned.argv[planned.argv.index("-c:v") + 1] == encoder


def test_unset_fields_resolve_to_the_effective_defaults() -> None:
    assert plan(vcodec="ffv1", output="/out/a.mov").encoder.config.crf is None
    assert plan(vcodec="h264_v4l2m2m").encoder.config.crf is None
    assert plan(vcodec="mjpeg", pix_fmt="yuvj420p").encoder.config.g == 1
    assert plan(vcodec="libsvtav1").encoder.config.preset == 12
    assert plan(vcodec="libx264").encoder.config.preset is None


def test_profile_with_and_without_specifier_both_take_effect() -> None:
    for name in ("profile", "profile:v"):
        planned = plan(vcodec="libx264", extra_options={name: "high"})
        assert options_of(planned)["profile"] == "high"
        assert planned.argv[planned.argv.index("-profile:v") + 1] == "high"


def test_options_of_a_typical_config() -> None:
    planned = plan(vcodec="h264", preset="fast", extra_options={"tune": "film", "profile:v": "high", "bf": 2})
    expected = {"g": "2", "crf": "30", "preset": "fast", "tune": "film", "profile": "high", "bf": "2"}
    assert options_of(planned) == expected


@pytest.mark.parametrize(("crf", "quality"), [(0, "100"), (10, "80"), (30, "40"), (49, "2"), (50, "1"), (51, "1")])
def test_videotoolbox_quality_runs_the_other_way(crf: int, quality: str) -> None:
    scale = ENCODERS["h264_videotoolbox"].quality
    assert scale is not None
    assert f"{scale.value(crf):g}" == quality


def test_encoder_without_a_row() -> None:
    planned = plan(vcodec="libx264rgb", pix_fmt="bgr0", crf=20)
    assert options_of(planned) == {"g": "2", "crf": "20"}
