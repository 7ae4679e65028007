"""`encode_images` encodes a complete numbered series, or names the wrong image and writes no file."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ffenc import Binaries, VideoEncoderConfig, VideoReader, encode_images
from ffenc.errors import InputError, OutputExistsError
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from tests.footage import numbered_frame, numbers_of

pytestmark = pytest.mark.integration

H264 = VideoEncoderConfig(vcodec="h264")


@pytest.fixture
def suffix(binaries: Binaries) -> str:
    """Return the suffix of a lossless image format that this build can decode; some builds lack PNG."""
    decoders = run_tool([str(binaries.ffmpeg), "-hide_banner", "-decoders"]).stdout.decode()
    return next(kind for kind in ("png", "tiff", "jpg") if f" {'mjpeg' if kind == 'jpg' else kind} " in decoders)


def write_series(directory: Path, numbers: list[int], suffix: str, name: str = "frame-{:06d}") -> list[Path]:
    directory.mkdir(exist_ok=True)
    paths = []
    for number in numbers:
        paths.append(directory / f"{name.format(number)}.{suffix}")
        Image.fromarray(numbered_frame(number)).save(paths[-1])
    return paths


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        pytest.param("frame-{:06d}", list(range(12)), id="zero-padded"),
        pytest.param("{:03d}", list(range(95, 106)), id="starting-in-the-middle"),
        pytest.param("img{}", list(range(8, 13)), id="unpadded-over-a-power-of-ten"),
        pytest.param("100%d o'clock-{:04d}", list(range(4)), id="percent-quote-space"),
    ],
)
def test_series_becomes_a_video(tmp_path: Path, binaries: Binaries, suffix: str, name: str, numbers: list[int]) -> None:
    write_series(tmp_path / "in %02d", numbers, suffix, name)
    result = encode_images(tmp_path / "in %02d", tmp_path / "a.mp4", fps=30, config=H264, binaries=binaries)
    assert result.frames == len(numbers)
    assert numbers_of(VideoReader(result.path, binaries=binaries)) == numbers


def test_jpeg_series_beside_other_files(tmp_path: Path, binaries: Binaries) -> None:
    write_series(tmp_path / "in", list(range(5)), "jpg")
    (tmp_path / "in" / "notes.txt").write_text("not an image 7")
    result = encode_images(tmp_path / "in", tmp_path / "a.mp4", fps="30000/1001", config=H264, binaries=binaries)
    assert numbers_of(VideoReader(result.path, binaries=binaries)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("where", [0, 3, 6])
def test_truncated_image(tmp_path: Path, binaries: Binaries, suffix: str, where: int) -> None:
    paths = write_series(tmp_path / "in", list(range(7)), suffix)
    paths[where].write_bytes(paths[where].read_bytes()[:200])
    with pytest.raises(InputError):
        encode_images(tmp_path / "in", tmp_path / "a.mp4", fps=30, config=H264, binaries=binaries)
    assert [entry.name for entry in tmp_path.iterdir()] == ["in"]


def test_image_of_another_size(tmp_path: Path, binaries: Binaries, suffix: str) -> None:
    paths = write_series(tmp_path / "in", list(range(7)), suffix)
    Image.fromarray(numbered_frame(3, width=64, height=48)).save(paths[3])
    with pytest.raises(InputError, match="128x96"):
        encode_images(tmp_path / "in", tmp_path / "a.mp4", fps=30, config=H264, binaries=binaries)
    assert [entry.name for entry in tmp_path.iterdir()] == ["in"]


def test_existing_output_is_kept(tmp_path: Path, binaries: Binaries, suffix: str) -> None:
    write_series(tmp_path / "in", [0, 1], suffix)
    (tmp_path / "a.mp4").write_bytes(b"precious")
    with pytest.raises(OutputExistsError):
        encode_images(tmp_path / "in", tmp_path / "a.mp4", fps=30, config=H264, binaries=binaries)
    assert (tmp_path / "a.mp4").read_bytes() == b"precious"
