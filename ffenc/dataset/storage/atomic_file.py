"""Every file of a dataset appears whole and durable, or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ffenc.errors import OutputError
from ffenc.video.output import PendingFile, sync

_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}\.part(\.[^.]+)?")


def unfinished_files(root: Path) -> list[Path]:
    """What writers that were killed have left below ``root``; whoever holds the dataset's lock may remove it."""
    return sorted(path for path in root.rglob(".*") if _UNFINISHED.fullmatch(path.name) and not path.is_dir())


def make_directory(path: Path) -> None:
    """Create a directory and its parents, durably; nothing happens if it exists.

    Raises:
        OutputError: the file system refused.
    """
    missing = [directory for directory in (path, *path.parents) if not directory.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        for directory in reversed(missing):
            sync(directory.parent)
    except OSError as err:
        raise OutputError(f"cannot create the directory {path}: {err.strerror}", path=path) from err


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary sibling to write; when the block ends well it is synced and takes the place of ``path``.

    The sibling does not have the suffix of the file, because LeRobot reads every ``*/*.parquet`` that it finds.

    Raises:
        OutputError: the file system refused; what was there before is unchanged.
    """
    make_directory(path.parent)
    with PendingFile(path, overwrite=True, keep_suffix=False) as pending:
        yield pending.path
        pending.commit()


def write_text_atomically(path: Path, text: str) -> None:
    """Replace a text file, as UTF-8.

    Raises:
        OutputError: the file system refused, or the text has no UTF-8; what was there before is unchanged.
    """
    with write_atomically(path) as temporary:
        try:
            temporary.write_text(text, encoding="utf-8")
        except (OSError, UnicodeEncodeError) as err:
            raise OutputError(f"cannot write {path}: {err}", path=path) from err
