"""Read untrusted files: refuse URLs, pipes, devices and open files, and limit the memory that a document takes."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ffenc.errors import InputError
from ffenc.urls import as_url, refusal

DOCUMENT_BYTES = 64 << 20
"""Largest document that is read into memory."""

_MOST_VALUES = 1_000_000  # of a JSON document; a list or dictionary with one value takes up to 400 bytes of memory

_MOST_LEVELS = 100  # deeper documents can be read but not written


def file_path(value: str | os.PathLike[str], *, written: bool = False) -> Path:
    """Return the path of a file or a directory.

    Args:
        value: the path.
        written: whether ffenc would write there; only the error for a URL depends on it.

    Raises:
        InputError: it is a URL, or not a path, but an open file, for example.
    """
    try:
        path = Path(value)
    except TypeError as err:
        raise InputError(
            f"expected the path of a file, got {type(value).__name__}; ffmpeg opens files by name, so save the content to a "
            "file first",
            path=Path(type(value).__name__),
        ) from err
    url = as_url(os.fspath(value))  # as given: `Path` drops the dot of ./x:/y
    if url is not None:
        raise InputError(refusal(url, written=written), path=path)
    return path


def read_regular(path: Path, *, most_bytes: int | None = None) -> bytes:
    """Read a regular file; reading a named pipe or a device might never end.

    Raises:
        OSError: it cannot be read, is not a regular file, or has more than ``most_bytes``.
    """
    with open_regular(path) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        if most_bytes is not None and size_bytes > most_bytes:
            raise OSError(errno.EFBIG, f"has {size_bytes} bytes; the limit is {most_bytes}", str(path))
        return file.read()


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading; opening a named pipe might never end.

    Raises:
        OSError: it cannot be read, or is not a regular file.
    """
    _check_no_url(path)
    with open(path, "rb", opener=_open_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        yield file


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_no_url(path: Path) -> None:
    url = as_url(path)
    if url is not None:
        raise OSError(errno.EINVAL, refusal(url), str(path))


def check_regular(path: Path) -> None:
    """Refuse a named pipe or a device, before another library opens the path.

    Raises:
        OSError: it does not exist or is not a regular file.
    """
    _check_no_url(path)
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def read_json(path: Path) -> Any:
    """Read a JSON document, in which NaN is allowed.

    Raises:
        OSError: see `read_regular`.
        ValueError: it is not JSON, not UTF-8, or has too many values or levels.
    """
    return _parsed(read_regular(path, most_bytes=DOCUMENT_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonLine:
    """A line of a JSON lines file.

    Attributes:
        number: its number, from 1.
        offset: where it starts in the file, in bytes.
        value: its document.
    """

    number: int
    offset: int
    value: Any


def iterate_json_lines(path: Path) -> Iterator[JsonLine]:
    """Yield the documents of a JSON lines file, in which NaN is allowed; one line is in memory at a time.

    Raises:
        OSError: see `read_regular`.
        ValueError: a line is not JSON, not UTF-8, or has too many values or levels; the message has its number.
    """
    check_regular(path)
    with path.open("rb") as file:
        number = offset = 0
        while line := file.readline(DOCUMENT_BYTES):
            number += 1
            if line.strip():
                try:
                    value = _parsed(line)
                except ValueError as err:
                    raise ValueError(f"line {number}: {err}") from err
                yield JsonLine(number=number, offset=offset, value=value)
            offset += len(line)


def read_json_line(path: Path, offset: int) -> Any:
    """Read the line of a JSON lines file that starts at an offset.

    Raises:
        OSError, ValueError: see `iterate_json_lines`.
    """
    with path.open("rb") as file:
        file.seek(offset)
        return _parsed(file.readline(DOCUMENT_BYTES))


def _parsed(content: bytes) -> Any:
    values = sum(content.count(mark) for mark in (b",", b"[", b"{"))
    if values > _MOST_VALUES:
        raise ValueError(f"the document has about {values} values; the limit is {_MOST_VALUES}")
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
