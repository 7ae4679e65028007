"""`auto` selects an encoder that works on this machine, whatever FFmpeg lists."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import pytest

from ffenc import (
    Binaries,
    FrameFormat,
    VideoEncoderConfig,
    VideoReader,
    encode_frames,
    probe_capabilities,
    select_encoder,
)
from ffenc.encoders.table import auto_candidates, auto_fallbacks
from ffenc.errors import EncoderUnavailableError
from ffenc.plan.encode import RawFrames
from ffenc.video.run_context import RunContext
from ffenc.video.selection import device_nodes, examine_encoders
from tests.footage import numbered_frames, numbers_of

pytestmark = pytest.mark.integration

VGA = FrameFormat(width=640, height=480)
SOURCE = RawFrames(frames=VGA, fps=Fraction(30))
HAS_DEVICES = any(device_nodes(row) for row in auto_candidates("linux"))


def first_software(binaries: Binaries) -> str:
    listed = probe_capabilities(binaries.ffmpeg).encoders
    return next(row.name for row in auto_fallbacks() if row.name in listed)


@pytest.mark.skipif(HAS_DEVICES, reason="this machine may have a hardware encoder")
def test_without_hardware_software_is_chosen_with_every_reason(binaries: Binaries) -> None:
    selection = select_encoder(VideoEncoderConfig(), frames=VGA, fps=Fraction(30), binaries=binaries)
    # 8.1.2 cannot decode AV1 but encodes and lists its packets, which is all that a trial asks.
    assert selection.encoder == first_software(binaries)
    refused = dict(selection.refused)
    assert set(refused) >= {row.name for row in auto_candidates("linux")}
    assert all("not compiled" in reason or "it needs" in reason or len(reason) > 10 for reason in refused.values())


def test_listed_is_not_available(binaries: Binaries) -> None:
    """Trials of listed hardware that is missing end with the driver's message, not with a wrong file."""
    listed = probe_capabilities(binaries.ffmpeg).encoders
    # Without their device files they are not even tried by `auto`; here they are run.
    rows = tuple(row for row in auto_candidates("linux") if row.name in listed and not device_nodes(row))
    if not rows:
        pytest.skip("this build lists no hardware encoder, or this machine has all devices")
    candidates = list(examine_encoders(VideoEncoderConfig(), SOURCE, RunContext(binaries=binaries), encoders=rows))
    assert [candidate.works for candidate in candidates] == [False] * len(rows)


def test_preferred_encoder_is_kept_and_reported_once(
    binaries: Binaries, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    frames = FrameFormat(width=320, height=240)  # a size of its own: answers are remembered per size
    config = VideoEncoderConfig(vcodec="auto")
    with caplog.at_level(logging.INFO):
        first = select_encoder(config, frames=frames, fps=Fraction(25), binaries=binaries)
        again = select_encoder(config, frames=frames, fps=Fraction(25), binaries=binaries)
    assert first is again
    assert sum("encoding with" in message or "auto chose" in message for message in caplog.messages) == 1


def test_settings_for_software_only_exclude_hardware(binaries: Binaries) -> None:
    config = VideoEncoderConfig(vcodec="auto", pix_fmt="yuv444p", crf=20)
    selection = select_encoder(config, frames=VGA, fps=Fraction(30), binaries=binaries)
    assert selection.encoder == "libx264"
    if "libsvtav1" in dict(selection.refused) and "not compiled" not in dict(selection.refused)["libsvtav1"]:
        assert "yuv444p" in dict(selection.refused)["libsvtav1"]


def test_no_working_encoder_gives_every_reason(binaries: Binaries) -> None:
    config = VideoEncoderConfig(vcodec="auto", extra_options={"no_such_option": 1})
    with pytest.raises(EncoderUnavailableError, match="no_such_option") as caught:
        select_encoder(config, frames=VGA, fps=Fraction(30), binaries=binaries)
    assert len(caught.value.refused) >= len(auto_candidates("linux"))


@pytest.mark.skipif(HAS_DEVICES, reason="this machine may have a hardware encoder")
def test_auto_encodes(tmp_path: Path, binaries: Binaries) -> None:
    config = VideoEncoderConfig(vcodec="auto", pix_fmt="yuv422p")  # libsvtav1 refuses it, libx264 decodes everywhere
    result = encode_frames(numbered_frames(10), tmp_path / "a.mp4", fps=30, config=config, binaries=binaries)
    assert result.encoder.config.vcodec == result.encoder.name == "libx264"
    assert numbers_of(VideoReader(result.path, binaries=binaries)) == list(range(10))


@pytest.mark.skipif(HAS_DEVICES, reason="this machine may have a hardware encoder")
@pytest.mark.parametrize("name", ["h264_nvenc", "h264_vaapi", "hevc_qsv", "h264_v4l2m2m"])
def test_named_hardware_that_is_missing(tmp_path: Path, binaries: Binaries, name: str) -> None:
    config = VideoEncoderConfig(vcodec=name)
    with pytest.raises(EncoderUnavailableError, match=name):
        encode_frames(numbered_frames(3, width=160), tmp_path / "a.mp4", fps=30, config=config, binaries=binaries)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("codec", "expected"), [("h264", "libx264"), ("hevc", "libx265"), ("vp9", "libvpx-vp9")])
def test_codec_names_mean_software(tmp_path: Path, binaries: Binaries, codec: str, expected: str) -> None:
    config = VideoEncoderConfig(vcodec=codec)
    result = encode_frames(numbered_frames(4), tmp_path / "a.mp4", fps=30, config=config, binaries=binaries)
    assert (result.encoder.name, result.stream.codec) == (expected, codec)
