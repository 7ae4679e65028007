"""The orientation in an image's header is applied, in every format and function, on every FFmpeg."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ffenc import Binaries, VideoEncoderConfig, VideoReader, encode_images, probe_video
from ffenc.errors import InputError
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.video.image_reader import ImageReader
from tests import exif_images

pytestmark = pytest.mark.integration

H264 = VideoEncoderConfig(vcodec="h264", crf=4, preset="ultrafast", g=1)
Frames = Iterable[npt.NDArray[Any]]


@pytest.fixture(scope="session")
def decoders(binaries: Binaries) -> str:
    return run_tool([str(binaries.ffmpeg), "-hide_banner", "-decoders"]).stdout.decode()


def check_upright(frames: Frames, files: list[Path], *, off: float) -> None:
    """Check that frame k is image k as another decoder shows it."""
    seen = list(frames)
    assert len(seen) == len(files)
    for frame, path in zip(seen, files, strict=True):
        wanted = exif_images.upright(path)
        assert frame.shape == wanted.shape, path
        assert np.abs(frame.astype(int) - wanted.astype(int)).mean() < off, path


def encoded(directory: Path, binaries: Binaries) -> Frames:
    result = encode_images(directory, directory.parent / "a.mp4", fps=30, config=H264, binaries=binaries)
    assert probe_video(result.path, binaries=binaries).rotation == 0
    return VideoReader(result.path, binaries=binaries)


def read(directory: Path, binaries: Binaries) -> Frames:
    return ImageReader(directory, fps=30, binaries=binaries)


@pytest.mark.parametrize("way", [pytest.param(encoded, id="encode_images"), pytest.param(read, id="ImageReader")])
@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(
    tmp_path: Path,
    binaries: Binaries,
    decoders: str,
    way: Callable[[Path, Binaries], Frames],
    kind: str,
    orientation: int,
) -> None:
    if f" {'mjpeg' if kind == 'jpeg' else kind} " not in decoders:
        pytest.skip(f"this FFmpeg has no {kind} decoder")
    directory = tmp_path / "in"
    directory.mkdir()
    files = [directory / f"f-{number}{exif_images.SUFFIXES[kind]}" for number in range(3)]
    for number, path in enumerate(files):
        exif_images.write(path, exif_images.asymmetric(number), orientation)
    check_upright(way(directory, binaries), files, off=5)


def jpeg(pixels: npt.NDArray[Any], **how: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95, **how)
    return file.getvalue()


def thumbnail(pixels: npt.NDArray[Any], **how: Any) -> bytes:
    """Return a JPEG file with a thumbnail in its EXIF data."""
    data = exif_images.exif(6) + jpeg(np.ascontiguousarray(pixels[::4, ::4]))
    return exif_images.with_segment(jpeg(pixels, **how), 0xE1, b"Exif\0\0" + data)


def several(pixels: npt.NDArray[Any]) -> bytes:
    """Return a multi-picture file (MPF), with further images after the first."""
    file = io.BytesIO()
    image, small = Image.fromarray(pixels), Image.fromarray(np.ascontiguousarray(pixels[::2, ::2]))
    image.save(file, "MPO", save_all=True, append_images=[small])
    return file.getvalue()


def after_others(pixels: npt.NDArray[Any]) -> bytes:
    data = jpeg(pixels)
    data = exif_images.with_segment(data, 0xE1, b"Exif\0\0" + exif_images.exif(6))
    data = exif_images.with_segment(data, 0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>")
    return exif_images.with_segment(data, 0xED, b"Photoshop 3.0\0")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(thumbnail, id="thumbnail"),
        pytest.param(lambda pixels: thumbnail(pixels, progressive=True), id="progressive"),
        pytest.param(lambda pixels: thumbnail(pixels, subsampling="4:2:0"), id="4:2:0"),
        pytest.param(lambda pixels: thumbnail(pixels, subsampling="4:2:2"), id="4:2:2"),
        pytest.param(several, id="multi-picture"),
        pytest.param(after_others, id="after-other-segments"),
        pytest.param(lambda pixels: thumbnail(pixels[..., 0]), id="grey"),
        pytest.param(lambda pixels: jpeg(pixels) + bytes(5000), id="trailing-data"),
    ],
)
def test_kinds_of_jpeg(tmp_path: Path, binaries: Binaries, make: Callable[[npt.NDArray[Any]], bytes]) -> None:
    directory = tmp_path / "in"
    directory.mkdir()
    files = [directory / f"f-{number}.jpg" for number in range(3)]
    for number, path in enumerate(files):
        path.write_bytes(make(exif_images.asymmetric(number)))
    check_upright(encoded(directory, binaries), files, off=7)
    check_upright(read(directory, binaries), files, off=5)


def test_mixed_orientations_are_refused(tmp_path: Path, binaries: Binaries) -> None:
    for number, orientation in enumerate([1, 1, 3, 1]):
        exif_images.write(tmp_path / f"f-{number}.jpg", exif_images.asymmetric(number), orientation)
    with pytest.raises(InputError, match=r"f-2\.jpg differs from f-0\.jpg: its EXIF orientation is 3, not 1"):
        encode_images(tmp_path, tmp_path / "a.mp4", fps=30, config=H264, binaries=binaries)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("mode", ["L", "I;16", "P", "LA", "RGBA"])
def test_rotation_keeps_samples(tmp_path: Path, binaries: Binaries, decoders: str, mode: str, orientation: int) -> None:
    if " png " not in decoders:
        pytest.skip("this FFmpeg has no PNG decoder")
    original = Image.fromarray(exif_images.asymmetric(0))
    if mode == "I;16":
        stored = Image.fromarray(np.asarray(original.convert("L")).astype(np.uint16) * 257)
    else:
        stored = original.convert(mode)
    stored.save(tmp_path / "f-0.png", exif=exif_images.exif(orientation))
    grey = mode in ("L", "I;16", "LA")
    layout = {"I;16": "gray16"}.get(mode, "gray" if grey else "rgb")
    (frame,) = ImageReader(tmp_path, fps=30, layout=layout, binaries=binaries)
    wanted = exif_images.upright(tmp_path / "f-0.png") if mode != "I;16" else np.asarray(stored)
    if mode == "I;16":
        wanted = np.rot90(wanted, -1) if orientation == 6 else wanted
    assert np.abs(frame.astype(int) - (wanted[..., 0] if layout == "gray" else wanted).astype(int)).max() <= 2
