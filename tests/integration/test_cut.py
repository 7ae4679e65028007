"""cut_video: kept frames keep their bits and stand at k/fps; only what no keyframe begins is encoded."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ffenc import (
    Binaries,
    VideoEncoderConfig,
    VideoReader,
    encode_frames,
    probe_capabilities,
    probe_packets,
    probe_video,
)
from ffenc.errors import EncoderUnavailableError, InputError, OutputExistsError, ProcessDiedError
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.video.cut import cut_video
from ffenc.video.join import frame_hashes
from tests.footage import numbered_frames, numbers_of
from tests.lerobot_data import needs_av1_decoder

pytestmark = pytest.mark.integration

CLOSED = {"g": 6, "extra_options": {"bf": 0}}
SETTINGS = {
    "h264": {"vcodec": "h264", **CLOSED},
    "h264-b-frames": {"vcodec": "h264", "g": 6, "extra_options": {"bf": 2}},
    "hevc": {"vcodec": "hevc", "g": 6, "preset": "ultrafast"},
    "av1": {"vcodec": "av1", "g": 6},
}


def make(directory: Path, binaries: Binaries, settings: dict, *, count: int = 36, fps: str = "30") -> Path:
    config = VideoEncoderConfig.model_validate(settings)
    try:
        frames = numbered_frames(count, width=64, height=64)
        return encode_frames(frames, directory / "source.mp4", fps=fps, config=config, binaries=binaries).path
    except EncoderUnavailableError as err:
        pytest.skip(str(err).splitlines()[0])


def open_gops(source: Path, binaries: Binaries) -> Path:
    """The same frames with keyframes that others before them need, as x265 makes them by itself."""
    output = source.with_name("open.mp4")
    settings = ["-c:v", "libx265", "-g", "6", "-bf", "2", "-x265-params", "log-level=none:open-gop=1"]
    command = [str(binaries.ffmpeg), "-v", "error", "-i", str(source), *settings, "-tag:v", "hvc1", str(output)]
    run_tool(command, timeout_s=60)
    packets = probe_packets(output, binaries=binaries)
    if len(packets.keyframes) == len(packets.cut_points):
        pytest.skip("this build does not mark such keyframes")
    return output


@pytest.mark.parametrize("fps", ["30", "30000/1001"])
@pytest.mark.parametrize("kind", ["h264", "h264-b-frames", "hevc", "av1"])
def test_frames_that_begin_at_key_frames_keep_their_bits(
    tmp_path: Path, binaries: Binaries, kind: str, fps: str
) -> None:
    source = make(tmp_path, binaries, SETTINGS[kind], fps=fps)
    if kind == "av1":
        needs_av1_decoder(binaries)
    keys = probe_packets(source, binaries=binaries).cut_points
    assert len(keys) >= 5
    for number, ranges in enumerate(([(0, keys[1])], [(keys[1], 36)], [(keys[1], keys[2]), (keys[3], keys[4])])):
        kept = [frame for first, stop in ranges for frame in range(first, stop)]
        result = cut_video(source, tmp_path / f"{number}.mp4", ranges, binaries=binaries)
        assert (result.frames, result.reencoded) == (len(kept), ())
        packets = probe_packets(result.path, binaries=binaries)
        assert [packets.pts_s(k) for k in range(packets.count)] == [k / Fraction(fps) for k in range(len(kept))]
        hashes = frame_hashes(source, binaries=binaries)
        assert frame_hashes(result.path, binaries=binaries) == [hashes[frame] for frame in kept]
        assert result.stream == probe_video(result.path, binaries=binaries)


@pytest.mark.parametrize("kind", ["h264", "h264-b-frames"])
def test_only_what_no_key_frame_begins_is_encoded(tmp_path: Path, binaries: Binaries, kind: str) -> None:
    source = make(tmp_path, binaries, SETTINGS[kind])
    config = VideoEncoderConfig.model_validate({**SETTINGS[kind], "crf": 20})
    key = next(k for k in probe_packets(source, binaries=binaries).cut_points if k > 12)
    first = key - 5
    with pytest.raises(InputError, match="do not begin at a keyframe"):
        cut_video(source, tmp_path / "cut.mp4", [(first, 36)], binaries=binaries)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.mp4"]
    result = cut_video(source, tmp_path / "cut.mp4", [(first, 36)], config=config, binaries=binaries)
    assert numbers_of(VideoReader(result.path, binaries=binaries)) == list(range(first, 36))
    assert result.reencoded == ((first, key),)
    hashes = frame_hashes(source, binaries=binaries)
    assert frame_hashes(result.path, binaries=binaries)[5:] == hashes[key:]


def test_of_open_gops_nothing_is_lost(tmp_path: Path, binaries: Binaries) -> None:
    if "libx265" not in probe_capabilities(binaries.ffmpeg).encoders:
        pytest.skip("no libx265")
    source = open_gops(make(tmp_path, binaries, SETTINGS["hevc"]), binaries)
    packets = probe_packets(source, binaries=binaries)
    key = next(k for k in packets.keyframes if k > 6 and k not in packets.cut_points)
    config = VideoEncoderConfig.model_validate({**SETTINGS["hevc"], "crf": 20})
    for number, ranges in enumerate(([(0, key)], [(key, 36)], [(0, 6), (key, 36)])):
        result = cut_video(source, tmp_path / f"{number}.mp4", ranges, config=config, binaries=binaries)
        kept = [frame for first, stop in ranges for frame in range(first, stop)]
        assert numbers_of(VideoReader(result.path, binaries=binaries)) == kept
        assert result.reencoded


def test_a_join_that_decodes_wrong_is_given_up_with_a_warning(
    tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source = make(tmp_path, binaries, SETTINGS["h264"])
    monkeypatch.setattr(np, "array_equal", lambda *_: False)
    config = VideoEncoderConfig.model_validate(SETTINGS["h264"])
    with caplog.at_level(logging.WARNING):
        result = cut_video(source, tmp_path / "cut.mp4", [(6, 18), (24, 30)], config=config, binaries=binaries)
    assert "re-encoding all of them" in caplog.text
    assert result.reencoded == ((6, 18), (24, 30))
    assert numbers_of(VideoReader(result.path, binaries=binaries)) == [*range(6, 18), *range(24, 30)]


def test_a_copy_needs_no_decoder(
    tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source = make(tmp_path, binaries, SETTINGS["h264"])
    kept = probe_packets(source, binaries=binaries).cut_points[1]
    hashes = frame_hashes(source, binaries=binaries)

    def none(*_: object) -> None:
        raise ProcessDiedError("ffmpeg failed", argv=["ffmpeg"], stderr_tail="no decoder for stream 0")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(VideoReader, "frames", none)
        result = cut_video(source, tmp_path / "cut.mp4", [(kept, 36)], binaries=binaries)
    assert "no decoder for stream 0" in caplog.text
    assert result.reencoded == ()
    assert frame_hashes(result.path, binaries=binaries) == hashes[kept:]


@pytest.mark.parametrize("ranges", [[], [(0, 0)], [(0, 37)], [(6, 12), (0, 6)], [(0, 12), (6, 18)], [(-1, 6)]])
def test_ranges_that_are_none_are_refused(tmp_path: Path, binaries: Binaries, ranges: list) -> None:
    source = make(tmp_path, binaries, SETTINGS["h264"])
    with pytest.raises(InputError):
        cut_video(source, tmp_path / "cut.mp4", ranges, binaries=binaries)
    (tmp_path / "there.mp4").touch()
    with pytest.raises(OutputExistsError):
        cut_video(source, tmp_path / "there.mp4", [(0, 6)], binaries=binaries)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.mp4", "there.mp4"]
