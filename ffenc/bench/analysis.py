"""Analyse the rows of a sweep: the Pareto front, and how encoders compare at equal quality."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from ffenc.bench.rows import Row
from ffenc.errors import DependencyError

try:
    import bjontegaard
except ImportError as err:  # pragma: no cover - depends on what is installed
    raise DependencyError("BD-rates need bjontegaard: pip install 'ffenc-video[bench]'") from err

Summary: TypeAlias = Row
"""A row in the form that `ffenc.bench.rows.summary` returns."""

OBJECTIVES: Mapping[str, int] = {"kbit_per_s": -1, "ssim": 1, "ffmpeg_6_frames_p50_ms": -1, "realtime": 1}
"""Objectives of the Pareto front: -1 if less is better, 1 if more is better."""

FEWEST_POINTS = 4
"""Points of a curve that a BD-rate needs; with fewer, the values between them are a guess."""

_COVERED = 0.5  # share of the reference's quality range


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Trials that differ in crf only.

    Attributes:
        source, encoder, preset, g: settings that the trials share.
        settings: all shared settings, as text.
        points: summaries of the trials, sorted by crf.
    """

    source: str
    encoder: str
    preset: int | str | None
    g: int | None
    settings: str
    points: tuple[Summary, ...]

    @property
    def label(self) -> str:
        """Encoder, preset and g."""
        preset = "" if self.preset is None else f" {self.preset}"
        return f"{self.encoder}{preset}, g={'auto' if self.g is None else self.g}"


def curves(summaries: Iterable[Summary]) -> list[Curve]:
    """Group successful trials by all settings except crf."""
    groups: dict[str, list[Summary]] = {}
    shared = (
        "source",
        "encoder",
        "preset",
        "g",
        "pix_fmt",
        "fast_decode",
        "extra_options",
        "encoder_threads",
        "cameras",
    )
    for summary in summaries:
        if summary["status"] in ("done", "partial") and summary["crf"] is not None:
            groups.setdefault(repr([summary[name] for name in shared]), []).append(summary)
    return [
        Curve(
            **{name: points[0][name] for name in ("source", "encoder", "preset", "g")},
            settings=settings,
            points=tuple(sorted(points, key=lambda point: float(point["crf"]))),
        )
        for settings, points in groups.items()
    ]


def pareto_front(summaries: Iterable[Summary], objectives: Mapping[str, int] = OBJECTIVES) -> list[Summary]:
    """Return the trials that no other trial of the same source dominates.

    Args:
        summaries: summaries of trials; those that lack an objective are ignored.
        objectives: see `OBJECTIVES`.
    """
    known = [one for one in summaries if all(one.get(name) is not None for name in objectives)]
    values = np.array([[sign * one[name] for name, sign in objectives.items()] for one in known])
    front = []
    for place, one in enumerate(known):
        rivals = values[[other["source"] == one["source"] for other in known]]
        beaten = np.all(rivals >= values[place], axis=1) & np.any(rivals > values[place], axis=1)
        if not beaten.any():
            front.append(one)
    return front


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How one curve compares with a reference of the same source.

    Attributes:
        curve, reference: the compared curves.
        bd_rate_percent: Bjøntegaard delta rate: additional bits for the same quality, in percent, over the range that both
            curves cover (negative: fewer bits).  None if it cannot be computed.
        reason: reason for a missing BD-rate.
        at_equal: ratio of each figure to the reference's, at the quality that the reference has at ``crf``; empty if the
            curve does not reach it.
        crf: crf of the reference.
        equal_crf: crf of equal quality on the curve, interpolated between two measured points.
    """

    curve: Curve
    reference: Curve
    bd_rate_percent: float | None
    reason: str | None
    at_equal: Mapping[str, float]
    crf: float
    equal_crf: float | None


COMPARED = ("kbit_per_s", "cpu_ms_per_frame", "ffmpeg_1_frame_p50_ms", "ffmpeg_6_frames_p50_ms", "pyav_6_frames_p50_ms")
"""Figures that a `Gap` compares."""


def gaps(summaries: Sequence[Summary], reference: Mapping[str, Any], *, metric: str = "ssim") -> list[Gap]:
    """Compare every curve with the reference curve of the same source.

    Args:
        summaries: summaries of a sweep.
        reference: settings of one curve per source, and ``crf`` of one of its points, such as
            ``{"encoder": ..., "g": 2, "crf": 30}``.
        metric: the quality metric to equalize: ``ssim``, ``vmaf``, ``psnr_db`` or ``xpsnr_db``.
    """
    crf = float(reference["crf"])
    named = {name: value for name, value in reference.items() if name != "crf"}
    known = curves(summaries)
    found = []
    for base in known:
        anchor = next((point for point in base.points if point["crf"] == crf), None)
        if anchor is None or any(anchor.get(name) != value for name, value in named.items()):
            continue
        for curve in known:
            if curve.source != base.source or curve is base or curve.points[0]["cameras"] != anchor["cameras"]:
                continue
            percent, reason = bd_rate(base, curve, metric)
            level = anchor.get(metric)
            point = {} if level is None else at_quality(curve, metric, float(level))
            ratios = {name: point[name] / anchor[name] for name in COMPARED if point.get(name) and anchor.get(name)}
            found.append(
                Gap(
                    curve=curve,
                    reference=base,
                    bd_rate_percent=percent,
                    reason=reason,
                    at_equal=ratios,
                    crf=crf,
                    equal_crf=point.get("crf"),
                )
            )
    return found


def bd_rate(reference: Curve, curve: Curve, metric: str = "ssim") -> tuple[float | None, str | None]:
    """Return the Bjøntegaard delta rate in percent, or None and the reason."""
    lines = [_rising(one, metric) for one in (reference, curve)]
    if any(len(line) < FEWEST_POINTS for line in lines):
        return None, f"both curves need {FEWEST_POINTS} points of rising {metric}"
    (rates, quality), (other_rates, other_quality) = (zip(*line, strict=True) for line in lines)
    low, high = max(quality[0], other_quality[0]), min(quality[-1], other_quality[-1])
    if low >= high:
        return None, f"the ranges of {metric} do not overlap"
    if high - low < _COVERED * (quality[-1] - quality[0]):
        return None, f"the curve covers less than half of the reference's range of {metric}"
    with warnings.catch_warnings():
        # It warns if the two ranges differ, but a long tail at one end does not invalidate the result.
        warnings.simplefilter("ignore")
        percent = bjontegaard.bd_rate(
            *(rates, quality, other_rates, other_quality), method="akima", require_matching_points=False, min_overlap=0
        )
    return round(float(percent), 2), None


def at_quality(curve: Curve, metric: str, level: float) -> dict[str, float]:
    """Return a curve's figures at the quality ``level``; empty if the curve does not reach it.

    Sizes and times change by factors between two measured points, so their logarithms are interpolated.
    """
    line = sorted((p for p in curve.points if p.get(metric) is not None), key=lambda point: float(point[metric]))
    for below, above in pairwise(line):
        low, high = float(below[metric]), float(above[metric])
        if low <= level <= high:
            part = 0.0 if high == low else (level - low) / (high - low)
            figures = {"crf": (1 - part) * float(below["crf"]) + part * float(above["crf"])}
            for name in COMPARED:
                if below.get(name) and above.get(name):
                    figures[name] = math.exp((1 - part) * math.log(below[name]) + part * math.log(above[name]))
            return figures
    return {}


def _rising(curve: Curve, metric: str) -> list[tuple[float, float]]:
    """Return the (rate, quality) points at which both rise; other points are not part of a valid curve."""
    line: list[tuple[float, float]] = []
    for point in reversed(curve.points):
        rate, quality = point.get("kbit_per_s"), point.get(metric)
        if rate is not None and quality is not None and (not line or (rate > line[-1][0] and quality > line[-1][1])):
            line.append((float(rate), float(quality)))
    return line
