"""Draw numbers in frames, and read them back."""

from __future__ import annotations

import numpy as np

BITS = 16


def draw(number: int, height: int, width: int) -> np.ndarray:
    """Return a grey frame with the bits of a number as blocks from left to right, bright for 1."""
    levels = np.array([200 if number >> bit & 1 else 40 for bit in range(BITS)], np.uint8)
    row = levels[np.arange(width) * BITS // width]
    return np.broadcast_to(row, (height, width)).copy()


def number_in(frame: np.ndarray) -> int:
    """Return the number that was drawn in a frame with one channel of any scale."""
    width = frame.shape[1]
    blocks = [frame[:, width * bit // BITS : width * (bit + 1) // BITS] for bit in range(BITS)]
    levels = np.array([float(block.mean()) for block in blocks])
    bright = levels > 2 * levels[-1]  # the last bit is never set
    return int(sum(1 << bit for bit in range(BITS) if bright[bit]))
