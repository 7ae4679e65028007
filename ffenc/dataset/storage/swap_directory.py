"""Replace a dataset by its new form, atomically if the system can exchange two names."""

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
"""Suffixes of the hidden siblings of a dataset: its unfinished new form, and its old form before removal."""

SIBLINGS = (OLD, NEW, f"{NEW}{WORK}")


def sibling(root: Path, suffix: str) -> Path:
    """Return the hidden sibling of a dataset, such as ``.NAME.ffenc-new``."""
    shortened = hidden_sibling(root, NEW, room=WORK)  # the same for all suffixes if the name is long
    return shortened.with_name(shortened.name.removesuffix(NEW) + suffix)


def why_not_replaceable(root: Path) -> str | None:
    """Return the reason why a dataset cannot be replaced in place, or None."""
    if root.is_mount():
        return f"{root} is a mount point, which cannot be renamed"
    if not os.access(root.parent, os.W_OK | os.X_OK):
        return f"{root.parent} is not writable, but the new form of {root.name} must be created there"
    return None


def swap(root: Path, new: Path) -> None:
    """Replace ``root`` by ``new`` (complete and synced) and remove the old form; the caller holds the locks of both.

    Linux and macOS exchange the two names atomically.  Some network file systems cannot; two renames replace the dataset
    there, and `restore_missing` completes them after a crash.

    Raises:
        OutputError: a rename failed; ``root`` is unchanged.
    """
    old = new
    try:
        if not _exchange(root, new):
            old = sibling(root, OLD)
            root.rename(old)
            sync(root.parent)
            try:
                new.rename(root)
            except OSError as err:
                if root.exists():
                    err.strerror = f"{err.strerror}; another process has created it, and the dataset is in {old}"
                else:
                    old.rename(root)
                    sync(root.parent)
                raise
    except OSError as err:
        raise OutputError(f"cannot replace {root}: {err.strerror}", path=root) from err
    sync_name(root)
    remove_tree(old)


def restore_missing(root: Path) -> None:
    """Complete the two renames of `swap` after a crash between them.

    Raises:
        DatasetLockedError: the process that renames the dataset is still running.
    """
    old, new = sibling(root, OLD), sibling(root, NEW)
    if os.path.lexists(root) or old.is_symlink() or not old.is_dir():
        return
    with DatasetLock(old) as lock:
        if os.path.lexists(root):
            return
        complete = new if new.is_dir() and not new.is_symlink() else old
        logger.warning("completing an interrupted change: renaming %s to %s", complete, root)
        complete.rename(root)
        sync(root.parent)
        if complete == old:
            lock.renamed(root)


def clear_siblings(root: Path) -> None:
    """Remove the hidden siblings that a killed in-place change has left; the caller holds the lock of the dataset.

    Nothing is removed if ``root`` is not a dataset, because a sibling may be the only complete one.
    """
    if not (root / "meta" / "info.json").is_file():
        return
    for path in (sibling(root, suffix) for suffix in SIBLINGS):
        if os.path.lexists(path):
            logger.warning("removing the leftover of an interrupted change: %s", path)
            remove_tree(path)


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link a file, or copy it if the file system cannot; the target of a symbolic link is copied."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not source.is_symlink():
        try:
            os.link(source, target)
        except OSError as err:
            logger.debug("copying %s, because it cannot be hard-linked: %s", source, err)
        else:
            return
    shutil.copy2(source, target)
    sync(target)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two names atomically; return False if the system does not support it."""
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
