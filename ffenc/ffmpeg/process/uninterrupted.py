"""Make something that must not be lost half made, when any moment may bring a Ctrl-C."""

from __future__ import annotations

import _thread
from collections.abc import Callable
from typing import Generic, TypeVar

from ffenc.errors import ThreadStartError
from ffenc.threads import limits_reported, require_threads

T = TypeVar("T")

_UNDO_WAIT_S = 1.0


def make_uninterrupted(make: Callable[[], T], undo: Callable[[T], None]) -> T:
    """Make it in a thread of its own, because signal handlers run in the main thread only.

    One that raises (KeyboardInterrupt) in the middle of ``subprocess.Popen`` would leave a child that nobody
    knows.  Here it raises out of the waiting, and what was made is undone.

    Args:
        make: what to do; what it raises is raised here.
        undo: how to put away what nobody will get.

    Raises:
        ThreadStartError: no thread could be started.
    """
    job = _Job(make, undo)
    require_threads()
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


class _Job(Generic[T]):
    """What is made, and whether anybody still wants it.

    Bare locks and threads: an interrupt inside `threading.Event`, which `threading.Thread.start` uses as well, can leave
    its inner lock taken for ever (seen on 3.10).
    """

    def __init__(self, make: Callable[[], T], undo: Callable[[T], None]) -> None:
        self._make = make
        self._undo = undo
        self._fate = _thread.allocate_lock()
        self._abandoned = False
        self.done = _thread.allocate_lock()  # taken until the work is over
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
        except BaseException as err:  # it crosses to the thread that waits
            self.error = err
        finally:
            self.done.release()

    def abandon(self) -> None:
        """Undo what was or will be made; it usually is there in a moment, and then this thread does it."""
        if not self.made and self.error is None:
            self.done.acquire(timeout=_UNDO_WAIT_S)
        with self._fate:
            self._abandoned = True
            made = list(self.made)
        for thing in made:
            self._undo(thing)
