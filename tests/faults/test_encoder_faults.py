"""Faulty encoders are refused with a reason, and no file is left.

The test double in ``tests/fakes/hardware_ffmpeg`` maps a hardware encoder's name to a software encoder with one fault.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ffenc import (
    Binaries,
    FrameFormat,
    VideoEncoderConfig,
    VideoWriter,
    encode_frames,
    select_encoder,
)
from ffenc.errors import EncoderOptionError, EncoderUnavailableError, FFencError, OutputError, ProbeError
from ffenc.video import selection, trial
from ffenc.video.trial import TrialScene

pytestmark = [pytest.mark.net, pytest.mark.integration, pytest.mark.one_build]

SIZE = FrameFormat(width=320, height=240)
LARGE = FrameFormat(width=640, height=480)  # 200 kbit/s are enough for less


def encode(binaries: Binaries, path: Path, size: FrameFormat = SIZE, **fields: Any) -> Any:
    scene = TrialScene(size)
    config = VideoEncoderConfig.model_validate(fields)
    frames = (scene.frame(number) for number in range(9))
    return encode_frames(frames, path, fps=30, config=config, binaries=binaries)


FAULTS = [
    # fault, g, reason
    ("key_frames", 2, "with g=2 keyframes are at 0, not at every multiple of 2"),
    ("key_frames", 30, "with g=30 keyframes are at 0, 60, not"),
    ("taller", 2, "the size is 320x248, not 320x240"),
    ("green", 2, "encodes other frames than were sent: frame 0 shows a single colour"),
    ("previous", 2, "encodes other frames than were sent: frame 1 shows frame 0"),
    ("shifted", 2, "encodes other frames than were sent: frame 0 shows a shifted frame"),
    ("codec", 2, "the codec is mpeg4, not h264"),
    ("b_frames", 30, "it has B-frames"),
    ("bit_rate", 2, "encodes other frames than were sent: frame"),
    ("pixel_format", 2, "the pixel format is yuv444p, not yuv420p"),
    ("late", 2, "the device was lost"),
    ("truncated", 2, "cannot be read|came out|gives errors"),
    ("frame_missing", 2, "5 frames were sent, but the file has 4"),
    ("timestamps", 2, "frame 1 is shown at"),
    ("hang", 2, "it hung"),
]


@pytest.mark.parametrize(("fault", "g", "reason"), FAULTS)
def test_faulty_hardware_is_refused_by_auto_and_by_name(
    fault: str, g: int, reason: str, double: Callable[..., Binaries], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "hang":
        monkeypatch.setattr(trial, "TRIAL_STALL_TIMEOUT_S", 2.0)
    binaries = double(h264_nvenc={"fault": fault}, h264_vaapi={"fault": None})
    config = VideoEncoderConfig(vcodec="auto", g=g)
    size = LARGE if fault == "bit_rate" else SIZE
    chosen = select_encoder(config, frames=size, fps=Fraction(30), binaries=binaries)
    assert chosen.encoder == "h264_vaapi"
    refused = dict(chosen.refused)
    assert next(iter(refused)) == "h264_nvenc"
    assert_matches(reason, refused["h264_nvenc"])
    output = tmp_path / "out" / "video.mp4"
    output.parent.mkdir()
    with pytest.raises(EncoderUnavailableError) as caught:
        encode(binaries, output, size=size, vcodec="h264_nvenc", g=g)
    assert_matches(reason, str(caught.value))
    assert list(output.parent.iterdir()) == []


def assert_matches(pattern: str, text: str) -> None:
    assert re.search(pattern, text), text


def test_working_hardware_encodes_and_reports_its_selection(double: Callable[..., Binaries], tmp_path: Path) -> None:
    binaries = double(h264_nvenc={"fault": "green"}, hevc_nvenc={"fault": None})
    result = encode(binaries, tmp_path / "video.mp4", vcodec="auto")
    assert result.encoder.name == "hevc_nvenc"
    assert result.selection is not None
    assert [candidate.works for candidate in result.selection.candidates] == [False, True]
    assert "other frames" in result.selection.candidates[0].reason
    assert encode(binaries, tmp_path / "named.mp4", vcodec="hevc_nvenc").selection.encoder == "hevc_nvenc"


def test_sessions_of_all_cameras_overlap_in_the_trial(double: Callable[..., Binaries], tmp_path: Path) -> None:
    binaries = double(h264_nvenc={"limit": 2}, h264_vaapi={})
    config = VideoEncoderConfig(vcodec="auto")
    two = select_encoder(config, frames=SIZE, fps=Fraction(30), binaries=binaries, cameras=2)
    assert two.encoder == "h264_nvenc"
    three = select_encoder(config, frames=SIZE, fps=Fraction(30), binaries=binaries, cameras=3)
    assert three.encoder == "h264_vaapi"
    assert "OpenEncodeSessionEx failed" in dict(three.refused)["h264_nvenc"]


def test_timed_out_trial_counts_as_unknown(double: Callable[..., Binaries], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TIME_LIMIT_S", 1.5)
    binaries = double(h264_nvenc={"fault": "slow"})
    chosen = select_encoder(VideoEncoderConfig(vcodec="auto"), frames=SIZE, fps=Fraction(30), binaries=binaries)
    candidate = next(each for each in chosen.candidates if each.encoder == "h264_nvenc")
    assert candidate.works is None
    assert "too slow now" in candidate.reason


def test_named_encoder_tries_every_device_file(
    double: Callable[..., Binaries], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, alive = tmp_path / "renderD128", tmp_path / "renderD129"
    alive.touch()
    monkeypatch.setattr(selection, "device_nodes", lambda row: [str(dead), str(alive)])
    result = encode(double(h264_vaapi={"dead": [str(dead)]}), tmp_path / "video.mp4", vcodec="h264_vaapi")
    assert result.selection.device_node == str(alive)
    assert f"vaapi=ffenc:{alive}" in result.argv


def test_missing_device_is_refused(double: Callable[..., Binaries], tmp_path: Path) -> None:
    with pytest.raises(EncoderUnavailableError, match="/dev/dri/renderD250 does not exist"):
        encode(double(h264_vaapi={}), tmp_path / "v.mp4", vcodec="h264_vaapi", device="/dev/dri/renderD250")


def test_driver_report_of_ignored_g_is_an_error(double: Callable[..., Binaries], tmp_path: Path) -> None:
    binaries = double(h264_v4l2m2m={"says": "[h264_v4l2m2m @ 0x1] Failed to set gop size: Invalid argument\n"})
    with pytest.raises(EncoderUnavailableError, match="Failed to set gop size"):
        encode(binaries, tmp_path / "video.mp4", vcodec="h264_v4l2m2m")


def test_fallback_to_software_is_one_log_line(
    double: Callable[..., Binaries], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    binaries = double(h264_nvenc={"fault": "late"})
    with caplog.at_level(logging.INFO, logger="ffenc"):
        result = encode(binaries, tmp_path / "video.mp4", vcodec="auto")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert len(warnings[0]) < 130
    assert "the device was lost" in dict(result.selection.refused)["h264_nvenc"]
    assert any("h264_nvenc" in record.getMessage() for record in caplog.records if record.levelno == logging.INFO)


SOFTWARE_FAULTS = [
    ("key_frames", {}, "with g=2 keyframes are at 0: none is within 2 frames after frame 0", OutputError),
    ("taller", {}, "the size is 320x248, not 320x240", OutputError),
    ("codec", {}, "the codec is mpeg4, not h264", OutputError),
    ("b_frames", {"g": 30, "extra_options": {"bf": 0}}, "it has B-frames", OutputError),
    ("pixel_format", {}, "the pixel format is yuv444p, not yuv420p", OutputError),
    ("late", {}, "the device was lost", FFencError),
    ("truncated", {}, "cannot be read|came out|gives errors", (OutputError, ProbeError)),
    ("frame_missing", {}, "9 frames were sent, but the file has 8", OutputError),
    ("timestamps", {}, "frame 1 is shown at", OutputError),
]


@pytest.mark.parametrize("durable", [False, True], ids=["plain", "durable"])
@pytest.mark.parametrize(("fault", "fields", "reason", "error"), SOFTWARE_FAULTS)
def test_faulty_software_output_is_not_committed(
    fault: str,
    fields: dict[str, Any],
    reason: str,
    error: Any,
    durable: bool,
    double: Callable[..., Binaries],
    tmp_path: Path,
) -> None:
    if durable and fault == "truncated":
        pytest.skip("the recording is remuxed, which reads it whole: see the tests of recordings")
    binaries = double(libx264={"fault": fault})
    fields = {"vcodec": "libx264", "preset": "ultrafast", **fields}
    scene, output = TrialScene(SIZE), tmp_path / "out" / "video.mp4"
    output.parent.mkdir()
    config = VideoEncoderConfig.model_validate(fields)
    writer = VideoWriter(output, fps=30, config=config, binaries=binaries, durable=durable)
    with pytest.raises(error) as caught, writer:
        for number in range(9):
            writer.write(scene.frame(number))
    assert_matches(reason, str(caught.value))
    assert not output.exists()
    assert durable or list(output.parent.iterdir()) == []


def test_device_for_software_is_refused(binaries: Binaries, tmp_path: Path) -> None:
    with pytest.raises(EncoderOptionError, match="uses no device"):
        encode(binaries, tmp_path / "video.mp4", vcodec="libx264", device="0")
