"""Pictures as files, and in other sizes; the one module of the benchmark that needs Pillow."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.errors import DependencyError

try:
    from PIL import Image
except ImportError as err:  # pragma: no cover - depends on what is installed
    raise DependencyError(
        "the benchmark scales and stores pictures with Pillow: pip install 'ffenc-video[bench]'"
    ) from err

Picture = npt.NDArray[Any]
"""``(height, width, 3)`` uint8 RGB, or ``(height, width)`` uint16."""


def scaled(picture: Picture, size: tuple[int, int]) -> Picture:
    """A picture in another size (width, height); bicubic, but depths as they are."""
    if picture.shape[1::-1] == size:
        return picture
    # A mean of two depths is a depth that nothing had.
    how = Image.Resampling.NEAREST if picture.dtype == np.uint16 else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(picture).resize(size, how), picture.dtype)


def png_of(picture: Picture) -> bytes:
    """The picture as a PNG file, compressed as little as LeRobot does (level 1)."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def from_png(data: bytes) -> Picture:
    """The picture in a PNG file."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def save_crop(picture: Picture, size: tuple[int, int], path: Path) -> None:
    """Write the middle of a picture, of this (width, height) at most, as small as PNG can make it."""
    height, width = picture.shape[:2]
    left, top = (max(0, (have - want) // 2) for have, want in ((width, size[0]), (height, size[1])))
    cut = picture[top : top + size[1], left : left + size[0]]
    Image.fromarray(np.ascontiguousarray(cut)).save(path, "PNG", optimize=True)
