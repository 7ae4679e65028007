"""Keep small images of a few frames with their rows, so that a video can be compared with its table later.

A row says which frame it belongs to, but nothing in a video says which frame it is.  So every now and then `add_frame` keeps
64 numbers of what each colour camera shows.  `verify` compares them with the decoded video.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

_CELLS = 8  # in each direction
_SAMPLES = 4  # of each cell, in each direction
_EVERY = 100
_NOTICED, _NEARER = 4.0, 4.0
"""From how many levels (of 255) of mean difference, and by how much nearer, another frame is taken for the right one."""

Grid = npt.NDArray[np.uint8]


def is_tied(number: int) -> bool:
    """Return whether a frame of an episode is kept: 0, 1, 2, 4, 8, ... and every hundredth."""
    return number & (number - 1) == 0 or number % _EVERY == 0


def small_grid(frame: npt.NDArray[Any]) -> Grid:
    """Return the means of 8x8 cells of an RGB frame, each of a few pixels; ``(64,)`` uint8."""
    count = _CELLS * _SAMPLES
    rows, columns = ((np.arange(count) * 2 + 1) * size // (2 * count) for size in frame.shape[:2])
    pixels = frame[np.ix_(rows, columns)].reshape(_CELLS, _SAMPLES, _CELLS, _SAMPLES, -1)
    grid: Grid = pixels.mean(axis=(1, 3, 4)).round().astype(np.uint8).ravel()
    return grid


def ties_of(number: int, frames: Mapping[str, Any]) -> dict[str, list[int]] | None:
    """Return what colour cameras show in frame ``number``; None if that frame is not one of those that are kept."""
    if not is_tied(number):
        return None
    return {name: small_grid(frame).tolist() for name, frame in frames.items() if _is_colour(frame)}


def _is_colour(frame: object) -> bool:
    return isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and frame.ndim == 3 and frame.size > 0


class TieCheck:
    """Compares the decoded frames of one camera in one episode with the kept ones.

    Args:
        ties: by the number of the frame.
    """

    def __init__(self, ties: Mapping[int, Any]) -> None:
        self._ties = {}
        for number, values in ties.items():
            grid = np.asarray(values)
            if grid.shape == (_CELLS * _CELLS,) and grid.dtype.kind in "iu":
                self._ties[number] = grid.astype(np.int16)
        self._grids: list[Grid] = []

    def add(self, frame: npt.NDArray[Any]) -> None:
        """Take the next decoded frame, ``(height, width, 3)`` uint8."""
        if self._ties:
            self._grids.append(small_grid(frame))

    def misaligned(self) -> tuple[int, int] | None:
        """Return the first row whose frame shows another image now, and the frame that shows it; None if there is none."""
        if not self._ties or not self._grids:
            return None
        decoded = np.stack(self._grids).astype(np.int16)
        for number, grid in sorted(self._ties.items()):
            if number >= len(decoded):
                break
            off = np.abs(decoded - grid).mean(axis=1)
            nearest = int(off.argmin())
            if off[number] > _NOTICED and off[nearest] * _NEARER < off[number]:
                return number, nearest
        return None


def camera_ties(document: Mapping[str, Any], camera: str) -> dict[int, Any]:
    """Return the ties of one camera in a document of `ffenc.dataset.format.provenance`; empty if it has none that can be read."""
    ties = document.get("ties")
    if not isinstance(ties, Mapping):
        return {}
    return {
        int(number): grids[camera]
        for number, grids in ties.items()
        if str(number).isdecimal() and isinstance(grids, Mapping) and camera in grids
    }
