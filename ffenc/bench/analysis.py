"""What the rows of a sweep say: which settings nothing beats, and how encoders compare at equal quality."""

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
"""What `ffenc.bench.rows.summary` makes of a row."""

OBJECTIVES: Mapping[str, int] = {"kbit_per_s": -1, "ssim": 1, "ffmpeg_6_frames_p50_ms": -1, "realtime": 1}
"""What the Pareto front is about: less or more of it is better."""

FEWEST_POINTS = 4
"""Points of a curve that a BD-rate needs; with fewer, what lies between them is a guess."""

_COVERED = 0.5  # of the reference's range of likeness


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Trials that differ in crf only.

    Attributes:
        source, encoder, preset, g: what they share.
        settings: all that they share, as one text.
        points: their summaries, in the order of crf.
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
    """Gather the trials that worked by all their settings but crf."""
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
    """The trials that no other trial of the same source beats or equals in everything.

    Args:
        summaries: of trials; one that lacks a figure takes no part.
        objectives: figure -> 1 if more of it is better, -1 if less is.
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
        curve, reference: what is compared.
        bd_rate_percent: Bjøntegaard delta rate: bits that it needs more (or less, below 0) for the same likeness, over the
            range that both cover.  None if that cannot be said.
        reason: why not.
        at_equal: figure -> its ratio to the reference's at the likeness that the reference has at ``crf``; empty where the
            curve does not reach it.
        crf: of the reference.
        equal_crf: where on the curve that is, between two measured points.
    """

    curve: Curve
    reference: Curve
    bd_rate_percent: float | None
    reason: str | None
    at_equal: Mapping[str, float]
    crf: float
    equal_crf: float | None


COMPARED = ("kbit_per_s", "cpu_ms_per_frame", "ffmpeg_1_frame_p50_ms", "ffmpeg_6_frames_p50_ms", "pyav_6_frames_p50_ms")
"""Figures whose ratios a `Gap` has."""


def gaps(summaries: Sequence[Summary], reference: Mapping[str, Any], *, metric: str = "ssim") -> list[Gap]:
    """Compare every curve with the reference's of the same source.

    Args:
        summaries: of a sweep.
        reference: figures that name one curve for each source, and ``crf`` of one of its points, such as
            ``{"encoder": ..., "g": 2, "crf": 30}``.
        metric: the likeness that is equal: ``ssim``, ``vmaf``, ``psnr_db`` or ``xpsnr_db``.
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
            point = {} if level is None else at_likeness(curve, metric, float(level))
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
    """The Bjøntegaard delta rate in percent, or None and why it cannot be said."""
    lines = [_rising(one, metric) for one in (reference, curve)]
    if any(len(line) < FEWEST_POINTS for line in lines):
        return None, f"it takes {FEWEST_POINTS} points of rising {metric} on both"
    (rates, likeness), (other_rates, other_likeness) = (zip(*line, strict=True) for line in lines)
    low, high = max(likeness[0], other_likeness[0]), min(likeness[-1], other_likeness[-1])
    if low >= high:
        return None, f"their ranges of {metric} do not overlap"
    if high - low < _COVERED * (likeness[-1] - likeness[0]):
        return None, f"it covers less than half of the reference's range of {metric}"
    with warnings.catch_warnings():
        # It warns where two ranges differ, of which a long tail at one end is no reason to say nothing.
        warnings.simplefilter("ignore")
        percent = float(
            bjontegaard.bd_rate(
                rates,
                likeness,
                other_rates,
                other_likeness,
                method="akima",
                require_matching_points=False,
                min_overlap=0,
            )
        )
    return round(percent, 2), None


def at_likeness(curve: Curve, metric: str, level: float) -> dict[str, float]:
    """What a curve's figures are where its likeness is ``level``; empty if it does not reach that.

    Between two measured points sizes and times change by a factor, so their logarithms are interpolated.
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
    """(rate, likeness) pairs in which both rise; a point at which they do not says nothing about a curve."""
    line: list[tuple[float, float]] = []
    for point in reversed(curve.points):
        rate, likeness = point.get("kbit_per_s"), point.get(metric)
        if rate is not None and likeness is not None and (not line or (rate > line[-1][0] and likeness > line[-1][1])):
            line.append((float(rate), float(likeness)))
    return line
