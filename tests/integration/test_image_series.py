"""Series of images as in real folders: any names, and one image that differs from the others."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ffenc import Binaries, VideoEncoderConfig, VideoReader, encode_images
from ffenc.errors import InputError
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.video.image_reader import ImageReader
from tests.exif_images import exif
from tests.footage import numbered_frame, numbers_of

pytestmark = pytest.mark.integration

H264 = VideoEncoderConfig(vcodec="h264", preset="ultrafast", g=1)
Way = Callable[..., Iterable[npt.NDArray[Any]]]


def encoded(directory: Path, binaries: Binaries, **how: Any) -> Iterable[npt.NDArray[Any]]:
    output = directory.parent / "a.mp4"
    return VideoReader(
        encode_images(directory, output, fps=30, config=H264, binaries=binaries, **how).path, binaries=binaries
    )


def read(directory: Path, binaries: Binaries, **how: Any) -> Iterable[npt.NDArray[Any]]:
    return list(ImageReader(directory, fps=30, binaries=binaries, **how))


WAYS = [pytest.param(encoded, id="encode_images"), pytest.param(read, id="ImageReader")]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterable[Path]:
    """Return a folder for temporary files, and check that it is empty at the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("names", "order"),
    [
        pytest.param(
            ["1700000000123456789.jpg", "1700000000223456789.jpg", "1700000001023456789.jpg"], "name", id="stamps"
        ),
        pytest.param(["it's 1%d.jpg", 'it\'s "2"\n.jpg', "it's #3.jpg", "it's file:4.jpg"], "name", id="odd-names"),
        pytest.param([os.fsdecode(b"caf\xe9-1.jpg"), os.fsdecode(b"caf\xe9-2.jpg")], "number", id="not-utf-8"),
        pytest.param(["8.jpg", "09.JPG", "10.jpeg"], "number", id="written-in-three-ways"),
        pytest.param(["5000000000.jpg", "5000000001.jpg"], "number", id="beyond-32-bits"),
        pytest.param(["a" * 247 + "-1.jpg", "a" * 247 + "-2.jpg"], "number", id="long-names"),
    ],
)
def test_image_k_becomes_frame_k(tmp_path: Path, binaries: Binaries, way: Way, names: list[str], order: str) -> None:
    directory = tmp_path / "in %d\n" / os.fsdecode(b"caf\xe9")
    directory.mkdir(parents=True)
    for number, name in enumerate(names):
        Image.fromarray(numbered_frame(number)).save(directory / name, "JPEG", quality=95)
    assert numbers_of(way(directory, binaries, order=order)) == list(range(len(names)))


def saved(kind: str, mode: str = "RGB", **how: Any) -> bytes:
    file = io.BytesIO()
    stored_image = Image.fromarray(numbered_frame(3))
    if mode == "I;16":
        stored_image = Image.fromarray(np.asarray(stored_image.convert("L")).astype(np.uint16) * 257)
    else:
        stored_image = stored_image.convert(mode)
    stored_image.save(file, kind, **how)
    return file.getvalue()


def damaged(data: bytes) -> bytes:
    """Return the file with changed bytes in the middle of the pixels; header and end are intact."""
    middle = len(data) // 2
    return data[:middle] + bytes(255 - byte for byte in data[middle : middle + 40]) + data[middle + 40 :]


def smaller() -> bytes:
    file = io.BytesIO()
    Image.fromarray(numbered_frame(3, width=64, height=48)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("suffix", "odd", "says"),
    [
        pytest.param(".png", smaller, "its size is 64x48, not 128x96", id="size"),
        pytest.param(".png", lambda: saved("PNG", "L"), "PNG, 8-bit grey, not PNG, 8-bit RGB", id="grey"),
        pytest.param(".png", lambda: saved("PNG", "I;16"), "16-bit grey, not", id="16-bit"),
        pytest.param(".png", lambda: saved("PNG", "P"), "palette, not", id="palette"),
        pytest.param(".png", lambda: saved("PNG", "RGBA"), "RGB and alpha, not", id="alpha"),
        pytest.param(".png", lambda: saved("PNG", exif=exif(6)), "its EXIF orientation is 6, not 1", id="orientation"),
        pytest.param(".png", lambda: saved("JPEG"), "is a JPEG file by its content", id="content"),
        pytest.param(".png", lambda: b"", "is empty", id="empty"),
        pytest.param(".png", lambda: saved("PNG")[:-30], "is cut off", id="cut"),
        pytest.param(".jpg", lambda: saved("JPEG", subsampling="4:4:4"), "one sample per", id="subsampling"),
        pytest.param(".jpg", lambda: saved("JPEG", "CMYK"), "has 4 components", id="cmyk"),
        pytest.param(".jpg", lambda: saved("JPEG", "L"), "8-bit grey, not", id="grey-jpeg"),
        pytest.param(".jpg", lambda: saved("JPEG")[:-20], "its end marker is missing", id="cut-jpeg"),
    ],
)
@pytest.mark.parametrize("where", [0, 3, 5])
def test_mismatched_image_is_named(
    tmp_path: Path, binaries: Binaries, way: Way, suffix: str, odd: Callable[[], bytes], says: str, where: int
) -> None:
    directory = tmp_path / "in"
    directory.mkdir()
    usual = saved("PNG" if suffix == ".png" else "JPEG")
    for number in range(6):
        (directory / f"f-{number}{suffix}").write_bytes(odd() if number == where else usual)
    with pytest.raises(InputError) as caught:
        way(directory, binaries)
    message = str(caught.value)
    if where:
        assert says in message
        assert f"f-{where}{suffix}" in message
    else:  # the first is taken as the measure
        assert f"f-0{suffix}" in message
    assert not (tmp_path / "a.mp4").exists()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", [0, 4])
@pytest.mark.parametrize("linked", [False, True])
def test_image_with_damaged_pixels_is_named(
    tmp_path: Path, binaries: Binaries, way: Way, where: int, linked: bool
) -> None:
    if " png " not in run_tool([str(binaries.ffmpeg), "-hide_banner", "-decoders"]).stdout.decode():
        pytest.skip("this FFmpeg has no PNG decoder")
    directory = tmp_path / "in"
    directory.mkdir()
    usual = saved("PNG")
    for number in range(5):
        name = f"f-{number}.png" if not linked else f"f-{number}0.png"
        (directory / name).write_bytes(usual if number != where else damaged(usual))
    with pytest.raises(InputError, match=rf"f-{where}0?\.png cannot be decoded"):
        way(directory, binaries, order="name" if linked else "number")
