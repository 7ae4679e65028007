"""What lies in a dataset's directory: its root, its links, and what is neither a file nor a directory."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ffenc.errors import DatasetError

_SERIES = ("data", "meta", "videos")
_LINKS_NAMED = 3


def resolve_root(root: str | Path) -> Path:
    """Return the directory that a path leads to, through all links, so that work in place never replaces a link.

    Raises:
        DatasetError: the links lead in a circle.
    """
    try:
        return Path(root).resolve()
    except (OSError, RuntimeError) as err:  # a RuntimeError before Python 3.13
        raise DatasetError(f"{root} cannot be followed to a directory: {err}", path=Path(root)) from err


def check_tree(root: Path, *, follow_links: bool, written: bool = False) -> str:
    """Refuse what an operation must not touch, before anything changes.

    Args:
        root: the dataset, as `resolve_root` returns it.
        follow_links: read through links in the dataset.  Nothing is ever written through one.
        written: the operation adds files to the directories of the dataset, so these must not be links.

    Returns:
        A digest of what lies there, for `ffenc.dataset.transform.source.DatasetSource.check_unchanged`: names, sizes and times of
        files, without those of ffenc's own directory.

    Raises:
        DatasetError: a link that may not be followed or leads nowhere, a device, a socket or a named pipe, or a directory
            that cannot be read.
    """
    own = root / "meta" / "ffenc"
    refused: list[str] = []
    digest = hashlib.sha256(str(root.stat().st_ino).encode() if root.is_dir() else b"")
    for path, status in _entries(root, ()):
        name = path.relative_to(root)
        if path.is_symlink():
            if status is None:
                raise DatasetError(f"{path} is a link that leads nowhere; remove it first", path=path)
            if own in (path, *path.parents) or path == own.parent:
                raise DatasetError(
                    f"{path} is a link; ffenc writes there, and never through a link. Replace it by what it leads to",
                    path=path,
                )
            if written and stat.S_ISDIR(status.st_mode) and name.parts[0] in _SERIES:
                raise DatasetError(
                    f"{path} is a link to a directory; new files would have to be written through it. Replace it by the "
                    "directory that it leads to",
                    path=path,
                )
            if not follow_links:
                refused.append(f"{name} -> {path.readlink()}")
        if status is None or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise DatasetError(f"{path} is a device, a socket or a named pipe; remove it first", path=path)
        if own not in (path, *path.parents) and stat.S_ISREG(status.st_mode):
            digest.update(f"{os.fsencode(name)!r} {status.st_ino} {status.st_size} {status.st_mtime_ns}\n".encode())
    if refused:
        more = f" and {len(refused) - _LINKS_NAMED} more" if len(refused) > _LINKS_NAMED else ""
        raise DatasetError(
            f"{root} contains links: {', '.join(refused[:_LINKS_NAMED])}{more}; replace them by what they lead to, or allow "
            "reading through them with follow_links=True (--follow_links)",
            path=root,
        )
    return digest.hexdigest()


def _entries(directory: Path, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[Path, os.stat_result | None]]:
    """Yield everything below a directory with the status of what it leads to; None if it leads nowhere."""
    try:
        here = directory.stat()
        paths = sorted(directory.iterdir())
    except OSError as err:
        raise DatasetError(f"{directory} cannot be read: {err.strerror}", path=directory) from err
    chain = (*above, (here.st_dev, here.st_ino))
    for path in paths:
        try:
            status = path.stat()
        except OSError as err:
            if not path.is_symlink() and err.errno == errno.ENOENT:
                continue  # a temporary file of a process that is still at work
            yield path, None
            continue
        yield path, status
        if stat.S_ISDIR(status.st_mode):
            if (status.st_dev, status.st_ino) in chain:
                raise DatasetError(f"{path} leads back to a directory that it lies in; remove it first", path=path)
            yield from _entries(path, chain)


def check_no_link(root: Path, path: Path) -> None:
    """Refuse a path if a directory between the root and the file is a link.

    Raises:
        DatasetError: a directory is a link, or the path does not lie below the root.
    """
    if not path.is_relative_to(root) or ".." in path.parts or "\0" in str(path):
        raise DatasetError(f"{path} does not lie in {root}", path=path)
    for parent in path.parents:
        if parent == root:
            return
        if parent.is_symlink():
            raise DatasetError(f"{parent} is a link, and nothing is written through one", path=path)
