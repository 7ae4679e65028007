"""The tables of a plain MP4, read without a process, equal FFmpeg's output, or are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ffenc import (
    Binaries,
    CapabilityError,
    ConcatError,
    VideoEncoderConfig,
    VideoReader,
    concat_videos,
    encode_frames,
    probe_packets,
    probe_video,
)
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
def test_tables_equal_ffmpeg_output(tmp_path: Path, binaries: Binaries, settings: dict[str, object], fps: str) -> None:
    path = encode(tmp_path / "a.mp4", binaries, fps=fps, **settings)
    index = read_mp4_index(path)
    assert index is not None
    assert index.packets == probe_packets(path, binaries=binaries)


def test_streams_of_equal_settings_compare_equal(tmp_path: Path, binaries: Binaries) -> None:
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
def test_streams_of_other_settings_compare_unequal(
    tmp_path: Path, binaries: Binaries, other: dict[str, object]
) -> None:
    first = read_mp4_index(encode(tmp_path / "a.mp4", binaries, g=12, extra_options={"bf": 0}))
    second = read_mp4_index(encode(tmp_path / "b.mp4", binaries, **{"g": 12, **other}))
    assert first is not None
    assert second is not None
    assert first.stream_key != second.stream_key


@pytest.mark.parametrize(
    ("vcodec", "suffix", "formats"),
    [
        ("ffv1", ".mov", ("gray12le", "gray16le")),
        ("ffv1", ".mov", ("yuv420p", "yuv444p")),
        ("mjpeg", ".mp4", ("yuvj420p", "yuvj444p")),
        ("h264", ".mp4", ("yuv420p", "yuv444p")),
        ("hevc", ".mp4", ("yuv420p", "yuv444p")),
        ("vp9", ".mp4", ("yuv420p", "yuv444p")),
    ],
    ids=str,
)
def test_pixel_formats_are_never_confused(
    tmp_path: Path, binaries: Binaries, vcodec: str, suffix: str, formats: tuple[str, str]
) -> None:
    paths = []
    for number, pix_fmt in enumerate(formats):
        config = VideoEncoderConfig(vcodec=vcodec, pix_fmt=pix_fmt, g=None)
        layout = "gray12" if pix_fmt == "gray12le" else "gray16" if pix_fmt == "gray16le" else "rgb"
        frames = (np.full((64, 64), 7, np.uint16),) * 3 if layout != "rgb" else numbered_frames(3)
        path = tmp_path / f"{number}{suffix}"
        try:
            encode_frames(frames, path, fps=30, config=config, layout=layout, binaries=binaries)
        except CapabilityError as err:
            pytest.skip(f"this FFmpeg cannot write {pix_fmt}: {err}")
        paths.append(path)
    keys = [index.stream_key for index in map(read_mp4_index, paths) if index is not None]
    assert len(set(keys)) == len(keys)
    stored = [probe_video(path, binaries=binaries).pix_fmt for path in paths]
    for order in (paths, paths[::-1]):
        read = [
            VideoReader(path, layout="gray16" if "gray" in formats[0] else "rgb", binaries=binaries) for path in order
        ]
        assert sorted(reader.stream.pix_fmt for reader in read) == sorted(stored)
    with pytest.raises(ConcatError, match="pixel format"):
        concat_videos(paths, tmp_path / f"both{suffix}", binaries=binaries)


@pytest.mark.parametrize("keep", [0, 7, 60, 0.3, 0.7, -1])
def test_truncated_file_returns_none(tmp_path: Path, binaries: Binaries, keep: float) -> None:
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
def test_unusual_file_returns_none_or_equal_result(tmp_path: Path, binaries: Binaries, arguments: list[str]) -> None:
    path = encode(tmp_path / "a.mp4", binaries, 40, g=12)
    unusual = tmp_path / "unusual.mp4"
    before, after = (arguments, []) if arguments[0] == "-ss" else ([], arguments)
    run_tool([str(binaries.ffmpeg), "-v", "error", *before, "-i", str(path), "-c", "copy", *after, str(unusual)])
    index = read_mp4_index(unusual)
    assert index is None or index.packets == probe_packets(unusual, binaries=binaries)


def test_missing_file_returns_none(tmp_path: Path) -> None:
    assert read_mp4_index(tmp_path / "nowhere.mp4") is None
