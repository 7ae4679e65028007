"""Depth is bit-exact through a real FFmpeg, or there is an error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ffenc import (
    Binaries,
    Capabilities,
    DepthEncoderConfig,
    VideoEncoderConfig,
    VideoReader,
    cut_video,
    encode_frames,
    quantize_depth,
    read_depth,
    reencode_video,
    video_info,
)
from ffenc.errors import InputError, PixelFormatError
from ffenc.ffmpeg.process.ffmpeg_process import run_tool

pytestmark = pytest.mark.integration

HEVC = DepthEncoderConfig()
AV1 = DepthEncoderConfig(vcodec="libaom-av1", extra_options={"aom-params": "lossless=1"})
AV1_CRF_0 = DepthEncoderConfig(vcodec="libaom-av1", crf=0, extra_options={})
FFV1 = DepthEncoderConfig(vcodec="ffv1", extra_options={})
SETTINGS = [
    pytest.param(HEVC, "libx265", "mp4", id="hevc"),
    pytest.param(AV1, "libaom-av1", "mp4", id="av1"),
    pytest.param(AV1_CRF_0, "libaom-av1", "mp4", id="av1-crf-0"),
    pytest.param(FFV1, "ffv1", "mov", id="ffv1"),
]

MADE_BY_LEROBOT = Path(__file__).parents[1] / "data/depth/lerobot-0.6.1.mp4"


def codes(count: int = 6, height: int = 64, width: int = 64) -> npt.NDArray[np.uint16]:
    """Return every code once, then noise, which cannot be compressed."""
    noise = np.random.default_rng(width).integers(0, 4096, (count, height, width), np.uint16)
    noise[0] = np.arange(height * width).reshape(height, width) % 4096
    return noise


def takes(capabilities: Capabilities, encoder: str) -> bool:
    listing = capabilities.helps.get(encoder)
    return listing is not None and "gray12le" in (listing.pixel_formats or ())


def decoded(path: Path, binaries: Binaries, layout: str = "gray12") -> npt.NDArray[np.uint16]:
    return np.stack(list(VideoReader(path, layout=layout, binaries=binaries)))


@pytest.mark.parametrize(("config", "encoder", "suffix"), SETTINGS)
@pytest.mark.parametrize("g", [2, 6])
def test_codes_are_bit_exact(
    tmp_path: Path,
    binaries: Binaries,
    capabilities_here: Capabilities,
    config: DepthEncoderConfig,
    encoder: str,
    suffix: str,
    g: int,
) -> None:
    if not takes(capabilities_here, encoder):
        pytest.skip(f"no {encoder} with gray12le in this build")
    config = config.model_copy(update={"g": g})
    for width in (64, 96):
        frames = codes(width=width)
        path = tmp_path / f"{width}.{suffix}"
        result = encode_frames(frames, path, fps=30, config=config, layout="gray12", binaries=binaries)
        assert result.stream.pix_fmt == "gray12le"
        assert np.array_equal(decoded(path, binaries), frames)
        assert np.array_equal(VideoReader(path, layout="gray12", binaries=binaries).frames([5, 1]), frames[[5, 1]])


def test_millimetres_are_bit_exact(tmp_path: Path, binaries: Binaries) -> None:
    config = DepthEncoderConfig.lossless16()
    depth = np.random.default_rng(4).integers(0, 65536, (6, 64, 64), np.uint16)
    depth[0].flat = np.arange(64 * 64) * 16 + 15
    result = encode_frames(depth, tmp_path / "a.mov", fps=30, config=config, layout=config.layout, binaries=binaries)
    assert result.stream.pix_fmt == "gray16le"
    assert np.array_equal(np.stack(list(read_depth(result.path, config, binaries=binaries))), depth)
    metres = next(read_depth(result.path, config, unit="m", binaries=binaries))
    assert metres.dtype == np.float32
    assert np.array_equal(metres, depth[0] / np.float32(1000))
    stored = DepthEncoderConfig.from_video_info(video_info(result.stream, config))
    assert not stored.quantizes
    with pytest.raises(InputError, match="has pixel format gray16le, but the config has gray12le"):
        read_depth(result.path, binaries=binaries)


@pytest.mark.parametrize("config", [None, VideoEncoderConfig(vcodec="h264"), VideoEncoderConfig(pix_fmt="yuv444p")])
def test_depth_is_not_reduced_to_8_bits(tmp_path: Path, binaries: Binaries, config: VideoEncoderConfig | None) -> None:
    output = tmp_path / "a.mp4"
    with pytest.raises(InputError, match=r"one channel of 12 bits .* would keep 8"):
        reencode_video(MADE_BY_LEROBOT, output, config=config, binaries=binaries)
    with pytest.raises(InputError, match=r"one channel of 12 bits|no config|cannot be copied"):
        cut_video(MADE_BY_LEROBOT, output, [(1, 3)], config=config, binaries=binaries)
    assert list(tmp_path.iterdir()) == []


def test_depth_is_read_in_both_units(tmp_path: Path, binaries: Binaries) -> None:
    config = FFV1.model_copy(update={"depth_max": 5.0, "shift": 1.0})
    millimetres = np.random.default_rng(5).integers(500, 5000, (2, 64, 64), np.uint16)
    frames = [config.quantizer(frame) for frame in millimetres]
    result = encode_frames(frames, tmp_path / "a.mov", fps=30, config=config, layout="gray12", binaries=binaries)
    for unit, scale in (("mm", 1), ("m", 0.001)):
        read = list(read_depth(result.path, config, unit=unit, binaries=binaries))  # type: ignore[arg-type]
        # Half a step of the scale at its far end, and half a millimetre.
        step = 6000 * np.log(6 / 1.01) / 4095
        assert np.abs(np.stack(read).astype(float) - millimetres * scale).max() <= (step / 2 + 0.5) * scale
    with pytest.raises(ValueError, match="expected 'mm' or 'm'"):
        read_depth(result.path, config, unit="cm", binaries=binaries)  # type: ignore[arg-type]


def test_depth_file_of_lerobot_is_read(binaries: Binaries) -> None:
    """It is tagged as limited range, which a decoder must not apply."""
    y, x = np.mgrid[:64, :64]
    written = np.stack([quantize_depth((200 * k + 150 * x + 2 * y).astype(np.uint16)) for k in range(4)])
    assert np.array_equal(decoded(MADE_BY_LEROBOT, binaries), written)
    assert np.array_equal(
        np.stack(list(read_depth(MADE_BY_LEROBOT, binaries=binaries))), HEVC.quantizer.dequantize(written)
    )


@pytest.mark.parametrize(("config", "encoder", "suffix"), [SETTINGS[0], SETTINGS[3]])
def test_cut_of_depth_video_keeps_codes(
    tmp_path: Path,
    binaries: Binaries,
    capabilities_here: Capabilities,
    config: DepthEncoderConfig,
    encoder: str,
    suffix: str,
) -> None:
    if not takes(capabilities_here, encoder):
        pytest.skip(f"no {encoder} with gray12le in this build")
    cut = tmp_path / f"cut.{suffix}"
    reencode_video(MADE_BY_LEROBOT, cut, start=1, end=3, config=config, binaries=binaries)
    assert np.array_equal(decoded(cut, binaries), decoded(MADE_BY_LEROBOT, binaries)[1:3])


def test_build_without_12_bits_lists_alternatives(
    tmp_path: Path, binaries: Binaries, capabilities_here: Capabilities
) -> None:
    without = [name for name in ("libx265", "libx264", "libsvtav1") if name in capabilities_here.helps]
    without = [name for name in without if not takes(capabilities_here, name)]
    taking = {name for name in capabilities_here.helps if takes(capabilities_here, name)}
    assert without
    for name in without:
        config = DepthEncoderConfig(vcodec=name, extra_options={})
        with pytest.raises(PixelFormatError, match="vcodecs that take gray12le here") as caught:
            encode_frames(codes(1), tmp_path / "a.mp4", fps=30, config=config, layout="gray12", binaries=binaries)
        assert set(caught.value.alternatives) == taking
    assert list(tmp_path.iterdir()) == []


def test_hevc_64_pixels_wide_decodes_exactly(
    tmp_path: Path, binaries: Binaries, capabilities_here: Capabilities
) -> None:
    """x265 damages frames of one column of coding units, as the checksums in the stream show."""
    if "libx265" not in capabilities_here.encoders:
        pytest.skip("no libx265 in this build")
    frames = np.random.default_rng(6).integers(0, 256, (8, 96, 64, 3), np.uint8)
    config = VideoEncoderConfig(vcodec="hevc", g=8)
    plain = encode_frames(frames, tmp_path / "a.mp4", fps=30, config=config, binaries=binaries)

    raw = tmp_path / "frames.raw"
    raw.write_bytes(frames.tobytes())

    def mismatches(argv: tuple[str, ...], target: Path) -> int:
        changed = {argv[-1]: str(target), "pipe:0": str(raw)}
        command = [changed.get(part, part) for part in argv]
        run_tool([f"{part}:hash=1" if part.startswith("open-gop") else part for part in command])
        check = [str(binaries.ffmpeg), "-v", "verbose", "-err_detect", "crccheck", "-i", str(target), "-f", "null", "-"]
        return run_tool(check).stderr.count("mismatching checksum")

    assert mismatches(plain.argv, tmp_path / "b.mp4") == 0
    large = tuple(part.replace(":ctu=32", "") for part in plain.argv)
    assert mismatches(large, tmp_path / "c.mp4") > 0
