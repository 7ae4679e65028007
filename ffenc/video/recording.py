"""Write a recording that survives a crash.

Frames go into a hidden file in fragments, which is always readable up to its last complete frame.  It is
synced twice a second, and locked while this process or its ffmpeg lives.  `find_recordings` finds the unlocked ones that a
crash left, and `ffenc.video.salvage` makes videos of them.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakSet

from ffenc.errors import OutputError
from ffenc.owner import Owner
from ffenc.threads import PromptThread
from ffenc.video.names import sibling

logger = logging.getLogger(__name__)

MARK = ".recording"
"""Precedes the suffix of a hidden recording: ``.laptop.1a2b3c4d.recording.mp4``."""

_NAME = re.compile(rf"\.(?P<stem>.+)\.[0-9a-f]{{8}}{re.escape(MARK)}(?P<suffix>\.[^.]+)", re.DOTALL)

SYNC_INTERVAL_S = 0.5
"""Pause between two syncs.  A sync itself can take 0.6 s (measured), and a power loss must cost at most a second."""

_sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class SyncedFile:
    """A new file that is locked and synced twice a second until it is released; only `discard` removes it.

    Attributes:
        path: the file.
        descriptor: for writing, and for children to inherit, so that the lock lasts as long as they live.
    """

    def __init__(self, path: Path, *, first: Callable[[], None] = lambda: None) -> None:
        """Create it, exclusively.

        Args:
            path: the file.
            first: further syncs that the syncing thread does first; an `OSError` of theirs is logged.

        Raises:
            OutputError: the directory cannot be written.
        """
        self.path = path
        try:
            self.descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666)
        except OSError as err:
            raise OutputError(f"cannot write into {path.parent}: {err.strerror}", path=path) from err
        _lock(self.descriptor, fcntl.LOCK_EX)  # waits a moment if `is_held` has the lock
        self._writing = threading.Lock()  # another thread must not close the descriptor under a running write
        self._stop = threading.Event()
        self._closing = weakref.finalize(self, _close, self.descriptor, self._stop)
        descriptor, stop = self.descriptor, self._stop  # the thread must not keep this object
        self._syncing = PromptThread(lambda: _keep_synced(descriptor, stop, first), name=f"sync of {self.path.name}")
        try:
            self._syncing.start()
        except BaseException:
            self._closing()
            self.path.unlink()
            raise
        self._owner = Owner()
        _open_files.add(self)

    def append(self, data: memoryview | bytes) -> None:
        """Append all of the data.

        Raises:
            OutputError: the disk is full or failed, or the file was released.
            ThreadStartError: the system refused the syncing thread.
        """
        rest = memoryview(data)
        with self._writing, self._open_for_writing():
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of the data at an offset; raises as `append`, and can be repeated after an interrupt.

        It takes no lock, which an interrupt could leave locked, so no other thread may `release` the file meanwhile.
        """
        rest = memoryview(data)
        with self._open_for_writing():
            while rest:
                count = os.pwrite(self.descriptor, rest, offset)
                offset, rest = offset + count, rest[count:]

    def truncate(self, size_bytes: int) -> None:
        """Cut the file to a size; raises as `append`."""
        with self._open_for_writing():
            os.ftruncate(self.descriptor, size_bytes)

    def size_bytes(self) -> int:
        """Bytes written so far."""
        return self.path.stat().st_size

    def release(self) -> None:
        """Sync the file and close it; it stays.  A second call does nothing, nor does one in a fork."""
        if self._closing.alive and self._owner.is_here:
            self._stop.set()
            self._syncing.join()
            with self._writing:
                # A fork of this process has the lock too, and may live long.
                _lock(self.descriptor, fcntl.LOCK_UN)
                self._closing()

    def discard(self) -> None:
        """Close and remove the file; a second call does nothing, nor does one in a fork."""
        if self._owner.is_here:
            self.path.unlink(missing_ok=True)
            self.release()

    def let_go_after_fork(self) -> None:
        """Close the descriptor inherited from the parent, so that its lock does not last as long as this process."""
        if self._closing.detach() is not None:
            os.close(self.descriptor)

    @contextmanager
    def _open_for_writing(self) -> Iterator[None]:
        if self._syncing.error is not None:
            raise self._syncing.error
        if not self._closing.alive:
            raise OutputError(f"cannot write {self.path}: it was closed", path=self.path)
        try:
            yield
        except OSError as err:
            raise OutputError(f"cannot write {self.path}: {err.strerror}", path=self.path) from err


_open_files: WeakSet[SyncedFile] = WeakSet()


def _after_fork_in_child() -> None:
    for file in list(_open_files):
        file.let_go_after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)


class RecordingFile(SyncedFile):
    """A hidden file beside the final one.

    Args:
        final: path of the finished video.
        suffix: suffix of the hidden file; None takes that of ``final``.
    """

    def __init__(self, final: Path, *, suffix: str | None = None) -> None:
        self.final = final
        end = f".{os.urandom(4).hex()}{MARK}{suffix or final.suffix}"
        super().__init__(sibling(final, stem=final.stem, end=end))


def _lock(descriptor: int, operation: int) -> bool:
    """Lock a file for as long as this descriptor, or one inherited from it, is open; False if another holder has it."""
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        return False
    except OSError as err:  # a file system without locks
        logger.debug("no lock on a recording: %s", err)
    return True


def is_held(path: Path) -> bool:
    """Return whether a live process is writing this recording."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return not _lock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def find_recordings(directory: str | Path) -> list[Path]:
    """Return the recordings under a directory that a crash left: no process writes them.  Sorted."""
    found = Path(directory).rglob(f".*{MARK}.*")
    return sorted(path for path in found if path.is_file() and _is_left(path))


def _is_left(path: Path) -> bool:
    try:
        return not is_held(path)
    except FileNotFoundError:  # it was completed just now
        return False


def final_of(recording: Path) -> Path:
    """Return the path of the finished video of a recording; for any other file, its own path.

    A name that is too long is shortened, see `ffenc.video.names.sibling`.
    """
    match = _NAME.fullmatch(recording.name)
    return recording if match is None else recording.with_name(match["stem"] + match["suffix"])


def _keep_synced(descriptor: int, stop: threading.Event, first: Callable[[], None]) -> None:
    for _ in _ticks(stop):
        try:
            first()
            first = _nothing
            _sync(descriptor)
        except OSError as err:
            logger.warning("a recording cannot be synced; a power loss would cost more than a second of it: %s", err)
            return


def _nothing() -> None:
    pass


def _ticks(stop: threading.Event) -> Iterator[None]:
    while not stop.wait(SYNC_INTERVAL_S):
        yield
    yield


def _close(descriptor: int, stop: threading.Event) -> None:
    stop.set()
    os.close(descriptor)
