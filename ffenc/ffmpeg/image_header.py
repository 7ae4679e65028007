"""Read size, samples and orientation from the header of a PNG, JPEG or TIFF file.

FFmpeg builds treat the orientation differently (4.2 ignores it, later ones apply it to some formats), so ffenc reads it.
Reads are bounded: a malicious header costs at most a short loop.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ffenc.errors import InputError
from ffenc.ffmpeg.exif import TiffDirectory, UnreadableImageError, exif_orientation, take

IMAGE_SUFFIXES: Mapping[str, str] = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
"""Formats that can be read, by the suffix of a file name."""

_MAGICS = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "BigTIFF"),
    (b"MM\0+", "BigTIFF"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"RIFF", "WebP or AVI"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
)
_NAMED_BY_BOX = (b"ftyp", "HEIF, AVIF or MP4")
_MOST_SEGMENTS = 2_000
_MOST_CHUNKS = 1_000_000  # FFmpeg writes chunks of 4 KiB
_LARGEST_EXIF = 1 << 20
_LARGEST_SIDE = 1 << 20
_MARKERS_WITH_SIZE = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHeader:
    """The header of one image file.

    Attributes:
        kind: ``PNG``, ``JPEG`` or ``TIFF``.
        width, height: pixels as stored, before the orientation is applied.
        samples: how a pixel is stored, for comparison and messages: ``8-bit RGB``.
        bits: bits of one sample.
        channels: samples of a pixel as stored; 1 for a palette.
        is_grey: one sample per pixel, without a palette.
        has_alpha: it has an alpha channel or a transparent colour.
        orientation: EXIF orientation, 1 (upright) to 8.
    """

    kind: str
    width: int
    height: int
    samples: str
    bits: int
    channels: int
    is_grey: bool
    has_alpha: bool
    orientation: int

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) after the orientation is applied; from 5 on it swaps the sides."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def read_image_header(path: Path) -> ImageHeader:
    """Read the header of one image file.

    Raises:
        InputError: it is not a regular file, cannot be read, is empty or cut off, has more than one image, or has another
            format than its suffix.
    """
    try:
        with _regular_file(path) as file:
            return _header(file, IMAGE_SUFFIXES[path.suffix.lower()])
    except FileNotFoundError as err:
        why = f"is a link to {path.readlink()}, which does not exist" if path.is_symlink() else "does not exist"
        raise InputError(f"{path} {why}", path=path) from err
    except OSError as err:
        raise InputError(f"{path} cannot be read: {err.strerror}", path=path) from err
    except UnreadableImageError as err:
        raise InputError(f"{path} {err}", path=path) from err


def _regular_file(path: Path) -> BinaryIO:
    # Opening a pipe would block, and opening a device may act on it.
    if not stat.S_ISREG(path.stat().st_mode):
        raise UnreadableImageError("is not a regular file")
    return path.open("rb")


def _header(file: BinaryIO, expected: str) -> ImageHeader:
    start = file.read(16)
    if not start:
        raise UnreadableImageError("is empty")
    kind = next((name for magic, name in _MAGICS if start.startswith(magic)), None)
    if kind is None and start[4:8] == _NAMED_BY_BOX[0]:
        kind = _NAMED_BY_BOX[1]
    if kind != expected:
        what = "not an image of a known format" if kind is None else f"a {kind} file by its content"
        raise UnreadableImageError(
            f"is {what}, but its suffix is that of {expected}; {'replace' if kind is None else 'rename'} it"
        )
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    header = _READERS[expected](file, size_bytes)
    if not (0 < header.width <= _LARGEST_SIDE and 0 < header.height <= _LARGEST_SIDE):
        raise UnreadableImageError(f"is damaged: its header has an image size of {header.width}x{header.height} pixels")
    return header


# PNG: https://www.w3.org/TR/png-3/

_PNG_COLOURS = {0: ("grey", 1), 2: ("RGB", 3), 3: ("palette", 1), 4: ("grey and alpha", 2), 6: ("RGB and alpha", 4)}


def _png(file: BinaryIO, size_bytes: int) -> ImageHeader:
    file.seek(8)
    length, name = struct.unpack(">I4s", take(file, 8))
    if (length, name) != (13, b"IHDR"):
        raise UnreadableImageError("is damaged: it does not start like a PNG file")
    width, height, bits, colour = struct.unpack(">IIBB", take(file, 10))
    if colour not in _PNG_COLOURS:
        raise UnreadableImageError(f"has the unknown colour type {colour}")
    place, transparent = 33, False
    orientation: int | None = None
    older: int | None = None
    for _ in range(_MOST_CHUNKS):
        file.seek(place)
        length, name = struct.unpack(">I4s", take(file, 8))
        place += 12 + length
        if place > size_bytes:
            raise UnreadableImageError("is cut off")
        if name == b"IEND":
            break
        if name == b"acTL" and length == 8 and struct.unpack(">I", take(file, 4))[0] != 1:
            raise UnreadableImageError("is an animation; give one image per file")
        if name == b"tRNS":
            transparent = True
        if name == b"eXIf" and length <= _LARGEST_EXIF:
            orientation = exif_orientation(take(file, length))
        if name in (b"tEXt", b"zTXt") and length <= _LARGEST_EXIF:
            data = _exif_in_text(take(file, length), is_packed=name == b"zTXt")
            older = older if data is None else exif_orientation(data)
    else:
        raise UnreadableImageError("has more chunks than an image needs")
    text, channels = _PNG_COLOURS[colour]
    return ImageHeader(
        kind="PNG",
        width=width,
        height=height,
        samples=f"{bits}-bit {text}{', one colour transparent' if transparent and colour != 3 else ''}",
        bits=8 if colour == 3 else bits,
        channels=channels,
        is_grey=colour in (0, 4),
        has_alpha=colour in (4, 6) or transparent,
        orientation=orientation or older or 1,
    )


def _exif_in_text(chunk: bytes, *, is_packed: bool) -> bytes | None:
    """Return the EXIF data that ImageMagick and others wrote as hexadecimal text before PNG had a chunk for it."""
    keyword, _, text = chunk.partition(b"\0")
    if keyword not in (b"Raw profile type exif", b"Raw profile type APP1"):
        return None
    try:
        if is_packed:
            text = zlib.decompressobj().decompress(text[1:], 3 * _LARGEST_EXIF)
        _, _, _, digits = text.split(b"\n", 3)  # empty, the kind, the number of bytes
        return bytes.fromhex(digits.decode("ascii"))
    except (zlib.error, ValueError):
        return None


# JPEG: ITU-T T.81, annex B; EXIF: CIPA DC-008

_JPEG_COLOURS = {1: "grey", 3: "colour"}


def _jpeg(file: BinaryIO, size_bytes: int) -> ImageHeader:
    orientation: int | None = None
    frame = b""
    inverted = False
    file.seek(2)
    for _ in range(_MOST_SEGMENTS):
        marker = take(file, 2)
        while marker[1] == 0xFF:  # fill bytes
            marker = b"\xff" + take(file, 1)
        if marker[0] != 0xFF:
            raise UnreadableImageError("is damaged: a marker is missing in its header")
        if marker[1] == 0x01 or 0xD0 <= marker[1] <= 0xD8:
            continue
        (length,) = struct.unpack(">H", take(file, 2))
        data = take(file, max(length, 2) - 2)
        if marker[1] == 0xE1 and data.startswith(b"Exif\0\0") and orientation is None:
            orientation = exif_orientation(data[6:])
        if marker[1] == 0xEE and data.startswith(b"Adobe") and len(data) >= 12:
            inverted = data[11] == 0
        if marker[1] in _MARKERS_WITH_SIZE:
            frame = data
        if marker[1] == 0xDA:
            break
    else:
        raise UnreadableImageError("has no image within its first 2000 segments")
    if not _has_end_marker(file, size_bytes):
        raise UnreadableImageError("is cut off: its end marker is missing")
    return _jpeg_header(frame, orientation or 1, is_rgb=inverted)


def _jpeg_header(frame: bytes, orientation: int, *, is_rgb: bool) -> ImageHeader:
    if len(frame) < 6 or len(frame) < 6 + 3 * frame[5]:
        raise UnreadableImageError("is damaged: its size is missing")
    bits, height, width, count = struct.unpack(">BHHB", frame[:6])
    if count not in _JPEG_COLOURS:
        raise UnreadableImageError(f"has {count} components (CMYK?); convert it to RGB or grey first")
    factors = [(frame[7 + 3 * k] >> 4, frame[7 + 3 * k] & 15) for k in range(count)]
    largest = tuple(max(factor[axis] for factor in factors) for axis in (0, 1))
    if any(0 in factor or largest[0] % factor[0] or largest[1] % factor[1] for factor in factors):
        raise UnreadableImageError("is damaged: its sampling factors are impossible")
    steps = ",".join(f"{largest[0] // across}x{largest[1] // down}" for across, down in factors)
    colour = "grey" if count == 1 else f"{'RGB' if is_rgb else 'YCbCr'} (one sample per {steps} pixels)"
    return ImageHeader(
        kind="JPEG",
        width=width,
        height=height,
        samples=f"{bits}-bit {colour}",
        bits=bits,
        channels=count,
        is_grey=count == 1,
        has_alpha=False,
        orientation=orientation,
    )


def _has_end_marker(file: BinaryIO, size_bytes: int) -> bool:
    """Return whether an end marker follows; cameras append videos after it."""
    place = file.tell()
    file.seek(max(place, size_bytes - 2))
    if file.read(2) == b"\xff\xd9":
        return True
    file.seek(place)
    last = b""
    while block := file.read(1 << 20):
        if b"\xff\xd9" in last + block:
            return True
        last = block[-1:]
    return False


# TIFF 6.0

_TIFF_COLOURS = {0: "grey (0 is white)", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "CIELab"}


def _tiff(file: BinaryIO, size_bytes: int) -> ImageHeader:
    tiff = TiffDirectory(file, size_bytes)
    if tiff.number(254, 0) & 1:
        raise UnreadableImageError("begins with a thumbnail; give one image per file")
    if tiff.following and not tiff.kind_of_following() & 1:
        raise UnreadableImageError("has more than one page; give one image per file")
    for places, lengths in ((273, 279), (324, 325)):
        ends = [place + length for place, length in zip(tiff.numbers(places), tiff.numbers(lengths), strict=False)]
        if ends and max(ends) > size_bytes:
            raise UnreadableImageError("is cut off")
    bits, samples, colour = tiff.number(258, 1), tiff.number(277, 1), tiff.number(262, 1)
    if colour not in (0, 1, 2, 3, 6):
        raise UnreadableImageError(
            f"is {_TIFF_COLOURS.get(colour, f'of the colour space {colour}')}; convert it to RGB or grey first"
        )
    plain = 3 if colour in (2, 6) else 1
    kind = {1: "", 2: " signed", 3: " float"}.get(tiff.number(339, 1), " unknown")
    if kind:
        raise UnreadableImageError(f"has{kind} samples; only unsigned integers can be read")
    more = "" if samples == plain else f" and {samples - plain} more"
    return ImageHeader(
        kind="TIFF",
        width=tiff.number(256, 0),
        height=tiff.number(257, 0),
        samples=f"{bits}-bit {_TIFF_COLOURS[colour]}{more}",
        bits=8 if colour == 3 else bits,
        channels=samples,
        is_grey=colour in (0, 1),
        has_alpha=samples > plain,
        orientation=tiff.orientation,
    )


_READERS = {"PNG": _png, "JPEG": _jpeg, "TIFF": _tiff}
