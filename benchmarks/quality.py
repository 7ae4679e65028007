"""Measure the quality of a file, so that only equal work is compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from footage import Frames

from ffenc import VideoReader

_SAMPLES = 8
_WINDOW = 8
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

Plane = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Means over a few frames of luma, which does not depend on the colour matrix of the file.

    Attributes:
        psnr_db: peak signal to noise ratio.
        ssim: structural similarity over windows of 8x8 pixels, 0 to 1.
    """

    psnr_db: float
    ssim: float


def quality_of(path: Path, frames: Frames) -> Quality:
    """Decode a few frames of a file and compare them with the originals."""
    numbers = np.linspace(0, len(frames) - 1, _SAMPLES).astype(int).tolist()
    decoded = VideoReader(path).frames(numbers)
    pairs = [(_luma(frames[number]), _luma(seen)) for number, seen in zip(numbers, decoded, strict=True)]
    error = float(np.mean([np.mean((a - b) ** 2) for a, b in pairs]))
    return Quality(
        psnr_db=float(10 * np.log10(255**2 / max(error, 1e-9))),
        ssim=float(np.mean([_ssim(a, b) for a, b in pairs])),
    )


def _luma(frame: npt.NDArray[np.uint8]) -> Plane:
    return (frame.astype(np.float32) @ _LUMA).astype(np.float64)


def _ssim(a: Plane, b: Plane) -> float:
    """Wang et al. 2004, equation 13, with a flat window instead of a Gaussian one."""
    mean_a, mean_b = _window_mean(a), _window_mean(b)
    var_a = _window_mean(a * a) - mean_a**2
    var_b = _window_mean(b * b) - mean_b**2
    covariance = _window_mean(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    likeness = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return float(np.mean(likeness / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))))


def _window_mean(plane: Plane) -> Plane:
    sums = np.pad(plane, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    n = _WINDOW
    mean: Plane = (sums[n:, n:] - sums[:-n, n:] - sums[n:, :-n] + sums[:-n, :-n]) / (n * n)
    return mean
