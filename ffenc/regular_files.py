"""Read files that may be anything: refuse pipes, devices and open files, and bound the memory that a document takes."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

from ffenc.errors import InputError

DOCUMENT_BYTES = 64 << 20
"""Most bytes of a file that is read as a whole."""

_MOST_VALUES = 1_000_000  # of a JSON document; a list or a dictionary of one value takes up to 400 bytes of memory

_MOST_LEVELS = 100  # what is deeper could be read, but not written again


def file_path(value: str | os.PathLike[str]) -> Path:
    """Return the path of a file or a directory.

    Raises:
        InputError: it is not a path, but an open file, for example.
    """
    try:
        return Path(value)
    except TypeError as err:
        raise InputError(
            f"expected the path of a file, got {type(value).__name__}; ffmpeg opens files by name, so save the content to a "
            "file first",
            path=type(value).__name__,
        ) from err


def read_regular(path: Path, *, most_bytes: int | None = None) -> bytes:
    """Read a file; reading a named pipe or a device would wait, or never end.

    Raises:
        OSError: it cannot be read, is not a regular file, or has more than ``most_bytes``.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if most_bytes is not None and status.st_size > most_bytes:
            raise OSError(errno.EFBIG, f"has {status.st_size} bytes, and at most {most_bytes} are read", str(path))
        return file.read()


def check_regular(path: Path) -> None:
    """Refuse what another library must not open: a named pipe or a device.

    Raises:
        OSError: there is nothing, or it is not a regular file.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def read_json(path: Path) -> Any:
    """Read a JSON file as Python's ``json`` does, NaN included.

    Raises:
        OSError: as `read_regular`.
        ValueError: it is not JSON, not UTF-8, or has more values or levels than any document of ours.
    """
    content = read_regular(path, most_bytes=DOCUMENT_BYTES)
    values = sum(content.count(mark) for mark in (b",", b"[", b"{"))
    if values > _MOST_VALUES:
        raise ValueError(f"the document has about {values} values, and at most {_MOST_VALUES} are read")
    try:
        document = json.loads(content.decode("utf-8"))
    except RecursionError as err:
        raise ValueError("lists and objects are nested too deeply") from err
    level = [document]
    for _ in range(_MOST_LEVELS):
        level = [
            part
            for value in level
            if isinstance(value, list | dict)
            for part in (value.values() if isinstance(value, dict) else value)
        ]
    if level:
        raise ValueError(f"lists and objects are nested more than {_MOST_LEVELS} levels deep")
    return document
