"""Give the new names of features to the parts of a dataset that contain the old ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.frame_columns import nested_array
from ffenc.dataset.format.schema import DatasetInfo

_Value = TypeVar("_Value")

Names = Mapping[str, str | None]
"""The new name of each renamed feature, and None for each removed one."""


def renamed(values: Mapping[str, _Value], names: Mapping[str, str | None]) -> dict[str, _Value]:
    """Return values by feature with the new names, without removed features."""
    new = {name: names.get(name, name) for name in values}
    return {name: values[old] for old, name in new.items() if name is not None}


def renamed_columns(columns: Mapping[str, _Value], names: Mapping[str, str | None]) -> dict[str, _Value]:
    """Return columns of the episodes with the new names of cameras, without those of removed cameras."""
    found = {}
    for column, value in columns.items():
        if not column.startswith("videos/"):
            found[column] = value
            continue
        key, _, rest = column.removeprefix("videos/").partition("/")
        new = names.get(key, key)
        if new is not None:
            found[f"videos/{new}/{rest}"] = value
    return found


def renamed_rows(table: pa.Table, info: DatasetInfo, names: Names) -> pa.Table:
    """Return rows with the new names of columns, without removed columns.

    Entries of language columns that refer to a renamed camera get its new name.
    """
    if not names:
        return table
    for name in dict.fromkeys(name for name, entry in camera_entries(table, info) if entry["camera"] in names):
        field = table.schema.field(name)
        rows = [row and [_with_camera(entry, names) for entry in row] for row in table[name].to_pylist()]
        table = table.set_column(table.schema.get_field_index(name), field, nested_array(rows, field.type))
    removed = [name for name, new in names.items() if new is None and name in table.column_names]
    table = table.drop_columns(removed)
    return table.rename_columns([names.get(name) or name for name in table.column_names])


def camera_entries(table: pa.Table, info: DatasetInfo) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the language column and the entry for each entry that refers to a camera."""
    for name in (name for name, feature in info.columns.items() if feature.dtype == "language"):
        for row in table[name].to_pylist():
            yield from ((name, entry) for entry in row or () if entry.get("camera"))


def _with_camera(entry: dict[str, Any], names: Names) -> dict[str, Any]:
    camera = entry.get("camera")
    new = names.get(camera) if camera else None
    return entry if new is None else {**entry, "camera": new}
