"""Compute LeRobot's statistics of features, of sampled camera frames, and of several episodes together.

The definitions follow LeRobot's ``datasets/compute_stats.py``.  Sums are float64, whereas LeRobot uses the dtype of the data,
so means and deviations agree to the precision of float32.  Frames are sampled as in its ``sample_images``, although the length
of the episode is not known in advance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.errors import FrameError
from ffenc.histograms import (
    QUANTILES,
    Depths,
    FloatArray,
    Levels,
    bin_counts,
    bin_edges,
    binned_quantiles,
    histogram_quantiles,
)

STATISTICS = ("min", "max", "mean", "std", "count", *QUANTILES)
"""Names of all statistics, in LeRobot's order."""

_AGGREGATED_AT_ONCE = 50  # episodes whose statistics are in memory
_CHUNKS_AT_ONCE = 4096
_FRAMES_KEPT = 4  # times the number of sampled frames, so that the nearest kept frame is close
_LARGE = 300  # LeRobot subsamples frames whose long side has at least this many pixels,
_SAMPLED_SIDE = 150  # to about this many


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureStatistics:
    """Statistics of one feature.

    All arrays except ``count`` have the same shape: ``(n,)`` for a vector, ``(channels, 1, 1)`` for a camera.

    Attributes:
        min, max, mean, std: float64; ``std`` is the standard deviation of the population.
        count: shape (1,) int64, the number of rows, or of sampled frames of a camera; the weight in an aggregation.
        q01, q10, q50, q90, q99: quantiles; None in datasets of older LeRobot versions.
    """

    min: FloatArray
    max: FloatArray
    mean: FloatArray
    std: FloatArray
    count: npt.NDArray[np.int64]
    q01: FloatArray | None = None
    q10: FloatArray | None = None
    q50: FloatArray | None = None
    q90: FloatArray | None = None
    q99: FloatArray | None = None

    def to_json(self) -> dict[str, Any]:
        """Return nested lists with LeRobot's order of keys; an unknown quantile has no key."""
        known = ((name, getattr(self, name)) for name in STATISTICS)
        return {name: value.tolist() for name, value in known if value is not None}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FeatureStatistics:
        """Read nested lists from ``stats.json`` or the ``stats/`` columns of an episode.

        Raises:
            ValueError: a statistic other than a quantile is missing, is not numeric, or has another shape than the others.
        """
        missing = [name for name in STATISTICS if name not in QUANTILES and values.get(name) is None]
        if missing:
            raise ValueError(f"the statistics lack {', '.join(missing)}; they have {', '.join(values) or 'nothing'}")
        known = {name: values[name] for name in STATISTICS if values.get(name) is not None}
        try:
            arrays = {name: np.atleast_1d(np.asarray(value, np.float64)) for name, value in known.items()}
        except TypeError as err:
            raise ValueError(f"the statistics are not lists of numbers: {err}") from err
        count = arrays.pop("count").astype(np.int64)
        if count.shape != (1,) or len({array.shape for array in arrays.values()}) != 1:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in (*arrays.items(), ("count", count)))
            raise ValueError(f"the statistics of one feature have different shapes: {shapes}")
        return cls(count=count, **arrays)

    def reshape(self, *shape: int) -> FeatureStatistics:
        """Return the values with another shape; the shape of ``count`` does not change."""
        known = ((name, getattr(self, name)) for name in STATISTICS if name != "count")
        return FeatureStatistics(
            count=self.count, **{name: value.reshape(shape) for name, value in known if value is not None}
        )


def vector_statistics(rows: npt.NDArray[Any]) -> FeatureStatistics:
    """Return the statistics of a numeric feature over all rows of an episode.

    As in LeRobot, every axis except the last is an axis of samples: a matrix feature ``(rows, a, b)`` has b values of each
    statistic.  Booleans count as 0 and 1.  The quantiles of a component are NaN if one of its values is not finite.

    Args:
        rows: shape (length,) for a feature of shape [1], or (length, ...); a number type or bool.

    Returns:
        Statistics of shape (last axis,), with ``count`` = length.  The quantiles of a single row are its mean.

    Raises:
        ValueError: ``rows`` is empty or not numeric.
    """
    if len(rows) == 0 or rows.dtype.kind not in "biuf":
        raise ValueError(f"statistics need at least one row of numbers, got {rows.shape} {rows.dtype}")
    table = rows.reshape(-1, rows.shape[-1] if rows.ndim > 1 else 1).astype(np.float64)
    low, high = table.min(axis=0), table.max(axis=0)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, as intended
        mean, std = table.mean(axis=0), table.std(axis=0)
    if len(rows) == 1:
        quantiles = {name: mean.copy() for name in QUANTILES}
    else:
        weights = np.ones(len(table))
        columns = [histogram_quantiles(column, weights) for column in table.T]
        quantiles = {name: np.array([column[name] for column in columns]) for name in QUANTILES}
    return FeatureStatistics(min=low, max=high, mean=mean, std=std, count=np.array([len(rows)]), **quantiles)


def relative_action_statistics(
    episodes: Callable[[], Iterable[tuple[npt.NDArray[Any], npt.NDArray[Any]]]],
    *,
    relative: npt.NDArray[np.bool_],
    chunk_size: int,
) -> FeatureStatistics | None:
    """Return LeRobot's statistics of relative actions: those of all chunks of actions minus the state at the chunk's start.

    A chunk is ``chunk_size`` consecutive actions of one episode.  Chunks overlap: every frame that has enough frames after it
    starts one.

    Args:
        episodes: called twice; yields for each episode the actions ``(rows, n)``, and the states with at least n components.
        relative: shape (n,); components where it is False stay absolute.
        chunk_size: actions in a chunk.

    Returns:
        The statistics, with ``count`` = number of chunks times ``chunk_size``; None if no episode has enough frames.
    """
    count, total, squares = 0, np.zeros(len(relative)), np.zeros(len(relative))
    low, high = np.full(len(relative), np.inf), np.full(len(relative), -np.inf)
    for values in _relative_chunks(episodes(), relative, chunk_size):
        exact = values.astype(np.float64)
        count += len(exact)
        total += exact.sum(axis=0)
        squares += (exact**2).sum(axis=0)
        low, high = np.minimum(low, exact.min(axis=0)), np.maximum(high, exact.max(axis=0))
    if not count:
        return None
    edges = [bin_edges(*ends) for ends in zip(low, high, strict=True)]
    counts = [np.zeros(len(each) - 1) for each in edges]
    for values in _relative_chunks(episodes(), relative, chunk_size):
        for component, each in enumerate(edges):
            counts[component] += bin_counts(values[:, component], each)
    columns = [binned_quantiles(*each) for each in zip(counts, edges, strict=True)]
    mean = total / count
    return FeatureStatistics(
        min=low,
        max=high,
        mean=mean,
        std=np.sqrt(np.maximum(squares / count - mean**2, 0)),
        count=np.array([count], np.int64),
        **{name: np.array([column[name] for column in columns]) for name in QUANTILES},
    )


def _relative_chunks(
    episodes: Iterable[tuple[npt.NDArray[Any], npt.NDArray[Any]]], relative: npt.NDArray[np.bool_], chunk_size: int
) -> Iterator[npt.NDArray[np.float32]]:
    for actions, states in episodes:
        base = np.where(relative, states[:, : len(relative)], 0).astype(np.float32)
        starts = np.arange(max(len(actions) - chunk_size + 1, 0))
        for first in range(0, len(starts), _CHUNKS_AT_ONCE):
            some = starts[first : first + _CHUNKS_AT_ONCE]
            chunks = actions.astype(np.float32)[some[:, np.newaxis] + np.arange(chunk_size)] - base[some, np.newaxis]
            yield chunks.reshape(-1, len(relative))


def aggregate_statistics(
    parts: Sequence[Mapping[str, FeatureStatistics]], *, mean_quantiles: bool = False
) -> dict[str, FeatureStatistics]:
    """Return the statistics of several episodes or datasets together.

    As in LeRobot, ``mean`` is weighted by ``count``, and the variance uses the parallel formula.  Quantiles cannot be combined
    exactly: the result is the minimum of the lower quantiles and the median, and the maximum of the upper quantiles.  With
    ``mean_quantiles`` it is their weighted mean, as in LeRobot up to 0.6.1.

    Returns:
        The statistics of every feature of any part, in order of first appearance.  A quantile is unknown if it is unknown in
        one part.

    Raises:
        ValueError: a feature has different shapes in different parts.
    """
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: _aggregate(name, [part[name] for part in parts if name in part], mean_quantiles) for name in names}


def _aggregate(name: str, parts: Sequence[FeatureStatistics], mean_quantiles: bool) -> FeatureStatistics:
    shapes = {part.mean.shape for part in parts}
    if len(shapes) > 1:
        raise ValueError(f"the statistics of {name!r} have different shapes and cannot be aggregated: {sorted(shapes)}")
    counts = np.array([part.count[0] for part in parts])
    weights = (counts / counts.sum()).reshape(-1, *(1,) * parts[0].mean.ndim)
    means = np.stack([part.mean for part in parts])
    mean = (means * weights).sum(axis=0)
    with np.errstate(invalid="ignore"):  # the deviation of infinite values is NaN
        variances = np.stack([part.std for part in parts]) ** 2 + (means - mean) ** 2
    quantiles = {}
    for quantile, share in QUANTILES.items():
        values = [getattr(part, quantile) for part in parts]
        if mean_quantiles and all(value is not None for value in values):
            quantiles[quantile] = (np.stack(values) * weights).sum(axis=0)
        elif all(value is not None for value in values):
            quantiles[quantile] = np.min(values, axis=0) if share <= 0.5 else np.max(values, axis=0)
    return FeatureStatistics(
        min=np.min([part.min for part in parts], axis=0),
        max=np.max([part.max for part in parts], axis=0),
        mean=mean,
        std=np.sqrt((variances * weights).sum(axis=0)),
        count=np.array([counts.sum()], np.int64),
        **quantiles,
    )


class StatisticsTotal:
    """Aggregate the statistics of many episodes with few in memory.

    Args:
        mean_quantiles: see `aggregate_statistics`.
    """

    def __init__(self, *, mean_quantiles: bool = False) -> None:
        self._mean_quantiles = mean_quantiles
        self._parts: list[Mapping[str, FeatureStatistics]] = []
        self._described: Counter[str] = Counter()
        self._episodes = 0

    def add(self, statistics: Mapping[str, FeatureStatistics]) -> None:
        """Add the next episode.

        Raises:
            ValueError: a feature has another shape than in an earlier episode.
        """
        self._episodes += 1
        self._described.update(statistics.keys())
        self._parts.append(statistics)
        if len(self._parts) > _AGGREGATED_AT_ONCE:
            self._parts = [self._joined()]

    def result(self) -> dict[str, FeatureStatistics]:
        """Return the statistics of the features that every episode describes; see `aggregate_statistics`."""
        known = self._joined()
        return {name: known[name] for name, count in self._described.items() if count == self._episodes}

    def _joined(self) -> dict[str, FeatureStatistics]:
        return aggregate_statistics(self._parts, mean_quantiles=self._mean_quantiles)


def sample_count(frames: int) -> int:
    """Return the number of frames that LeRobot samples for camera statistics (``estimate_num_samples``)."""
    return max(min(100, frames), min(int(frames**0.75), 10_000))


class FrameSampler:
    """Compute the statistics of one camera over one episode whose length is not known in advance.

    LeRobot samples frames evenly over the episode.  This class keeps a summary of every frame on a grid, whose step doubles
    when it has four times the needed frames.  At the end, each of LeRobot's positions takes the nearest kept frame.  The sample
    is LeRobot's own up to 400 frames.  In longer episodes a frame is at most half a grid step away, a quarter of the distance
    between two positions.

    Not thread-safe.
    """

    def __init__(self) -> None:
        self._kept: list[Levels | Depths] = []
        self._step = 1
        self._frames = 0
        self._form: tuple[tuple[int, ...], np.dtype[Any]] | None = None

    @property
    def frames(self) -> int:
        """Number of frames so far."""
        return self._frames

    @property
    def size_bytes(self) -> int:
        """Size of the kept summaries in bytes."""
        return sum(summary.nbytes for summary in self._kept)

    def add(self, frame: npt.NDArray[Any]) -> None:
        """Add the next frame of the episode; the array is not kept.

        Args:
            frame: (height, width, channels) or (height, width) uint8, or a depth map of (height, width) or
                (height, width, 1) uint16 or float32.  The statistics have the same order of channels.

        Raises:
            FrameError: the shape or dtype is not supported, or differs from that of earlier frames.
        """
        form = (frame.shape, frame.dtype)
        if form != self._form:
            self._check(frame)
            self._form = form
        if self._frames % self._step == 0:
            view = _downsampled(frame)
            self._kept.append(Levels(view) if frame.dtype == np.uint8 else Depths(view))
        self._frames += 1
        if len(self._kept) > _FRAMES_KEPT * sample_count(self._frames):
            del self._kept[1::2]
            self._step *= 2

    def statistics(self, *, scale: float | None = None) -> FeatureStatistics:
        """Return the statistics of the sampled frames; ``count`` is the number of sampled frames.

        Args:
            scale: factor of every value; None uses 1/255 for uint8 and 1 for depth, which keeps its recorded unit.

        Returns:
            Statistics of shape (channels, 1, 1).  They are exact, except that the quantiles of float32 depth have a relative
            error of up to 0.05 %.

        Raises:
            ValueError: no frame was added.
        """
        if not self._frames:
            raise ValueError("statistics need at least one frame")
        count = sample_count(self._frames)
        ideal = np.rint(np.linspace(0, self._frames - 1, count))
        nearest = np.minimum(np.rint(ideal / self._step).astype(int), len(self._kept) - 1)
        chosen: list[Any] = [self._kept[index] for index in nearest]
        channels = type(chosen[0]).join(chosen)
        if scale is None:
            scale = 1 / 255 if isinstance(chosen[0], Levels) else 1.0
        values = {name: np.array([channel[name] for channel in channels]) * scale for name in channels[0]}
        statistics = FeatureStatistics(count=np.array([count], np.int64), **values)
        return statistics.reshape(len(channels), 1, 1)

    def _check(self, frame: npt.NDArray[Any]) -> None:
        channels = frame.shape[2] if frame.ndim == 3 else 1
        depth = frame.dtype in (np.uint16, np.float32) and channels == 1
        if self._form is not None:
            expected = f"{self._form[0]} {self._form[1]}"
        elif frame.ndim in (2, 3) and frame.size and (frame.dtype == np.uint8 or depth):
            return
        else:
            expected = "(height, width[, channels]) uint8, or a depth map (height, width[, 1]) uint16 or float32"
        seen = f"{frame.shape} {frame.dtype}"
        raise FrameError(f"expected a frame of {expected}, got {seen}", expected=expected, seen=seen)


def _downsampled(frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
    # As in LeRobot's auto_downsample_height_width; a view with a channel axis.
    long_side = max(frame.shape[:2])
    stride = long_side // _SAMPLED_SIDE if long_side >= _LARGE else 1
    view = frame[::stride, ::stride]
    return view if view.ndim == 3 else view[:, :, np.newaxis]
