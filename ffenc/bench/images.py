"""Scale frames and store them as PNG, with Pillow."""

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
    raise DependencyError("the benchmark needs Pillow: pip install 'ffenc-video[bench]'") from err

Picture = npt.NDArray[Any]
"""``(height, width, 3)`` uint8 RGB, or ``(height, width)`` uint16."""


def scaled(picture: Picture, size: tuple[int, int]) -> Picture:
    """Scale a frame to (width, height): bicubic, or nearest for depth."""
    if picture.shape[1::-1] == size:
        return picture
    # Never interpolate depth: it would invent surfaces.
    how = Image.Resampling.NEAREST if picture.dtype == np.uint16 else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(picture).resize(size, how), picture.dtype)


def png_of(picture: Picture) -> bytes:
    """Return a frame as a PNG file, with LeRobot's compression level 1."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def from_png(data: bytes) -> Picture:
    """Return the frame in a PNG file."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def save_crop(picture: Picture, size: tuple[int, int], path: Path) -> None:
    """Write the centre of a frame, at most (width, height), as an optimized PNG file."""
    height, width = picture.shape[:2]
    left, top = (max(0, (have - want) // 2) for have, want in ((width, size[0]), (height, size[1])))
    cut = picture[top : top + size[1], left : left + size[0]]
    Image.fromarray(np.ascontiguousarray(cut)).save(path, "PNG", optimize=True)
