"""Check a dataset's directory for symbolic links and special files, and compute a digest of its files."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ffenc.dataset.storage.local_root import check_local
from ffenc.errors import DatasetError

_SERIES = ("data", "meta", "videos")
_LINKS_NAMED = 3


def resolve_root(root: str | Path) -> Path:
    """Resolve all symbolic links of a path, so that an in-place change never replaces a link.

    Raises:
        DatasetError: the path is a URL, or the links form a loop.
    """
    check_local(root)
    try:
        return Path(root).resolve()
    except (OSError, RuntimeError) as err:  # a RuntimeError before Python 3.13
        raise DatasetError(f"cannot resolve the symbolic links of {root}: {err}", path=Path(root)) from err


def check_tree(root: Path, *, follow_links: bool, written: bool = False) -> str:
    """Refuse symbolic links and special files in a dataset.

    Args:
        root: the dataset, as `resolve_root` returns it.
        follow_links: allow reading through symbolic links.  Files are never written through one.
        written: the operation adds files to directories of the dataset, so these must not be symbolic links.

    Returns:
        A digest of the names, sizes and times of all files except those of ``meta/ffenc``.

    Raises:
        DatasetError: a symbolic link is broken or may not be followed, a device, socket or named pipe exists, or a directory
            cannot be read.
    """
    own = root / "meta" / "ffenc"
    refused: list[str] = []
    digest = hashlib.sha256(str(root.stat().st_ino).encode() if root.is_dir() else b"")
    for path, status in _entries(root, ()):
        name = path.relative_to(root)
        if path.is_symlink():
            if status is None:
                raise DatasetError(f"{path} is a broken symbolic link; remove it first", path=path)
            if own in (path, *path.parents) or path == own.parent:
                raise DatasetError(
                    f"{path} is a symbolic link, and ffenc does not write through links; replace it by its target",
                    path=path,
                )
            if written and stat.S_ISDIR(status.st_mode) and name.parts[0] in _SERIES:
                raise DatasetError(
                    f"{path} is a symbolic link to a directory, and ffenc does not write new files through it; replace it "
                    "by its target",
                    path=path,
                )
            if not follow_links:
                refused.append(f"{name} -> {path.readlink()}")
        if status is None or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise DatasetError(f"{path} is a device, socket or named pipe; remove it first", path=path)
        if own not in (path, *path.parents) and stat.S_ISREG(status.st_mode):
            digest.update(f"{os.fsencode(name)!r} {status.st_ino} {status.st_size} {status.st_mtime_ns}\n".encode())
    if refused:
        more = f" and {len(refused) - _LINKS_NAMED} more" if len(refused) > _LINKS_NAMED else ""
        raise DatasetError(
            f"{root} contains symbolic links: {', '.join(refused[:_LINKS_NAMED])}{more}; replace them by their targets, or "
            "allow reading through them with follow_links=True (--follow_links)",
            path=root,
        )
    return digest.hexdigest()


def check_same_tree(root: Path, digest: str) -> None:
    """Check that a dataset still has the digest of an earlier `check_tree`.

    Raises:
        DatasetError: it was changed, moved or replaced.
    """
    if check_tree(root, follow_links=True) != digest:
        raise DatasetError(f"another process changed {root} while it was read; try again", path=root)


def _entries(directory: Path, above: tuple[tuple[int, int], ...]) -> Iterator[tuple[Path, os.stat_result | None]]:
    """Yield everything below a directory with the status of its target; None for a broken symbolic link."""
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
                continue  # a temporary file that another process has just removed
            yield path, None
            continue
        yield path, status
        if stat.S_ISDIR(status.st_mode):
            if (status.st_dev, status.st_ino) in chain:
                raise DatasetError(f"{path} is a link to one of its parent directories; remove it first", path=path)
            yield from _entries(path, chain)


def check_no_link(root: Path, path: Path) -> None:
    """Refuse a path with a symbolic link between the root and the file.

    Raises:
        DatasetError: a directory is a symbolic link, or the path is not below the root.
    """
    if not path.is_relative_to(root) or ".." in path.parts or "\0" in str(path):
        raise DatasetError(f"{path} is not inside {root}", path=path)
    for parent in path.parents:
        if parent == root:
            return
        if parent.is_symlink():
            raise DatasetError(f"{parent} is a symbolic link, and ffenc does not write through links", path=path)
