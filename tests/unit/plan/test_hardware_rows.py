"""Options of the hardware rows, for each FFmpeg version that differs, on recorded listings."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ffenc.config import VideoEncoderConfig
from ffenc.encoders.hardware import DEVICES, HARDWARE
from ffenc.encoders.table import auto_candidates, encoder_row
from ffenc.errors import EncoderOptionError, FrameSizeError, PixelFormatError
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.listing import EncoderHelp, EncoderListing
from ffenc.plan.frame_checks import stored_pixel_format
from ffenc.plan.resolve import ResolvedEncoder, resolve_encoder
from tests.recordings import BUILDS, recorded, with_option


def with_encoder(capabilities: Capabilities, name: str, help_: EncoderHelp | None = None) -> Capabilities:
    """The same FFmpeg with one more encoder; without a help text, it lists no options."""
    listing = EncoderListing(
        name=name, codec=name.partition("_")[0], media_type="video", experimental=False, description=""
    )
    empty = EncoderHelp(name=name, description="", pixel_formats=None, options={}, hardware_devices=())
    return replace(
        capabilities,
        encoders={**capabilities.encoders, name: listing},
        helps={**capabilities.helps, name: help_ or empty},
    )


def resolve(name: str, build: str = "9.0.2", *, size: tuple[int, int] = (640, 480), **given: Any) -> ResolvedEncoder:
    fields = {key: value for key, value in given.items() if key != "forced"}
    capabilities = recorded(build)
    if name not in capabilities.helps:
        capabilities = with_encoder(capabilities, name)
    return resolve_encoder(
        VideoEncoderConfig(vcodec=name, **fields),
        capabilities,
        width=size[0],
        height=size[1],
        fps=Fraction(30),
        device_node="/dev/dri/renderD128",
        forced_key_frames=given.get("forced", False),
    )


def options(name: str, build: str = "9.0.2", **given: Any) -> dict[str, str]:
    return dict(resolve(name, build, **given).options)


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("h264_nvenc", "forced-idr", "1"),
        ("av1_nvenc", "forced-idr", "1"),
        ("h264_qsv", "forced_idr", "1"),
        ("av1_qsv", "forced_idr", "1"),
        ("h264_amf", "forced_idr", "1"),
        ("hevc_amf", "forced_idr", "1"),
    ],
)
def test_forced_keyframes_are_places_to_start_decoding(name: str, option: str, value: str) -> None:
    assert options(name, forced=True)[option] == value
    assert option not in options(name)


def test_every_option_that_a_row_sends_is_listed_in_every_recorded_build() -> None:
    """Generic options stand in no listing; the others have to."""
    generic = {"g", "bf", "b", "global_quality", "compression_level", "i_qfactor", "tag"}
    checked = 0
    for build in BUILDS:
        capabilities = recorded(build)
        for row in HARDWARE:
            if row.name not in capabilities.helps:
                continue
            sent = set(options(row.name, build, forced=True)) - generic
            assert sent <= set(capabilities.helps[row.name].options), (build, row.name)
            checked += 1
    assert checked > 20


def test_row_option_that_this_ffmpeg_does_not_list_is_skipped() -> None:
    """av1_amf of FFmpeg 7.1 has no qp_b, and hevc_amf of 4.3 needs gops_per_idr."""
    listed = recorded("9.0.2").helps["av1_amf"]
    older = replace(listed, options={key: option for key, option in listed.options.items() if key != "qp_b"})
    config = VideoEncoderConfig(vcodec="av1_amf")
    resolved = resolve_encoder(config, with_encoder(recorded("9.0.2"), "av1_amf", older), width=640, height=480)
    assert "qp_b" not in dict(resolved.options)
    assert dict(resolved.options)["qp_p"] == "121"
    assert "qp_b" in options("av1_amf")
    assert options("hevc_amf")["gops_per_idr"] == "1"


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_nvenc_writes_a_gop_of_one_as_zero(codec: str) -> None:
    resolved = resolve(f"{codec}_nvenc", g=1)
    assert dict(resolved.options)["g"] == "0"
    assert (resolved.config.g, resolved.expected.g) == (1, 1)


def test_av1_keyframes_get_the_requested_quantiser() -> None:
    assert {name: options(name).get("i_qfactor") for name in ("av1_vaapi", "av1_vulkan", "h264_vaapi", "av1_nvenc")} == {
        "av1_vaapi": "1", "av1_vulkan": "1", "h264_vaapi": None, "av1_nvenc": None,
    }  # fmt: skip


def test_an_encoder_without_a_quality_gets_a_bit_rate_that_is_recorded() -> None:
    rates = {g: int(options("h264_v4l2m2m", g=g)["b"]) for g in (1, 2, 30, None)}
    assert rates[1] > rates[2] > rates[30] > rates[None] == round(0.15 * 640 * 480 * 30)
    resolved = resolve("h264_v4l2m2m")
    assert resolved.config.extra_options == {"b": rates[2]}
    assert resolved.config.crf is None
    assert options("h264_v4l2m2m", extra_options={"b": "1M"})["b"] == "1000000"
    with pytest.raises(EncoderOptionError, match="no crf setting"):
        resolve("h264_v4l2m2m", crf=20)


def test_videotoolbox_takes_a_quality_from_ffmpeg_5_on() -> None:
    assert options("h264_videotoolbox", "9.0.2")["q"] == "40"
    assert "b" not in options("h264_videotoolbox", "9.0.2")
    old = options("h264_videotoolbox", "4.4")
    assert "q" not in old
    assert old["b"] == str(round(2 * 0.15 * 640 * 480 * 30))
    with pytest.raises(EncoderOptionError, match="no crf setting"):
        resolve("h264_videotoolbox", "4.4", crf=20)


def test_a_device_takes_effect() -> None:
    node = "/dev/dri/renderD129"
    assert ("init_hw_device", f"vaapi=ffenc:{node}") in resolve("hevc_vaapi", device=node).device_options
    assert ("init_hw_device", f"qsv=ffenc,child_device={node}") in resolve("hevc_qsv", device=node).device_options
    assert ("init_hw_device", "vulkan=ffenc:1") in resolve("hevc_vulkan", device="1").device_options
    assert ("init_hw_device", "d3d12va=ffenc:1") in resolve("hevc_d3d12va", device="1").device_options
    assert options("hevc_nvenc", device="1")["gpu"] == "1"


@pytest.mark.parametrize(
    ("name", "device", "message"),
    [
        ("libx264", "1", "uses no device"),
        ("h264_amf", "1", "no choice of device"),
        ("h264_v4l2m2m", "/dev/video11", "no choice of device"),
        ("h264_videotoolbox", "0", "no choice of device"),
        ("h264_rkmpp", "/dev/mpp_service", "no choice of device"),
        ("hevc_nvmpi", "0", "no choice of device"),
        ("av1_mf", "0", "no choice of device"),
        ("h264_nvenc", "/dev/nvidia0", "not a device of h264_nvenc; it takes the number of a GPU, such as 0"),
        ("h264_vulkan", "/dev/dri/renderD128", "not a device of h264_vulkan; it takes the number of a GPU"),
        ("h264_d3d12va", "/dev/dri/renderD128", "not a device of h264_d3d12va; it takes the number of a GPU"),
        ("h264_vaapi", "1", "not a device of h264_vaapi; it takes a device file, such as /dev/dri/renderD128"),
        ("h264_qsv", "1", "not a device of h264_qsv; it takes a device file"),
        ("h264_vaapi", "/dev/dri/card0", "not a device of h264_vaapi"),
    ],
)
def test_a_device_without_effect_is_refused(name: str, device: str, message: str) -> None:
    with pytest.raises(EncoderOptionError, match=message):
        resolve(name, device=device)


@pytest.mark.parametrize("row", HARDWARE, ids=lambda row: row.name)
def test_every_row_takes_a_device_or_refuses_it(row: Any) -> None:
    """A device reaches the command line, with no other device beside it."""
    device = "/dev/dri/renderD129" if row.device.takes_node else "1"
    if not row.device.device_pattern:
        with pytest.raises(EncoderOptionError, match="no choice of device"):
            resolve(row.name, device=device)
        return
    resolved = resolve(row.name, device=device)
    texts = [text for _, text in resolved.device_options] + [dict(resolved.options).get(row.device.device_option)]
    assert sum(device in re.split("[:=]", text) for text in texts if text) == 1
    assert not any("renderD128" in text for text in texts if text)


def test_rkmpp_of_ffmpeg_gets_a_bit_rate_and_no_quality() -> None:
    resolved = resolve("h264_rkmpp")
    assert dict(resolved.options) == {"g": "2", "b": "2764800"}
    assert (resolved.expected.exact, resolved.expected.reorders, resolved.expected.follows_forced) == (
        True,
        False,
        False,
    )
    with pytest.raises(EncoderOptionError, match="no crf setting"):
        resolve("h264_rkmpp", crf=20)
    assert options("hevc_rkmpp", extra_options={"b": "4M", "minrate": "1M"})["minrate"] == "1000000"


def test_rkmpp_of_the_fork_is_told_by_its_listing() -> None:
    """Only the fork lists qp_init, a constant quantiser."""
    capabilities = with_option(with_encoder(recorded("9.0.2"), "hevc_rkmpp"), "hevc_rkmpp", "qp_init")

    def resolve_fork(**given: Any) -> ResolvedEncoder:
        return resolve_encoder(
            VideoEncoderConfig(vcodec="hevc_rkmpp", **given),
            capabilities,
            width=640,
            height=480,
            forced_key_frames=True,
        )

    resolved = resolve_fork(crf=20)
    assert dict(resolved.options) == {"g": "2", "qp_init": "20", "rc_mode": "CQP", "tag": "hvc1"}
    assert (resolved.config.crf, resolved.expected.follows_forced, resolved.expected.reorders) == (20, True, False)
    with pytest.raises(EncoderOptionError, match="'b' contradicts crf"):
        resolve_fork(crf=20, extra_options={"b": "4M"})
    assert dict(resolve_fork(crf=None).options)["b"] == "2764800"
    assert "qp_init" not in dict(resolve_fork(extra_options={"b": "4M"}).options)


def test_nvmpi_gets_a_bit_rate() -> None:
    assert dict(resolve("h264_nvmpi", g=30).options) == {"g": "30", "b": "1474560"}
    for name, value in {"bf": 1, "profile": 100, "level": 41}.items():
        with pytest.raises(EncoderOptionError, match=f"{name} of hevc_nvmpi is not passed on"):
            resolve("hevc_nvmpi", extra_options={name: value})
    with pytest.raises(EncoderOptionError, match="ignores 'qmin' unless 'qmax' is set too"):
        resolve("h264_nvmpi", extra_options={"qmin": 20})


def test_d3d12_gets_a_quantiser_on_its_codec_s_scale() -> None:
    assert dict(resolve("h264_d3d12va").options) == {"g": "2", "bf": "0", "qp": "30", "rc_mode": "CQP"}
    assert dict(resolve("av1_d3d12va").options) == {
        "g": "2", "bf": "0", "global_quality": "121", "rc_mode": "CQP"
    }  # fmt: skip
    assert resolve("hevc_d3d12va", pix_fmt="yuv420p10le").feed_pix_fmt == "p010le"
    with pytest.raises(PixelFormatError, match="does not take pix_fmt='yuv420p10le'"):
        resolve("h264_d3d12va", pix_fmt="yuv420p10le")
    with pytest.raises(EncoderOptionError, match="not set"):
        resolve("h264_d3d12va", crf=0)


def test_media_foundation_always_asks_for_the_hardware() -> None:
    assert dict(resolve("h264_mf").options) == {
        "g": "2", "quality": "41", "rate_control": "quality", "hw_encoding": "1"
    }  # fmt: skip
    assert dict(resolve("h264_mf", crf=None).options) == {"g": "2", "hw_encoding": "1", "b": "2764800"}
    assert [options("hevc_mf", crf=crf)["quality"] for crf in (0, 51)] == ["100", "0"]
    assert resolve("h264_mf").feed_pix_fmt == "nv12"
    with pytest.raises(EncoderOptionError, match="set by vcodec"):
        resolve("h264_mf", extra_options={"hw_encoding": False})


def test_nvenc_refuses_narrow_frames_but_not_low_ones() -> None:
    assert resolve("h264_nvenc", size=(160, 64)).name == "h264_nvenc"
    with pytest.raises(FrameSizeError, match="width is at least 145"):
        resolve("h264_nvenc", size=(128, 128))
    assert resolve("hevc_vaapi", size=(64, 32)).name == "hevc_vaapi"


def test_auto_tries_v4l2_last_and_never_vp8() -> None:
    families = list(dict.fromkeys(row.device.name for row in auto_candidates("linux") if row.device))
    assert families == ["nvenc", "vaapi", "qsv", "amf", "vulkan", "rkmpp", "nvmpi", "v4l2m2m"]
    assert "vp8" not in {row.codec for row in HARDWARE}


@pytest.mark.parametrize("row", HARDWARE, ids=lambda row: row.name)
def test_hardware_row_has_no_b_frames_by_default(row: Any) -> None:
    assert not resolve(row.name).expected.reorders
    if "bf" in row.generic:
        assert resolve(row.name, g=30, extra_options={"bf": 2}).expected.reorders


@pytest.mark.parametrize(
    ("asked", "shown", "same"),
    [
        ("yuv420p", "yuv420p", True), ("nv12", "yuv420p", True), ("p010le", "yuv420p10le", True),
        ("yuvj420p", "yuv420p", True), ("yuv420p", "yuvj420p", True), ("yuvj444p", "yuvj420p", False),
        ("yuva420p", "yuv420p", False), ("yuv420p10le", "yuv420p", False), ("gray", "yuv420p", False),
    ],
)  # fmt: skip
def test_a_pixel_format_may_have_another_name_but_not_lose_anything(asked: str, shown: str, same: bool) -> None:
    assert (shown in stored_pixel_format(asked, encoder_row("unknown"))) is same


def test_the_page_lists_every_hardware_row_in_the_order_of_auto() -> None:
    page = (Path(__file__).parents[3] / "docs" / "hardware.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\w+): ([\w, ]+) \|.*\| never \|$", page, re.MULTILINE)
    codecs: dict[str, list[str]] = {}
    for row in HARDWARE:
        assert row.device is not None
        codecs.setdefault(row.device.name, []).append(row.codec)
    assert listed == [(device.name, ", ".join(codecs[device.name])) for device in DEVICES]
