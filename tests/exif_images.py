"""Write images with an orientation in their headers, including headers that Pillow cannot write."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

SUFFIXES = {"png": ".png", "jpeg": ".jpg", "tiff": ".tiff"}


def asymmetric(number: int, *, width: int = 64, height: int = 48) -> npt.NDArray[Any]:
    """Return an image that looks different in each orientation, with a block at a position given by the number."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2] = (200, 0, 0)
    image[: height // 2, width // 2 :] = (0, 180, 0)
    image[4:12, 4 + 4 * number : 12 + 4 * number] = 255
    return image


def exif(orientation: int, *, big_endian: bool = False, kind: int = 3) -> bytes:
    """Return EXIF data without its signature: a directory with only the orientation, as a short (3) or long (4) number."""
    order = ">" if big_endian else "<"
    value = struct.pack(f"{order}{'H2x' if kind == 3 else 'I'}", orientation)
    head = (b"MM\0*" if big_endian else b"II*\0") + struct.pack(f"{order}I", 8)
    return head + struct.pack(f"{order}HHHI", 1, 0x112, kind, 1) + value + struct.pack(f"{order}I", 0)


def write(path: Path, pixels: npt.NDArray[Any], orientation: int, **how: Any) -> None:
    """Write an image with this orientation in its header; ``how`` is passed to `exif`."""
    image = Image.fromarray(pixels)
    data = exif(orientation, **how)
    file = io.BytesIO()
    if path.suffix == ".png":
        image.save(file, "PNG")
        path.write_bytes(with_chunk(file.getvalue(), b"eXIf", data))
    elif path.suffix == ".jpg":
        image.save(file, "JPEG", quality=98, subsampling=0)
        path.write_bytes(with_segment(file.getvalue(), 0xE1, b"Exif\0\0" + data))
    else:
        image.save(path, "TIFF", tiffinfo={0x112: orientation})


def with_chunk(png: bytes, name: bytes, data: bytes, *, before: bytes = b"IDAT") -> bytes:
    """Return a PNG file with an additional chunk."""
    place = png.index(before) - 4
    chunk = struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return png[:place] + chunk + png[place:]


def with_segment(jpeg: bytes, marker: int, data: bytes, *, place: int = 2) -> bytes:
    """Return a JPEG file with an additional segment, by default as the first one."""
    return jpeg[:place] + bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data + jpeg[place:]


def upright(path: Path) -> npt.NDArray[Any]:
    """Return the image in its intended orientation, decoded by Pillow and not by FFmpeg."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
