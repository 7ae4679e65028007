"""Compare decoded frames with the frames that were encoded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Frame: TypeAlias = npt.NDArray[Any]

_SHIFTS = tuple(
    (down * pixels, right * pixels) for pixels in (1, 4, 12) for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1))
)
_CROP = 256  # pixels a side; the search for a better match looks at the middle of the frame
_SMALLEST = 32  # pixels a side; below, the loss of an encoder hides a shift
_TELLING_DB = 0.5  # a better match by less than this can be chance


def psnr_db(sent: Frame, shown: Frame, *, largest: int) -> float:
    """Return the peak signal-to-noise ratio of two frames, in dB; infinite for equal frames.

    Args:
        sent, shown: arrays of one shape.
        largest: largest value of a sample.
    """
    error = np.subtract(sent, shown, dtype=np.float32)
    mean_square = float(np.mean(np.square(error, out=error), dtype=np.float64))
    return math.inf if mean_square == 0 else 10 * math.log10(largest**2 / mean_square)


def find_wrong_frame(
    sent: Sequence[Frame], shown: Frame, number: int, *, largest: int, lowest_db: float, is_key_frame: bool
) -> str | None:
    """Return what is wrong with a decoded frame, or None if it is the frame that was sent.

    A frame is wrong if its PSNR is below ``lowest_db``.  A keyframe is also wrong if a neighbouring frame, a shifted copy or
    a single colour matches it better, which finds small faults in video of low quality.  Other frames can lag behind the
    motion in such video.

    Args:
        sent: the frames that were encoded, in order.
        shown: a decoded frame of the same shape and dtype.
        number: index of the frame in ``sent``.
        largest: largest value of a sample.
        lowest_db: lowest acceptable PSNR.
        is_key_frame: whether the frame is a keyframe.
    """
    alike_db = psnr_db(sent[number], shown, largest=largest)
    if (is_key_frame or alike_db < lowest_db) and min(shown.shape[:2]) >= _SMALLEST:
        rows, columns = _middle(shown.shape[0]), _middle(shown.shape[1])
        own_db = psnr_db(sent[number][rows, columns], shown[rows, columns], largest=largest)
        for what, other in _alternatives(sent, shown, number, rows, columns):
            other_db = psnr_db(other, shown[rows, columns], largest=largest)
            if other_db > own_db + _TELLING_DB:
                return f"frame {number} shows {what} (PSNR {other_db:.1f} dB, with the right frame {own_db:.1f} dB)"
    if alike_db < lowest_db:
        return f"frame {number} differs from what was encoded: PSNR {alike_db:.1f} dB, expected at least {lowest_db:.1f} dB"
    return None


def _alternatives(
    sent: Sequence[Frame], shown: Frame, number: int, rows: slice, columns: slice
) -> Iterator[tuple[str, Frame]]:
    yield "a single colour", np.broadcast_to(shown[rows, columns].mean(axis=(0, 1)), shown[rows, columns].shape)
    for other in (number - 1, number + 1):
        if 0 <= other < len(sent):
            yield f"frame {other}", sent[other][rows, columns]
    for down, right in _SHIFTS:
        moved_rows = slice(rows.start - down, rows.stop - down)
        moved_columns = slice(columns.start - right, columns.stop - right)
        yield "a shifted frame", sent[number][moved_rows, moved_columns]


def _middle(side: int) -> slice:
    size = min(_CROP, side - 2 * max(down for down, _ in _SHIFTS))  # leaves room for every shift
    start = (side - size) // 2
    return slice(start, start + size)
