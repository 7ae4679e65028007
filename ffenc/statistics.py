"""LeRobot's statistics of features: of one episode, of sampled camera frames, and of many episodes together.

The definitions are those of LeRobot's ``datasets/compute_stats.py``; sums are made in float64, where LeRobot stays in the
dtype of the data, so means and deviations agree with its files to the precision of float32.  Camera frames are sampled as
its ``sample_images`` does, without knowing beforehand how many will come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.errors import FrameError
from ffenc.histograms import QUANTILES, Depths, FloatArray, Levels, histogram_quantiles

STATISTICS = ("min", "max", "mean", "std", "count", *QUANTILES)
"""The names of all statistics, in the order in which LeRobot writes them."""

_FRAMES_KEPT = 4  # times the frames that will be used: a nearest one is then never far
_LARGE = 300  # pixels of the long side from which LeRobot samples the pixels of a frame, and
_SAMPLED_SIDE = 150  # what it then aims at


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureStatistics:
    """What is known of the values of one feature.

    All but ``count`` have one shape: ``(n,)`` for a vector of n, ``(channels, 1, 1)`` for a camera.

    Attributes:
        min, max, mean, std: float64; ``std`` is that of the population.
        count: shape (1,) int64: rows of a vector, sampled frames of a camera; the weight in an aggregation.
        q01, q10, q50, q90, q99: quantiles; None in datasets made before LeRobot had them.
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
        """Nested lists in LeRobot's order of keys; a quantile that is not known has no key."""
        known = ((name, getattr(self, name)) for name in STATISTICS)
        return {name: value.tolist() for name, value in known if value is not None}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FeatureStatistics:
        """Read nested lists, as they stand in ``stats.json`` and in the ``stats/`` columns of an episode.

        Raises:
            ValueError: a statistic other than a quantile is missing, is not numeric, or has another shape than the rest.
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
        """The same values with another shape; ``count`` keeps its own."""
        known = ((name, getattr(self, name)) for name in STATISTICS if name != "count")
        return FeatureStatistics(
            count=self.count, **{name: value.reshape(shape) for name, value in known if value is not None}
        )


def vector_statistics(rows: npt.NDArray[Any]) -> FeatureStatistics:
    """Statistics of a feature that is no camera, over all rows of an episode.

    LeRobot: every axis but the last is one of samples, so a matrix feature ``(rows, a, b)`` has b of each statistic;
    truth values count as 0 and 1.  A component with a value that is not finite has no quantiles but NaN.

    Args:
        rows: shape (length,) for a feature of shape [1], or (length, ...); a number type or bool.

    Returns:
        Statistics of shape (last axis,), with ``count`` = length; of one single row, the quantiles are its mean.

    Raises:
        ValueError: no rows, or no numbers.
    """
    if len(rows) == 0 or rows.dtype.kind not in "biuf":
        raise ValueError(f"statistics need at least one row of numbers, got {rows.shape} {rows.dtype}")
    table = rows.reshape(-1, rows.shape[-1] if rows.ndim > 1 else 1).astype(np.float64)
    low, high = table.min(axis=0), table.max(axis=0)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, which is what there is to say
        mean, std = table.mean(axis=0), table.std(axis=0)
    if len(rows) == 1:
        quantiles = {name: mean.copy() for name in QUANTILES}
    else:
        weights = np.ones(len(table))
        columns = [histogram_quantiles(column, weights) for column in table.T]
        quantiles = {name: np.array([column[name] for column in columns]) for name in QUANTILES}
    return FeatureStatistics(min=low, max=high, mean=mean, std=std, count=np.array([len(rows)]), **quantiles)


def aggregate_statistics(parts: Sequence[Mapping[str, FeatureStatistics]]) -> dict[str, FeatureStatistics]:
    """Statistics of several episodes or datasets together.

    LeRobot: ``min`` and ``max`` of all, ``mean`` weighted by ``count``, the variance by the parallel formula.  Quantiles
    cannot be joined; the lower ones and the median are the least, the upper ones the greatest of the parts.

    Returns:
        Every feature of any part, in order of first appearance.  A quantile that one part does not know is not known.

    Raises:
        ValueError: a feature has different shapes in different parts.
    """
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: _aggregate(name, [part[name] for part in parts if name in part]) for name in names}


def _aggregate(name: str, parts: Sequence[FeatureStatistics]) -> FeatureStatistics:
    shapes = {part.mean.shape for part in parts}
    if len(shapes) > 1:
        raise ValueError(f"the statistics of {name!r} have different shapes and cannot be joined: {sorted(shapes)}")
    counts = np.array([part.count[0] for part in parts])
    weights = (counts / counts.sum()).reshape(-1, *(1,) * parts[0].mean.ndim)
    means = np.stack([part.mean for part in parts])
    mean = (means * weights).sum(axis=0)
    variances = np.stack([part.std for part in parts]) ** 2 + (means - mean) ** 2
    quantiles = {}
    for quantile, share in QUANTILES.items():
        values = [getattr(part, quantile) for part in parts]
        if all(value is not None for value in values):
            quantiles[quantile] = np.min(values, axis=0) if share <= 0.5 else np.max(values, axis=0)
    return FeatureStatistics(
        min=np.min([part.min for part in parts], axis=0),
        max=np.max([part.max for part in parts], axis=0),
        mean=mean,
        std=np.sqrt((variances * weights).sum(axis=0)),
        count=np.array([counts.sum()], np.int64),
        **quantiles,
    )


def sample_count(frames: int) -> int:
    """How many frames of an episode LeRobot takes for camera statistics (``estimate_num_samples``)."""
    return max(min(100, frames), min(int(frames**0.75), 10_000))


class FrameSampler:
    """Statistics of one camera over one episode, from a sample of frames that is chosen while they come.

    LeRobot samples evenly over the whole episode, whose length is not known during recording.  So a small summary is kept
    of every frame on a grid, whose step doubles whenever four times the needed frames are there; in the end each ideal
    position takes the nearest frame kept.  Up to 400 frames that is LeRobot's own sample, beyond that a frame is at most
    half a step away, which is a quarter of the distance between two ideal positions.

    A frame that is not kept costs a comparison.  Not safe for concurrent use.
    """

    def __init__(self) -> None:
        self._kept: list[Levels | Depths] = []
        self._step = 1
        self._frames = 0
        self._form: tuple[tuple[int, ...], np.dtype[Any]] | None = None

    @property
    def frames(self) -> int:
        """Frames seen so far."""
        return self._frames

    @property
    def size_bytes(self) -> int:
        """Bytes of the summaries that are kept."""
        return sum(summary.nbytes for summary in self._kept)

    def add(self, frame: npt.NDArray[Any]) -> None:
        """Take the next frame of the episode; nothing of the array is kept.

        Args:
            frame: (height, width, channels) or (height, width) uint8, or a depth map of (height, width) or
                (height, width, 1) uint16 or float32.  Channels come out in the order they have here.

        Raises:
            FrameError: another shape or dtype, or not that of the frames before.
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
        """What the sampled frames hold; ``count`` is their number, as in LeRobot's path over image files.

        Args:
            scale: factor on every value; None is 1/255 for uint8, so that they lie in [0, 1], and 1 for depth, which
                stays in its recorded unit.

        Returns:
            Statistics of shape (channels, 1, 1).  Exact, but for the quantiles of float32, whose values have 11
            significant bits (0.05 %) there.

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
    # LeRobot: auto_downsample_height_width.  A view; always with a channel axis.
    long_side = max(frame.shape[:2])
    stride = long_side // _SAMPLED_SIDE if long_side >= _LARGE else 1
    view = frame[::stride, ::stride]
    return view if view.ndim == 3 else view[:, :, np.newaxis]
