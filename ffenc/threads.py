"""Start operating system threads, and report the limit that prevents it.

All threads of ffenc start here.  Libraries that replace threads with cooperative ones (gevent, eventlet) are refused: a child
process would wait for a thread that never runs.
"""

from __future__ import annotations

import _thread
import os
import queue
import resource
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from ffenc.errors import ThreadStartError

_COOPERATIVE = {
    "gevent": "gevent.monkey.patch_all(thread=False, queue=False, select=False, os=False, subprocess=False)",
    "eventlet": "eventlet.monkey_patch(thread=False, select=False, os=False, subprocess=False)",
}
"""Libraries that replace threads, with the call that replaces only the rest."""

_GATE_POLL_S = 0.2
_PIDS_MAX = Path("/sys/fs/cgroup/pids.max")


def require_threads() -> None:
    """Raise an error if threads are cooperative.

    Raises:
        ThreadStartError: a library has replaced functions that threads and child processes need.
    """
    used = (
        (_thread, "start_new_thread"),
        (threading, "Lock"),
        (queue, "SimpleQueue"),
        (select, "select"),
        (os, "waitpid"),
        (sys.modules.get("subprocess"), "Popen"),
    )
    for module, name in used:
        if module is None:
            continue
        library = str(getattr(getattr(module, name), "__module__", "")).partition(".")[0]
        if library in _COOPERATIVE:
            raise ThreadStartError(
                f"{library} has replaced {module.__name__}.{name}, but ffenc needs threads of the operating system: run ffenc in "
                f"a separate process (such as its command line), or patch with {_COOPERATIVE[library]}"
            )


def start_thread(thread: threading.Thread) -> None:
    """Start a thread.

    Raises:
        ThreadStartError: the system refuses to start it, or a library has replaced threads.
    """
    require_threads()
    with limits_reported(thread.name):
        thread.start()


class Gate:
    """Opens once, for all who wait.  Unlike `threading.Event`, an interrupt of a wait leaves it intact."""

    def __init__(self) -> None:
        self.is_open = False
        self._lock = _thread.allocate_lock()  # locked until it is open
        self._lock.acquire()

    def open(self) -> None:
        """Open it; a second call does nothing."""
        if not self.is_open:
            self.is_open = True
            self._lock.release()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is open; return whether it is."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self.is_open:
            left = _GATE_POLL_S if deadline is None else min(_GATE_POLL_S, deadline - time.monotonic())
            if left <= 0:
                return False
            if self._lock.acquire(timeout=left):  # an interrupt here would keep it locked, so others look at `is_open`
                self._lock.release()
        return True


class PromptThread:
    """A daemon thread whose start does not wait until it runs, which takes long on a busy machine.

    Args:
        work: runs in the thread.
        name: name of the thread.
        on_failure: called, from another thread, if the system refuses the thread.

    Attributes:
        error: why the system refused it.
    """

    def __init__(
        self, work: Callable[[], None], *, name: str, on_failure: Callable[[ThreadStartError], None] = lambda _: None
    ) -> None:
        self._thread = threading.Thread(target=work, name=name, daemon=True)
        self._on_failure: Callable[[ThreadStartError], None] | None = on_failure
        self.error: ThreadStartError | None = None
        self._is_starting = False
        self._claim = _thread.allocate_lock()
        self._has_begun = Gate()  # or was refused

    def start(self) -> None:
        """Start it.  A second call does nothing, also after an interrupt of the first.

        Raises:
            ThreadStartError: see `start_thread`.
        """
        if self._is_starting:
            return
        require_threads()
        with limits_reported(self._thread.name):
            _thread.start_new_thread(self._start, ())
        self._is_starting = True

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for its end; returns at once if it was not started."""
        if self._is_starting and self._has_begun.wait(timeout_s) and self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _start(self) -> None:
        if not self._claim.acquire(blocking=False):
            return
        try:
            start_thread(self._thread)
        except ThreadStartError as err:
            self.error = err
            if self._on_failure is not None:
                self._on_failure(err)
        finally:
            self._on_failure = None  # its owner often owns this thread: no cycle must keep both in memory
            self._has_begun.open()


class ThreadPool(ThreadPoolExecutor):
    """A pool that works with fewer threads if the system refuses some, and reports the limit if it refuses all.

    If its ``with`` block ends with an exception, waiting tasks are cancelled, and running ones end at `stop_if_unwanted`.

    Raises:
        ThreadStartError: a library has replaced threads; or, from `submit`, the system refuses the first thread.
    """

    def __init__(self, max_workers: int, *, thread_name_prefix: str = "") -> None:
        require_threads()
        self._unwanted = False
        super().__init__(max_workers, thread_name_prefix=thread_name_prefix, initializer=self._mark_thread)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._unwanted = kind is not None
        self.shutdown(wait=True, cancel_futures=self._unwanted)

    def _mark_thread(self) -> None:
        _this_thread.is_unwanted = lambda: self._unwanted

    def _adjust_thread_count(self) -> None:
        try:
            with limits_reported(f"a pool of {self._max_workers}"):
                super()._adjust_thread_count()  # private: a test fails if it is renamed
        except ThreadStartError:
            if not self._threads:
                raise


_this_thread = threading.local()


def stop_if_unwanted() -> None:
    """End the current task of a `ThreadPool` if its result is no longer needed; long tasks call this regularly.

    Raises:
        CancelledError: the ``with`` block of the pool ended with an exception.
    """
    is_unwanted = getattr(_this_thread, "is_unwanted", None)
    if is_unwanted is not None and is_unwanted():
        raise CancelledError


@contextmanager
def limits_reported(what: str) -> Iterator[None]:
    """Convert the interpreter's error about a thread that did not start to one that names the limits.

    Args:
        what: purpose of the thread, for the message.

    Raises:
        ThreadStartError: a thread could not be started in the block.
    """
    try:
        yield
    except RuntimeError as err:
        if "new thread" not in str(err):
            raise
        raise ThreadStartError(
            f"the system refuses a thread for {what}: {err}. This process has {threading.active_count()} threads"
            f"{''.join(f'; {limit}' for limit in _limits())}. Raise the limit, or use fewer cameras, workers or encoder threads"
        ) from err


def _limits() -> Iterator[str]:
    """Yield descriptions of the limits that may be the reason."""
    kinds = (
        ("RLIMIT_NPROC", "processes and threads of this user", "ulimit -u"),
        ("RLIMIT_AS", "bytes of address space", "ulimit -v"),
    )
    for name, what, command in kinds:
        number = getattr(resource, name, None)
        if number is not None and (limit := resource.getrlimit(number)[0]) != resource.RLIM_INFINITY:
            yield f"its limit is {limit} {what} ({command})"
    try:
        allowed = _PIDS_MAX.read_text(encoding="ascii").strip()
    except OSError:
        return
    if allowed != "max":
        yield f"the limit of its control group is {allowed} (pids.max)"
