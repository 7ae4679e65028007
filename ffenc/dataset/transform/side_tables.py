"""Carry parquet files of other programs whose rows belong to episodes, frames or numbers of a dataset.

- A numbered table describes the values of a feature, and has a column of its name: ``subtask_index`` in
  ``meta/subtasks.parquet``.  A merge joins different tables and renumbers the feature.
- A table about rows has the column ``episode_index``, for example ``sarm_progress.parquet``, or a row for each ``index``.
  Its rows move with their episodes and frames.

All other files are `ffenc.dataset.transform.companions`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.dataset_tables import iterate_episodes
from ffenc.dataset.format.parquet_series import open_parquet, save_table
from ffenc.dataset.format.schema import DEFAULT_FEATURES, DatasetInfo
from ffenc.dataset.storage.atomic_file import make_directory
from ffenc.dataset.transform.companions import companions
from ffenc.dataset.transform.source import DatasetSource
from ffenc.errors import DatasetError, MergeError

logger = logging.getLogger(__name__)

Numbers = npt.NDArray[np.int64]

_PLACES = ("index", "episode_index", "frame_index")


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedTables:
    """The numbered tables of merged datasets.

    Attributes:
        tables: each table by its path in the dataset.
        numbers: for each source, the new number of each old one by feature; a feature whose numbers stay is not included.
    """

    tables: Mapping[Path, pa.Table]
    numbers: Sequence[Mapping[str, Numbers]]

    def write(self, root: Path) -> None:
        """Write all tables.

        Raises:
            OutputError: a file cannot be written.
        """
        for path, table in self.tables.items():
            make_directory((root / path).parent)
            save_table(root / path, table)


def numbered_features(source: DatasetSource) -> dict[Path, str]:
    """Return the feature of each numbered table of a dataset."""
    found = {}
    for path, schema, is_about_rows in _parquet_files(source):
        features = [name for name in schema.names if _is_number(name, source.info)]
        if len(features) == 1 and not is_about_rows and pa.types.is_integer(schema.field(features[0]).type):
            found[path] = features[0]
    return found


def merge_numbered(sources: Sequence[DatasetSource]) -> NumberedTables:
    """Join the numbered tables of datasets: equal rows become one, in order of first appearance.

    Raises:
        MergeError: a source lacks a table, or the tables differ in more than their rows.
    """
    features = {path: name for source in sources for path, name in numbered_features(source).items()}
    numbers: list[dict[str, Numbers]] = [{} for _ in sources]
    tables = {}
    for path, feature in features.items():
        found = [_load(source.root / path) if (source.root / path).exists() else None for source in sources]
        known = [table for table in found if table is not None]
        lacking = [str(source.root) for source, table in zip(sources, found, strict=True) if table is None]
        if lacking:
            raise MergeError(
                f"the datasets differ in {path}, and {', '.join(lacking)} has none; make the tables equal first",
                path=sources[0].root,
            )
        if all(table.equals(known[0]) for table in known):
            tables[path] = known[0]
            continue
        tables[path], news = _joined(known, feature, path, sources)
        for place, new in zip(numbers, news, strict=True):
            if feature in place and not np.array_equal(place[feature], new):
                raise MergeError(f"{path} and another table number {feature!r} differently", path=sources[0].root)
            place[feature] = new
    return NumberedTables(tables=tables, numbers=numbers)


def _joined(
    tables: Sequence[pa.Table], feature: str, path: Path, sources: Sequence[DatasetSource]
) -> tuple[pa.Table, list[Numbers]]:
    rows: dict[str, int] = {}
    news, parts = [], []
    for table, source in zip(tables, sources, strict=True):
        if table[feature].to_pylist() != list(range(len(table))):
            raise MergeError(f"{source.root / path} is not in the order of its {feature}", path=source.root)
        if not table.schema.equals(tables[0].schema):
            raise MergeError(
                f"{source.root / path} has other columns than that of {sources[0].root}; make them equal first",
                path=source.root,
            )
        new, added = [], []
        for place, row in enumerate(table.drop_columns([feature]).to_pylist()):
            if repr(row) not in rows:
                added.append(place)
            new.append(rows.setdefault(repr(row), len(rows)))
        news.append(np.array(new, np.int64))
        parts.append(table.take(pa.array(added, pa.int64())))
    joined = pa.concat_tables(parts)
    place = joined.schema.get_field_index(feature)
    field = joined.schema.field(place)
    return joined.set_column(place, field, pa.array(range(len(joined)), field.type)), news


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedEpisodes:
    """Where the episodes and frames of a source are in a new dataset.

    Attributes:
        source: the old dataset.
        rows: for each kept episode, its number in the new dataset, the index of its first row there, and its kept rows.
        fps: frame rate of the new dataset.
        tasks: for each kept episode, the new number of each task of the source.
        numbers: new numbers of other features; see `NumberedTables`.
    """

    source: DatasetSource
    rows: Mapping[int, tuple[int, int, range]]
    fps: int
    tasks: Mapping[int, Numbers]
    numbers: Mapping[str, Numbers]


def write_row_tables(root: Path, moved: Sequence[MovedEpisodes]) -> None:
    """Write the tables about episodes and frames of new dataset, unless they are those of the only source.

    Raises:
        DatasetError: a table has a row of no episode, or the tables of several sources have different columns.
        OutputError: a file cannot be written.
    """
    by_path: dict[Path, list[tuple[MovedEpisodes, pa.Table]]] = {}
    for each in moved:
        for path, _, is_about_rows in _parquet_files(each.source):
            if is_about_rows:
                by_path.setdefault(path, []).append((each, _load(each.source.root / path)))
    for path, parts in by_path.items():
        new = [_moved_rows(each, table, path) for each, table in parts]
        if len(moved) == 1 and new[0].equals(parts[0][1]):
            continue
        missing = [str(each.source.root) for each in moved if all(each is not one for one, _ in parts)]
        if missing:
            logger.warning("%s has no rows for the episodes of %s, which lacks it", path, ", ".join(missing))
        try:
            joined = pa.concat_tables(new)
        except pa.ArrowException as err:
            raise DatasetError(
                f"{path} has other columns in {parts[-1][0].source.root} than in {parts[0][0].source.root}; make them equal "
                "first",
                path=parts[-1][0].source.root,
            ) from err
        make_directory((root / path).parent)
        save_table(root / path, joined)


def _moved_rows(moved: MovedEpisodes, table: pa.Table, path: Path) -> pa.Table:
    """Return the rows of kept frames with their new numbers."""
    where = moved.source.root / path
    old = _integers(table, (*_PLACES, "task_index", *moved.numbers), where)
    lengths = np.array([row.length for row in iterate_episodes(moved.source.root, moved.source.info, statistics=False)])
    firsts = np.concatenate([[0], np.cumsum(lengths)])
    episodes, frames = _places(old, firsts)
    _check_places(episodes, frames, lengths, where)
    new_episode, new_first, start, stop, step = (np.full(len(lengths), value) for value in (-1, 0, 0, 0, 1))
    for episode, (number, first, rows) in moved.rows.items():
        new_episode[episode], new_first[episode] = number, first
        start[episode], stop[episode], step[episode] = rows.start, rows.stop, rows.step
    kept = new_episode[episodes] >= 0
    new: dict[str, npt.NDArray[Any]] = {"episode_index": new_episode[episodes]}
    if frames is not None:
        offset = frames - start[episodes]
        kept &= (offset >= 0) & (frames < stop[episodes]) & (offset % step[episodes] == 0)
        new["frame_index"] = offset // step[episodes]
        if _is_index(old, firsts):
            new["index"] = new_first[episodes] + new["frame_index"]
        if start.any() or (step > 1).any():
            new["timestamp"] = new["frame_index"] / moved.fps
    if "task_index" in old:
        new["task_index"] = _new_tasks(moved, episodes, old["task_index"], where)
    for name, numbers in moved.numbers.items():
        if name in old:
            _check_range(old[name], len(numbers), where, name)
            new[name] = numbers[old[name]]
    for name in new.keys() & set(table.column_names):
        place = table.schema.get_field_index(name)
        field = table.schema.field(place)
        table = table.set_column(place, field, pa.array(new[name]).cast(field.type))
    return table.filter(pa.array(kept))


def _integers(table: pa.Table, names: Sequence[str], where: Path) -> dict[str, Numbers]:
    found = [name for name in names if name in table.column_names]
    for name in found:
        if table[name].null_count or not pa.types.is_integer(table.schema.field(name).type):
            raise DatasetError(f"the column {name} of {where} has values that are not integers", path=where)
    return {name: np.asarray(table[name]).astype(np.int64) for name in found}


def _check_places(episodes: Numbers, frames: Numbers | None, lengths: Numbers, where: Path) -> None:
    wrong = (episodes < 0) | (episodes >= len(lengths))
    if frames is not None:
        wrong |= (frames < 0) | (frames >= lengths[np.where(wrong, 0, episodes)])
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        frame = "" if frames is None else f", frame {frames[row]}"
        raise DatasetError(
            f"row {row} of {where} belongs to episode {episodes[row]}{frame}, which the dataset does not have; correct the "
            "file or move it out of the dataset",
            path=where,
        )


def _places(places: Mapping[str, Numbers], firsts: Numbers) -> tuple[Numbers, Numbers | None]:
    """Return the episode of each row, and its frame in the episode if the table has it."""
    if _is_index(places, firsts):
        episodes = np.searchsorted(firsts, places["index"], side="right") - 1
        return episodes, places["index"] - firsts[np.clip(episodes, 0, len(firsts) - 1)]
    return places["episode_index"], places.get("frame_index")


def _is_index(places: Mapping[str, Numbers], firsts: Numbers) -> bool:
    """Return True if the column ``index`` has rows of the dataset; it can also number the rows of the table itself."""
    if "index" not in places or "episode_index" not in places:
        return "index" in places
    episodes = np.searchsorted(firsts, places["index"], side="right") - 1
    return bool(np.array_equal(episodes, places["episode_index"]))


def _new_tasks(moved: MovedEpisodes, episodes: Numbers, old: Numbers, where: Path) -> Numbers:
    known = len(moved.source.tasks)
    _check_range(old, known, where, "task_index")
    pairs, inverse = np.unique(episodes * known + old, return_inverse=True)
    new = [
        moved.tasks[int(pair) // known][int(pair) % known] if int(pair) // known in moved.tasks else -1
        for pair in pairs
    ]
    numbers: Numbers = np.array(new, np.int64)[inverse.reshape(-1)]
    return numbers


def _check_range(numbers: Numbers, stop: int, path: Path, name: str) -> None:
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < stop:
        raise DatasetError(f"{path} has a {name} that is not between 0 and {stop - 1}", path=path)


def _parquet_files(source: DatasetSource) -> Iterator[tuple[Path, pa.Schema, bool]]:
    """Yield the other parquet files with their columns, and whether their rows are about episodes or frames."""
    for path in companions(source):
        if path.suffix == ".parquet":
            with open_parquet(source.root / path) as file:
                schema = file.schema_arrow
                # A table without episodes that has another length can number its own rows.
                of_frames = "index" in schema.names and file.metadata.num_rows == source.info.total_frames
                yield path, schema, "episode_index" in schema.names or of_frames


def _is_number(name: str, info: DatasetInfo) -> bool:
    feature = info.columns.get(name)
    return (
        feature is not None
        and name not in DEFAULT_FEATURES
        and feature.shape == (1,)
        and feature.dtype.startswith(("int", "uint"))
    )


def _load(path: Path) -> pa.Table:
    with open_parquet(path) as file:
        return file.read()
