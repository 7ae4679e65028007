"""Read and write the tables of a dataset: data files, episodes, tasks and subtasks."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.episode_columns import (
    EpisodeRow,
    episode_rows,
    episodes_schema,
    episodes_table,
    other_columns,
)
from ffenc.dataset.format.frame_columns import data_schema
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.parquet_series import ROOM_FOR_OBJECTS, SeriesWriter, load_table, open_parquet, save_table
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.errors import DatasetError


def data_writer(
    root: Path, info: DatasetInfo, *, first: FileId | None = None, like: DatasetLayout | None = None
) -> SeriesWriter:
    """Return a writer of data files, in which every table is one episode.

    Language columns get the types that they have in the dataset ``like``, the source of the rows.
    """
    return SeriesWriter(
        DatasetLayout.of(root, info).data,
        data_schema(info, like=_first_schema(like)),
        limit_mb=info.data_files_size_in_mb,
        chunks_size=info.chunks_size,
        first=first,
    )


def _first_schema(like: DatasetLayout | None) -> pa.Schema | None:
    files = [] if like is None else like.data_files()
    if not files:
        return None
    with open_parquet(files[0]) as file:
        return file.schema_arrow


def other_episode_columns(root: Path, info: DatasetInfo) -> dict[str, pa.DataType]:
    """Return the columns of all episodes files that LeRobot does not define.

    Raises:
        DatasetError: a column has different types in two files.
    """
    found: dict[str, pa.DataType] = {}
    for path in DatasetLayout.of(root, info).episodes_files():
        with open_parquet(path) as file:
            add_columns(found, other_columns(file.schema_arrow, info), path)
    return found


def further_episode_columns(root: Path, info: DatasetInfo) -> tuple[dict[str, pa.DataType], set[str]]:
    """Return the columns with which a further episodes file has those of the others, because LeRobot requires equal ones.

    Returns:
        The columns that LeRobot does not define or has left behind, and the statistics that the other files lack.

    Raises:
        DatasetError: a column has different types in two files.
    """
    known, present = set(episodes_schema(info).names), set[str]()
    others: dict[str, pa.DataType] = {}
    for path in DatasetLayout.of(root, info).episodes_files():
        with open_parquet(path) as file:
            present.update(file.schema_arrow.names)
            add_columns(
                others, {field.name: field.type for field in file.schema_arrow if field.name not in known}, path
            )
    return others, {name for name in known - present if present and name.startswith("stats/")}


def add_columns(found: dict[str, pa.DataType], more: Mapping[str, pa.DataType], path: Path) -> None:
    """Add the columns of an episodes file to those of other files.

    Raises:
        DatasetError: a column exists with another type.
    """
    for name, kind in more.items():
        if found.setdefault(name, kind) != kind:
            raise DatasetError(
                f"the column {name!r} of the episodes has type {kind} in {path} and {found[name]} in an earlier file; make "
                "the types equal or remove the column",
                path=path,
            )


def save_episodes(
    root: Path,
    info: DatasetInfo,
    rows: Iterable[EpisodeRow],
    *,
    first: FileId | None = None,
    group: int = 100,
    others: Mapping[str, pa.DataType] | None = None,
    leave_out: Collection[str] = (),
) -> list[FileId]:
    """Write episodes files with ``group`` rows per row group, and set `EpisodeRow.meta` of each row to its file.

    The rows are consumed lazily.  ``others`` are columns that LeRobot does not define, ``leave_out`` columns that it does.

    Raises:
        OutputError: a file cannot be written.
    """
    with SeriesWriter(
        DatasetLayout.of(root, info).episodes,
        episodes_schema(info, others, leave_out=leave_out),
        limit_mb=info.data_files_size_in_mb,
        chunks_size=info.chunks_size,
        first=first,
    ) as writer:
        source = iter(rows)
        while some := list(islice(source, group)):
            file = writer.place(len(some))
            numbered = [replace(row, meta=file) for row in some]
            writer.write(episodes_table(numbered, info, others, leave_out=leave_out))
    return writer.files


def iterate_episodes(root: Path, info: DatasetInfo, *, statistics: bool = True) -> Iterator[EpisodeRow]:
    """Yield the episodes in reading order; one row group is in memory at a time.

    Without ``statistics``, those of the episodes are not read, which take most of the file.

    Raises:
        DatasetError: a file cannot be read, or contains an invalid value.
    """
    for path in DatasetLayout.of(root, info).episodes_files():
        with open_parquet(path, room_bytes=ROOM_FOR_OBJECTS) as file:
            names = [name for name in file.schema_arrow.names if statistics or not name.startswith("stats/")]
            for group in range(file.num_row_groups):
                yield from episode_rows(file.read_row_group(group, columns=names), info)


def load_episodes(root: Path, info: DatasetInfo, *, statistics: bool = True) -> list[EpisodeRow]:
    """Return all episodes by number; see `iterate_episodes`.

    Raises:
        DatasetError: a file cannot be read, contains an invalid value, or the episodes are not in order of their numbers.
    """
    rows = list(iterate_episodes(root, info, statistics=statistics))
    for place, row in enumerate(rows):
        if row.episode_index != place:
            raise DatasetError(
                f"row {place} of the episodes in {root} is episode {row.episode_index}; LeRobot would read a wrong episode. "
                f"`ffenc verify {shlex.quote(str(root))}` lists all faults",
                path=root,
            )
    return rows


def save_tasks(root: Path, tasks: Sequence[str], others: pa.Table | None = None) -> None:
    """Replace ``meta/tasks.parquet``; ``tasks[i]`` is task i.

    LeRobot reads it with pandas, so the file has the metadata of a data frame whose index is the text.

    Args:
        root: directory of the dataset.
        tasks: the texts.
        others: further columns, with a row for each of the first tasks; the others get null.

    Raises:
        DatasetError: a text is listed twice.
        OutputError: the file cannot be written.
    """
    save_texts(DatasetLayout(root=root).tasks, "task", tasks, others)


def load_tasks(root: Path) -> list[str]:
    """Return the texts of ``meta/tasks.parquet`` by number.

    Raises:
        DatasetError: it is missing, does not contain texts, or its rows are not in the order of their numbers.
    """
    return load_texts(DatasetLayout(root=root).tasks, "task")


def load_task_columns(root: Path) -> pa.Table:
    """Return the columns of ``meta/tasks.parquet`` that LeRobot does not define, in the order of the tasks.

    Raises:
        DatasetError: the file cannot be read, or has no numbers.
    """
    table, further = _table_of_texts(DatasetLayout(root=root).tasks, "task")
    return table.sort_by("task_index").select(further)


def save_texts(path: Path, name: str, texts: Sequence[str], others: pa.Table | None = None) -> None:
    """Replace a table of texts, such as ``meta/tasks.parquet``; see `save_tasks`."""
    if len(set(texts)) != len(texts):
        raise DatasetError(f"a {name} is listed twice: {sorted(texts)}", path=path)
    table = pa.table({f"{name}_index": pa.array(range(len(texts)), pa.int64())})
    for column in others.column_names if others is not None else ():
        assert others is not None
        rows = pa.array([row if row < others.num_rows else None for row in range(len(texts))], pa.int64())
        table = table.append_column(column, others[column].take(rows))
    table = table.append_column(name, pa.array(texts, pa.string()))
    save_table(path, table.replace_schema_metadata({"pandas": json.dumps(_pandas(name))}))


def load_texts(path: Path, name: str) -> list[str]:
    """Return the texts of a table by number; see `load_tasks`."""
    table, _ = _table_of_texts(path, name)
    tasks: list[str] = table[_index_column(table.schema, name)].to_pylist()
    numbers = table[f"{name}_index"].to_pylist()
    texts_only = all(isinstance(task, str) for task in tasks)
    if not texts_only or numbers != list(range(len(tasks))) or len(set(tasks)) != len(tasks):
        raise DatasetError(
            f"{path} does not list each {name} once in the order of {name}_index, so LeRobot would read wrong ones: "
            f"{list(zip(numbers, tasks, strict=True))[:10]}",
            path=path,
        )
    return tasks


def _table_of_texts(path: Path, name: str) -> tuple[pa.Table, list[str]]:
    """Return a table of texts, and the names of its further columns."""
    table = load_table(path)
    index = _index_column(table.schema, name)
    if index not in table.column_names or f"{name}_index" not in table.column_names:
        raise DatasetError(f"{path} has the columns {table.column_names}; expected {name}_index and {name}", path=path)
    return table, [column for column in table.column_names if column not in (index, f"{name}_index")]


def _index_column(schema: pa.Schema, default: str) -> str:
    """Return the index column in the metadata of pandas, or ``default``."""
    try:
        found = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))["index_columns"][0]
    except (ValueError, LookupError, TypeError, RecursionError):
        return default
    return found if isinstance(found, str) else default


def _pandas_column(name: str, kind: str, dtype: str) -> dict[str, Any]:
    return {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": dtype, "metadata": None}


def _pandas(name: str) -> dict[str, Any]:
    """Return the metadata that ``DataFrame.to_parquet`` writes for a text index."""
    index = {
        "name": None,
        "field_name": None,
        "pandas_type": "unicode",
        "numpy_type": "object",
        "metadata": {"encoding": "UTF-8"},
    }
    return {
        "index_columns": [name],
        "column_indexes": [index],
        "columns": [_pandas_column(f"{name}_index", "int64", "int64"), _pandas_column(name, "unicode", "object")],
        "attributes": {},
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.3.3",
    }
