"""Create a dataset in a hidden directory and rename it when it is complete; remove leftovers of killed processes."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from ffenc.dataset.storage.atomic_file import make_directory
from ffenc.dataset.storage.local_root import check_local
from ffenc.dataset.storage.lock import LOCK, DatasetLock, FileLock
from ffenc.errors import FFencError, OutputError, OutputExistsError
from ffenc.undisturbed import undisturbed_context
from ffenc.video.names import sibling
from ffenc.video.output import sync

logger = logging.getLogger(__name__)

WORK = ".work"
"""Suffix of the directory for temporary files beside the hidden directory of an unfinished dataset."""

_LOCK = ".lock"
_INFO = Path("meta", "info.json")
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
    """Refuse an output directory that exists, that would be part of a dataset, or whose parent does not exist.

    Raises:
        DatasetError: ``output`` is a URL.
        OutputExistsError: ``output`` exists.
        OutputError: its parent does not exist, or is in a dataset, whose operations would copy it.
    """
    check_local(output, written=True)
    if output.exists() or output.is_symlink():
        raise OutputExistsError(output, "name a new directory, or remove this one first")
    if not output.absolute().parent.is_dir():
        raise OutputError(f"the directory of {output} does not exist; create it first", path=output)
    parent = output.absolute().parent.resolve()
    outer = next((path for path in (parent, *parent.parents) if (path / _INFO).is_file()), None)
    if outer is not None:
        raise OutputError(f"{output} would be in the dataset {outer}; name a directory outside of it", path=output)


@undisturbed_context
def build_dataset(output: Path) -> Iterator[Path]:
    """Yield a hidden directory beside ``output`` to fill; after the block it is synced and renamed to ``output``.

    A lock file beside it shows the next run whether its process is alive.

    Raises:
        OutputExistsError: ``output`` exists.
        OutputError: it cannot be written.  After any error the hidden directory is removed.
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
        check_new(output)  # a rename would silently replace an empty directory
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
    """Refuse a path that exists and is not an empty directory; the lock file of a killed process is ignored.

    Raises:
        OutputExistsError: it is not an empty directory.
    """
    if os.path.lexists(root) and (not root.is_dir() or _contents(root)):
        raise OutputExistsError(root, "name a new directory, or remove this one first")


@undisturbed_context
def new_dataset(root: Path) -> Iterator[DatasetLock]:
    """Create and lock the directory of a dataset to record; the caller releases the lock.

    Raises:
        OutputExistsError: the directory is not empty.
        DatasetLockedError: another process is creating a dataset there.
        OutputError: it cannot be created.  After any error in the block, everything in the directory is removed.
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
    """Return everything in a directory except its lock file, deepest paths first."""
    ours = {root / LOCK, *(root / parent for parent in LOCK.parents)}
    return sorted((path for path in root.rglob("*") if path not in ours or path.is_symlink()), reverse=True)


def _mark_alive(lock: FileLock) -> None:
    try:
        lock.acquire()
    except OSError as err:
        # Without file locks, the next run only warns of leftovers and does not remove them.
        logger.debug("cannot lock %s: %s", lock.path, err)
        with contextlib.suppress(OSError):
            lock.path.unlink()


@undisturbed_context
def work_beside(building: Path) -> Iterator[Path]:
    """Yield a directory for temporary files on the file system of an unfinished dataset, and remove it afterwards."""
    work = building.with_name(building.name + WORK)
    try:
        work.mkdir()
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def clear_abandoned(directory: Path) -> None:
    """Remove unfinished datasets of dead processes, and warn of those whose process is unknown."""
    try:
        names = sorted(path.name for path in directory.iterdir() if path.name.startswith("."))
    except OSError as err:
        logger.debug("cannot search %s for leftovers: %s", directory, err)
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
            logger.warning("removing the unfinished dataset of a killed process: %s", building)
            remove_tree(building)
            remove_tree(building.with_name(building.name + WORK))
    except OSError as err:
        logger.debug("%s cannot be locked: %s", building, err)
    finally:
        lock.release()


def remove_tree(path: Path) -> None:
    """Remove a directory tree as far as possible; of a symbolic link, only the link is removed."""
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def sync_name(path: Path) -> None:
    """Sync the rename of a dataset.  A failure is only logged: the rename has already succeeded."""
    try:
        sync(path.parent)
    except OSError as err:
        logger.warning("%s is complete, but its rename cannot be synced to disk: %s", path, err)


def sync_tree(root: Path) -> None:
    """Sync every file and directory below a directory."""
    for directory, _, names in os.walk(root, topdown=False, onerror=_raise):
        for name in sorted(names):
            path = Path(directory, name)
            if path.is_file() and not path.is_symlink():
                sync(path)
        sync(Path(directory))


def _raise(error: OSError) -> None:
    raise error
