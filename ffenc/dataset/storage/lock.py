"""Lock datasets and other files; the operating system releases a lock when its process ends or crashes."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import socket
import stat
import sys
import threading
import time
import weakref
from datetime import datetime, timezone
from pathlib import Path

from ffenc.dataset.storage.dataset_tree import resolve_root
from ffenc.dataset.storage.identity import DatasetIdentity
from ffenc.errors import DatasetError, DatasetLockedError
from ffenc.regular_files import read_json

logger = logging.getLogger(__name__)

if sys.platform == "win32":  # pragma: no cover - no tests run there
    import msvcrt
else:
    import fcntl

LOCK = Path("meta", "ffenc", "lock")
"""The lock file of a dataset, relative to its root; it exists only while a writer holds the lock."""

_ATTEMPTS, _PAUSE_S = 5, 0.02  # `current_holder` of another process holds the lock for a moment


class FileLock:
    """An exclusive lock on a file that exists only while the lock is held; its directory must exist.

    Releasing removes the file, so `acquire` checks that the locked file still has its name.  A copied directory never shares a
    lock with the original.  A forked child does not hold the lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Return True if this object holds the lock."""
        return self._descriptor is not None

    def acquire(self) -> bool:
        """Take the lock, or return False if it is held already.

        Raises:
            OSError: the file cannot be created or locked, or is not a regular file.
        """
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_PAUSE_S)
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            descriptor = os.open(self.path, flags, 0o666)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(errno.EINVAL, "not a regular file", str(self.path))
                if _try_lock(descriptor) and _is_named(descriptor, self.path):
                    self._descriptor, descriptor = descriptor, -1
                    _HELD.add(self)
                    return True
            finally:
                if descriptor >= 0:
                    os.close(descriptor)
        return False

    def write(self, text: str) -> None:
        """Replace the content of the locked file."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, text.encode())

    def is_in_place(self) -> bool:
        """Return True if the locked file still has its name."""
        return self._descriptor is not None and _is_named(self._descriptor, self.path)

    def release(self) -> None:
        """Remove the file and release the lock; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        _HELD.discard(self)
        # Remove it before unlocking, or it could be the file of the next holder.
        if _is_named(descriptor, self.path):
            with contextlib.suppress(OSError):
                self.path.unlink()
        os.close(descriptor)
        if sys.platform == "win32":  # pragma: no cover - an open file cannot be removed there
            with contextlib.suppress(OSError):
                self.path.unlink()

    def take_over(self, other: FileLock) -> None:
        """Release this lock and hold that of ``other``, whose file has been renamed to the path of this one."""
        descriptor, self._descriptor, other._descriptor = self._descriptor, other._descriptor, None
        _HELD.discard(other)
        if descriptor is not None:
            os.close(descriptor)

    def forget(self) -> None:
        """Close the file without releasing the lock, which the parent process holds."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


_HELD: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _forget_in_child() -> None:
    # The child shares the open file, so it would keep the lock after the death of its parent.
    for lock in list(_HELD):
        lock.forget()
    _HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)


class DatasetLock:
    """An exclusive lock of an existing dataset, for processes and threads.  Also a context manager.

    The lock file is inside the dataset, so that all spellings of its path share the lock.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = resolve_root(root)
        self._file = FileLock(self.root / LOCK)
        self._identity: DatasetIdentity | None = None
        self._made: list[Path] = []
        self._guard = threading.Lock()

    def acquire(self) -> None:
        """Take the lock, without waiting.

        Raises:
            DatasetLockedError: another writer or this object holds it.
            DatasetError: the dataset does not exist, its ``meta/ffenc`` is a symbolic link, or the lock file cannot be written
                or locked.
        """
        with self._guard:
            if self._file.held:
                raise _refusal(self.root)
            try:
                taken = self._take()
            except OSError as err:
                self._give_back()
                raise DatasetError(f"cannot lock the dataset {self.root}: {err}", path=self.root) from err
            if not taken:
                self._made = []
                raise _refusal(self.root)
            try:
                self._identity = DatasetIdentity(self.root)
            except DatasetError:
                self._give_back()
                raise

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        with self._guard:
            self._give_back()

    @property
    def identity(self) -> DatasetIdentity:
        """Return the locked directory, which may be moved while the lock is held.

        Raises:
            DatasetError: the lock is not held.
        """
        if self._identity is None:
            raise DatasetError(f"{self.root} is not locked; acquire the lock first", path=self.root)
        return self._identity

    def check(self) -> None:
        """Check that the dataset and its lock file are still in place.

        Raises:
            DatasetMovedError: the dataset was moved, deleted or replaced.
            DatasetError: the lock file was removed or replaced, so another process may be writing too.
        """
        self.identity.check()
        if not self._file.is_in_place():
            raise DatasetError(
                f"the lock file {self._file.path} was removed or replaced by another process; nothing was changed, try again",
                path=self.root,
            )

    def renamed(self, root: Path) -> None:
        """Use the new path of the dataset after a rename."""
        self.root, self._file.path = root, root / LOCK
        self.identity.root = root

    def take_over(self, other: DatasetLock) -> None:
        """Hold the lock ``other`` of the dataset that has replaced this one; ``other`` no longer holds it."""
        self._file.take_over(other._file)
        self.identity.close()
        self._identity, other._identity = other.identity, None
        self._identity.root = self.root
        self._made = [self.root / path.relative_to(other.root) for path in other._made]
        other._made = []

    def __enter__(self) -> DatasetLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _take(self) -> bool:
        for attempt in reversed(range(_ATTEMPTS)):
            self._make_directories()
            try:
                taken = self._file.acquire()
            except FileNotFoundError:
                # The last holder has just removed the directory that it had created for the lock.
                if not attempt or not self.root.is_dir():
                    raise
                continue
            if taken:
                self._file.write(_holder())
            return taken
        raise AssertionError("unreachable")

    def _make_directories(self) -> None:
        for path in (self.root / LOCK.parent.parent, self.root / LOCK.parent):
            try:
                path.mkdir()
                self._made.append(path)
            except FileExistsError:
                if path.is_symlink() or not path.is_dir():
                    raise OSError(errno.ENOTDIR, "not a directory of its own", str(path)) from None

    def _give_back(self) -> None:
        self._file.release()
        if self._identity is not None:
            self._identity.close()
            self._identity = None
        while self._made:
            with contextlib.suppress(OSError):  # the directory is not empty any more
                self._made.pop().rmdir()


def current_holder(root: Path) -> dict[str, object] | None:
    """Return the content of the lock file of a dataset, or None if the dataset is not locked.

    This also works on a read-only dataset.  A warning is logged if the lock file cannot be tested, for example on a file
    system without locks.
    """
    path = root / LOCK
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as err:
        if err.errno not in _NO_LOCK_FILE:
            _warn_of_unknown_holder(root, err)
        return None
    try:
        return None if _try_lock(descriptor, shared=True) else _read_holder(path)
    except OSError as err:
        _warn_of_unknown_holder(root, err)
        return None
    finally:
        os.close(descriptor)


_NO_LOCK_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def _warn_of_unknown_holder(root: Path, err: OSError) -> None:
    holder = ", ".join(f"{key} {value}" for key, value in _read_holder(root / LOCK).items())
    logger.warning(
        "another process may be writing into %s: its lock file cannot be tested (%s)%s",
        root,
        err.strerror,
        f"; the last writer was {holder}" if holder else "",
    )


def check_not_locked(root: Path) -> None:
    """Refuse a locked dataset; nothing is written.

    Raises:
        DatasetLockedError: a process holds the lock.
    """
    if current_holder(root) is not None:
        raise _refusal(root)


def _refusal(root: Path) -> DatasetLockedError:
    holder = _read_holder(root / LOCK)
    writer = ", ".join(f"{key} {value}" for key, value in holder.items()) or "unknown process"
    return DatasetLockedError(
        f"another process is writing into the dataset {root} ({writer}); wait until it has finished, or stop it",
        path=root,
        holder=holder,
    )


def _read_holder(path: Path) -> dict[str, object]:
    try:
        document = read_json(path)
    except (OSError, ValueError):  # the holder has not written it yet
        return {}
    return document if isinstance(document, dict) else {}


def _holder() -> str:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now.isoformat()})


def _is_named(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False


def _try_lock(descriptor: int, *, shared: bool = False) -> bool:
    try:
        if sys.platform == "win32":  # pragma: no cover - no tests run there
            os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # beyond the content, so that the content can be read
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as err:
        if err.errno in (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK):
            return False
        raise
    return True
