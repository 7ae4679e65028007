"""Frames that show their own number, and what reads it back: a frame is the right one if it says so itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 128, 64
_BITS = 8
_BLOCK = WIDTH // _BITS
_DARK, _BRIGHT = 40, 215
_LEAST_CONTRAST = 60

UNREADABLE = -1
"""Read from a frame that shows no number: grey, torn, or a mixture of two frames."""


def draw(number: int) -> npt.NDArray[np.uint8]:
    """Return a ``(64, 128, 3) uint8`` frame: eight blocks for the bits of the number, and below them their complement."""
    bits = (number >> np.arange(_BITS)) & 1
    values = np.where(np.stack([bits, 1 - bits]) == 1, _BRIGHT, _DARK).astype(np.uint8)
    plane = np.repeat(np.repeat(values, HEIGHT // 2, axis=0), _BLOCK, axis=1)
    return np.repeat(plane[:, :, None], 3, axis=2)


def draw_all(numbers: Iterable[int]) -> bytes:
    """Return frames as raw rgb24."""
    return b"".join(draw(number).tobytes() for number in numbers)


def read(frame: npt.NDArray[Any]) -> int:
    """Return the number a frame shows, whatever its size; `UNREADABLE` if it shows none."""
    plane = frame.astype(float)
    if plane.ndim == 3:
        plane = plane.mean(axis=2)
    height, width = plane.shape
    means = np.array(
        [
            [
                plane[
                    int(height * (row + 0.2) / 2) : int(height * (row + 0.8) / 2),
                    int(width * (bit + 0.25) / _BITS) : int(width * (bit + 0.75) / _BITS),
                ].mean()
                for bit in range(_BITS)
            ]
            for row in range(2)
        ]
    )
    contrast = means[0] - means[1]
    if np.abs(contrast).min() < _LEAST_CONTRAST:
        return UNREADABLE
    return int(((contrast > 0) << np.arange(_BITS)).sum())


def read_all(frames: Iterable[npt.NDArray[Any]]) -> list[int]:
    """Return the number of every frame."""
    return [read(frame) for frame in frames]


def split(raw: bytes, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Sequence[npt.NDArray[np.uint8]]:
    """Return raw rgb24 as frames."""
    width, height = size
    return list(np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3))
