"""Synthetic frames that show their own number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ffenc.frames import FrameFormat

_BITS = 12
_BAR_MARGIN = 0.15  # share of a bar's width that is ignored at each edge, which may be blurred


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticCamera:
    """A source of synthetic frames, with the same methods as a `VideoReader`.

    Attributes:
        width: in pixels.
        height: in pixels.
    """

    width: int
    height: int

    @property
    def format(self) -> FrameFormat:
        """Format of the frames."""
        return FrameFormat(width=self.width, height=self.height)

    def read_range(self, start: int, end: int) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield frames ``[start, end)``."""
        return (synthetic_frame(number, width=self.width, height=self.height) for number in range(start, end))


def synthetic_frame(number: int, *, width: int = 640, height: int = 480) -> npt.NDArray[np.uint8]:
    """Draw moving colours, a ball on a closed path, and ``number`` as bars along the lower edge.

    Returns:
        ``(height, width, 3)`` uint8 RGB.
    """
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    phase = number / 15
    red = 128 + 90 * np.sin(columns / width * 3 + phase)
    green = 128 + 90 * np.sin(rows / height * 3 - phase)
    blue = 128 + 90 * np.sin((columns + rows) / (width + height) * 4 + phase / 2)
    frame = np.stack([red, green, blue], axis=-1).astype(np.uint8)
    x, y = ball(number, width=width, height=height)
    frame[(columns - x) ** 2 + (rows - y) ** 2 < (height / 12) ** 2] = (250, 240, 60)
    _draw_bars(frame, number)
    return frame


def ball(number: int, *, width: int = 640, height: int = 480) -> tuple[float, float]:
    """Return column and row of the centre of the ball in a frame."""
    phase = number / 15
    return width * (0.5 + 0.35 * math.cos(phase)), height * (0.42 + 0.3 * math.sin(2 * phase))


def number_in(frame: npt.NDArray[np.uint8]) -> int:
    """Read the number from the bars of a frame, also after lossy encoding."""
    top, bounds = _bars(frame.shape[0], frame.shape[1])
    number = 0
    for left, right in bounds:
        margin = max(1, round((right - left) * _BAR_MARGIN))
        bright = frame[top + margin :, left + margin : right - margin].mean() > 127
        number = number * 2 + int(bright)
    return number


def _draw_bars(frame: npt.NDArray[np.uint8], number: int) -> None:
    top, bounds = _bars(frame.shape[0], frame.shape[1])
    for bit, (left, right) in enumerate(bounds):
        frame[top:, left:right] = 255 if number >> (_BITS - 1 - bit) & 1 else 0


def _bars(height: int, width: int) -> tuple[int, list[tuple[int, int]]]:
    """Return the first row, and the columns ``[left, right)`` of each bar, highest bit first."""
    edges = [round(width * part / _BITS) for part in range(_BITS + 1)]
    return height - max(4, height // 12), list(pairwise(edges))
