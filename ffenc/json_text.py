r"""Write and read the JSON documents of ffenc: job specs, records, row logs, provenance.

A file name that is not UTF-8 is text with lone surrogates (PEP 383).  Each is written as its escape, ``\udce9`` for the byte
E9, so reading restores the name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any


def as_json(value: Any) -> Any:
    """Return a value as the types that JSON has.

    Dataclasses and pydantic models become dictionaries, numpy arrays and tuples become lists, paths and fractions become
    text, and numbers that are not finite become None.

    Raises:
        TypeError: JSON cannot hold the value.
    """
    if hasattr(value, "model_dump"):  # pydantic
        value = value.model_dump(mode="json")
    elif hasattr(value, "tolist"):  # numpy
        if value.dtype.kind in "biu" or (value.dtype.kind == "f" and abs(value).max(initial=0) < math.inf):
            return value.tolist()  # fast: a row can have thousands of values
        value = value.tolist()
    elif is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(part) for part in value]
    if isinstance(value, Path | Fraction):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def dump_json(value: Any, *, sort_keys: bool = False, indent: int | None = None) -> bytes:
    """Write a value as JSON, compact unless ``indent`` is given.

    Raises:
        TypeError: JSON cannot hold the value; see `as_json`.
    """
    dump = partial(json.dumps, sort_keys=sort_keys, indent=indent, separators=(",", ":" if indent is None else ": "))
    try:
        return dump(value, default=as_json, allow_nan=False).encode()
    except (TypeError, ValueError):  # a key that is not text, or a number that is not finite
        return dump(as_json(value)).encode()


def load_json(data: bytes | str) -> Any:
    """Read a JSON document.

    Raises:
        ValueError: it is not JSON, not UTF-8, or nested too deeply.
    """
    try:
        return json.loads(data if isinstance(data, str) else data.decode(), parse_constant=_refuse)
    except RecursionError as err:
        raise ValueError("lists and objects are nested too deeply") from err


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
