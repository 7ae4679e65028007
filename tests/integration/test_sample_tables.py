"""The tables of a plain MP4, read without a process, say what FFmpeg says of them, or nothing at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffenc import Binaries, VideoEncoderConfig, encode_frames, probe_packets
from ffenc.ffmpeg.mp4.sample_tables import read_mp4_index
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from tests.footage import numbered_frames

pytestmark = pytest.mark.integration

SETTINGS = {
    "h264": {},
    "h264-b-frames": {"g": 12, "extra_options": {"bf": 3}},
    "h264-one-gop": {"g": 500},
    "hevc": {"vcodec": "hevc", "g": 8},
    "mpeg4": {"vcodec": "mpeg4", "g": 5},
    "vp9": {"vcodec": "vp9", "g": 7, "preset": 8},
    "mjpeg": {"vcodec": "mjpeg", "pix_fmt": "yuvj420p"},
}


def encode(
    path: Path, binaries: Binaries, count: int = 30, start: int = 0, fps: str = "30", **settings: object
) -> Path:
    config = VideoEncoderConfig.model_validate({"vcodec": "h264", **settings})
    return encode_frames(numbered_frames(count, start=start), path, fps=fps, config=config, binaries=binaries).path


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("fps", ["30", "24000/1001"])
def test_same_as_ffmpeg_says(tmp_path: Path, binaries: Binaries, settings: dict[str, object], fps: str) -> None:
    path = encode(tmp_path / "a.mp4", binaries, fps=fps, **settings)
    index = read_mp4_index(path)
    assert index is not None
    assert index.packets == probe_packets(path, binaries=binaries)


def test_like_streams_are_alike_whatever_they_show(tmp_path: Path, binaries: Binaries) -> None:
    first = read_mp4_index(encode(tmp_path / "a.mp4", binaries, 30))
    second = read_mp4_index(encode(tmp_path / "b.mp4", binaries, 11, start=40))
    assert first is not None
    assert second is not None
    assert first.stream_key == second.stream_key


@pytest.mark.parametrize(
    "other",
    [
        {"fps": "25"},
        {"fps": "60"},
        {"pix_fmt": "yuv444p"},
        {"extra_options": {"profile": "baseline"}},
        {"g": 12, "extra_options": {"bf": 3}},
        {"vcodec": "mpeg4"},
    ],
    ids=str,
)
def test_unlike_streams_are_told_apart(tmp_path: Path, binaries: Binaries, other: dict[str, object]) -> None:
    first = read_mp4_index(encode(tmp_path / "a.mp4", binaries, g=12, extra_options={"bf": 0}))
    second = read_mp4_index(encode(tmp_path / "b.mp4", binaries, **{"g": 12, **other}))
    assert first is not None
    assert second is not None
    assert first.stream_key != second.stream_key


@pytest.mark.parametrize("keep", [0, 7, 60, 0.3, 0.7, -1])
def test_torn_file_has_no_answer(tmp_path: Path, binaries: Binaries, keep: float) -> None:
    path = encode(tmp_path / "a.mp4", binaries)
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    assert read_mp4_index(path) is None


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["-movflags", "+frag_keyframe+delay_moov+default_base_moof"], id="fragmented"),
        pytest.param(["-ss", "0.5"], id="edit-list-hides-frames"),
    ],
)
def test_unusual_file_has_no_answer_or_the_same(tmp_path: Path, binaries: Binaries, arguments: list[str]) -> None:
    path = encode(tmp_path / "a.mp4", binaries, 40, g=12)
    unusual = tmp_path / "unusual.mp4"
    before, after = (arguments, []) if arguments[0] == "-ss" else ([], arguments)
    run_tool([str(binaries.ffmpeg), "-v", "error", *before, "-i", str(path), "-c", "copy", *after, str(unusual)])
    index = read_mp4_index(unusual)
    assert index is None or index.packets == probe_packets(unusual, binaries=binaries)


def test_missing_file_has_no_answer(tmp_path: Path) -> None:
    assert read_mp4_index(tmp_path / "nowhere.mp4") is None
