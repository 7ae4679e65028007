r"""JSON that can hold every file name.

A name that is not UTF-8 comes as text with lone surrogates (PEP 383).  In JSON each is written as its escape, ``\udce9`` for
the byte E9, which Python's ``json`` and ``os.fsencode`` turn back into that name.  orjson takes no such text.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import orjson

_SURROGATE = "surrogates not allowed"


def dump_json(value: Any, *, default: Callable[[Any], Any] | None = None, option: int = 0) -> bytes:
    """Write a value as JSON: by orjson, or by Python's ``json`` where it holds a name that is not UTF-8.

    Args:
        value: what to write.
        default: turns a value that JSON does not have into one that it has.
        option: orjson's options.

    Raises:
        TypeError: a value that JSON does not have.
    """
    try:
        return orjson.dumps(value, default=default, option=option)
    except TypeError as err:
        if _SURROGATE not in str(err):
            raise

    def plain(part: Any) -> Any:
        if is_dataclass(part) and not isinstance(part, type):
            return {field.name: getattr(part, field.name) for field in fields(part)}
        if isinstance(part, np.ndarray | np.generic):
            return part.tolist()
        if default is None:
            raise TypeError(f"{type(part).__name__} cannot be written as JSON")
        return default(part)

    text = json.dumps(
        value,
        default=plain,
        sort_keys=bool(option & orjson.OPT_SORT_KEYS),
        indent=2 if option & orjson.OPT_INDENT_2 else None,
        separators=(",", ": " if option & orjson.OPT_INDENT_2 else ":"),
        allow_nan=False,
    )
    return text.encode() + (b"\n" if option & orjson.OPT_APPEND_NEWLINE else b"")


def load_json(data: bytes | str) -> Any:
    """Read JSON, lone surrogates included.

    Raises:
        orjson.JSONDecodeError: it is not JSON.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        if (b"\\u" if isinstance(data, bytes) else "\\u") not in data:  # type: ignore[operator]
            raise
        try:
            return json.loads(data, parse_constant=_refuse)
        except (ValueError, RecursionError):
            pass
        raise


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
