"""The tables of a dataset: its frames, its episodes, its tasks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from ffenc.dataset.episodes import EpisodeRow, episode_rows, episodes_schema, episodes_table
from ffenc.dataset.layout import DatasetLayout, FileId
from ffenc.dataset.schema import DatasetInfo
from ffenc.dataset.series import ROOM_FOR_OBJECTS, SeriesWriter, load_table, open_parquet, save_table
from ffenc.dataset.tables import data_schema
from ffenc.errors import DatasetError, DependencyError

try:
    import pyarrow as pa
except ImportError as err:  # pragma: no cover - depends on what is installed
    raise DependencyError("datasets are parquet files and need pyarrow: pip install 'ffenc-video[dataset]'") from err


def data_writer(root: Path, info: DatasetInfo, *, first: FileId | None = None) -> SeriesWriter:
    """A writer of data files below ``root``; every table is one episode."""
    return SeriesWriter(
        DatasetLayout.of(root, info).data,
        data_schema(info),
        limit_mb=info.data_files_size_in_mb,
        chunks_size=info.chunks_size,
        first=first,
    )


def save_episodes(
    root: Path,
    info: DatasetInfo,
    rows: Iterable[EpisodeRow],
    *,
    first: FileId | None = None,
    group: int = 100,
) -> list[FileId]:
    """Write a series of episodes files, each row with the number of the file that it is in.

    Args:
        root: the dataset's directory.
        info: of the dataset.
        rows: in order; taken as they are needed.
        first: the number of the first file.
        group: rows that share a row group.

    Returns:
        The files that were written.

    Raises:
        OutputError: the file system refused.
    """
    with SeriesWriter(
        DatasetLayout.of(root, info).episodes,
        episodes_schema(info),
        limit_mb=info.data_files_size_in_mb,
        chunks_size=info.chunks_size,
        first=first,
    ) as writer:
        source = iter(rows)
        while some := list(islice(source, group)):
            file = writer.place(len(some))
            writer.write(episodes_table([replace(row, meta=file) for row in some], info))
    return writer.files


def iterate_episodes(root: Path, info: DatasetInfo, *, statistics: bool = True) -> Iterator[EpisodeRow]:
    """The episodes in reading order; one row group is in memory.

    Args:
        root: the dataset's directory.
        info: of the dataset.
        statistics: read the statistics of each episode too, which are most of the file.

    Raises:
        DatasetError: a file cannot be read, or a value in it cannot be right.
    """
    for path in DatasetLayout.of(root, info).episodes_files():
        with open_parquet(path, room_bytes=ROOM_FOR_OBJECTS) as file:
            names = [name for name in file.schema_arrow.names if statistics or not name.startswith("stats/")]
            for group in range(file.num_row_groups):
                yield from episode_rows(file.read_row_group(group, columns=names), info)


def load_episodes(root: Path, info: DatasetInfo, *, statistics: bool = True) -> list[EpisodeRow]:
    """All episodes; number e stands at place e, as LeRobot takes it for granted.

    Args:
        root: the dataset's directory.
        info: of the dataset.
        statistics: read the statistics of each episode too, which are most of the file.

    Raises:
        DatasetError: a file cannot be read, a value cannot be right, or an episode is not at its place.
    """
    rows = list(iterate_episodes(root, info, statistics=statistics))
    for place, row in enumerate(rows):
        if row.episode_index != place:
            raise DatasetError(
                f"episode {row.episode_index} stands at place {place} of the episodes in {root}, and LeRobot "
                "would take it for another",
                path=root,
            )
    return rows


def save_tasks(root: Path, tasks: Sequence[str]) -> None:
    """Replace ``meta/tasks.parquet``; task i is the text at place i.

    LeRobot reads it with pandas, for which the texts are the index; the metadata below say so, without pandas.

    Raises:
        DatasetError: a text is there twice.
        OutputError: the file system refused.
    """
    path = DatasetLayout(root=root).tasks
    if len(set(tasks)) != len(tasks):
        raise DatasetError(f"a task is listed twice: {sorted(tasks)}", path=path)
    columns = [pa.array(range(len(tasks)), pa.int64()), pa.array(tasks, pa.string())]
    schema = pa.schema(
        [("task_index", pa.int64()), ("task", pa.string())], metadata={"pandas": json.dumps(_PANDAS_TASKS)}
    )
    save_table(path, pa.Table.from_arrays(columns, schema=schema))


def load_tasks(root: Path) -> list[str]:
    """The texts of ``meta/tasks.parquet``; task i is at place i.

    Raises:
        DatasetError: it is missing, has no texts, or its rows are not in the order of their numbers, by which LeRobot would
            read wrong tasks.
    """
    path = DatasetLayout(root=root).tasks
    table = load_table(path)
    index = _index_column(table.schema)
    if index not in table.column_names or "task_index" not in table.column_names:
        raise DatasetError(f"{path} has the columns {table.column_names}, not task_index and task", path=path)
    tasks: list[str] = table[index].to_pylist()
    numbers = table["task_index"].to_pylist()
    texts_only = all(isinstance(task, str) for task in tasks)
    if not texts_only or numbers != list(range(len(tasks))) or len(set(tasks)) != len(tasks):
        raise DatasetError(
            f"{path} does not list each task once in the order of task_index, and LeRobot would read wrong ones: "
            f"{list(zip(numbers, tasks, strict=True))[:10]}",
            path=path,
        )
    return tasks


def _index_column(schema: pa.Schema) -> str:
    """The column that pandas takes for the index, by the metadata that it writes; else ``task``."""
    try:
        found = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))["index_columns"][0]
    except (ValueError, LookupError, TypeError, RecursionError):
        return "task"
    return found if isinstance(found, str) else "task"


def _pandas_column(name: str, kind: str, dtype: str) -> dict[str, Any]:
    return {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": dtype, "metadata": None}


_PANDAS_TASKS = {
    "index_columns": ["task"],
    "column_indexes": [
        {
            "name": None,
            "field_name": None,
            "pandas_type": "unicode",
            "numpy_type": "object",
            "metadata": {"encoding": "UTF-8"},
        }
    ],
    "columns": [_pandas_column("task_index", "int64", "int64"), _pandas_column("task", "unicode", "object")],
    "attributes": {},
    "creator": {"library": "pyarrow", "version": pa.__version__},
    "pandas_version": "2.3.3",
}
"""What ``DataFrame.to_parquet`` writes beside such a table."""
