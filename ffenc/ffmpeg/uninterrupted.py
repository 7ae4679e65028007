"""Make something that must not be lost half made, when any moment may bring a Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from ffenc.errors import ProcessStartError

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
        ProcessStartError: no thread could be started.
    """
    maker = _Maker(make, undo)
    try:
        maker.start()
        # Not join(): until 3.12 a join that is interrupted takes a running thread for ended.
        maker.done.wait()
    except RuntimeError as err:  # no more threads; or, since 3.12, the interpreter is shutting down
        raise ProcessStartError(f"no thread to start a child in: {err}", argv=()) from err
    except BaseException:
        maker.abandon()
        raise
    maker.join()
    if maker.error is not None:
        raise maker.error
    return maker.made[0]


class _Maker(threading.Thread, Generic[T]):
    def __init__(self, make: Callable[[], T], undo: Callable[[T], None]) -> None:
        super().__init__(name="start of a child", daemon=True)
        self._make = make
        self._undo = undo
        self._lock = threading.Lock()
        self._abandoned = False
        self.done = threading.Event()
        self.made: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            made = self._make()
            with self._lock:
                self.made.append(made)
                abandoned = self._abandoned
            if abandoned:
                self._undo(made)
        except BaseException as err:  # it crosses to the thread that waits
            self.error = err
        finally:
            self.done.set()

    def abandon(self) -> None:
        with self._lock:
            self._abandoned = True
        self.done.wait(_UNDO_WAIT_S)
        for made in self.made:
            self._undo(made)
