"""Put a new form of a dataset in the place of the old one, in one step where the system has it."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from ffenc.dataset.whole import sync_name
from ffenc.errors import OutputError
from ffenc.video.output import sync

_AT_FDCWD = -100
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2), and RENAME_SWAP of macOS' renamex_np(2)
_NOT_SUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EXDEV)

NEW, OLD = ".ffenc-new", ".ffenc-old"
"""Marks of the hidden siblings of a dataset: its next form while it is made, and its last one while it is removed."""


def sibling(root: Path, mark: str) -> Path:
    """The hidden sibling of a dataset: ``.NAME.ffenc-new``."""
    return root.with_name(f".{root.name}{mark}")


def swap(root: Path, new: Path) -> None:
    """Let ``new`` take the place of ``root``, and remove what was there.

    With Linux' and macOS' exchange of two names there is no moment without a dataset.  Elsewhere (some network file systems)
    there is one between two renames, and `finish_swap` completes what a crash leaves then.

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
            try:
                new.rename(root)
            except OSError:
                gone.rename(root)
                raise
    except OSError as err:
        raise OutputError(f"cannot replace {root}: {err.strerror}", path=root) from err
    sync_name(root)
    shutil.rmtree(gone, ignore_errors=True)


def finish_swap(root: Path) -> None:
    """Complete or clear away what a crash left of `swap`: afterwards ``root`` is whole and has no hidden siblings."""
    old, new = sibling(root, OLD), sibling(root, NEW)
    if not root.exists():
        for whole in (new, old):
            if old.exists() and whole.exists():
                whole.rename(root)
                sync(root.parent)
                break
    if root.exists():
        for left in (old, new):
            shutil.rmtree(left, ignore_errors=True)


def link_or_copy(source: Path, target: Path) -> None:
    """The same file under a second name; a copy where the file system has no hard links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
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
