"""Write the tables of a dataset that is made of episodes of others.

One episode at a time is in memory, whatever their number.
"""

from __future__ import annotations

import bisect
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.dataset_tables import (
    add_columns,
    data_writer,
    other_episode_columns,
    save_episodes,
    save_tasks,
)
from ffenc.dataset.format.documents import load_stats, save_info, save_stats
from ffenc.dataset.format.episode_columns import EpisodeRow, VideoSpan
from ffenc.dataset.format.frame_columns import column_values, conform
from ffenc.dataset.format.layout import FileId
from ffenc.dataset.format.parquet_series import SeriesWriter
from ffenc.dataset.format.provenance import load_provenance, save_provenance
from ffenc.dataset.format.schema import DEFAULT_FEATURES, OLD_COUNTERS, DatasetInfo
from ffenc.dataset.transform.source import DatasetSource
from ffenc.errors import DatasetError
from ffenc.plan.frame_stride import FrameStride
from ffenc.statistics import STATISTICS, FeatureStatistics, aggregate_statistics, vector_statistics

logger = logging.getLogger(__name__)

SUBTASK_INDEX = "subtask_index"
"""The column whose numbers are rows of ``meta/subtasks.parquet``."""

_AGGREGATED_AT_ONCE = 50  # statistics in memory
_MOVE_WITH_VALUES = tuple(name for name in STATISTICS if name not in ("std", "count"))


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPlacement:
    """Where the frames of a video have gone.

    Attributes:
        file: the new video.
        ranges: which frames of the old one are in it, ascending.
        offset: the frame in the new one with which they begin.
    """

    file: FileId
    ranges: tuple[tuple[int, int], ...]
    offset: int = 0

    def place(self, span: VideoSpan) -> VideoSpan:
        """Where the frames of an episode are now."""
        number = bisect.bisect_right(self.ranges, span.from_frame, key=lambda kept: kept[0]) - 1
        before = sum(stop - first for first, stop in self.ranges[:number])
        start = self.offset + before + span.from_frame - self.ranges[number][0]
        return VideoSpan(file=self.file, from_frame=start, to_frame=start + span.to_frame - span.from_frame)


@dataclass(frozen=True, kw_only=True)
class StridedVideo:
    """Where the frames of a video have gone of which only one out of so many was kept, in each of its episodes.

    Attributes:
        file: the new video.
        thinning: which frames of the old one are in it; each of its ranges is an episode.
    """

    file: FileId
    thinning: FrameStride

    def place(self, span: VideoSpan) -> VideoSpan:
        """Where the frames of an episode are now."""
        start = self._starts[span.from_frame]
        length = replace(self.thinning, ranges=((span.from_frame, span.to_frame),)).count
        return VideoSpan(file=self.file, from_frame=start, to_frame=start + length)

    @cached_property
    def _starts(self) -> dict[int, int]:
        ranges = self.thinning.ranges
        return {first: start for (first, _), start in zip(ranges, self.thinning.starts, strict=True)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Episodes that a new dataset takes from another one.

    Attributes:
        source: the other one.
        videos: for each camera, where its videos have gone.
        keep: the episodes that are taken; None is all.
        every: of each episode one row out of so many is taken, from the first on.
        pictures: for each camera whose pictures have changed, statistics of those of each episode.
        made: for each camera whose images have become videos, where those of each episode are.
        subtasks: the new number of each subtask; None leaves them as they are.
    """

    source: DatasetSource
    videos: Mapping[str, Mapping[FileId, VideoPlacement | StridedVideo]]
    keep: Collection[int] | None = None
    every: int = 1
    pictures: Mapping[str, Sequence[FeatureStatistics]] = field(default_factory=dict)
    made: Mapping[str, Sequence[VideoSpan]] = field(default_factory=dict)
    subtasks: npt.NDArray[np.int64] | None = None


@dataclass(slots=True)
class _Tally:
    """What is counted while the rows go by."""

    episodes: int = 0
    frames: int = 0
    described: dict[str, int] = field(default_factory=dict)
    parts: list[Mapping[str, FeatureStatistics]] = field(default_factory=list)

    def add(self, row: EpisodeRow) -> None:
        self.episodes += 1
        self.frames += row.length
        for name in row.statistics:
            self.described[name] = self.described.get(name, 0) + 1
        self.parts.append(row.statistics)
        if len(self.parts) > _AGGREGATED_AT_ONCE:
            self.parts = [aggregate_statistics(self.parts)]

    def statistics(self) -> dict[str, FeatureStatistics]:
        """Of the features that every episode describes."""
        known = aggregate_statistics(self.parts)
        return {name: known[name] for name, count in self.described.items() if count == self.episodes}


def write_tables(
    root: Path, info: DatasetInfo, parts: Sequence[Part], tasks: Sequence[str], *, separate_data: bool = False
) -> DatasetInfo:
    """Write everything but the videos.

    Episodes, rows and tasks are numbered again.  ``stats.json`` is the aggregate of the episodes' statistics, so that those of
    ``index`` and the like describe the new dataset; where episodes have none, that of the sources' own.

    Args:
        root: the new dataset.
        info: its document, but for the counters.
        parts: what it is made of, in order.
        tasks: of the new dataset.
        separate_data: begin a new data file where a source begins one.

    Returns:
        The document with the counters, as it was written.

    Raises:
        DatasetError: a source contradicts itself, or has statistics that do not go together.
        OutputError: the file system refused.
    """
    tally = _Tally()
    try:
        others: dict[str, pa.DataType] = {}
        for part in parts:
            add_columns(others, other_episode_columns(part.source.root, part.source.info), part.source.root)
        with data_writer(root, info, like=parts[0].source.layout) as writer:
            rows = _moved_rows(info, parts, tasks, tally, writer, separate_data=separate_data)
            save_episodes(root, info, rows, others=others)
        stats = _whole_statistics(info, parts, tally)
    except ValueError as err:
        raise DatasetError(f"the statistics of the episodes cannot be put together: {err}") from err
    save_tasks(root, tasks)
    save_stats(root, stats)
    _save_provenance(root, parts)
    dropped = sorted(OLD_COUNTERS & (info.model_extra or {}).keys())
    if dropped:
        logger.warning("info.json has no %s any more: LeRobot's format 3.0 does not count them", " and ".join(dropped))
    written = info.with_totals(episodes=tally.episodes, frames=tally.frames, tasks=len(tasks))
    save_info(root, written)
    return written


def _moved_rows(
    info: DatasetInfo,
    parts: Sequence[Part],
    tasks: Sequence[str],
    tally: _Tally,
    writer: SeriesWriter,
    *,
    separate_data: bool,
) -> Iterator[EpisodeRow]:
    numbers = {task: number for number, task in enumerate(tasks)}
    for part in parts:
        renumbered = np.array([numbers.get(task, -1) for task in part.source.tasks], np.int64)
        last: FileId | None = None
        for row, table in part.source.episodes():
            if part.keep is not None and row.episode_index not in part.keep:
                continue
            if separate_data and row.data != last:
                writer.close()
            last = row.data
            yield _moved_row(info, part, row, table, renumbered, tally, writer)


def _moved_row(
    info: DatasetInfo,
    part: Part,
    row: EpisodeRow,
    table: pa.Table,
    renumbered: npt.NDArray[np.int64],
    tally: _Tally,
    writer: SeriesWriter,
) -> EpisodeRow:
    task_index = column_values(table, "task_index", DEFAULT_FEATURES["task_index"])
    if not 0 <= task_index.min() <= task_index.max() < len(renumbered):
        raise DatasetError(
            f"episode {row.episode_index} of {part.source.root} has a task_index that no task has",
            path=part.source.root,
        )
    if part.every > 1:
        _check_thinning(info, part, row, table)
    table = table.drop_columns(list(part.made)).take(pa.array(range(0, len(table), part.every)))
    length = len(table)
    columns: dict[str, npt.NDArray[Any]] = {
        "episode_index": np.full(length, tally.episodes),
        "index": np.arange(tally.frames, tally.frames + length),
        "task_index": renumbered[task_index[:: part.every]],
    }
    if part.every > 1:
        columns["frame_index"] = np.arange(length)
        columns["timestamp"] = (np.arange(length) / info.fps).astype(np.float32)
    if part.subtasks is not None:
        columns[SUBTASK_INDEX] = _new_subtasks(info, part, part.subtasks, row, table)
    moved = _with_columns(conform(table, writer.schema), columns)
    videos = {key: part.videos[key][span.file].place(span) for key, span in row.videos.items()}
    statistics = _moved_statistics(info, row, tally, columns["task_index"])
    if SUBTASK_INDEX in columns and SUBTASK_INDEX in statistics:
        statistics[SUBTASK_INDEX] = vector_statistics(columns[SUBTASK_INDEX])
    if part.every > 1:
        statistics |= _row_statistics(info, moved, statistics)
    statistics |= {key: some[row.episode_index] for key, some in part.pictures.items() if key in statistics}
    new = replace(
        row,
        episode_index=tally.episodes,
        length=length,
        dataset_from_index=tally.frames,
        data=writer.write(moved),
        videos=videos | {key: spans[row.episode_index] for key, spans in part.made.items()},
        statistics=statistics,
    )
    tally.add(new)
    return new


def _new_subtasks(
    info: DatasetInfo, part: Part, renumbered: npt.NDArray[np.int64], row: EpisodeRow, table: pa.Table
) -> npt.NDArray[Any]:
    feature = info.features[SUBTASK_INDEX]
    numbers = column_values(table, SUBTASK_INDEX, feature)
    if not 0 <= numbers.min() <= numbers.max() < len(renumbered):
        raise DatasetError(
            f"episode {row.episode_index} of {part.source.root} has a {SUBTASK_INDEX} that no subtask has, so it cannot be "
            "merged with a dataset of other subtasks",
            path=part.source.root,
        )
    new: npt.NDArray[Any] = renumbered[numbers].astype(feature.dtype)
    return new


def _check_thinning(info: DatasetInfo, part: Part, row: EpisodeRow, table: pa.Table) -> None:
    """Refuse to leave rows out that say something which no row that stays says."""
    for name, feature in info.columns.items():
        if feature.dtype != "language":
            continue
        values = table[name].to_pylist()
        for number, value in enumerate(values):
            if value and value != values[number - number % part.every]:
                raise DatasetError(
                    f"frame {number} of episode {row.episode_index} has {name}, and the frame would be left out with another "
                    "fps; keep the rate",
                    path=part.source.root,
                )


def _row_statistics(info: DatasetInfo, table: pa.Table, known: Collection[str]) -> dict[str, FeatureStatistics]:
    numeric = {name: feature for name, feature in info.columns.items() if feature.is_numeric and name in known}
    return {name: vector_statistics(column_values(table, name, feature)) for name, feature in numeric.items()}


def _with_columns(table: pa.Table, columns: Mapping[str, npt.NDArray[Any]]) -> pa.Table:
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), pa.array(values))
    return table


def _moved_statistics(
    info: DatasetInfo, row: EpisodeRow, tally: _Tally, task_index: npt.NDArray[np.int64]
) -> dict[str, FeatureStatistics]:
    """Those of the columns that were numbered again are too; statistics of removed features are left behind."""
    known = {name: row.statistics[name] for name in info.features if name in row.statistics}
    steps = {
        "episode_index": tally.episodes - row.episode_index,
        "index": tally.frames - row.dataset_from_index,
    }
    for name, step in steps.items():
        if name in known:
            values = {each: getattr(known[name], each) for each in _MOVE_WITH_VALUES}
            known[name] = replace(known[name], **{each: v + step for each, v in values.items() if v is not None})
    if "task_index" in known:
        known["task_index"] = vector_statistics(task_index)
    return known


def _whole_statistics(info: DatasetInfo, parts: Sequence[Part], tally: _Tally) -> dict[str, FeatureStatistics]:
    stats = tally.statistics()
    if any(part.keep is not None for part in parts):
        return {name: stats[name] for name in info.features if name in stats}
    stored = [load_stats(part.source.root) or {} for part in parts]
    renumbered = {SUBTASK_INDEX} if any(part.subtasks is not None for part in parts) else set()
    for name in info.features.keys() - stats.keys() - renumbered:
        if all(name in each for each in stored):
            stats |= aggregate_statistics([{name: each[name]} for each in stored])
    return {name: stats[name] for name in info.features if name in stats}


def _save_provenance(root: Path, parts: Sequence[Part]) -> None:
    def documents() -> Iterator[dict[str, object]]:
        number = 0
        for part in parts:
            known = load_provenance(part.source.root)
            for episode in range(part.source.info.total_episodes):
                if part.keep is None or episode in part.keep:
                    if episode in known:
                        yield {**known[episode], "episode_index": number}
                    number += 1

    save_provenance(root, documents())
