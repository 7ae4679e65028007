"""Summarize what the frames of one camera show in one episode, while they are decoded.

Every frame is reduced to about 80x60 of its pixels.  Two frames are equal if these differ no more than those of a still scene
after lossy coding.  The limits were measured with libsvtav1, libx264, libx265 and libvpx-vp9 at crf 23 to 50.  A square of 12
pixels that moves through 640x480 is never taken for a still scene for more than half a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SAMPLED_SIDE = 80
_MOST_RANGES = 100
_COMPARED = 4  # frames of an episode that are compared between cameras
_CELLS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """Largest differences that do not count, in values of the decoded frames.

    Attributes:
        pixel: of one pixel between two equal frames.
        mean: of all pixels between two equal frames.
        spread: between the pixels of a blank frame, in each channel.
        black: of a black frame, from 0.
        cell: between 8x8 cells of two cameras that show the same, on average.
    """

    pixel: int
    mean: float
    spread: int
    black: int
    cell: float


COLOUR = Tolerance(pixel=32, mean=3.0, spread=16, black=24, cell=2.0)
DEPTH = Tolerance(pixel=32, mean=4.0, spread=2, black=0, cell=4.0)
"""In 12-bit codes (one is 1 to 3 mm with the default range), or in millimetres.  Depth is coded without loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRanges:
    """Frames of an episode.

    Attributes:
        ranges: at most 100 ranges ``(first, last)``, both inclusive.
        count: number of frames, including those that are not in ``ranges``.
    """

    ranges: tuple[tuple[int, int], ...] = ()
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeContent:
    """What the frames of one camera show in one episode.

    Attributes:
        place: place of the episode.
        camera: the camera.
        path: its video or data file.
        length: number of frames.
        frozen: runs of frames that do not change, without blank ones.
        blank: frames of one colour or depth.
        is_black: whether all blank frames are black.
        is_varied: whether the colour or depth of blank frames changes.
        cells: means of 8x8 cells of a few frames; empty if the frames are blank.
    """

    place: int
    camera: str
    path: Path
    length: int
    frozen: FrameRanges
    blank: FrameRanges
    is_black: bool
    is_varied: bool
    cells: npt.NDArray[Any]

    def shows_the_same(self, other: EpisodeContent, tolerance: Tolerance) -> bool:
        """Return whether two cameras show the same frames in this episode."""
        if not self.cells.size or self.cells.shape != other.cells.shape or self.cells.dtype != other.cells.dtype:
            return False
        return bool(np.abs(self.cells.astype(np.int32) - other.cells).mean(axis=1).max() <= tolerance.cell)


class ContentSampler:
    """Collects `EpisodeContent` of one episode and camera.

    Args:
        length: number of frames of the episode.
        tolerance: differences that do not count.
        frozen_frames: shortest run of equal frames that is kept.
    """

    def __init__(self, *, length: int, tolerance: Tolerance, frozen_frames: int) -> None:
        self._tolerance = tolerance
        self._compared = set(np.linspace(0, length - 1, _COMPARED).round().astype(int).tolist())
        self._cells: list[npt.NDArray[Any]] = []
        self._frozen = _Runs(at_least=frozen_frames)
        self._blank = _Runs(at_least=1)
        self._reference: npt.NDArray[Any] | None = None
        self._blank_values: tuple[npt.NDArray[Any], npt.NDArray[Any]] | None = None
        self._number = 0

    def add(self, frame: npt.NDArray[Any]) -> None:
        """Add the next frame, ``(height, width[, channels])`` uint8 or uint16."""
        limits, pixels = self._tolerance, _sampled(frame)
        lowest, highest = pixels.min(axis=1), pixels.max(axis=1)
        is_blank = bool((highest - lowest).max() <= limits.spread)
        if is_blank:
            self._blank.extend(self._number)
            low, high = self._blank_values or (lowest, highest)
            self._blank_values = np.minimum(low, lowest), np.maximum(high, highest)
        if is_blank or self._reference is None or not self._is_near(pixels, self._reference):
            self._frozen.end()
            self._reference = pixels
        if not is_blank:
            self._blank.end()
            self._frozen.extend(self._number)
        if self._number in self._compared:
            self._cells.append(_cells(frame))
        self._number += 1

    def content(self, *, place: int, camera: str, path: Path) -> EpisodeContent:
        """Return the summary of all frames."""
        blank = self._blank.ranges()
        low, high = self._blank_values or (np.zeros(1), np.zeros(1))
        cells = np.stack(self._cells) if blank.count < self._number else np.empty((0, 0), np.uint8)
        return EpisodeContent(
            place=place,
            camera=camera,
            path=path,
            length=self._number,
            frozen=self._frozen.ranges(),
            blank=blank,
            is_black=bool(high.max() <= self._tolerance.black),
            is_varied=bool((high - low).max() > self._tolerance.spread),
            cells=cells,
        )

    def _is_near(self, one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
        differences = np.maximum(one, other) - np.minimum(one, other)  # stays unsigned
        return bool(differences.max() <= self._tolerance.pixel and differences.mean() <= self._tolerance.mean)


class _Runs:
    """Runs of consecutive frames of at least some length."""

    def __init__(self, *, at_least: int) -> None:
        self._at_least = at_least
        self._kept: list[tuple[int, int]] = []
        self._count = 0
        self._run: tuple[int, int] | None = None

    def extend(self, number: int) -> None:
        """Add the next frame to the current run."""
        self._run = (number if self._run is None else self._run[0], number)

    def end(self) -> None:
        """End the current run, if there is one."""
        if self._run is not None and (length := self._run[1] - self._run[0] + 1) >= self._at_least:
            self._count += length
            if len(self._kept) < _MOST_RANGES:
                self._kept.append(self._run)
        self._run = None

    def ranges(self) -> FrameRanges:
        """End the current run and return all runs."""
        self.end()
        return FrameRanges(ranges=tuple(self._kept), count=self._count)


def _sampled(frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return evenly spaced pixels, ``(channels, pixels)``; the copy is contiguous, so that its reductions are fast."""
    stride = max(1, max(frame.shape[:2]) // SAMPLED_SIDE)
    view = frame[stride // 2 :: stride, stride // 2 :: stride]
    planes = view[np.newaxis] if view.ndim == 2 else view.transpose(2, 0, 1)
    return np.ascontiguousarray(planes).reshape(len(planes), -1)


def _cells(frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the means of 8x8 cells, from 16 pixels of each, ``(64,)`` in the type of the frame."""
    count = _CELLS * 4
    rows, columns = ((np.arange(count) * 2 + 1) * size // (2 * count) for size in frame.shape[:2])
    pixels = frame[np.ix_(rows, columns)].reshape(_CELLS, 4, _CELLS, 4, -1)
    cells: npt.NDArray[Any] = pixels.mean(axis=(1, 3, 4)).round().astype(frame.dtype).ravel()
    return cells
