"""Histograms: LeRobot's quantiles, and compact summaries of camera frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]

QUANTILES: Mapping[str, float] = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
"""The quantiles by name, in LeRobot's order."""

_BINS = 5000
_EDGE = 1e-10  # the bins extend this far beyond the smallest and the largest value
_LEVELS = 256


def histogram_quantiles(values: npt.NDArray[Any], weights: npt.NDArray[Any]) -> dict[str, float]:
    """Return LeRobot's quantiles of weighted values: 5000 equal bins from minimum to maximum, linear inside a bin.

    Args:
        values: shape (n,), not empty.
        weights: shape (n,), the number of occurrences of each value.

    Returns:
        The quantiles by name; NaN if a value is not finite.
    """
    if not np.isfinite(values).all():
        return dict.fromkeys(QUANTILES, float("nan"))
    edges = bin_edges(float(values.min()), float(values.max()))
    return binned_quantiles(bin_counts(values, edges, weights), edges)


def bin_edges(low: float, high: float) -> FloatArray:
    """Return the edges of LeRobot's bins for values from ``low`` to ``high``."""
    return np.linspace(low - _EDGE, high + _EDGE, _BINS + 1)


def bin_counts(values: npt.NDArray[Any], edges: FloatArray, weights: npt.NDArray[Any] | None = None) -> FloatArray:
    """Return the number of values, or the sum of their weights, in each bin."""
    bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, _BINS - 1)
    return np.bincount(bins, weights, minlength=_BINS).astype(np.float64)


def binned_quantiles(counts: FloatArray, edges: FloatArray) -> dict[str, float]:
    """Return the quantiles by name of values in bins."""
    reached = np.cumsum(counts)
    return {name: _inside_bin(reached, edges, share * reached[-1]) for name, share in QUANTILES.items()}


def _inside_bin(reached: FloatArray, edges: FloatArray, wanted: float) -> float:
    bin_ = int(np.searchsorted(reached, wanted))
    if bin_ == 0:  # LeRobot does not interpolate in the first bin
        return float(edges[0])
    before = reached[bin_ - 1]
    part = (wanted - before) / (
        reached[bin_] - before
    )  # the divisor is not 0: this is the first bin that reaches wanted
    return float(edges[bin_] + part * (edges[bin_ + 1] - edges[bin_]))


def _smallest_counter(pixels: int) -> type[np.unsignedinteger[Any]]:
    return np.uint16 if pixels < 1 << 16 else np.uint32


class Levels:
    """Histograms of the 256 levels of each channel of a frame."""

    __slots__ = ("histograms",)

    def __init__(self, view: npt.NDArray[np.uint8]) -> None:
        rows = [np.bincount(view[:, :, channel].ravel(), minlength=_LEVELS) for channel in range(view.shape[2])]
        self.histograms: npt.NDArray[np.unsignedinteger[Any]] = np.array(
            rows, _smallest_counter(view.shape[0] * view.shape[1])
        )

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.histograms.nbytes

    @staticmethod
    def join(parts: Sequence[Levels]) -> list[dict[str, float]]:
        """Return the statistics of each channel over all parts."""
        total = np.zeros(parts[0].histograms.shape, np.int64)
        for part in parts:
            total += part.histograms
        channels = []
        for channel in range(len(total)):
            levels = np.flatnonzero(total[channel])
            weights = total[channel, levels]
            mean, variance = _moments(levels, weights)
            ends = {"min": float(levels[0]), "max": float(levels[-1]), "mean": mean, "std": variance**0.5}
            channels.append(ends | histogram_quantiles(levels, weights))
        return channels


class Depths:
    """A histogram of one depth map; float32 values are rounded, but their mean and variance are exact."""

    __slots__ = ("counts", "max", "mean", "min", "values", "variance")

    def __init__(self, view: npt.NDArray[Any]) -> None:
        values = view.ravel()
        self.min, self.max = float(values.min()), float(values.max())
        if values.dtype == np.float32:
            self.mean, self.variance = _moments(values)
            values = _with_leading_bits(values)
        distinct, counts = np.unique(values, return_counts=True)
        if values.dtype != np.float32:
            self.mean, self.variance = _moments(distinct, counts)
        self.values, self.counts = distinct, counts.astype(_smallest_counter(values.size))

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return int(self.values.nbytes + self.counts.nbytes)

    @staticmethod
    def join(parts: Sequence[Depths]) -> list[dict[str, float]]:
        """Return the statistics over all parts, which have the same number of pixels."""
        low = float(np.min([part.min for part in parts]))
        high = float(np.max([part.max for part in parts]))
        means = np.array([part.mean for part in parts])
        variance = np.mean([part.variance for part in parts]) + means.var()
        values = np.concatenate([part.values for part in parts]).astype(np.float64)
        values = np.minimum(np.maximum(values, low), high)  # keeps NaN; numpy 1's clip would warn
        weights = np.concatenate([part.counts for part in parts])
        moments = {"min": low, "max": high, "mean": float(means.mean()), "std": float(variance**0.5)}
        return [moments | histogram_quantiles(values, weights)]


def _moments(values: npt.NDArray[Any], weights: npt.NDArray[Any] | None = None) -> tuple[float, float]:
    wide = values.astype(np.float64)
    with np.errstate(invalid="ignore"):
        mean = np.average(wide, weights=weights)
        return float(mean), float(np.average((wide - mean) ** 2, weights=weights))


def _with_leading_bits(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    # Rounding 13 of the 23 fraction bits leaves thousands of distinct values in a noisy frame instead of tens of thousands,
    # and changes a value by less than 0.05 %.
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded: npt.NDArray[np.float32] = ((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)
    return rounded
