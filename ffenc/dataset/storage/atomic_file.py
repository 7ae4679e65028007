"""Write a file of a dataset under a temporary name, sync it and rename it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ffenc.errors import OutputError
from ffenc.undisturbed import undisturbed_context
from ffenc.video.output import PendingFile, sync

_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}\.part(\.[^.]+)?")


def unfinished_files(root: Path) -> list[Path]:
    """Return temporary files of killed writers below ``root``; the holder of the dataset's lock may remove them."""
    return sorted(path for path in root.rglob(".*") if _UNFINISHED.fullmatch(path.name) and not path.is_dir())


def make_directory(path: Path) -> None:
    """Create a directory and its parents, and sync them; an existing directory is left alone.

    Raises:
        OutputError: it cannot be created.
    """
    missing = [directory for directory in (path, *path.parents) if not directory.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        for directory in reversed(missing):
            sync(directory.parent)
    except OSError as err:
        raise OutputError(f"cannot create the directory {path}: {err.strerror}", path=path) from err


@undisturbed_context
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary file to write; after the block it is synced and replaces ``path``.

    Its name does not have the suffix of ``path``, because LeRobot reads every ``*/*.parquet``.

    Raises:
        OutputError: it cannot be written; ``path`` is unchanged.
    """
    make_directory(path.parent)
    with PendingFile(path, overwrite=True, keep_suffix=False) as pending:
        yield pending.path
        pending.commit()


def write_text_atomically(path: Path, text: str) -> None:
    """Replace a UTF-8 text file.

    Raises:
        OutputError: it cannot be written, or the text cannot be encoded; ``path`` is unchanged.
    """
    with write_atomically(path) as temporary:
        try:
            temporary.write_text(text, encoding="utf-8")
        except (OSError, UnicodeEncodeError) as err:
            raise OutputError(f"cannot write {path}: {err}", path=path) from err
