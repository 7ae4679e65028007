"""Turn signals into exceptions, so that unfinished files are removed before the program ends."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from ffenc.undisturbed import is_disturbable

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_AGAIN_AFTER_S = 0.01
_LONGEST_DELAY_S = 10.0


@contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise `SystemExit` (128 + number), and Ctrl-C `KeyboardInterrupt`, between guarded steps.

    By default SIGTERM and SIGHUP end Python at once, without ending ffmpeg and removing its file.  The exception waits until
    the end of a step that `ffenc.undisturbed` marks, for at most 10 s.  Signals that the parent process ignores (nohup) stay
    ignored.  A handler of SIGINT that is not Python's own stays in place.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    request = _Request()
    heeded = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        heeded.append(signal.SIGINT)
    previous = {number: signal.signal(number, request) for number in heeded}
    hook = sys.unraisablehook
    sys.unraisablehook = partial(_raise_again, otherwise=hook, request=request)
    try:
        yield
    finally:
        pending = request.take()
        sys.unraisablehook = hook
        for number, handler in previous.items():
            signal.signal(number, handler)
        _raise(pending)


class _Request:
    """The handler of all signals; it stores the signal whose exception was not raised yet."""

    def __init__(self) -> None:
        self._pending: int | None = None
        self._since_s = 0.0
        self._place: tuple[int, int] | None = None
        self._sending = _thread.allocate_lock()  # never taken in the handler

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._pending is None:
            self._since_s, self._place = time.monotonic(), None
        self._pending = number
        place = None if frame is None else (id(frame), frame.f_lasti)
        is_waiting, self._place = place == self._place, place
        if is_disturbable(frame, is_waiting=is_waiting) or time.monotonic() - self._since_s > _LONGEST_DELAY_S:
            self._pending = None
            _raise(number)
        else:
            self.repeat(number)

    def repeat(self, number: int) -> None:
        """Send the signal again a little later, from a thread without threading's locks, which the interrupted code may hold."""
        self._pending = number
        _thread.start_new_thread(self._send, (number,))

    def take(self) -> int | None:
        """Return the stored signal and stop sending it; None if there is none."""
        with self._sending:
            number, self._pending = self._pending, None
            return number

    def _send(self, number: int) -> None:
        time.sleep(_AGAIN_AFTER_S)
        main_thread = threading.main_thread().ident
        assert main_thread is not None
        with self._sending:
            if self._pending == number:
                signal.pthread_kill(main_thread, number)  # which also interrupts a wait


def _raise(number: int | None) -> None:
    """Raise the exception of a signal."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    if number is not None:
        raise SystemExit(128 + number)


def _raise_again(
    unraisable: UnraisableHookArgs, *, otherwise: Callable[[UnraisableHookArgs], object], request: _Request
) -> None:
    """Repeat a signal whose exception Python dropped.

    Python only prints exceptions in finalizers and in callbacks of weak references.  If a signal arrives there (seen in
    ``_weakrefset``, when a thread ends), the program would ignore it.
    """
    error = unraisable.exc_value
    if isinstance(error, KeyboardInterrupt):
        request.repeat(signal.SIGINT)
    elif isinstance(error, SystemExit) and isinstance(error.code, int):
        request.repeat(error.code - 128)
    else:
        otherwise(unraisable)
