"""Test how LeRobot's encoder settings are checked and translated, on the recorded listings of an FFmpeg with hardware encoders."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from ffenc.errors import PixelFormatError
from ffenc.lerobot import settings
from tests.recordings import recorded


@dataclass
class EncoderSettings:
    """The fields of LeRobot's ``VideoEncoderConfig``."""

    vcodec: str = "libsvtav1"
    pix_fmt: str = "yuv420p"
    g: Any = 2
    crf: Any = 30
    preset: Any = None
    fast_decode: int = 0
    video_backend: str = "pyav"
    extra_options: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(autouse=True)
def listings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "find_binaries", lambda: None)
    monkeypatch.setattr(settings, "capabilities_for", lambda *_: recorded("9.0.2"))


@pytest.mark.parametrize(
    ("vcodec", "options"),
    [
        ("h264_vaapi", {"g": 2, "qp": 30}),
        ("h264_qsv", {"g": 2, "global_quality": 30}),
        ("h264_nvenc", {"g": 2, "rc": 0, "qp": 30}),
        ("hevc_nvenc", {"g": 2, "rc": 0, "qp": 30}),
    ],
)
def test_hardware_encoder_accepts_formats_that_are_converted_for_it(vcodec: str, options: dict[str, Any]) -> None:
    """VA-API lists only ``vaapi``, and QSV no ``yuv420p``, but ffenc converts and uploads frames."""
    settings.check_parameters(vcodec, "yuv420p", options, 3)
    with pytest.raises(PixelFormatError, match="pix_fmt='gray12le' is not supported"):
        settings.check_parameters(vcodec, "gray12le", options, 1)


@pytest.mark.parametrize("vcodec", ["h264", "libsvtav1"])
def test_software_encoder_accepts_the_formats_that_it_lists(vcodec: str) -> None:
    settings.check_parameters(vcodec, "yuv420p", {"g": 2}, 3)
    with pytest.raises(PixelFormatError, match="pix_fmt='rgb24' is not supported"):
        settings.check_parameters(vcodec, "rgb24", {"g": 2}, 3)


@pytest.mark.parametrize(
    ("given", "translated"),
    [({"crf": "25"}, 25), ({"crf": 25.0}, 25), ({"vcodec": "h264", "crf": "23.5"}, 23.5), ({"crf": 25}, 25)],
)
def test_numbers_as_text_or_whole_floats(given: dict[str, Any], translated: float) -> None:
    crf = settings.ffenc_config(EncoderSettings(**given)).crf
    assert (crf, type(crf)) == (translated, type(translated))


@pytest.mark.parametrize(("given", "translated"), [("8", 8), (8.0, 8), (8, 8), ("slow", "slow")])
def test_preset_as_number_or_name(given: object, translated: object) -> None:
    assert settings.ffenc_config(EncoderSettings(preset=given)).preset == translated


@pytest.mark.parametrize("works", [True, False])
def test_hardware_codec_is_available_if_its_trial_succeeds(works: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_working_hardware", lambda names: names[0] if works else None)
    monkeypatch.setattr(settings, "available", lambda _: ["h264"])
    assert settings.get_codec(str.upper, "h264_nvenc") == ("H264_NVENC" if works else None)
    assert settings.get_codec(str.upper, "h264") == "H264"
