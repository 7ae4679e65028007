"""Protect the creation of an object from Ctrl-C, so that it is never lost half made."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from ffenc.errors import ThreadStartError
from ffenc.threads import limits_reported, require_threads, stop_if_unwanted

T = TypeVar("T")

_UNDO_WAIT_S = 1.0


def make_uninterrupted(make: Callable[[], T], undo: Callable[[T], None]) -> T:
    """Create an object in another thread, because signal handlers run only in the main thread.

    A KeyboardInterrupt within ``subprocess.Popen`` would leave an unknown child.  Here it interrupts the wait, and the
    object is undone.

    Args:
        make: creates the object; its exceptions are raised here.
        undo: disposes of an object that cannot be returned.

    Raises:
        ThreadStartError: no thread could be started.
        CancelledError: see `stop_if_unwanted`.
    """
    require_threads()
    stop_if_unwanted()
    job = _Job(make, undo)
    try:
        with limits_reported("starting a child process"):
            _thread.start_new_thread(job.run, ())
        job.done.acquire()
    except ThreadStartError:
        raise
    except BaseException:
        job.abandon()
        raise
    if job.error is not None:
        raise job.error
    return job.made[0]


def is_interruptible() -> bool:
    """Whether signal handlers run in this thread."""
    # Not `threading.current_thread`: it registers a thread of `make_uninterrupted`, which is never removed on 3.10.
    return _thread.get_ident() == threading.main_thread().ident


class _Job(Generic[T]):
    """The object being made, and whether it was abandoned.

    Uses bare locks and threads: an interrupt within `threading.Event`, which `threading.Thread.start` uses too, can leave
    its inner lock locked (seen on 3.10).
    """

    def __init__(self, make: Callable[[], T], undo: Callable[[T], None]) -> None:
        self._make = make
        self._undo = undo
        self._fate = _thread.allocate_lock()
        self._abandoned = False
        self.done = _thread.allocate_lock()  # locked until the work is over
        self.done.acquire()
        self.made: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            made = self._make()
            with self._fate:
                self.made.append(made)
                abandoned = self._abandoned
            if abandoned:
                self._undo(made)
        except BaseException as err:  # raised again in the waiting thread
            self.error = err
        finally:
            self.done.release()

    def abandon(self) -> None:
        """Undo what was made, after a short wait for it; if it takes longer, the other thread undoes it."""
        if not self.made and self.error is None:
            self.done.acquire(timeout=_UNDO_WAIT_S)
        with self._fate:
            self._abandoned = True
            made = list(self.made)
        for thing in made:
            self._undo(thing)
