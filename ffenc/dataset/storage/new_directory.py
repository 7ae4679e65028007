"""A dataset appears whole under its name, or not at all."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ffenc.dataset.storage.atomic_file import make_directory
from ffenc.dataset.storage.lock import LOCK, DatasetLock, FileLock
from ffenc.errors import FFencError, OutputError, OutputExistsError
from ffenc.video.names import sibling
from ffenc.video.output import sync

logger = logging.getLogger(__name__)

WORK = ".work"
"""Suffix of the directory for temporary files, beside the one in which a dataset is put together."""

_LOCK = ".lock"
_BUILDING = re.compile(r"\..+\.[0-9a-f]{8}\.part")


def hidden_sibling(path: Path, mark: str, *, room: str) -> Path:
    """Name a hidden directory beside another, ``.NAME<mark>``, so that ``room`` may still be appended to its name.

    Args:
        path: the other directory; its name is shortened if the file system demands it.
        mark: end of the name.
        room: the longest suffix that its own siblings get.
    """
    longest = sibling(path, stem=path.name, end=mark + room)
    return longest.with_name(longest.name.removesuffix(room))


def check_new(output: Path) -> None:
    """Refuse a dataset's directory that exists, or one whose parent does not.

    Raises:
        OutputExistsError: there is something.
        OutputError: the parent is missing.
    """
    if output.exists() or output.is_symlink():
        raise OutputExistsError(output, "name a new directory, or remove this one first")
    if not output.absolute().parent.is_dir():
        raise OutputError(f"the directory of {output} does not exist; create it first", path=output)


@contextmanager
def whole_dataset(output: Path) -> Iterator[Path]:
    """Give a hidden directory beside ``output`` to fill; when the block ends well it is synced and gets that name.

    A lock file beside it tells the next run whether its process is alive.

    Raises:
        OutputExistsError: ``output`` exists already.
        OutputError: the file system refused.  In every case, and after any error in the block, nothing is left.
    """
    check_new(output)
    output = output.absolute()
    clear_abandoned(output.parent)
    building = hidden_sibling(output, f".{os.urandom(4).hex()}.part", room=WORK)
    lock = FileLock(building.with_name(building.name + _LOCK))
    try:
        _mark_alive(lock)
        building.mkdir()
        yield building
        sync_tree(building)
        check_new(output)  # a rename would replace an empty directory in silence
        building.rename(output)
        sync_name(output)
    except FFencError:
        raise
    except OSError as err:
        raise OutputError(f"cannot write the dataset {output}: {err}", path=output) from err
    finally:
        shutil.rmtree(building, ignore_errors=True)
        lock.release()


def check_empty(root: Path) -> None:
    """Refuse a directory in which something lies; what a lock leaves of a killed process does not count.

    Raises:
        OutputExistsError: there is something, or it is not a directory.
    """
    if os.path.lexists(root) and (not root.is_dir() or _contents(root)):
        raise OutputExistsError(root, "name a new directory, or remove this one first")


@contextmanager
def new_dataset(root: Path) -> Iterator[DatasetLock]:
    """Make the directory of a dataset that grows under its own name, and lock it; the caller releases the lock.

    Raises:
        OutputExistsError: there is something in it.
        DatasetLockedError: another process is making a dataset there.
        OutputError: the file system refused.  After any error in the block, what it wrote is removed.
    """
    is_new = not root.exists()
    make_directory(root)
    lock = DatasetLock(root)
    lock.acquire()
    try:
        check_empty(root)
        try:
            yield lock
        except BaseException:
            for path in _contents(root):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
            raise
    except BaseException:
        lock.release()
        if is_new:
            with contextlib.suppress(OSError):  # not empty, or removed by another process
                root.rmdir()
        raise


def _contents(root: Path) -> list[Path]:
    """Return everything in a directory except its lock, the deepest first."""
    ours = {root / LOCK, *(root / parent for parent in LOCK.parents)}
    return sorted((path for path in root.rglob("*") if path not in ours or path.is_symlink()), reverse=True)


def _mark_alive(lock: FileLock) -> None:
    try:
        lock.acquire()
    except OSError as err:
        # Without locks in this file system the next run names what a kill leaves, and does not remove it.
        logger.debug("cannot lock %s: %s", lock.path, err)
        with contextlib.suppress(OSError):
            lock.path.unlink()


@contextmanager
def work_beside(building: Path) -> Iterator[Path]:
    """Give a directory for temporary files in the same file system as a dataset that is being put together."""
    work = building.with_name(building.name + WORK)
    try:
        work.mkdir()
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def clear_abandoned(directory: Path) -> None:
    """Remove unfinished datasets whose processes are dead, and warn of those whose processes are unknown."""
    try:
        names = sorted(path.name for path in directory.iterdir() if path.name.startswith("."))
    except OSError as err:
        logger.debug("%s cannot be searched for leftovers: %s", directory, err)
        return
    for name in names:
        building = directory / name.removesuffix(_LOCK)
        if not _BUILDING.fullmatch(building.name):
            continue
        if name.endswith(_LOCK):
            _clear_if_abandoned(building)
        elif f"{name}{_LOCK}" not in names and building.is_dir():
            logger.warning("%s may be left over from a killed process; remove it if nothing uses it", building)


def _clear_if_abandoned(building: Path) -> None:
    lock = FileLock(building.with_name(building.name + _LOCK))
    try:
        if lock.acquire():
            logger.warning("removing what a killed process has left: %s", building)
            remove_tree(building)
            remove_tree(building.with_name(building.name + WORK))
    except OSError as err:
        logger.debug("%s cannot be locked: %s", building, err)
    finally:
        lock.release()


def remove_tree(path: Path) -> None:
    """Remove a directory and everything in it, as far as the file system lets us; a link is removed, not what it leads to."""
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def sync_name(path: Path) -> None:
    """Wait until the name that a dataset has just got is on the disk.

    A failure is only logged: the rename has already succeeded.
    """
    try:
        sync(path.parent)
    except OSError as err:
        logger.warning("%s is complete, but the file system does not say that its name is on the disk: %s", path, err)


def sync_tree(root: Path) -> None:
    """Wait until everything below a directory is on the disk; links are part of their directory."""
    for directory, _, names in os.walk(root, topdown=False, onerror=_raise):
        for name in sorted(names):
            path = Path(directory, name)
            if path.is_file() and not path.is_symlink():
                sync(path)
        sync(Path(directory))


def _raise(error: OSError) -> None:
    raise error
