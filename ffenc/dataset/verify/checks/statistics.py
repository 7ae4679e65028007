"""Compare the recorded statistics of each episode with its rows, and aggregate them for the dataset."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ffenc.dataset.format.arrow import pa, pc
from ffenc.dataset.format.parquet_series import open_parquet
from ffenc.dataset.format.schema import Feature
from ffenc.dataset.verify.checks.documents import frame_size, some
from ffenc.dataset.verify.checks.subject import Episode, Subject
from ffenc.errors import DatasetError
from ffenc.histograms import QUANTILES
from ffenc.statistics import STATISTICS, FeatureStatistics, aggregate_statistics, vector_statistics

Recorded: TypeAlias = Mapping[str, FeatureStatistics | ValueError | None]
"""For each feature of an episode: its statistics, the error of reading them, or None."""

COUNTING = ("index", "episode_index", "task_index")
"""Features whose statistics LeRobot does not update when it deletes, splits or merges.  Training does not use them."""

_BATCH = 256  # episodes whose statistics are aggregated at a time


class StatisticsChecks:
    """Compares the statistics of one episode after the other with its rows.

    Args:
        subject: the dataset; its table of episodes has been read.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        features = subject.known_info.features.items()
        self._features = {name: f for name, f in features if f.has_statistics and name not in subject.impossible}
        self._recorded = recorded_statistics(subject)
        self._place = -1
        self._in_order = True
        self._row: Recorded = {}
        self._missing: dict[str, list[int]] = {}
        self._measured = Aggregate()
        self._cameras = Aggregate()

    def take(self, episode: Episode, columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """Compare the statistics of one episode with its rows.  Pass episodes in order."""
        if episode.place < self._place:  # rows and episodes are in different orders, which has a finding
            self._in_order = False
            return
        recorded = self._of(episode.place)
        measured = {
            name: vector_statistics(rows) for name, rows in columns.items() if rows.dtype.kind in "biuf" and len(rows)
        }
        self._measured.add(measured)
        for name, feature in self._features.items():
            value = recorded.get(name)
            if value is None:
                self._missing.setdefault(name, []).append(episode.place)
            elif isinstance(value, ValueError):
                self._wrong(episode, name, str(value))
            elif feature.is_camera:
                if value.mean.shape != expected_shape(feature):
                    self._wrong(episode, name, f"their shape is {value.mean.shape}, expected {expected_shape(feature)}")
                self._cameras.add({name: value})
            elif (
                name in measured
                and name not in COUNTING
                and (difference := mismatch(value, measured[name])) is not None
            ):
                self._wrong(episode, name, difference)

    def finish(self, *, complete: bool, spoilt: Collection[str]) -> tuple[Aggregate, Aggregate]:
        """Report missing statistics, and return the aggregated statistics of numbers and of cameras.

        Args:
            complete: every row of every episode was taken.
            spoilt: features with wrong values in some rows; they are left out.
        """
        for name, places in self._missing.items():
            message = f"{len(places)} episodes ({some(places)}) have no statistics of {name!r}"
            self._subject.findings.add("episode-stats-missing", message, episode=places[0], camera=name)
        if not (complete and self._in_order):
            return Aggregate(), Aggregate()
        return self._measured.without(spoilt), self._cameras.without(self._missing)

    def _of(self, place: int) -> Recorded:
        while self._place < place:
            found = next(self._recorded, None)
            if found is None:
                return {}
            self._place, self._row = found
        return self._row if self._place == place else {}

    def _wrong(self, episode: Episode, name: str, message: str) -> None:
        self._subject.findings.add(
            "episode-stats-wrong",
            f"{name!r}: {message}",
            episode=episode.place,
            camera=name,
            path=episode.path,
        )


class Aggregate:
    """Aggregated statistics of many episodes, with few of them in memory, and the ranges of their quantiles."""

    def __init__(self) -> None:
        self._parts: list[Mapping[str, FeatureStatistics]] = []
        self._joined: dict[str, FeatureStatistics] = {}
        self._spread: dict[tuple[str, str], tuple[npt.NDArray[Any], npt.NDArray[Any]]] = {}

    def add(self, part: Mapping[str, FeatureStatistics]) -> None:
        """Add one episode."""
        self._parts.append(part)
        for name, statistics in part.items():
            for quantile in QUANTILES:
                value = getattr(statistics, quantile)
                low, high = self._spread.get((name, quantile), (value, value))
                if value is not None and low is not None and value.shape == low.shape:
                    self._spread[name, quantile] = (np.minimum(low, value), np.maximum(high, value))
        if len(self._parts) >= _BATCH:
            self._join()

    def features(self) -> dict[str, FeatureStatistics]:
        """Return the aggregated statistics of each feature.

        Raises:
            ValueError: the episodes have different shapes.
        """
        self._join()
        return self._joined

    def without(self, names: Collection[str]) -> Aggregate:
        """Return a copy without some features."""
        kept = Aggregate()
        kept._joined = {name: statistics for name, statistics in self.features().items() if name not in names}
        kept._spread = self._spread
        return kept

    def between(self, name: str, quantile: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]] | None:
        """Return the minimum and maximum of a quantile over the episodes."""
        return self._spread.get((name, quantile))

    def _join(self) -> None:
        parts = [self._joined, *self._parts] if self._joined else self._parts
        self._joined = aggregate_statistics(parts) if parts else {}
        self._parts = []


def mismatch(recorded: FeatureStatistics, right: FeatureStatistics, *, quantiles: bool = True) -> str | None:
    """Return the first difference that LeRobot's float32 arithmetic does not explain, or None."""
    if recorded.mean.shape != right.mean.shape:
        return f"their shape is {recorded.mean.shape}, expected {right.mean.shape}"
    if recorded.count[0] != right.count[0]:
        return f"count is {recorded.count[0]}, expected {right.count[0]}"
    with np.errstate(invalid="ignore"):
        span, largest = right.max - right.min, np.maximum(np.abs(right.min), np.abs(right.max))
        slack = {"min": 1e-6 * largest, "mean": 1e-4 * span + 1e-5 * largest, "std": 1e-3 * (span + largest)}
        slack |= {"max": slack["min"]} | dict.fromkeys(QUANTILES, 1e-3 * span + 1e-6 * largest)
        for name in STATISTICS:
            value, wanted = getattr(recorded, name), getattr(right, name)
            if name == "count" or value is None or wanted is None or (name in QUANTILES and not quantiles):
                continue
            off = ~(
                (np.abs(value - wanted) <= slack[name] + 1e-9)
                | (np.isnan(wanted) & np.isnan(value))
                | (value == wanted)
            )
            if off.any():
                part = int(np.flatnonzero(off.ravel())[0])
                return f"{name} of component {part} is {value.ravel()[part]:.6g}, expected {wanted.ravel()[part]:.6g}"
    return None


def chunk_of_relative_actions(subject: Subject, name: str, recorded: FeatureStatistics) -> int | None:
    """Return the number of actions in a chunk if statistics can be those of relative actions, which count overlapping chunks."""
    if name != "action" or "observation.state" not in subject.known_info.features:
        return None
    lengths = np.array([episode.length or 0 for episode in subject.episodes], np.int64)
    count = int(recorded.count[0])
    for size in range(2, int(lengths.max(initial=0)) + 1):
        if count % size == 0 and int(np.maximum(lengths - size + 1, 0).sum()) * size == count:
            return size
    return None


def expected_shape(feature: Feature) -> tuple[int, ...] | None:
    """Return the shape of a feature's statistics; None if it is not certain, as for matrices."""
    if feature.is_camera:
        size = frame_size(feature)
        return None if size is None else (size[2], 1, 1)
    return feature.shape if len(feature.shape) == 1 else None


def recorded_statistics(subject: Subject) -> Iterator[tuple[int, Recorded]]:
    """Yield (place, statistics by feature) for each row of the table of episodes."""
    place = 0
    names = [name for name, feature in subject.known_info.features.items() if feature.has_statistics]
    for path in subject.layout.episodes_files():
        if subject.layout.episodes_number(path) is None:
            continue  # a wrong name has a finding
        try:
            with open_parquet(path) as file:
                columns = [name for name in file.schema_arrow.names if name.startswith("stats/")]
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group, columns=["episode_index", *columns])
                    by_feature = {name: _feature_rows(table, name) for name in names}
                    for row in range(len(table)):
                        yield place, {name: rows[row] for name, rows in by_feature.items()}
                        place += 1
        except DatasetError:
            return  # an unreadable file has a finding


def _feature_rows(table: pa.Table, name: str) -> list[FeatureStatistics | ValueError | None]:
    columns = {key: f"stats/{name}/{key}" for key in STATISTICS}
    known = {key: _arrays(table[column]) for key, column in columns.items() if column in table.column_names}
    rows: list[FeatureStatistics | ValueError | None] = []
    for row in range(len(table)):
        values = {key: column[row] for key, column in known.items() if column[row] is not None}
        try:
            rows.append(FeatureStatistics.from_json(values) if values else None)
        except (ValueError, TypeError) as err:
            rows.append(ValueError(str(err)))
    return rows


def _arrays(column: pa.ChunkedArray) -> list[Any]:
    """Return the value of each row; fast if all have the same shape and none is missing."""
    flat, shape = column.combine_chunks(), [len(column)]
    while pa.types.is_list(flat.type) and len(flat) and not flat.null_count:
        lengths = pc.unique(pc.list_value_length(flat))
        if len(lengths) != 1:
            return list(column.to_pylist())
        shape.append(lengths[0].as_py())
        flat = pc.list_flatten(flat)
    if flat.null_count or pa.types.is_nested(flat.type):
        return list(column.to_pylist())
    return list(np.asarray(flat).reshape(shape))
