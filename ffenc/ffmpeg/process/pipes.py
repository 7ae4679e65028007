"""This process's ends of the pipes to a child: they never block for long, and no fork keeps them."""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeAlias, cast
from weakref import WeakSet

from ffenc.errors import FrameError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    import numpy.typing as npt
    from typing_extensions import Buffer

    # Before Python 3.12 numpy does not declare that its arrays are buffers.
    Bytes: TypeAlias = Buffer | npt.NDArray[Any]

logger = logging.getLogger(__name__)

PIPE_BYTES = 1024 * 1024
"""Requested size of a data pipe; it doubled the throughput of Linux' default of 64 KiB (measured)."""

_DRAIN_BYTES = 64 * 1024
_DRAIN_POLL_S = 0.2


class PipeEnd:
    """One non-blocking end of a pipe.

    Every operation holds the lock for at most one short wait, so that another thread can close it at any moment without
    the descriptor being reused during a call.

    Args:
        file: the unbuffered file object that ``subprocess`` made; this object takes ownership of it.
        events: event to wait for, ``select.POLLIN`` or ``select.POLLOUT``.
        large: request a buffer of 1 MiB.
    """

    def __init__(self, file: IO[bytes], events: int, *, large: bool = False) -> None:
        self._file = file
        self._lock = threading.RLock()
        self._poll = select.poll()
        self._poll.register(file.fileno(), events)
        os.set_blocking(file.fileno(), False)
        if large and sys.platform == "linux":
            try:
                fcntl.fcntl(file.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            except OSError as err:  # EPERM: this user's limit of pipe memory is reached
                logger.debug("a pipe keeps its size, which is only slower: %s", err)
        _open_ends.add(self)

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._file.closed

    def write_some(self, view: memoryview, wait_s: float) -> int | None:
        """Wait up to ``wait_s`` seconds for space, and write what fits.

        Returns:
            Bytes written, or None if there was no space.

        Raises:
            BrokenPipeError: the other end or this end was closed.
        """
        return self._transfer(self._file.write, view, wait_s)

    def read_some(self, view: memoryview, wait_s: float) -> int | None:
        """Wait up to ``wait_s`` seconds for data, and read what is available.

        Returns:
            Bytes read, 0 at end of file, or None if there was no data.

        Raises:
            BrokenPipeError: this end was closed.
        """
        return self._transfer(self._file.readinto, view, wait_s)  # type: ignore[attr-defined]  # it is a FileIO

    def fileno(self) -> int:
        """Descriptor, -1 once it was closed."""
        try:
            return self._file.fileno()
        except ValueError:
            return -1

    def close(self) -> None:
        """Close; a second call does nothing."""
        with self._lock:
            self._file.close()
        _open_ends.discard(self)

    def close_after_fork(self) -> None:
        """Close in a forked child without the lock, which a thread that no longer exists may hold."""
        self._file.close()

    def _transfer(self, some: Callable[[memoryview], int | None], view: memoryview, wait_s: float) -> int | None:
        with self._lock:
            if self._file.closed:
                raise BrokenPipeError("this end of the pipe was closed")
            if wait_s and not self._poll.poll(wait_s * 1000):
                return None
            try:
                return some(view)
            except ValueError as err:
                raise BrokenPipeError("a signal handler closed this end of the pipe meanwhile") from err


def wait_for_either(writable: PipeEnd | None, readable: PipeEnd, wait_s: float) -> None:
    """Wait up to ``wait_s`` seconds until one pipe has room or the other has bytes; an end that is closed counts as ready."""
    poll = select.poll()
    for end, events in ((writable, select.POLLOUT), (readable, select.POLLIN)):
        if end is not None:
            descriptor = end.fileno()
            if descriptor < 0:
                return
            poll.register(descriptor, events)
    poll.poll(wait_s * 1000)


def flat_view(buffer: Bytes) -> memoryview:
    """Return the bytes of a C-contiguous buffer of any shape and item type, without a copy.

    Raises:
        FrameError: it is not such a buffer.
    """
    expected = "a C-contiguous buffer"
    try:
        view = memoryview(cast("Buffer", buffer))
        if view.c_contiguous:
            return view.cast("B") if view.nbytes else memoryview(b"")
        seen = f"strides {view.strides} for shape {view.shape}"
    except (TypeError, ValueError, BufferError) as err:
        seen = type(buffer).__name__
        raise FrameError(f"{seen} cannot go through a pipe: {err}", expected=expected, seen=seen) from err
    what = f"a buffer with {seen} is not C-contiguous and would be sent scrambled; use numpy.ascontiguousarray"
    raise FrameError(what, expected=expected, seen=seen)


class Sink(Protocol):
    """The receiver of a `Drain`."""

    def feed(self, chunk: bytes) -> None:
        """Receive the next bytes."""

    def end(self) -> None:
        """Receive the end of the data."""


class Drain(threading.Thread):
    """A daemon thread that empties a pipe into a sink until end of file, then closes it.

    Args:
        pipe: the end to read from, owned by the thread.
        sink: receives the bytes.
        on_error: called when the sink raises; reading then stops.

    Attributes:
        error: what the sink raised.
    """

    def __init__(self, pipe: PipeEnd, sink: Sink, *, name: str, on_error: Callable[[], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._pipe = pipe
        self._sink = sink
        self._on_error = on_error
        self._stopping = False
        self._ended = threading.Event()
        self._view = memoryview(bytearray(_DRAIN_BYTES))
        self._feeding = threading.Lock()
        self.error: BaseException | None = None

    def run(self) -> None:
        """Empty the pipe."""
        try:
            self._pour()
            self._sink.end()
        except BaseException as err:  # raised again in the thread that owns the child
            self.error = err
            self._on_error()
        finally:
            self._pipe.close()
            self._ended.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait at most ``timeout_s`` seconds for its end, and return whether it has ended.

        Unlike ``join`` this can be interrupted safely: up to 3.12 an interrupted ``join`` marks a running thread as ended.
        """
        return self._ended.wait(timeout_s)

    def settle(self, linger_s: float) -> None:
        """Wait at most ``linger_s`` seconds for end of file, then stop the thread.

        A process that the child started may still hold the pipe.  Called from the thread itself (a callback that aborts),
        this does nothing.
        """
        if threading.current_thread() is self:
            return
        if self.ident is None:  # it could not be started
            self._pipe.close()
            return
        if not self.wait(linger_s):
            self._stopping = True
            if not self.wait(2 * _DRAIN_POLL_S):
                logger.warning("%s is still busy in a callback", self.name)
                return
        self.join()

    def catch_up(self) -> None:
        """Return when the sink has received every byte that is in the pipe at the call."""
        try:
            while self._pass_on() == len(self._view):  # fewer bytes: the pipe was empty then
                pass
        except BrokenPipeError:  # it ended, and the pipe is closed
            return

    def _pour(self) -> None:
        while not self._stopping:
            # Wait without the lock, which `catch_up` needs at once.
            wait_for_either(None, self._pipe, _DRAIN_POLL_S)
            if self._pass_on() == 0:
                return

    def _pass_on(self) -> int | None:
        """Read what is available and feed it, as one step; return as `PipeEnd.read_some`."""
        with self._feeding:
            count = self._pipe.read_some(self._view, 0)
            if count:
                self._sink.feed(bytes(self._view[:count]))
            return count


# Both starting a child and os.fork hold this lock.  Otherwise a fork between the creation of a pipe and its entry here
# would keep a copy of the child's end, and there would be no end of file.
start_lock = threading.RLock()
_open_ends: WeakSet[PipeEnd] = WeakSet()


def _after_fork_in_child() -> None:
    for end in list(_open_ends):
        end.close_after_fork()
    _open_ends.clear()
    start_lock.release()


if sys.platform != "win32":
    os.register_at_fork(
        before=start_lock.acquire, after_in_parent=start_lock.release, after_in_child=_after_fork_in_child
    )
