"""Headers of image files: orientation in every form, and refused files, without FFmpeg."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ffenc.errors import InputError
from ffenc.ffmpeg.image_header import exif_orientation, read_image_header
from tests.exif_images import SUFFIXES, asymmetric, exif, with_chunk, with_segment, write

IMAGE = Image.fromarray(asymmetric(0))


def saved(kind: str, image: Image.Image = IMAGE, **how: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


@pytest.mark.parametrize("suffix", SUFFIXES.values())
@pytest.mark.parametrize(("stored", "meant"), [*((k, k) for k in range(1, 9)), (0, 1), (9, 1), (255, 1), (65535, 1)])
def test_orientation(tmp_path: Path, suffix: str, stored: int, meant: int) -> None:
    write(tmp_path / f"a{suffix}", asymmetric(0), stored)
    header = read_image_header(tmp_path / f"a{suffix}")
    assert header.orientation == meant
    assert header.upright_size == ((48, 64) if meant >= 5 else (64, 48))


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("kind", [3, 4])
def test_forms_of_exif(big_endian: bool, kind: int) -> None:
    assert exif_orientation(exif(6, big_endian=big_endian, kind=kind)) == 6
    assert exif_orientation(b"Exif\0\0" + exif(6, big_endian=big_endian, kind=kind)) == 6


def test_damaged_exif_has_no_orientation() -> None:
    whole = exif(6)
    assert {exif_orientation(whole[:count]) for count in range(18)} == {1}
    far_away = whole[:4] + struct.pack("<I", 2**32 - 1) + whole[8:]
    assert exif_orientation(far_away) == 1
    assert exif_orientation(exif(6, kind=2)) == 1  # a text


def test_exif_of_a_png_may_follow_the_pixels(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(with_chunk(saved("PNG"), b"eXIf", exif(8), before=b"IEND"))
    assert read_image_header(tmp_path / "a.png").orientation == 8


@pytest.mark.parametrize("kind", ["exif", "APP1"])
@pytest.mark.parametrize("chunk", [b"tEXt", b"zTXt"])
def test_exif_of_a_png_may_be_written_as_text(tmp_path: Path, kind: str, chunk: bytes) -> None:
    data = b"Exif\0\0" + exif(6)
    text = f"\n{kind}\n{len(data):8}\n{data[:20].hex()}\n{data[20:].hex()}\n".encode()
    keyword = f"Raw profile type {kind}\0".encode()
    content = keyword + (b"\0" + zlib.compress(text) if chunk == b"zTXt" else text)
    path = tmp_path / "a.png"
    path.write_bytes(with_chunk(saved("PNG"), chunk, content))
    assert read_image_header(path).orientation == 6
    path.write_bytes(with_chunk(path.read_bytes(), b"eXIf", exif(3), before=b"IEND"))
    assert read_image_header(path).orientation == 3
    path.write_bytes(with_chunk(saved("PNG"), chunk, content[:-30]))
    assert read_image_header(path).orientation in (1, 6)


def test_first_exif_of_a_jpeg_counts(tmp_path: Path) -> None:
    data = with_segment(saved("JPEG"), 0xE1, b"Exif\0\0" + exif(3))
    data = with_segment(data, 0xE1, b"Exif\0\0" + exif(6))
    (tmp_path / "a.jpg").write_bytes(data[:2] + b"\xff\xff" + data[2:])  # with fill bytes
    assert read_image_header(tmp_path / "a.jpg").orientation == 6


@pytest.mark.parametrize(
    ("kind", "mode", "how", "samples"),
    [
        ("PNG", "RGB", {}, "8-bit RGB"),
        ("PNG", "RGBA", {}, "8-bit RGB and alpha"),
        ("PNG", "L", {}, "8-bit grey"),
        ("PNG", "1", {}, "1-bit grey"),
        ("PNG", "P", {}, "8-bit palette"),
        ("PNG", "LA", {}, "8-bit grey and alpha"),
        ("PNG", "I;16", {}, "16-bit grey"),
        ("JPEG", "RGB", {"subsampling": "4:4:4"}, "8-bit YCbCr (one sample per 1x1,1x1,1x1 pixels)"),
        ("JPEG", "RGB", {"subsampling": "4:2:0"}, "8-bit YCbCr (one sample per 1x1,2x2,2x2 pixels)"),
        ("JPEG", "RGB", {"progressive": True, "subsampling": "4:2:2"}, "8-bit YCbCr (one sample per 1x1,2x1,2x1 pixels)"),
        ("JPEG", "L", {}, "8-bit grey"),
        ("TIFF", "RGB", {}, "8-bit RGB"),
        ("TIFF", "RGBA", {}, "8-bit RGB and 1 more"),
        ("TIFF", "I;16", {}, "16-bit grey"),
    ],
)  # fmt: skip
def test_samples(tmp_path: Path, kind: str, mode: str, how: dict[str, object], samples: str) -> None:
    path = tmp_path / f"a{SUFFIXES[kind.lower()]}"
    image = Image.fromarray(np.zeros((48, 64), np.uint16)) if mode == "I;16" else IMAGE.convert(mode)
    path.write_bytes(saved(kind, image, **how))
    header = read_image_header(path)
    assert (header.kind, header.width, header.height, header.samples) == (kind, 64, 48, samples)


def frames(kind: str) -> bytes:
    return saved(kind, save_all=True, append_images=[Image.fromarray(asymmetric(1))])


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        pytest.param("a.png", lambda: b"", "is empty", id="empty"),
        pytest.param("a.png", lambda: b"hello, here is text", "is not an image of a known format", id="text"),
        pytest.param(
            "a.jpg",
            lambda: saved("PNG"),
            "is a PNG file by its content, but its suffix is that of JPEG",
            id="png-as-jpg",
        ),
        pytest.param("a.png", lambda: frames("GIF"), "is a GIF file", id="gif-as-png"),
        pytest.param("a.jpg", lambda: saved("WEBP"), "is a WebP or AVI file", id="webp-as-jpg"),
        pytest.param("a.png", lambda: frames("PNG"), "is an animation", id="animated-png"),
        pytest.param("a.tiff", lambda: frames("TIFF"), "more than one page", id="pages"),
        pytest.param("a.png", lambda: saved("PNG")[:-20], "is cut off", id="cut-png"),
        pytest.param("a.png", lambda: saved("PNG")[:20], "is cut off", id="cut-png-header"),
        pytest.param("a.jpg", lambda: saved("JPEG")[:-200], "its end marker is missing", id="cut-jpeg"),
        pytest.param("a.jpg", lambda: saved("JPEG")[:100], "is cut off", id="cut-jpeg-header"),
        pytest.param("a.tiff", lambda: saved("TIFF")[:-20], "is cut off", id="cut-tiff"),
        pytest.param("a.jpg", lambda: saved("JPEG", IMAGE.convert("CMYK")), "has 4 components", id="cmyk-jpeg"),
        pytest.param("a.tiff", lambda: saved("TIFF", IMAGE.convert("CMYK")), "is CMYK", id="cmyk-tiff"),
        pytest.param("a.tiff", lambda: saved("TIFF", IMAGE.convert("F")), "has float samples", id="float-tiff"),
    ],
)
def test_refused(tmp_path: Path, name: str, make: Callable[[], bytes], message: str) -> None:
    (tmp_path / name).write_bytes(make())
    with pytest.raises(InputError, match=rf"{name} {message}|{name}.*{message}"):
        read_image_header(tmp_path / name)


def test_thumbnail_page_of_a_tiff_is_skipped(tmp_path: Path) -> None:
    small = Image.fromarray(np.ascontiguousarray(asymmetric(0)[::2, ::2]))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    (tmp_path / "a.tiff").write_bytes(saved("TIFF", save_all=True, append_images=[small]))
    assert read_image_header(tmp_path / "a.tiff").width == 64


@pytest.mark.parametrize("kind", SUFFIXES)
def test_malicious_headers_end_in_a_result_or_an_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a{SUFFIXES[kind]}"
    write(path, asymmetric(0), 6)
    whole, luck = path.read_bytes(), np.random.default_rng(7)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(luck.integers(1, 8, endpoint=True)):
            data[luck.integers(8, min(len(data), 400))] = luck.choice((0, 1, 0x7F, 0xFF, luck.integers(256)))
        path.write_bytes(data[: luck.choice((len(data), luck.integers(len(data))))])
        try:
            header = read_image_header(path)
        except InputError as err:
            assert str(path) in str(err)
        else:
            assert 1 <= header.orientation <= 8


def test_link_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("gone.png")
    with pytest.raises(InputError, match=r"a\.png is a link to gone\.png, which does not exist"):
        read_image_header(tmp_path / "a.png")
