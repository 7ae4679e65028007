"""Write the tables of a dataset that consists of episodes of other datasets.

Only one episode is in memory at a time.
"""

from __future__ import annotations

import bisect
import logging
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from ffenc.dataset.format.provenance import load_provenance, renamed_document, rows_document, save_provenance
from ffenc.dataset.format.schema import DEFAULT_FEATURES, OLD_COUNTERS, DatasetInfo, Feature
from ffenc.dataset.transform.language_rows import keep_rows
from ffenc.dataset.transform.renamed import renamed, renamed_columns, renamed_rows
from ffenc.dataset.transform.row_statistics import ACTION, STATE, warn_of_other_statistics
from ffenc.dataset.transform.side_tables import MovedEpisodes, write_row_tables
from ffenc.dataset.transform.source import DatasetSource
from ffenc.dataset.transform.task_columns import task_columns
from ffenc.dataset.transform.video_groups import PlacedVideo
from ffenc.errors import DatasetError
from ffenc.plan.cut import Range
from ffenc.plan.frame_stride import FrameStride
from ffenc.statistics import STATISTICS, FeatureStatistics, StatisticsTotal, aggregate_statistics, vector_statistics

logger = logging.getLogger(__name__)

_SHIFTED = tuple(name for name in STATISTICS if name not in ("std", "count"))


@dataclass(frozen=True, kw_only=True)
class VideoPlacement:
    """Map frames of an old video to frames of a new one that contains some ranges of it.

    Attributes:
        file: the new video.
        ranges: frames of the old video that are in the new one, as (first, stop), ascending.
        every: the new video has every n-th frame of each range; each range is then one episode.
    """

    file: FileId
    ranges: tuple[tuple[int, int], ...]
    every: int = 1

    def place(self, span: VideoSpan) -> VideoSpan:
        """Return the place of an episode in the new video."""
        number = bisect.bisect_right(self.ranges, span.from_frame, key=lambda kept: kept[0]) - 1
        start = self._starts[number] + span.from_frame - self.ranges[number][0]
        length = len(range(span.from_frame, span.to_frame, self.every))
        return VideoSpan(file=self.file, from_frame=start, to_frame=start + length)

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        return FrameStride(every=self.every, ranges=self.ranges).starts


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSelection:
    """Episodes that a new dataset takes from one source.

    Attributes:
        source: the dataset that has them.
        videos: for each camera and old video file, the place of its frames; None if the files are unchanged.
        keep: for each kept episode, the range of its rows that are kept; None takes all episodes completely.
        every: keep every n-th of these rows, starting with the first.
        frame_statistics: for each camera, new statistics of the episodes whose frames changed.
        new_videos: for each image feature that becomes video, the place of each episode.
        numbers: for features that number the rows of a table, the new number of each old one.
        names: the new name of each renamed feature; None for a removed one.
        added: new columns with the rows of the whole dataset.
        retask: returns the new text of a task in an episode; None keeps the tasks.
    """

    source: DatasetSource
    videos: Mapping[str, Mapping[FileId, VideoPlacement | PlacedVideo]] | None
    keep: Mapping[int, Range] | None = None
    every: int = 1
    frame_statistics: Mapping[str, Mapping[int, FeatureStatistics]] = field(default_factory=dict)
    new_videos: Mapping[str, Sequence[VideoSpan]] = field(default_factory=dict)
    numbers: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    names: Mapping[str, str | None] = field(default_factory=dict)
    added: pa.Table | None = None
    retask: Callable[[int, str], str] | None = None

    @property
    def is_complete(self) -> bool:
        """True if all rows of all episodes stay."""
        return self.keep is None and self.every == 1

    @property
    def has_all_episodes(self) -> bool:
        """True if all episodes stay, perhaps with fewer rows."""
        return self.keep is None or len(self.keep) == self.source.info.total_episodes

    @property
    def recomputed(self) -> set[str]:
        """Return the features whose numbers change, and the new ones."""
        added = [] if self.added is None else self.added.column_names
        return {*self.numbers, *added, "task_index"}

    def takes(self, episode: int) -> bool:
        """Return True if the new dataset has this episode of the source."""
        return self.keep is None or episode in self.keep

    def place(self, key: str, span: VideoSpan) -> VideoSpan:
        """Return the place of an episode in the new video of a camera."""
        return span if self.videos is None else self.videos[key][span.file].place(span)

    def rows(self, episode: int, length: int) -> range:
        """Return the kept rows of an episode."""
        first, stop = (0, length) if self.keep is None else self.keep[episode]
        return range(first, stop, self.every)


def write_tables(
    root: Path,
    info: DatasetInfo,
    selections: Sequence[EpisodeSelection],
    tasks: Sequence[str],
    *,
    separate_data: bool = False,
) -> DatasetInfo:
    """Write all files of a dataset except the videos.

    Episodes, rows and tasks are renumbered.  ``stats.json`` aggregates the statistics of the episodes, so that ``index`` and
    the like describe the new dataset.  It aggregates the ``stats.json`` of the sources for features without episode statistics.

    Args:
        root: directory of the new dataset.
        info: its document; the counters are filled in.
        selections: the episodes, in order.
        tasks: tasks of the new dataset.
        separate_data: start a new data file wherever a source starts one.

    Returns:
        The document as written, with the counters.

    Raises:
        DatasetError: a source is inconsistent, or the statistics cannot be aggregated.
        OutputError: a file cannot be written.
    """
    try:
        others: dict[str, pa.DataType] = {}
        for selection in selections:
            source = selection.source
            columns = renamed_columns(other_episode_columns(source.root, source.info), selection.names)
            add_columns(others, columns, source.root)
        with data_writer(root, info, like=selections[0].source.layout) as data:
            writer = _EpisodeWriter(info, tasks, data)
            rows = (row for each in selections for row in writer.write(each, separate_data=separate_data))
            save_episodes(root, info, rows, others=others)
        stats = _dataset_statistics(info, selections, writer.total.result())
    except ValueError as err:
        raise DatasetError(f"the statistics of the episodes cannot be aggregated: {err}") from err
    save_tasks(root, tasks, task_columns([each.source for each in selections], tasks, writer.renamed_tasks))
    save_stats(root, stats)
    save_provenance(root, _provenance(selections, writer.moved))
    write_row_tables(root, writer.moved)
    dropped = sorted(OLD_COUNTERS & (info.model_extra or {}).keys())
    if dropped:
        logger.warning("removed %s from info.json: LeRobot's format 3.0 does not have it", " and ".join(dropped))
    written = info.with_totals(episodes=writer.episodes, frames=writer.frames, tasks=len(tasks))
    is_custom = bool(info.splits.keys() - {"train"})
    if is_custom and len(selections) == 1 and selections[0].has_all_episodes:
        written = written.model_copy(update={"splits": info.splits})
    elif is_custom:
        logger.warning("the splits %s of info.json are not kept; they are not those of the new episodes", info.splits)
    save_info(root, written)
    return written


class _EpisodeWriter:
    """Renumber episodes, write their rows and aggregate their statistics.

    Args:
        info: document of the new dataset.
        tasks: tasks of the new dataset.
        data: writer of its data files.

    Attributes:
        episodes, frames: number of written episodes and rows.
        moved: for each source, where its episodes and rows are.
        renamed_tasks: see `Origins`.
    """

    def __init__(self, info: DatasetInfo, tasks: Sequence[str], data: SeriesWriter) -> None:
        self._info = info
        self._tasks = {task: number for number, task in enumerate(tasks)}
        self._data = data
        self.episodes = self.frames = 0
        self.total = StatisticsTotal()
        self.moved: list[MovedEpisodes] = []
        self.renamed_tasks: dict[int, set[tuple[int, int]]] = {}

    def write(self, selection: EpisodeSelection, *, separate_data: bool) -> Iterator[EpisodeRow]:
        """Write the selected episodes and yield their new rows of ``meta/episodes``."""
        rows: dict[int, tuple[int, int, range]] = {}
        tasks: dict[int, npt.NDArray[np.int64]] = {}
        fps, source = self._info.fps, selection.source
        self.moved.append(MovedEpisodes(source=source, rows=rows, fps=fps, tasks=tasks, numbers=selection.numbers))
        same = self._numbers_of(source.tasks)
        last: FileId | None = None
        for row, table in source.episodes():
            if selection.takes(row.episode_index):
                if separate_data and row.data != last:
                    self._data.close()
                last = row.data
                episode, retask = row.episode_index, selection.retask
                rows[episode] = (self.episodes, self.frames, selection.rows(episode, row.length))
                tasks[episode] = same if retask is None else self._numbers_of(retask(episode, t) for t in source.tasks)
                yield self._write_episode(selection, row, table, tasks[episode])

    def _numbers_of(self, texts: Iterable[str]) -> npt.NDArray[np.int64]:
        return np.array([self._tasks.get(text, -1) for text in texts], np.int64)

    def _write_episode(
        self, selection: EpisodeSelection, row: EpisodeRow, table: pa.Table, tasks: npt.NDArray[np.int64]
    ) -> EpisodeRow:
        info, rows = self._info, selection.rows(row.episode_index, row.length)
        length, changed = len(rows), len(rows) < row.length
        if selection.added is not None:
            more = selection.added.slice(row.dataset_from_index, row.length)
            for name in more.column_names:
                table = table.append_column(name, more[name])
        if changed:
            table = keep_rows(table, rows, row.episode_index, source=selection.source)
        table = renamed_rows(table, selection.source.info, selection.names)
        table = table.drop_columns(list(selection.new_videos))
        old_tasks = table["task_index"].unique().to_pylist()
        columns: dict[str, npt.NDArray[Any]] = {
            "episode_index": np.full(length, self.episodes),
            "index": np.arange(self.frames, self.frames + length),
            "task_index": _renumbered(selection, row, table, "task_index", DEFAULT_FEATURES["task_index"], tasks),
        }
        if changed:
            columns["frame_index"] = np.arange(length)
            columns["timestamp"] = (np.arange(length) / info.fps).astype(np.float32)
        for name, numbers in selection.numbers.items():
            columns[name] = _renumbered(selection, row, table, name, info.features[name], numbers)
        for old in old_tasks:
            self.renamed_tasks.setdefault(int(tasks[old]), set()).add((len(self.moved) - 1, old))
        table = _with_columns(conform(table, self._data.schema), columns)
        spans = {key: span.part(rows.start, rows.stop) for key, span in row.videos.items()}
        videos = {key: selection.place(key, span) for key, span in spans.items()}
        new_videos = {key: spans[row.episode_index] for key, spans in selection.new_videos.items()}
        retask = selection.retask or (lambda _, task: task)
        kept_tasks = [selection.source.tasks[number] for number in old_tasks] if changed else row.tasks
        new = replace(
            row,
            episode_index=self.episodes,
            tasks=tuple(dict.fromkeys(retask(row.episode_index, task) for task in kept_tasks)),
            length=length,
            dataset_from_index=self.frames,
            data=self._data.write(table),
            videos=renamed(videos, selection.names) | new_videos,
            others=renamed_columns(row.others, selection.names),
            statistics=self._new_statistics(selection, row, table, changed=changed),
        )
        self.episodes += 1
        self.frames += length
        self.total.add(new.statistics)
        return new

    def _new_statistics(
        self, selection: EpisodeSelection, row: EpisodeRow, table: pa.Table, *, changed: bool
    ) -> dict[str, FeatureStatistics]:
        """Return the statistics of an episode after renumbering; those of removed features are omitted."""
        old = renamed(row.statistics, selection.names)
        known = {name: old[name] for name in self._info.features if name in old}
        shifts = {
            "episode_index": self.episodes - row.episode_index,
            "index": self.frames - row.dataset_from_index,
        }
        for name, shift in shifts.items():
            if name in known:
                values = {each: getattr(known[name], each) for each in _SHIFTED}
                known[name] = replace(known[name], **{each: v + shift for each, v in values.items() if v is not None})
        added = set() if selection.added is None else set(selection.added.column_names)
        for name, feature in self._info.columns.items():
            is_stale = name in known and (name in selection.recomputed or changed)
            if feature.is_numeric and (is_stale or name in added):
                known[name] = vector_statistics(column_values(table, name, feature))
        frames = {key: some.get(row.episode_index) for key, some in selection.frame_statistics.items()}
        return known | {key: new for key, new in frames.items() if new is not None and key in known}


def _renumbered(
    selection: EpisodeSelection,
    row: EpisodeRow,
    table: pa.Table,
    name: str,
    feature: Feature,
    new_numbers: npt.NDArray[np.int64],
) -> npt.NDArray[Any]:
    """Return the column ``name`` with its row numbers of a table of texts replaced."""
    numbers = column_values(table, name, feature)
    if not 0 <= numbers.min() <= numbers.max() < len(new_numbers):
        root = selection.source.root
        raise DatasetError(
            f"episode {row.episode_index} of {root} has a {name} outside the table of {name.removesuffix('_index')}s "
            f"(0 to {len(new_numbers) - 1}); `ffenc verify {shlex.quote(str(root))}` lists all faults",
            path=root,
        )
    renumbered: npt.NDArray[Any] = new_numbers[numbers].astype(feature.dtype)
    return renumbered


def _with_columns(table: pa.Table, columns: Mapping[str, npt.NDArray[Any]]) -> pa.Table:
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), pa.array(values))
    return table


def _dataset_statistics(
    info: DatasetInfo, selections: Sequence[EpisodeSelection], stats: dict[str, FeatureStatistics]
) -> dict[str, FeatureStatistics]:
    """Return the statistics for ``stats.json``; see `write_tables`."""
    stored = [renamed(load_stats(each.source.root) or {}, each.names) for each in selections]
    if len(selections) == 1 and selections[0].is_complete:
        source, names = selections[0].source, selections[0].names
        changed = {*selections[0].recomputed, *selections[0].frame_statistics}
        if names.keys() & {ACTION, STATE}:  # under another name, statistics of relative actions would not be recognised
            other = warn_of_other_statistics(source.root, source.info, load_stats(source.root) or {})
            changed |= {names.get(name) or name for name in other}
        stats |= {name: known for name, known in stored[0].items() if name not in changed}
    else:
        for selection, known in zip(selections, stored, strict=True):
            warn_of_other_statistics(selection.source.root, selection.source.info, known)
    if all(each.keep is None for each in selections):
        renumbered = {name for each in selections for name in each.numbers}
        for name in info.features.keys() - stats.keys() - renumbered:
            if all(name in each for each in stored):
                stats |= aggregate_statistics([{name: each[name]} for each in stored])
    return {name: stats[name] for name in info.features if name in stats}


def _provenance(selections: Sequence[EpisodeSelection], moved: Sequence[MovedEpisodes]) -> Iterator[dict[str, object]]:
    for selection, each in zip(selections, moved, strict=True):
        known = load_provenance(selection.source.root)
        for episode, (number, _, rows) in each.rows.items():
            if episode in known:
                document = renamed_document(rows_document(known[episode], rows), selection.names)
                yield {**document, "episode_index": number}
