"""Colours decode without a shift, in decoders that read the tags and in decoders that ignore them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ffenc import Binaries, VideoEncoderConfig, VideoReader, encode_frames
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.plan import encode as encode_plan

pytestmark = pytest.mark.integration

SIZES = [(640, 480), (1920, 1080)]

# Weights of red and blue in luma.
BT601 = (0.299, 0.114)
BT709 = (0.2126, 0.0722)


def colour_patches(width: int, height: int) -> npt.NDArray[np.uint8]:
    """Return a frame with patches of saturated and mixed colours, wide enough that shared chroma does not matter inside."""
    values = np.array([0, 96, 160, 255], np.uint8)
    colours = np.stack(np.meshgrid(values, values, values, indexing="ij"), axis=-1).reshape(8, 8, 3)
    frame: npt.NDArray[np.uint8] = colours.repeat(height // 8, 0).repeat(width // 8, 1)
    return frame


def patches(frame: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """Return the mean colour in the middle of every patch, ``(64, 3)``."""
    height, width = frame.shape[0] // 8, frame.shape[1] // 8
    middles = [
        frame[
            y * height + height // 4 : (y + 1) * height - height // 4,
            x * width + width // 4 : (x + 1) * width - width // 4,
        ]
        for y in range(8)
        for x in range(8)
    ]
    return np.array([middle.reshape(-1, middle.shape[-1]).mean(0) for middle in middles])


def shift(decoded: npt.NDArray[np.generic], original: npt.NDArray[np.uint8]) -> float:
    """Return the largest difference of mean colour of a patch, in levels of 255."""
    return float(np.abs(patches(decoded) - patches(original)).max())


def decode_without_tags(
    path: Path, binaries: Binaries, width: int, height: int, weights: tuple[float, float]
) -> npt.NDArray[np.float64]:
    """Convert the samples with fixed weights and limited range, as a simple player does."""
    command = [str(binaries.ffmpeg), "-v", "error", "-i", str(path), "-frames:v", "1"]
    raw = run_tool([*command, "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1"]).stdout
    samples = np.frombuffer(raw, np.uint8).astype(float)
    luma = (samples[: width * height].reshape(height, width) - 16) / 219
    chroma = (samples[width * height :].reshape(2, height // 2, width // 2).repeat(2, 1).repeat(2, 2) - 128) / 224
    red_weight, blue_weight = weights
    blue, red = luma + 2 * (1 - blue_weight) * chroma[0], luma + 2 * (1 - red_weight) * chroma[1]
    green = (luma - red_weight * red - blue_weight * blue) / (1 - red_weight - blue_weight)
    rgb: npt.NDArray[np.float64] = np.stack([red, green, blue], axis=-1).clip(0, 1) * 255
    return rgb


def psnr(first: npt.NDArray[np.generic], second: npt.NDArray[np.generic]) -> float:
    return float(10 * np.log10(255**2 / ((first.astype(float) - second.astype(float)) ** 2).mean()))


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_colours_decode_correctly_with_and_without_tags(
    tmp_path: Path, binaries: Binaries, width: int, height: int
) -> None:
    frame = colour_patches(width, height)
    config = VideoEncoderConfig(vcodec="h264", crf=4, preset="ultrafast")
    result = encode_frames([frame] * 3, tmp_path / "a.mp4", fps=30, config=config, binaries=binaries)
    with_tags = next(iter(VideoReader(result.path, binaries=binaries)))
    without_tags = decode_without_tags(result.path, binaries, width, height, BT601)

    assert (result.stream.color_range, result.stream.color_space) == ("tv", "smpte170m")
    # A wrong matrix shifts these patches by 20 and more levels, a wrong range by 16.
    assert shift(with_tags, frame) < 3
    assert shift(without_tags, frame) < 3
    # Patches meet at sharp edges, where chroma is shared: no codec without that loss could give much more.
    assert min(psnr(with_tags, frame), psnr(without_tags, frame)) > 30


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_natural_frames_are_close_in_rgb(tmp_path: Path, binaries: Binaries, width: int, height: int) -> None:
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([x / width, y / height, (x + y) / (width + height)], axis=-1)
    frame = (smooth * 200 + 20).round().astype(np.uint8)
    config = VideoEncoderConfig(vcodec="h264", crf=4, preset="ultrafast")
    result = encode_frames([frame] * 3, tmp_path / "a.mp4", fps=30, config=config, binaries=binaries)
    assert psnr(next(iter(VideoReader(result.path, binaries=binaries))), frame) > 42
    assert psnr(decode_without_tags(result.path, binaries, width, height, BT601), frame) > 42


def test_detects_another_matrix(tmp_path: Path, binaries: Binaries) -> None:
    frame = colour_patches(640, 480)
    config = VideoEncoderConfig(vcodec="h264", crf=4, preset="ultrafast")
    result = encode_frames([frame] * 3, tmp_path / "a.mp4", fps=30, config=config, binaries=binaries)
    assert shift(decode_without_tags(result.path, binaries, 640, 480, BT709), frame) > 15


def test_detects_a_wrong_tag(tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch) -> None:
    """A BT.709 conversion under a BT.601 tag would fail the first test."""
    monkeypatch.setattr(encode_plan, "MATRIX", "bt709")
    frame = colour_patches(640, 480)
    config = VideoEncoderConfig(vcodec="h264", crf=4, preset="ultrafast")
    result = encode_frames([frame] * 3, tmp_path / "a.mp4", fps=30, config=config, binaries=binaries)
    assert shift(next(iter(VideoReader(result.path, binaries=binaries))), frame) > 15


ENCODERS = {
    "libx265": {"crf": 4},
    "libsvtav1": {"crf": 4},
    "libvpx-vp9": {"crf": 4, "preset": 8},
    "mpeg4": {"crf": 0},
    "mjpeg": {"crf": 0, "pix_fmt": "yuvj420p"},
    "libx264": {"crf": 4, "pix_fmt": "yuvj420p"},
}


@pytest.mark.parametrize(("name", "settings"), ENCODERS.items(), ids=[f"{n}-{len(s)}" for n, s in ENCODERS.items()])
def test_all_encoders_agree(
    tmp_path: Path, binaries: Binaries, encoders_here: tuple[str, ...], name: str, settings: dict[str, object]
) -> None:
    if name not in encoders_here:
        pytest.skip(f"this build has no {name}")
    frame = colour_patches(640, 480)
    config = VideoEncoderConfig.model_validate({"vcodec": name, **settings})
    result = encode_frames([frame] * 4, tmp_path / "a.mp4", fps=30, config=config, binaries=binaries)
    if result.stream.codec == "av1" and not can_decode_av1(binaries):
        pytest.skip("this build cannot decode AV1")
    assert shift(next(iter(VideoReader(result.path, binaries=binaries))), frame) < 5
    if settings.get("pix_fmt") == "yuvj420p":
        assert result.stream.color_range == "pc"


def can_decode_av1(binaries: Binaries) -> bool:
    listing = run_tool([str(binaries.ffmpeg), "-hide_banner", "-decoders"]).stdout.decode()
    return "libdav1d" in listing or "libaom-av1" in listing or "libgav1" in listing


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "gray"])
def test_grey_levels_are_preserved(tmp_path: Path, binaries: Binaries, pix_fmt: str) -> None:
    ramp = np.tile(np.linspace(0, 255, 128).round().astype(np.uint8), (96, 1))
    config = VideoEncoderConfig(vcodec="h264", crf=4, pix_fmt=pix_fmt)
    result = encode_frames([ramp] * 3, tmp_path / "a.mp4", fps=30, config=config, layout="gray", binaries=binaries)
    decoded = next(iter(VideoReader(result.path, layout="gray", binaries=binaries)))
    assert np.abs(decoded.astype(int) - ramp).max() <= 4


def test_sixteen_bits_are_lossless_in_ffv1(tmp_path: Path, binaries: Binaries) -> None:
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 65536, (4, 48, 64), np.uint16)
    config = VideoEncoderConfig(vcodec="ffv1", pix_fmt="gray16le")
    result = encode_frames(
        frames, tmp_path / "a.mov", fps=Fraction(30), config=config, layout="gray16", binaries=binaries
    )
    decoded = list(VideoReader(result.path, layout="gray16", binaries=binaries))
    assert np.array_equal(np.stack(decoded), frames)


def test_twelve_bit_codes_are_lossless_in_hevc(tmp_path: Path, binaries: Binaries, capabilities_here: object) -> None:
    """Depth codes of 12 bits, as LeRobot stores them."""
    formats = capabilities_here.helps["libx265"].pixel_formats  # type: ignore[attr-defined]
    if "gray12le" not in (formats or ()):
        pytest.skip("this build's x265 has 8 bits only")
    codes = np.random.default_rng(2).integers(0, 4096, (3, 64, 96), np.uint16)
    frames = codes << 4 | codes >> 8  # the 16-bit level that is converted to this 12-bit one
    config = VideoEncoderConfig(vcodec="hevc", pix_fmt="gray12le", extra_options={"x265-params": "lossless=1"})
    result = encode_frames(frames, tmp_path / "a.mp4", fps=30, config=config, layout="gray16", binaries=binaries)
    assert result.stream.pix_fmt == "gray12le"
    decoded = np.stack(list(VideoReader(result.path, layout="gray16", binaries=binaries)))
    assert np.abs((decoded >> 4).astype(int) - codes).max() <= 1
