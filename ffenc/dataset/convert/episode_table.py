"""Read the states and actions of an episode from a CSV or parquet table with one row per frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.dataset.format.arrow import pa, pa_csv
from ffenc.dataset.format.parquet_series import ROOM_FOR_OBJECTS, open_parquet
from ffenc.dataset.format.schema import DEFAULT_FEATURES
from ffenc.errors import DatasetError, InputError
from ffenc.regular_files import check_regular

TABLE_SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeTable:
    """The vectors of one episode.

    Attributes:
        path: the file.
        rows: number of rows, one per frame.
        vectors: a ``(rows, components)`` float32 array for each feature.
        components: the names of the components of each feature.
    """

    path: Path
    rows: int
    vectors: Mapping[str, npt.NDArray[np.float32]]
    components: Mapping[str, tuple[str, ...]]

    def features(self) -> dict[str, dict[str, Any]]:
        """Return the features as in ``info.json``."""
        return {
            name: {"dtype": "float32", "shape": (len(parts),), "names": list(parts)}
            for name, parts in self.components.items()
        }


def read_episode_table(path: str | Path) -> EpisodeTable:
    """Read a CSV or parquet file with one row per frame, in order.

    A column ``FEATURE:COMPONENT`` is one component of a vector, e.g. ``observation.state:shoulder_pan.pos``; components are in
    column order.  A column without a colon is a separate feature: a number, or in parquet a list of numbers of fixed length.

    Raises:
        InputError: it is not a table, a column is not numeric, a value is missing or not finite, or a column name is one that
            the recorder fills.
    """
    path = Path(path)
    table = _table(path)
    if table.num_rows == 0 or not table.column_names:
        raise InputError(f"{path} has no rows", path=path)
    if len(set(table.column_names)) < len(table.column_names):
        raise InputError(f"{path} has two columns with the same name: {', '.join(table.column_names)}", path=path)
    columns: dict[str, list[npt.NDArray[np.float32]]] = {}
    components: dict[str, list[str]] = {}
    for column in table.column_names:
        feature, colon, component = column.partition(":")
        _check_name(path, column, feature, component if colon else "-")
        values = _numbers(path, column, table.column(column))
        if feature in columns and not (colon and values.shape[1] == 1 and feature not in table.column_names):
            raise InputError(f"{path}: column {column!r} cannot be one component of {feature!r}", path=path)
        columns.setdefault(feature, []).append(values)
        names = [component] if colon else [component or str(number) for number in range(values.shape[1])]
        components.setdefault(feature, []).extend(names)
    return EpisodeTable(
        path=path,
        rows=table.num_rows,
        vectors={name: np.concatenate(parts, axis=1) for name, parts in columns.items()},
        components={name: tuple(parts) for name, parts in components.items()},
    )


def _table(path: Path) -> Any:
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise InputError(f"unknown table format of {path}; expected {' or '.join(TABLE_SUFFIXES)}", path=path)
    try:
        check_regular(path)
        if path.suffix.lower() == ".csv":
            table = pa_csv.read_csv(path)
        else:
            with open_parquet(path, room_bytes=ROOM_FOR_OBJECTS) as file:
                table = file.read()
        table.column_names  # noqa: B018  raise here if names are not UTF-8
    except (pa.ArrowException, OSError, UnicodeDecodeError, DatasetError) as err:
        raise InputError(f"{path} cannot be read as a table: {err}", path=path) from err
    return table


def _check_name(path: Path, column: str, feature: str, component: str) -> None:
    if feature in DEFAULT_FEATURES or feature in ("task", "episode"):
        raise InputError(f"{path}: the recorder fills {feature!r}; remove the column", path=path)
    if not feature or not component:
        raise InputError(
            f"{path}: invalid column name {column!r}; expected FEATURE or FEATURE:COMPONENT, for example "
            "observation.state:gripper.pos",
            path=path,
        )


def _numbers(path: Path, column: str, values: Any) -> npt.NDArray[np.float32]:
    """Return a column as a ``(rows, components)`` array."""
    kind = values.type
    if values.null_count:
        raise InputError(f"{path}: column {column!r} has {values.null_count} missing values", path=path)
    is_list = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind)
    item = kind.value_type if is_list else kind
    if not (pa.types.is_integer(item) or pa.types.is_floating(item) or pa.types.is_boolean(item)):
        raise InputError(f"{path}: column {column!r} contains {item}; expected numbers", path=path)
    rows = [np.atleast_1d(np.asarray(value, np.float64)) for value in values.to_pylist()]
    lengths = {len(row) for row in rows}
    if len(lengths) > 1 or 0 in lengths:
        raise InputError(f"{path}: the lists of column {column!r} have different lengths", path=path)
    with np.errstate(over="ignore"):  # too large values become infinite and are refused below
        stacked = np.stack(rows).astype(np.float32)
    if not np.isfinite(stacked).all():
        raise InputError(f"{path}: column {column!r} has a value that is not a finite number in float32", path=path)
    if pa.types.is_integer(item) and not np.array_equal(stacked, np.stack(rows)):
        raise InputError(f"{path}: column {column!r} has an integer that float32 cannot represent exactly", path=path)
    return stacked
