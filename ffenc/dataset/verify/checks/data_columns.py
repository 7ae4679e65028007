"""Check the names and types of the columns of a data file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.frame_columns import data_schema
from ffenc.dataset.format.schema import Feature
from ffenc.dataset.verify.checks.subject import Subject
from ffenc.errors import DatasetError


def check_columns(subject: Subject, schema: pa.Schema, path: Path) -> set[str]:
    """Compare the columns of a file with the features, and return the features whose values cannot be read."""
    info, findings, unusable = subject.known_info, subject.findings, set()
    for name in schema.names:
        if name not in info.columns:
            what = "belongs to a video feature" if name in info.videos else "is not a feature of info.json"
            findings.add("data-column-extra", f"the column {name!r} {what}", camera=name, path=path)
    for name, feature in info.columns.items():
        if name not in schema.names:
            findings.add("data-column-missing", f"{name!r} has no column", camera=name, path=path)
            unusable.add(name)
        elif name in subject.impossible or not _check_type(subject, name, feature, schema.field(name).type, path):
            unusable.add(name)
    return unusable


def _check_type(subject: Subject, name: str, feature: Feature, seen: pa.DataType, path: Path) -> bool:
    try:
        one = subject.known_info.model_copy(update={"features": {name: feature}})
        expected = data_schema(one).field(name).type
    except DatasetError:
        return True  # "language", whose type ffenc does not know
    fit = _fit(seen, expected)
    if fit != "exact":
        subject.findings.add(
            "data-column-type",
            f"the column {name!r} has the type {seen}, but {feature.dtype} {list(feature.shape)} needs {expected}",
            camera=name,
            path=path,
            severity="error" if fit == "no" else "warning",
        )
    return fit in ("exact", "cast")


def _fit(seen: pa.DataType, expected: pa.DataType) -> Literal["exact", "cast", "text", "no"]:
    """Return ``cast`` if LeRobot reads the column with another precision, ``text`` if it reads numbers from texts.

    Hugging Face stores matrices in extension types.  Merged datasets have lists of any kind.
    """
    if isinstance(seen, pa.BaseExtensionType):
        seen = seen.storage_type
    if pa.types.is_struct(expected):
        return "exact" if pa.types.is_struct(seen) and {"bytes", "path"} <= {field.name for field in seen} else "no"
    if pa.types.is_nested(expected):
        sizes = [kind.list_size for kind in (seen, expected) if pa.types.is_fixed_size_list(kind)]
        if not hasattr(seen, "value_type") or len(set(sizes)) > 1:  # a struct, a map or a scalar
            return "no"
        return _fit(seen.value_type, expected.value_type)
    if seen.equals(expected) or (pa.types.is_string(expected) and pa.types.is_large_string(seen)):
        return "exact"
    if pa.types.is_string(seen) and not pa.types.is_string(expected):
        return "text"
    kinds = (pa.types.is_floating, pa.types.is_integer)
    return "cast" if any(is_kind(seen) and is_kind(expected) for is_kind in kinds) else "no"
