"""Generate frames that show their number in bars, and read it from decoded frames, even after lossy encoding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]

_BITS = 8


def numbered_frame(number: int, *, width: int = 128, height: int = 96) -> Frame:
    """Return a ``(height, width, 3)`` frame with the bits of a number from 0 to 255 as eight bars, bright for 1."""
    frame = np.full((height, width, 3), (70, 60, 50), np.uint8)
    bar = width // _BITS
    for bit in range(_BITS):
        if number >> bit & 1:
            frame[height // 4 : height * 3 // 4, bit * bar : (bit + 1) * bar] = (230, 220, 210)
    return frame


def numbered_frames(count: int, *, start: int = 0, width: int = 128, height: int = 96) -> Iterator[Frame]:
    """Yield frames ``start`` to ``start + count - 1``."""
    return (numbered_frame(number, width=width, height=height) for number in range(start, start + count))


def number_of(frame: Frame) -> int:
    """Return the number that the bars of a decoded frame show."""
    height, width = frame.shape[:2]
    bar = width // _BITS
    middle = frame[height * 3 // 8 : height * 5 // 8].astype(float)
    bright = [middle[:, bit * bar + bar // 4 : (bit + 1) * bar - bar // 4].mean() > 145 for bit in range(_BITS)]
    return sum(1 << bit for bit, is_bright in enumerate(bright) if is_bright)


def numbers_of(frames: Iterable[Frame]) -> list[int]:
    """Return the number that each frame shows, in order."""
    return [number_of(frame) for frame in frames]
