"""Check the data files: their columns, and every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.frame_columns import column_values
from ffenc.dataset.format.parquet_series import open_parquet
from ffenc.dataset.format.schema import DEFAULT_FEATURES
from ffenc.dataset.verify.checks.data_columns import check_columns
from ffenc.dataset.verify.checks.subject import Episode, Subject
from ffenc.errors import DatasetError

OnEpisode: TypeAlias = Callable[[Episode, dict[str, npt.NDArray[Any]]], None]

TIMESTAMP_TOLERANCE_S = 1e-4
"""LeRobot finds the frame of a timestamp within this tolerance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Consecutive rows of one episode.

    Attributes:
        table: columns that could be read.
        files: files that contain the rows.
        episode_index: ``episode_index`` of the first row; None if the column is missing.
    """

    table: pa.Table
    files: tuple[Path, ...]
    episode_index: int | None


class FrameChecks:
    """Checks all rows, one episode in memory at a time.

    Args:
        subject: the dataset; its table of episodes has been read.
        on_episode: called with each complete episode and its numeric columns without wrong ones, for statistics.
        on_rows: called with each complete episode and all of its numeric columns.

    Attributes:
        complete: whether every row of every episode was checked and none is missing.
        spoilt: features with a wrong value, whose statistics are therefore not compared.
    """

    def __init__(self, subject: Subject, on_episode: OnEpisode | None = None, on_rows: OnEpisode | None = None) -> None:
        self._subject = subject
        self._on_episode = on_episode
        self._on_rows = on_rows
        self._numeric = {name: f for name, f in subject.known_info.columns.items() if f.is_numeric}
        self._unusable: set[str] = set()
        self._tasks_seen: set[int] = set()
        self._starts: list[int] | None = None
        if subject.episodes_in_order:
            self._starts = [0, *accumulate(episode.length or 0 for episode in subject.episodes)]
        self._names_known = True
        self.complete = False
        self.spoilt: set[str] = set()

    def run(self) -> None:
        """Check all rows."""
        subject = self._subject
        paths = self._files()
        if paths is None:
            return
        groups = self._groups(paths)
        self.complete = self._unusable == set()
        if self._starts is not None and self._starts[-1] == subject.rows:
            for episode, rows in zip(subject.episodes, _by_length(groups, subject.episodes), strict=False):
                self._check_rows(episode, rows)
        else:
            self._check_runs(groups)
        if self.complete and subject.tasks is not None and "task_index" not in self.spoilt:
            for number in sorted(set(range(len(subject.tasks))) - self._tasks_seen):
                text = subject.tasks[number]
                subject.findings.add("task-unused", f"no frame has task {number}, {text!r}", path=subject.layout.tasks)

    def _files(self) -> list[Path] | None:
        """Check the columns of all files, and return the files in reading order; None if some rows cannot be read."""
        subject = self._subject
        paths = subject.layout.data_files()
        if not paths and (subject.episodes or subject.known_info.total_frames):
            subject.findings.add("data-missing", f"info.json says {subject.known_info.total_frames} frames")
            return None
        readable, rows = True, 0
        template = subject.known_info.data_path
        numbers = [subject.layout.data_number(path) for path in paths]
        self._names_known = any(number is not None for number in numbers)
        if not self._names_known and paths:
            message = f"no data file matches data_path, {template!r}; LeRobot reads data/*/*.parquet nevertheless"
            subject.findings.add("data-path-wrong", message, path=subject.layout.info)
        for path, number in zip(paths, numbers, strict=True):
            if number is None and self._names_known:
                message = f"its name does not match data_path in info.json: {template}"
                subject.findings.add("file-name-foreign", message, path=path)
                readable = False
                continue
            try:
                with open_parquet(path) as file:
                    self._unusable |= check_columns(subject, file.schema_arrow, path)
                    rows += file.metadata.num_rows
            except DatasetError as err:
                subject.findings.add("data-unreadable", str(err), path=path)
                readable = False
        subject.rows = rows if readable else None
        return paths if readable else None

    def _groups(self, paths: list[Path]) -> Iterator[tuple[pa.Table, Path]]:
        for path in paths:
            try:
                with open_parquet(path) as file:
                    usable = [n for n in file.schema_arrow.names if n in self._numeric and n not in self._unusable]
                    for group in range(file.num_row_groups):
                        yield file.read_row_group(group, columns=usable), path
            except DatasetError as err:
                self._subject.findings.add("data-unreadable", str(err), path=path)
                self.complete = False
                return

    def _check_runs(self, groups: Iterator[tuple[pa.Table, Path]]) -> None:
        """Check rows by their own episode_index, because their number does not match the episodes."""
        by_index = {episode.index: episode for episode in self._subject.episodes}
        missing = dict(by_index)
        self.complete = False
        for rows in _by_episode(groups):
            episode = by_index.get(-1 if rows.episode_index is None else rows.episode_index)
            if episode is None:
                if self._subject.episodes_whole and rows.episode_index is not None:
                    message = f"{len(rows.table)} rows are of episode {rows.episode_index}, which is not in the table of episodes"
                    self._subject.findings.add("data-rows-wrong", message, path=rows.files[0])
                continue
            if missing.pop(episode.index, None) is None or (episode.length or len(rows.table)) != len(rows.table):
                message = f"it has {len(rows.table)} consecutive rows, expected {episode.length}"
                self._subject.findings.add("data-rows-wrong", message, episode=episode.place, path=rows.files[0])
            else:
                self._check_rows(episode, rows)
        if self._subject.episodes_whole and "episode_index" not in self._unusable and self._subject.rows is not None:
            for episode in missing.values():
                message = f"it has no rows, expected {episode.length}"
                self._subject.findings.add("data-rows-wrong", message, episode=episode.place)

    def _check_rows(self, episode: Episode, rows: Rows) -> None:
        subject, columns = self._subject, {}
        for name, feature in self._numeric.items():
            if name in self._unusable:
                continue
            try:
                columns[name] = column_values(rows.table, name, feature)
            except DatasetError as err:
                subject.findings.add(
                    "data-value-missing", str(err), episode=episode.place, camera=name, path=rows.files[0]
                )
                self.complete = False
        self._check_counting(episode, rows, columns)
        self._check_tasks(episode, rows, columns.get("task_index"))
        for name, values in columns.items():
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                self.spoilt.add(name)
                bad = int(np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))[0])
                message = f"{name!r} has a value that is not finite"
                subject.findings.add(
                    "data-not-finite", message, episode=episode.place, camera=name, frame=bad, path=rows.files[0]
                )
        named = subject.layout.data(episode.data)
        if self._names_known and set(rows.files) != {named}:
            where = ", ".join(sorted(path.name for path in set(rows.files)))
            message = f"its file is {named.relative_to(subject.root)}, but its rows are in {where}"
            subject.findings.add("episode-data-file-wrong", message, episode=episode.place, path=rows.files[0])
        if self._on_rows is not None:
            self._on_rows(episode, columns)
        if self._on_episode is not None:
            self._on_episode(episode, {name: rows for name, rows in columns.items() if name not in self.spoilt})

    def _check_counting(self, episode: Episode, rows: Rows, columns: dict[str, npt.NDArray[Any]]) -> None:
        numbers = np.arange(len(rows.table))
        expected: dict[str, npt.NDArray[Any]] = {
            "episode_index": np.full(len(numbers), episode.index if self._starts is None else episode.place),
            "frame_index": numbers,
            "timestamp": (numbers / self._subject.known_info.fps).astype(np.float32),
        }
        if "index" in columns:
            first = columns["index"][:1] if self._starts is None else self._starts[episode.place]
            expected["index"] = numbers + first
        for name, right in expected.items():
            values = columns.get(name)
            if values is None or values.shape != right.shape or name not in DEFAULT_FEATURES:
                continue
            wrong = _off_the_clock(values, right) if name == "timestamp" else values != right
            if wrong.any():
                self.spoilt.add(name)
                row = int(np.flatnonzero(wrong)[0])
                code = "data-episode-wrong" if name == "episode_index" else f"data-{name.replace('_', '-')}-wrong"
                message = f"{name} is {values[row]}, expected {right[row]}; {int(wrong.sum())} of {len(numbers)} rows are wrong"
                self._subject.findings.add(code, message, episode=episode.place, frame=row, path=rows.files[0])

    def _check_tasks(self, episode: Episode, rows: Rows, numbers: npt.NDArray[Any] | None) -> None:
        tasks, findings = self._subject.tasks, self._subject.findings
        if tasks is None or numbers is None:
            return
        unknown = (numbers < 0) | (numbers >= len(tasks))
        if unknown.any():
            row = int(np.flatnonzero(unknown)[0])
            message = f"task_index is {numbers[row]}, but there are {len(tasks)} tasks"
            findings.add("data-task-unknown", message, episode=episode.place, frame=row, path=rows.files[0])
            self.spoilt.add("task_index")
            return
        used = np.unique(numbers).tolist()
        self._tasks_seen.update(used)
        if {tasks[number] for number in used} != set(episode.tasks):
            message = f"its tasks are {list(episode.tasks)}, but its rows have {[tasks[number] for number in used]}"
            findings.add("episode-tasks-wrong", message, episode=episode.place, path=episode.path)


def _off_the_clock(values: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    # After half an hour, the spacing of float32 values exceeds the tolerance.
    off = np.abs(values.astype(np.float64) - right)
    near: npt.NDArray[np.bool_] = off <= TIMESTAMP_TOLERANCE_S + np.spacing(right.astype(np.float32))
    return ~near


def _by_length(groups: Iterator[tuple[pa.Table, Path]], episodes: list[Episode]) -> Iterator[Rows]:
    """Divide rows among the episodes by their lengths, whatever their episode_index."""
    parts: list[tuple[pa.Table, Path]] = []
    for episode in episodes:
        wanted = episode.length or 0
        while sum(len(table) for table, _ in parts) < wanted:
            more = next(groups, None)
            if more is None:
                return
            parts.append(more)
        taken: list[tuple[pa.Table, Path]] = []
        while wanted:
            table, path = parts.pop(0)
            taken.append((table.slice(0, wanted), path))
            if len(table) > wanted:
                parts.insert(0, (table.slice(wanted), path))
            wanted -= min(wanted, len(table))
        yield _rows(taken)


def _by_episode(groups: Iterator[tuple[pa.Table, Path]]) -> Iterator[Rows]:
    """Group consecutive rows with the same episode_index."""
    begun: list[tuple[pa.Table, Path]] = []
    for table, path in groups:
        if "episode_index" not in table.column_names:
            return
        indices = np.asarray(table["episode_index"].fill_null(-1))
        edges = [0, *(np.flatnonzero(np.diff(indices)) + 1).tolist(), len(indices)]
        for start, stop in pairwise(edges):
            if start == stop:
                continue
            part = table.slice(start, stop - start)
            if begun and _episode_index(begun[0][0]) != _episode_index(part):
                yield _rows(begun)
                begun = []
            begun.append((part, path))
    if begun:
        yield _rows(begun)


def _episode_index(table: pa.Table) -> int | None:
    value = table["episode_index"][0].as_py() if "episode_index" in table.column_names and len(table) else None
    return value if type(value) is int else None


def _rows(parts: list[tuple[pa.Table, Path]]) -> Rows:
    tables = [table for table, _ in parts]
    return Rows(
        table=pa.concat_tables(tables, promote_options="permissive") if len(tables) > 1 else tables[0],
        files=tuple(dict.fromkeys(path for _, path in parts)),
        episode_index=_episode_index(tables[0]),
    )
