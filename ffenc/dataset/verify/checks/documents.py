"""Check ``meta/info.json`` and ``meta/tasks.parquet``, also against the tables."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.documents import info_path
from ffenc.dataset.format.frame_columns import data_schema
from ffenc.dataset.format.parquet_series import load_table, open_parquet
from ffenc.dataset.format.schema import DEFAULT_FEATURES, DatasetInfo, Feature, axes_of
from ffenc.dataset.format.versions import is_known_version
from ffenc.dataset.verify.checks.subject import Subject
from ffenc.dataset.verify.finding_codes import Severity
from ffenc.errors import DatasetError, UnsafePathError
from ffenc.regular_files import read_json

_CHANNELS = (1, 3, 4)
_RANGE = re.compile(r"(\d{1,18}):(\d{1,18})")


def check_info(subject: Subject) -> None:
    """Read and check ``info.json``; without it, nothing else can be checked."""
    findings, path = subject.findings, info_path(subject.root)
    try:
        document = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        findings.add("dataset-missing", f"{path} does not exist, so {subject.root} is not a LeRobot dataset", path=path)
        return
    except (OSError, ValueError) as err:
        findings.add("info-unreadable", f"it cannot be read as JSON: {err}", path=path)
        return
    try:
        subject.info = DatasetInfo.from_json(document, path=path)
    except (DatasetError, UnsafePathError) as err:
        other = isinstance(document, dict) and not is_known_version(document.get("codebase_version"))
        findings.add("dataset-version" if other else "info-unreadable", str(err), path=path)
        return
    subject.video_keys = tuple(subject.info.videos)
    for key in subject.info.model_extra or {}:
        findings.add("info-key-unknown", f"LeRobot does not know the key {key!r}", path=path)
    _check_features(subject, subject.info)


def _check_features(subject: Subject, info: DatasetInfo) -> None:
    findings, path = subject.findings, subject.layout.info
    for name, expected in DEFAULT_FEATURES.items():
        feature = info.features.get(name)
        if feature is None or (feature.dtype, feature.shape) != (expected.dtype, expected.shape):
            seen = "missing" if feature is None else f"{feature.dtype} {feature.shape}"
            message = f"{name!r} is {seen}; it must be {expected.dtype} {expected.shape}"
            # LeRobot reads another number type, and appends rows of the right type.
            severity: Severity | None = None if feature is None or feature.shape != expected.shape else "warning"
            findings.add("feature-default", message, camera=name, path=path, severity=severity)
    for name, feature in info.features.items():
        if feature.is_camera and channels_first(feature) and axes_of(feature.names) != "chw":
            message = f"{name!r} has the shape {feature.shape} and the names {feature.names}: the channels come first"
            findings.add("feature-axes", message, camera=name, path=path)
        if (reason := _impossible(info, name, feature)) is not None:
            subject.impossible.add(name)
            findings.add("feature-type", f"{name!r}, {feature.dtype} {feature.shape}: {reason}", camera=name, path=path)
    if info.videos and info.video_path is None:
        findings.add("video-path-missing", f"video_path is null, but {', '.join(info.videos)} are videos", path=path)


def _impossible(info: DatasetInfo, name: str, feature: Feature) -> str | None:
    if feature.is_camera:
        return None if frame_size(feature) else "the shape of a camera must be (height, width, 1 or 3 channels)"
    if feature.dtype == "language":
        return None
    try:
        data_schema(info.model_copy(update={"features": {name: feature}}))
        return (
            None if feature.dtype == "string" or np.dtype(feature.dtype).kind in "biuf" else "this is not a number type"
        )
    except (TypeError, ValueError, OverflowError, pa.ArrowException, DatasetError) as err:
        return str(err)


def frame_size(feature: Feature) -> tuple[int, int, int] | None:
    """Return (height, width, channels) of a camera in any order of its axes; None if its shape is invalid."""
    if len(feature.shape) != 3:
        return None
    channels, height, width = feature.shape if channels_first(feature) else (feature.shape[2], *feature.shape[:2])
    return (height, width, channels) if channels in _CHANNELS else None


def channels_first(feature: Feature) -> bool:
    """Return whether the shape of a camera is (channels, height, width), by its axis names or else its numbers."""
    if axes_of(feature.names) == "chw":
        return True
    return len(feature.shape) == 3 and feature.shape[2] not in _CHANNELS and feature.shape[0] in _CHANNELS


def check_counters(subject: Subject) -> None:
    """Compare the totals and the splits of ``info.json`` with the tables."""
    info, findings, path = subject.known_info, subject.findings, subject.layout.info
    counted: dict[str, int] = {}
    if subject.episodes_whole:
        counted["episodes"] = len(subject.episodes)
    if subject.lengths_known:
        counted["frames"] = sum(episode.length or 0 for episode in subject.episodes)
    elif subject.rows is not None and subject.episodes_whole:
        counted["frames"] = subject.rows
    if subject.tasks is not None:
        counted["tasks"] = len(subject.tasks)
    for what, count in counted.items():
        total = getattr(info, f"total_{what}")
        if total != count:
            is_given = f"total_{what}" in info.model_fields_set
            value = f"is {total}" if is_given else "is missing, which LeRobot reads as 0"
            message = f"total_{what} {value}, but there are {count} {what}"
            # LeRobot's reader uses the other totals, and fails at missing rows.  At 0 tasks, it reads no texts.
            harmless = what == "tasks" and total > 0
            if what == "tasks" and not total:
                message += "; LeRobot then reads no tasks and fails at the first frame"
            findings.add("counter-wrong", message, path=path, severity="warning" if harmless else None)
    if subject.episodes_whole and not _splits_cover(info.splits, len(subject.episodes)):
        message = f"splits are {info.splits}, expected {{'train': '0:{len(subject.episodes)}'}} or others that cover all episodes"
        findings.add("splits-wrong", message, path=path)


def _splits_cover(splits: dict[str, Any], episodes: int) -> bool:
    matches = [_RANGE.fullmatch(text) if isinstance(text, str) else None for text in splits.values()]
    ranges = sorted((int(match[1]), int(match[2])) for match in matches if match is not None)
    reached = 0
    for start, stop in ranges:
        if start != reached or stop < start:
            return False
        reached = stop
    return len(ranges) == len(splits) and reached == episodes


def check_tasks(subject: Subject) -> None:
    """Read and check ``tasks.parquet``.  LeRobot reads the text of task i from row i of its pandas index."""
    findings, path = subject.findings, subject.layout.tasks
    if not path.exists():
        if subject.known_info.total_episodes or subject.layout.episodes_files():
            findings.add("tasks-missing", "there are episodes but no tasks", path=path)
        return
    try:
        table = load_table(path)
        with open_parquet(path) as file:
            index = _pandas_index(file.schema_arrow)
    except DatasetError as err:
        findings.add("tasks-unreadable", str(err), path=path)
        return
    column = index or "task"
    if column not in table.column_names or "task_index" not in table.column_names:
        findings.add(
            "tasks-unreadable", f"its columns are {table.column_names}, expected task_index and task", path=path
        )
        return
    numbers, texts = table["task_index"].to_pylist(), table[column].to_pylist()
    if not all(type(n) is int for n in numbers) or not all(isinstance(text, str) for text in texts):
        findings.add("tasks-unreadable", "task_index is not a whole number, or a task is not text", path=path)
        return
    if index is None:
        findings.add("tasks-index-missing", "the file does not mark the texts as its pandas index", path=path)
    _check_task_rows(subject, numbers, texts, path)


def _check_task_rows(subject: Subject, numbers: list[int], texts: list[str], path: Path) -> None:
    for text, count in Counter(texts).items():
        if count > 1:
            subject.findings.add("task-repeated", f"{text!r} is listed {count} times", path=path)
    if sorted(numbers) != list(range(len(numbers))):
        subject.findings.add(
            "tasks-gap", f"the numbers are {some(numbers)}, expected 0 to {len(numbers) - 1}", path=path
        )
        return
    if numbers != sorted(numbers):
        subject.findings.add("tasks-order", f"the rows are in the order {some(numbers)}", path=path)
    subject.tasks = [text for _, text in sorted(zip(numbers, texts, strict=True))]


def _pandas_index(schema: pa.Schema) -> str | None:
    try:
        columns = json.loads((schema.metadata or {}).get(b"pandas", b"{}")).get("index_columns")
    except (ValueError, AttributeError, RecursionError):
        return None
    return columns[0] if isinstance(columns, list) and len(columns) == 1 and columns[0] in schema.names else None


def some(values: list[Any]) -> str:
    """Write the first ten values."""
    return ", ".join(map(str, values[:10])) + (", ..." if len(values) > 10 else "")
