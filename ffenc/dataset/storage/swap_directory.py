"""Put a new form of a dataset in the place of the old one, in one step where the system has it."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from ffenc.dataset.storage.lock import DatasetLock
from ffenc.dataset.storage.new_directory import WORK, hidden_sibling, remove_tree, sync_name
from ffenc.errors import OutputError
from ffenc.video.output import sync

logger = logging.getLogger(__name__)

_AT_FDCWD = -100
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2), and RENAME_SWAP of macOS' renamex_np(2)
_NOT_SUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EXDEV)

NEW, OLD = ".ffenc-new", ".ffenc-old"
"""Marks of the hidden siblings of a dataset: its next form while it is made, and its last one while it is removed."""

SIBLINGS = (OLD, NEW, f"{NEW}{WORK}")
"""All marks."""


def sibling(root: Path, mark: str) -> Path:
    """Return the hidden sibling of a dataset: ``.NAME.ffenc-new``."""
    named = hidden_sibling(root, NEW, room=WORK)  # all marks shorten a long name alike
    return named.with_name(named.name.removesuffix(NEW) + mark)


def why_not_replaceable(root: Path) -> str | None:
    """Return why a dataset cannot be replaced by a new form of it, or None if it can."""
    if root.is_mount():
        return f"{root} is a mount point, which cannot be renamed"
    if not os.access(root.parent, os.W_OK | os.X_OK):
        return f"{root.parent} cannot be written, and the new form of {root.name} has to be made there"
    return None


def swap(root: Path, new: Path) -> None:
    """Let ``new`` take the place of ``root``, and remove what was there; under the lock of both.

    With Linux' and macOS' exchange of two names there is no moment without a dataset.  Elsewhere (some network file systems)
    there is one between two renames, and `restore_missing` completes what a crash leaves then.

    Args:
        root: the dataset.
        new: `sibling` with `NEW`, complete and durable.

    Raises:
        OutputError: the file system refused; ``root`` is as it was.
    """
    gone = new
    try:
        if not _exchange(root, new):
            gone = sibling(root, OLD)
            root.rename(gone)
            sync(root.parent)
            try:
                new.rename(root)
            except OSError as err:
                if root.exists():
                    err.strerror = f"{err.strerror}; another process has made it, and the dataset is in {gone}"
                else:
                    gone.rename(root)
                    sync(root.parent)
                raise
    except OSError as err:
        raise OutputError(f"cannot replace {root}: {err.strerror}", path=root) from err
    sync_name(root)
    remove_tree(gone)


def restore_missing(root: Path) -> None:
    """Give a dataset its name back if a crash between the two renames of `swap` has taken it.

    Raises:
        DatasetLockedError: the process that renames it is still at work.
    """
    old, new = sibling(root, OLD), sibling(root, NEW)
    if os.path.lexists(root) or old.is_symlink() or not old.is_dir():
        return
    with DatasetLock(old) as lock:
        if os.path.lexists(root):
            return
        whole = new if new.is_dir() and not new.is_symlink() else old
        logger.warning("completing an interrupted change: %s becomes %s", whole, root)
        whole.rename(root)
        sync(root.parent)
        if whole == old:
            lock.renamed(root)


def clear_siblings(root: Path) -> None:
    """Remove what a killed process has left of a change in place; under the lock of the dataset.

    Nothing is removed beside a directory that is not a dataset: its sibling may be the only one.
    """
    if not (root / "meta" / "info.json").is_file():
        return
    for left in (sibling(root, mark) for mark in SIBLINGS):
        if os.path.lexists(left):
            logger.warning("removing what an interrupted change has left: %s", left)
            remove_tree(left)


def link_or_copy(source: Path, target: Path) -> None:
    """Give the same file a second name; a copy where the file system has no hard links, and of what a link leads to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not source.is_symlink():
        try:
            os.link(source, target)
        except OSError as err:
            logger.debug("%s is copied, it cannot have a second name: %s", source, err)
        else:
            return
    shutil.copy2(source, target)
    sync(target)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two names; False if this system cannot."""
    call = _exchange_call()
    if call is None:
        return False
    if call(os.fsencode(first), os.fsencode(second)) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NOT_SUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(first))


def _exchange_call() -> Callable[[bytes, bytes], int] | None:
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux" and hasattr(library, "renameat2"):  # glibc since 2.28
        return lambda first, second: int(library.renameat2(_AT_FDCWD, first, _AT_FDCWD, second, _EXCHANGE))
    if sys.platform == "darwin" and hasattr(library, "renamex_np"):
        return lambda first, second: int(library.renamex_np(first, second, _EXCHANGE))
    return None
