"""Check ``meta/stats.json``."""

from __future__ import annotations

from typing import Any

from ffenc.dataset.verify.checks.statistics import (
    COUNTING,
    Aggregate,
    chunk_of_relative_actions,
    expected_shape,
    mismatch,
)
from ffenc.dataset.verify.checks.subject import Subject
from ffenc.histograms import QUANTILES
from ffenc.regular_files import read_json
from ffenc.statistics import FeatureStatistics


def check_stats_document(subject: Subject, *, measured: Aggregate, cameras: Aggregate) -> None:
    """Check ``stats.json`` against the aggregated statistics of all rows and of all cameras."""
    path, findings, info = subject.layout.stats, subject.findings, subject.known_info
    if not path.exists():
        if subject.episodes:
            findings.add("stats-missing", "the dataset has no statistics", path=path)
        return
    try:
        document = read_json(path)
    except (OSError, ValueError) as err:
        findings.add("stats-unreadable", str(err), path=path)
        return
    if not isinstance(document, dict):
        findings.add("stats-unreadable", "it is not a JSON object", path=path)
        return
    for name in document:
        if name not in info.features:
            findings.add("stats-feature-extra", f"{name!r} is not a feature", camera=name, path=path)
    for name, feature in info.features.items():
        if feature.has_statistics and name not in subject.impossible:
            _check_feature(subject, name, document.get(name), cameras if feature.is_camera else measured)


def _check_feature(subject: Subject, name: str, document: Any, aggregate: Aggregate) -> None:
    findings, path = subject.findings, subject.layout.stats
    if document is None:
        if subject.episodes:
            findings.add("stats-feature-missing", f"{name!r} has no statistics", camera=name, path=path)
        return
    try:
        recorded = FeatureStatistics.from_json(document)
    except (ValueError, TypeError, AttributeError) as err:
        findings.add("stats-unreadable", f"{name!r}: {err}", camera=name, path=path)
        return
    shape = expected_shape(subject.known_info.features[name])
    if shape is not None and recorded.mean.shape != shape:
        message = f"{name!r} has statistics of shape {recorded.mean.shape}, expected {shape}"
        findings.add("stats-shape-wrong", message, camera=name, path=path)
        return
    if recorded.q50 is None:
        findings.add("stats-incomplete", f"{name!r} has no quantiles", camera=name, path=path)
    right = aggregate.features().get(name)
    if right is None or name in COUNTING or (difference := mismatch(recorded, right)) is None:
        return
    if (size := chunk_of_relative_actions(subject, name, recorded)) is not None:
        message = (
            f"{name!r} has statistics of relative actions in chunks of {size}; they are not compared with the rows"
        )
        findings.add("stats-relative", message, camera=name, path=path)
        return
    if mismatch(recorded, right, quantiles=False) is None and _is_between(recorded, right, aggregate, name):
        return
    findings.add("stats-wrong", f"{name!r}: {difference}", camera=name, path=path)


def _is_between(recorded: FeatureStatistics, right: FeatureStatistics, aggregate: Aggregate, name: str) -> bool:
    """Return whether the quantiles lie between those of the episodes, as any quantile of all rows must.

    LeRobot takes the minimum and maximum over the episodes or their weighted mean, and mixes both if it recomputes the
    statistics of a dataset and then records another episode.
    """
    slack = 1e-3 * (right.max - right.min)
    for quantile in QUANTILES:
        value, between = getattr(recorded, quantile), aggregate.between(name, quantile)
        if value is None or between is None:
            continue
        if not ((value >= between[0] - slack) & (value <= between[1] + slack)).all():
            return False
    return True
