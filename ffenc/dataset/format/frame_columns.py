"""Define the columns of ``data/*.parquet``: one row per frame, in the types of LeRobot's recorder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.dataset.format.arrow import pa, pc
from ffenc.dataset.format.schema import DatasetInfo, Feature
from ffenc.errors import DatasetError

_LISTS = (pa.ListType, pa.LargeListType, pa.FixedSizeListType)  # is_nested() of pyarrow 14 does not know the last
_LARGEST_AXIS = (1 << 31) - 1
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def data_schema(info: DatasetInfo, *, like: pa.Schema | None = None) -> pa.Schema:
    """Return the columns that LeRobot's recorder writes, with the metadata of Hugging Face's ``datasets``.

    The metadata key ``fingerprint`` is omitted: it names the state of a cache, and readers do not need it.

    Args:
        info: document of the dataset.
        like: schema of a data file with the types of the language columns, which LeRobot's annotation tools choose.

    Raises:
        DatasetError: ``like`` lacks a language feature.
    """
    fields = [
        _language_field(name, like)
        if feature.dtype == "language"
        else pa.field(name, _arrow_type(name, feature), metadata=_extension(feature))
        for name, feature in info.columns.items()
    ]
    if any(feature.dtype == "language" for feature in info.columns.values()):
        # Metadata would have to describe all columns; without it, `datasets` uses the types of the columns.
        return pa.schema(fields)
    features = {name: _hugging_face_type(feature) for name, feature in info.columns.items()}
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _language_field(name: str, like: pa.Schema | None) -> pa.Field:
    if like is None or name not in like.names:
        raise DatasetError(f"the feature {name!r} has dtype 'language', which ffenc can copy but not create")
    return like.field(name)


def _arrow_type(name: str, feature: Feature) -> pa.DataType:
    if feature.dtype == "image":
        return _IMAGE
    if max(feature.shape) > _LARGEST_AXIS:
        raise DatasetError(
            f"the feature {name!r} has an axis of size {max(feature.shape)}; the maximum in a table is {_LARGEST_AXIS}"
        )
    one = pa.string() if feature.dtype == "string" else pa.from_numpy_dtype(np.dtype(feature.dtype))
    if feature.shape == (1,):
        return one
    if len(feature.shape) == 1:
        return pa.list_(one, feature.shape[0])
    for _ in feature.shape:  # the storage type of Hugging Face's Array2D to Array5D
        one = pa.list_(one)
    return one


def _extension(feature: Feature) -> dict[str, str] | None:
    # If Hugging Face's `datasets` is loaded, arrow turns nested lists with these keys into its array type.
    if not feature.is_numeric or len(feature.shape) == 1:
        return None
    return {
        "ARROW:extension:name": f"datasets.features.features.Array{len(feature.shape)}DExtensionType",
        "ARROW:extension:metadata": json.dumps([list(feature.shape), feature.dtype]),
    }


def _hugging_face_type(feature: Feature) -> dict[str, Any]:
    if feature.dtype == "image":
        return {"_type": "Image"}
    value = {"dtype": feature.dtype, "_type": "Value"}
    if feature.shape == (1,):
        return value
    if len(feature.shape) == 1:
        return {"feature": value, "length": feature.shape[0], "_type": "List"}
    return {"shape": list(feature.shape), "dtype": feature.dtype, "_type": f"Array{len(feature.shape)}D"}


def data_table(info: DatasetInfo, columns: Mapping[str, npt.NDArray[Any] | Sequence[Any]]) -> pa.Table:
    """Return the rows of one episode.

    Args:
        info: document of the dataset.
        columns: values of every feature without video files, including the default features.  Numbers are an array of the
            feature's dtype and of shape (length, *shape), or (length,) for a scalar.  Strings are a sequence of str, and images
            a sequence of encoded image files (bytes).

    Raises:
        DatasetError: a column is missing or unknown, or has another dtype, shape or length.
    """
    schema = data_schema(info)
    if columns.keys() != info.columns.keys():
        raise DatasetError(f"the data have the columns {', '.join(columns)}; expected {', '.join(info.columns)}")
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DatasetError(f"the columns of an episode have different lengths: {lengths}")
    arrays = [_column(name, feature, columns[name], schema.field(name).type) for name, feature in info.columns.items()]
    return pa.Table.from_arrays(arrays, schema=schema)


def _column(name: str, feature: Feature, values: npt.NDArray[Any] | Sequence[Any], type_: pa.DataType) -> pa.Array:
    if not feature.is_numeric:
        wanted = bytes if feature.dtype == "image" else str
        if feature.shape == (1,) or wanted is bytes:
            for value in values:
                if not isinstance(value, wanted):  # pyarrow would convert str and bytes into each other
                    raise DatasetError(
                        f"the column {name!r} contains a {type(value).__name__}; expected {wanted.__name__}"
                    )
        rows = [{"bytes": value, "path": None} for value in values] if wanted is bytes else list(values)
        return pa.array(rows, type_)
    array = np.asarray(values)
    shapes = [(len(array), *feature.shape), *([(len(array),)] if feature.shape == (1,) else [])]
    if array.dtype != np.dtype(feature.dtype) or array.shape not in shapes:
        raise DatasetError(
            f"the column {name!r} is {array.dtype} of shape {array.shape}; expected {feature.dtype} of shape {shapes[0]}"
        )
    flat = pa.array(np.ascontiguousarray(array).reshape(-1))
    if len(feature.shape) == 1:
        return flat if feature.shape == (1,) else pa.FixedSizeListArray.from_arrays(flat, feature.shape[0])
    for size in reversed(feature.shape):
        flat = pa.ListArray.from_arrays(np.arange(0, len(flat) + 1, size, dtype=np.int32), flat)
    return flat


def column_values(table: pa.Table, name: str, feature: Feature) -> npt.NDArray[Any]:
    """Return a numeric column in the feature's dtype, of shape (rows, *shape), or (rows,) for a scalar.

    Raises:
        DatasetError: the column is missing, not numeric, has missing values, or rows of the wrong length.
    """
    if name not in table.column_names:
        raise DatasetError(f"the data lack the column {name!r}; they have {', '.join(table.column_names)}")
    flat = _storage(table.column(name))
    while isinstance(flat.type, _LISTS):
        flat = pc.list_flatten(flat)
    if not any(is_kind(flat.type) for is_kind in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)):
        raise DatasetError(f"the column {name!r} contains {flat.type}; expected numbers ({feature.dtype})")
    shape = (len(table),) if feature.shape == (1,) else (len(table), *feature.shape)
    if flat.null_count or len(flat) != np.prod(shape):
        raise DatasetError(
            f"the column {name!r} has {len(flat)} values, and {flat.null_count} of them are missing; expected {shape}"
        )
    return np.asarray(flat.to_numpy(zero_copy_only=False)).astype(feature.dtype, copy=False).reshape(shape)


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the rows with the column types and order of ``schema``.

    Datasets merged by LeRobot have lists of variable size and another column order than recorded ones.

    Raises:
        DatasetError: a column is missing or unknown, or a value cannot be converted.
    """
    if table.schema.equals(schema, check_metadata=True):
        return table
    if set(table.column_names) != set(schema.names):
        missing = sorted(set(schema.names) - set(table.column_names))
        extra = sorted(set(table.column_names) - set(schema.names))
        raise DatasetError(f"the table does not match info.json: missing columns {missing}, unknown columns {extra}")
    try:
        columns = [pa.chunked_array([_storage(table.column(field.name)).cast(field.type)]) for field in schema]
    except pa.ArrowException as err:
        raise DatasetError(f"the table has values that do not match info.json: {err}") from err
    return pa.Table.from_arrays(columns, schema=schema)


def nested_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return Python values in a type that can contain extension types, such as LeRobot's language columns with JSON."""
    return pa.array(values, _without_extensions(kind)).cast(kind)


def _without_extensions(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        return _without_extensions(kind.storage_type)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_without_extensions(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_without_extensions(kind.value_type)))
    return kind


def _storage(column: pa.ChunkedArray) -> pa.Array:
    # Hugging Face's arrays have an extension type only if its library is loaded.
    array = pa.concat_arrays(column.chunks) if column.num_chunks != 1 else column.chunk(0)
    return array.storage if isinstance(array.type, pa.BaseExtensionType) else array
