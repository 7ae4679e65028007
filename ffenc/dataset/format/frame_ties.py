"""Store small images of a few frames, so that `verify` can detect a video that is shifted against its rows.

`add_frame` stores an 8x8 grey image of selected frames of each colour camera.  `verify` compares them with the decoded video.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

_CELLS = 8  # in each direction
_SAMPLES = 4  # pixels of each cell, in each direction
_EVERY = 100
_LEAST_DIFFERENCE = 4.0  # levels (of 255); a smaller mean difference is due to compression
_LEAST_RATIO = 4.0  # another frame must be this much more similar

Grid = npt.NDArray[np.uint8]


def is_tied(number: int) -> bool:
    """Return True for the frames of an episode that are stored: 0, 1, 2, 4, 8, ... and every hundredth."""
    return number & (number - 1) == 0 or number % _EVERY == 0


def small_grid(frame: npt.NDArray[Any]) -> Grid:
    """Return the means of 8x8 cells of an RGB frame, sampled at 16 pixels per cell; ``(64,)`` uint8."""
    count = _CELLS * _SAMPLES
    rows, columns = ((np.arange(count) * 2 + 1) * size // (2 * count) for size in frame.shape[:2])
    pixels = frame[np.ix_(rows, columns)].reshape(_CELLS, _SAMPLES, _CELLS, _SAMPLES, -1)
    grid: Grid = pixels.mean(axis=(1, 3, 4)).round().astype(np.uint8).ravel()
    return grid


def ties_of(number: int, frames: Mapping[str, Any]) -> dict[str, list[int]] | None:
    """Return the small images of the colour cameras in frame ``number``, or None if it is not stored."""
    if not is_tied(number):
        return None
    return {name: small_grid(frame).tolist() for name, frame in frames.items() if _is_colour(frame)}


def _is_colour(frame: object) -> bool:
    return isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and frame.ndim == 3 and frame.size > 0


class TieCheck:
    """Compare the decoded frames of one camera in one episode with the stored images, by frame number."""

    def __init__(self, ties: Mapping[int, Any]) -> None:
        self._ties = {}
        for number, values in ties.items():
            grid = np.asarray(values)
            if grid.shape == (_CELLS * _CELLS,) and grid.dtype.kind in "iu":
                self._ties[number] = grid.astype(np.int16)
        self._grids: list[Grid] = []

    def add(self, frame: npt.NDArray[Any]) -> None:
        """Add the next decoded frame, ``(height, width, 3)`` uint8."""
        if self._ties:
            self._grids.append(small_grid(frame))

    def misaligned(self) -> tuple[int, int] | None:
        """Return (row, frame) for the first stored image that another frame shows, or None if all match."""
        if not self._ties or not self._grids:
            return None
        decoded = np.stack(self._grids).astype(np.int16)
        for number, grid in sorted(self._ties.items()):
            if number >= len(decoded):
                break
            differences = np.abs(decoded - grid).mean(axis=1)
            nearest = int(differences.argmin())
            least = max(_LEAST_DIFFERENCE, differences[nearest] * _LEAST_RATIO)
            if differences[number] > least:
                return number, nearest
        return None


def camera_ties(document: Mapping[str, Any], camera: str) -> dict[int, Any]:
    """Return the valid images of one camera in a document of `ffenc.dataset.format.provenance`."""
    ties = document.get("ties")
    if not isinstance(ties, Mapping):
        return {}
    return {
        int(number): grids[camera]
        for number, grids in ties.items()
        if str(number).isdecimal() and isinstance(grids, Mapping) and camera in grids
    }
