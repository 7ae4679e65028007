"""Read the table of episodes, and check each row."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from ffenc.dataset.format.arrow import pa, pc, pq
from ffenc.dataset.format.episode_columns import episodes_schema, is_derivable, with_derived
from ffenc.dataset.format.layout import FileId
from ffenc.dataset.format.parquet_series import ROOM_FOR_OBJECTS, open_parquet
from ffenc.dataset.verify.checks.subject import Episode, Span, Subject
from ffenc.dataset.verify.finding_codes import Severity
from ffenc.errors import DatasetError

_MOST = 1 << 53  # a larger number cannot be a count
_ROWS_AT_ONCE = 1000


def check_episodes(subject: Subject) -> None:
    """Read all rows into ``subject.episodes``, without their statistics."""
    paths = subject.layout.episodes_files()
    if not paths and subject.known_info.total_episodes:
        subject.findings.add("episodes-missing", f"info.json says {subject.known_info.total_episodes} episodes")
        return
    subject.episodes_whole = True
    schemas: dict[Path, dict[str, pa.DataType]] = {}
    place = 0
    for path in paths:
        number = subject.layout.episodes_number(path)
        if number is None:
            subject.findings.add("file-name-foreign", "its name is not chunk-NNN/file-NNN.parquet", path=path)
            continue
        try:
            with open_parquet(path, room_bytes=ROOM_FOR_OBJECTS) as file:
                schemas[path] = {field.name: field.type for field in file.schema_arrow}
                if not _check_columns(subject, path, schemas[path]):
                    subject.episodes_whole = False
                    continue
                needed = [name for name in _needed(subject) if name in schemas[path]]
                for table in _tables(file, needed):
                    take = _take if _is_all_possible(table, subject) else _take_checked
                    for values in table.to_pylist():
                        take(subject, values, place, path, number)
                        place += 1
        except DatasetError as err:
            subject.findings.add("episodes-unreadable", str(err), path=path)
            subject.episodes_whole = False
    _check_schemas(subject, schemas)
    _check_places(subject)


def _tables(file: pq.ParquetFile, columns: list[str]) -> Iterator[pa.Table]:
    """Yield the row groups of a file, small ones together, because reading each takes a millisecond."""
    groups: list[int] = []
    rows = 0
    for group in range(file.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if groups and rows + count > _ROWS_AT_ONCE:
            yield file.read_row_groups(groups, columns=columns)
            groups, rows = [], 0
        groups.append(group)
        rows += count
    if groups:
        yield file.read_row_groups(groups, columns=columns)


def _needed(subject: Subject) -> list[str]:
    return [name for name in episodes_schema(subject.known_info).names if not name.startswith("stats/")]


def _check_columns(subject: Subject, path: Path, columns: Mapping[str, pa.DataType]) -> bool:
    """Check the columns except statistics, and return whether the rows can be read."""
    expected = {field.name: field.type for field in episodes_schema(subject.known_info)}
    usable = True
    for name in columns:
        # LeRobot keeps these columns of a feature that it removes.
        if name not in expected and not name.startswith(("stats/", "videos/")):
            subject.findings.add("episodes-column-extra", f"LeRobot does not know the column {name!r}", path=path)
    for name in _needed(subject):
        if name not in columns:
            severity: Severity | None = "warning" if is_derivable(name) else None
            subject.findings.add(
                "episodes-column-missing", f"the column {name!r} is missing", path=path, severity=severity
            )
            usable &= is_derivable(name)
        elif not _is_compatible(columns[name], expected[name]):
            subject.findings.add(
                "episodes-column-type", f"{name!r} has the type {columns[name]}, expected {expected[name]}", path=path
            )
            usable = False
    return usable


def _is_compatible(seen: pa.DataType, expected: pa.DataType) -> bool:
    if pa.types.is_list(expected):
        return bool(pa.types.is_list(seen) or pa.types.is_large_list(seen)) and _is_compatible(
            seen.value_type, expected.value_type
        )
    if pa.types.is_string(expected):
        return bool(pa.types.is_string(seen) or pa.types.is_large_string(seen))
    kind = pa.types.is_integer if pa.types.is_integer(expected) else pa.types.is_floating
    return bool(kind(seen))


def _check_schemas(subject: Subject, schemas: Mapping[Path, Mapping[str, pa.DataType]]) -> None:
    """Compare the columns of all files: LeRobot concatenates them, which needs equal names; it converts types."""
    first = next(iter(schemas), None)
    for path, columns in schemas.items():
        if first is None or dict(columns) == dict(schemas[first]):
            continue
        different = sorted(
            name for name in {*columns, *schemas[first]} if columns.get(name) != schemas[first].get(name)
        )
        subject.findings.add(
            "episodes-files-differ",
            f"it differs from {first.name} in {', '.join(different[:5])}",
            path=path,
            severity=None if columns.keys() != schemas[first].keys() else "warning",
        )


def _is_all_possible(table: pa.Table, subject: Subject) -> bool:
    """Return whether no column is missing and every value is possible, as in `_is_possible`."""
    return table.num_columns == len(_needed(subject)) and all(
        _is_column_possible(name, table[name]) for name in table.column_names
    )


def _is_column_possible(name: str, column: pa.ChunkedArray) -> bool:
    if column.null_count:
        return False
    if name == "tasks":
        texts = pc.list_flatten(column)
        return not texts.null_count
    low, high = (pc.min_max(column)[end].as_py() for end in ("min", "max"))
    if name.endswith("_timestamp"):
        return bool(pc.all(pc.is_finite(column)).as_py() and low > -_MOST and high < _MOST)
    return bool(low >= 0 and high < _MOST)


def _take_checked(subject: Subject, values: Mapping[str, Any], place: int, path: Path, file: FileId) -> None:
    """Add a row to the episodes if all of its values are possible."""
    with suppress(KeyError, TypeError):  # a missing value is found below
        values = with_derived(values, subject.known_info)
    wrong = [name for name, value in values.items() if not _is_possible(name, value)]
    if wrong:
        listed = ", ".join(f"{name} = {values[name]!r}" for name in wrong[:5])
        subject.findings.add("episode-value-wrong", f"row {place} has {listed}", episode=place, path=path)
        subject.episodes_whole = False
        return
    _take(subject, values, place, path, file)


def _take(subject: Subject, values: Mapping[str, Any], place: int, path: Path, file: FileId) -> None:
    length, start, stop = (values[name] for name in ("length", "dataset_from_index", "dataset_to_index"))
    is_certain = stop - start == length and length > 0
    if not is_certain:
        subject.findings.add(
            "episode-length-wrong", f"length is {length}, but its rows are [{start}, {stop})", episode=place, path=path
        )
    meta = _file(values, "meta/episodes")
    if meta != file:
        message = f"it says that it is in chunk {meta.chunk} file {meta.file}"
        subject.findings.add("episode-meta-file-wrong", message, episode=place, path=path)
    subject.episodes.append(
        Episode(
            place=place,
            index=values["episode_index"],
            length=length if is_certain else None,
            from_index=start,
            data=_file(values, "data"),
            tasks=tuple(map(sys.intern, values.get("tasks") or ())),
            spans={key: _span(values, f"videos/{key}") for key in subject.video_keys},
            path=path,
        )
    )


def _is_possible(name: str, value: Any) -> bool:
    if name == "tasks":
        return isinstance(value, list) and all(isinstance(text, str) for text in value)
    if name.endswith("_timestamp"):
        return isinstance(value, float) and math.isfinite(value) and abs(value) < _MOST
    return type(value) is int and 0 <= value < _MOST


def _file(values: Mapping[str, Any], series: str) -> FileId:
    return _file_id(values[f"{series}/chunk_index"], values[f"{series}/file_index"])


@lru_cache(maxsize=1000)
def _file_id(chunk: int, file: int) -> FileId:
    return FileId(chunk=chunk, file=file)


def _span(values: Mapping[str, Any], series: str) -> Span:
    times = (values[f"{series}/from_timestamp"], values[f"{series}/to_timestamp"])
    return Span(file=_file(values, series), from_s=times[0], to_s=times[1])


def _check_places(subject: Subject) -> None:
    """Check episode_index and row ranges: LeRobot finds episode e at place e, and its rows by their range."""
    if not subject.episodes_whole:
        return
    expected: int | None = 0
    for episode in subject.episodes:
        if episode.index != episode.place:
            message = f"the row at place {episode.place} has the episode_index {episode.index}"
            subject.findings.add("episode-index-wrong", message, episode=episode.place, path=episode.path)
        if expected is not None and episode.length is not None and episode.from_index != expected:
            message = f"its rows begin at {episode.from_index}, but those before it end at {expected}"
            subject.findings.add("episode-range-wrong", message, episode=episode.place, path=episode.path)
        expected = None if expected is None or episode.length is None else expected + episode.length
