"""A moving picture made with numpy, whose every frame says which one it is."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt

_BITS = 12
_BAR_MARGIN = 0.15  # of a bar's width: left out when reading, for the blur at its edges


def picture(number: int, *, width: int = 640, height: int = 480) -> npt.NDArray[np.uint8]:
    """Frame ``number``: drifting colours, a ball on a closed path, and the number in bars along the lower edge.

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
    """Where the ball of a frame is: column and row of its middle."""
    phase = number / 15
    return width * (0.5 + 0.35 * math.cos(phase)), height * (0.42 + 0.3 * math.sin(2 * phase))


def number_in(frame: npt.NDArray[np.uint8]) -> int:
    """Read the bars back; the frame may have been encoded and decoded."""
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
    """First row, and (first column, column behind) of each bar, the highest bit first."""
    edges = [round(width * part / _BITS) for part in range(_BITS + 1)]
    return height - max(4, height // 12), list(pairwise(edges))
