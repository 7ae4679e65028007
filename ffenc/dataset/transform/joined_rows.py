"""Check the rows of a table against the frames of a dataset, and the columns against features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from ffenc.dataset.format.arrow import pa, pc
from ffenc.dataset.format.frame_columns import column_values
from ffenc.dataset.format.schema import Feature
from ffenc.errors import DatasetError

KEYS = ("index", "episode_index", "frame_index")
"""The columns that name a frame."""

_SHOWN = 5  # row numbers in a message

Numbers = npt.NDArray[np.int64]


def key_columns(table: pa.Table, path: Path) -> dict[str, Numbers]:
    """Return the columns that name the frame of each row.

    Raises:
        DatasetError: there are none, or they are not whole numbers; or two columns of the table have one name.
    """
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if twice:
        raise DatasetError(f"{path} has several columns named {', '.join(map(repr, twice))}; rename them", path=path)
    found = [name for name in KEYS if name in table.column_names]
    if "index" not in found and len(found) < 2:
        raise DatasetError(
            f"{path} needs the column index, or episode_index and frame_index, to name the frame of each row; it has "
            f"{', '.join(table.column_names)}",
            path=path,
        )
    keys = {}
    for name in found:
        if not pa.types.is_integer(table.schema.field(name).type) or table[name].null_count:
            raise DatasetError(
                f"the column {name} of {path} is {table.schema.field(name).type} with {table[name].null_count} missing "
                "values; expected integers",
                path=path,
            )
        keys[name] = np.asarray(table[name]).astype(np.int64)
    return keys


def row_order(keys: Mapping[str, Numbers], lengths: Sequence[int], path: Path) -> Numbers:
    """Return the row of the table for each frame of the dataset.

    Args:
        keys: see `key_columns`.
        lengths: length of each episode.
        path: the table, for messages.

    Raises:
        DatasetError: a row has no frame, or a frame has no row or several; or ``index`` is not that of the frame.
    """
    firsts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    total = int(firsts[-1])
    places = keys.get("index")
    if "episode_index" in keys and "frame_index" in keys:
        episodes, frames = keys["episode_index"], keys["frame_index"]
        known = (episodes >= 0) & (episodes < len(lengths))
        known &= (frames >= 0) & (frames < np.asarray(lengths)[np.where(known, episodes, 0)])
        by_episode = np.where(known, firsts[np.where(known, episodes, 0)] + frames, -1)
        if places is not None and (places != by_episode).any():
            raise DatasetError(
                f"rows {_some(places != by_episode)} of {path} have an index that is not that of their episode_index and "
                "frame_index",
                path=path,
            )
        places = by_episode
    assert places is not None
    extra = (places < 0) | (places >= total)
    if extra.any():
        raise DatasetError(
            f"rows {_some(extra)} of {path} name frames that the dataset does not have; it has {len(lengths)} episodes of "
            f"{total} frames",
            path=path,
        )
    counts = np.bincount(places, minlength=total)
    if (counts > 1).any():
        raise DatasetError(f"rows {_some(counts[places] > 1)} of {path} name the same frame as another row", path=path)
    if (counts == 0).any():
        missing = np.flatnonzero(counts == 0)
        first = int(missing[0])
        episode = int(np.searchsorted(firsts, first, side="right")) - 1
        raise DatasetError(
            f"{path} has no row for {len(missing)} of {total} frames: index {_some(counts == 0)}; the first is frame "
            f"{first - firsts[episode]} of episode {episode}",
            path=path,
        )
    return np.argsort(places)


def column_feature(table: pa.Table, name: str, given: Mapping[str, Any], path: Path) -> tuple[Feature, Any]:
    """Return a column as a feature, with its values.

    Args:
        table: the table.
        name: the column.
        given: ``dtype``, ``shape`` and ``names`` that the feature must have; missing ones are those of the column.
        path: the table, for messages.

    Raises:
        DatasetError: the column has another type or shape, values of several shapes, or a value that is missing, NaN or
            infinite.
    """
    column = table[name]
    if column.null_count:
        raise DatasetError(f"rows {_some(np.asarray(column.is_null()))} of {path} have no value of {name!r}", path=path)
    shape, kind = _shape(column, name, path)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        dtype = "string"
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        # Arrow's names; `to_pandas_dtype` needs pandas in some versions.
        dtype = {"halffloat": "float16", "float": "float32", "double": "float64"}.get(str(kind), str(kind))
    else:
        raise DatasetError(
            f"the column {name!r} of {path} contains {kind}; expected numbers, booleans or text", path=path
        )
    feature = _feature(name, given, dtype, shape, path)
    if dtype == "string":
        if feature.shape != (1,):
            raise DatasetError(f"the column {name!r} of {path} has lists of text; expected one text per row", path=path)
        return feature, column.to_pylist()
    values = column_values(table, name, feature)
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        raise DatasetError(f"rows {_some(~finite)} of {path} have NaN or infinity in {name!r}", path=path)
    return feature, values


def _feature(name: str, given: Mapping[str, Any], dtype: str, shape: tuple[int, ...], path: Path) -> Feature:
    """Return the feature of a column, if it is what the caller expects."""
    if not isinstance(given, Mapping):
        raise DatasetError(f"the feature {name!r} is {given!r}; expected a dictionary such as {{'dtype': 'float32'}}")
    seen = {"dtype": dtype, "shape": shape}
    unknown = sorted(set(given) - {*seen, "names"})
    if unknown:
        raise DatasetError(f"the feature {name!r} has the keys {', '.join(unknown)}; expected dtype, shape and names")
    try:
        feature = Feature.model_validate({"names": None, **seen, **given})
    except ValidationError as err:
        raise DatasetError(f"the feature {name!r} is invalid: {err.errors()[0]['msg']}") from err
    if (feature.dtype, feature.shape) != (dtype, tuple(shape)):
        raise DatasetError(
            f"the column {name!r} of {path} has dtype {dtype} and shape {list(shape)}; expected {feature.dtype} and "
            f"{list(feature.shape)}",
            path=path,
        )
    names = feature.names
    if isinstance(names, list) and len(feature.shape) == 1 and len(names) != feature.shape[0]:
        raise DatasetError(f"the feature {name!r} has {len(names)} names, but {feature.shape[0]} components")
    return feature


def _shape(column: pa.ChunkedArray, name: str, path: Path) -> tuple[tuple[int, ...], pa.DataType]:
    """Return the shape of the values of a column, and the type of their elements."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # pyarrow returns one for no rows
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    array = array.storage if isinstance(array.type, pa.BaseExtensionType) else array
    shape: list[int] = []
    while isinstance(array.type, (pa.ListType, pa.LargeListType, pa.FixedSizeListType)):
        sizes = np.asarray(pc.list_value_length(array).fill_null(-1))
        per_row = int(np.prod(shape)) if shape else 1
        wrong = sizes != (sizes[0] if len(sizes) else 0)
        if wrong.any() or (len(sizes) and sizes[0] < 1):
            rows = np.zeros(len(column), bool)
            rows[(np.flatnonzero(wrong) if wrong.any() else np.arange(len(sizes))) // per_row] = True
            raise DatasetError(
                f"rows {_some(rows)} of {path} have values of {name!r} with another length than row 0, or empty ones",
                path=path,
            )
        shape.append(int(sizes[0]) if len(sizes) else 1)
        array = pc.list_flatten(array)
    if array.null_count:
        per_row = int(np.prod(shape))
        missing = np.asarray(array.is_null(), bool).reshape(-1, per_row).max(axis=1)
        raise DatasetError(f"rows {_some(missing)} of {path} have missing values in {name!r}", path=path)
    return tuple(shape) or (1,), array.type


def _some(wrong: npt.NDArray[np.bool_]) -> str:
    rows = np.flatnonzero(wrong).tolist()
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return ", ".join(map(str, rows[:_SHOWN])) + more
