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

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_AGAIN_AFTER_S = 0.01


@contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise `SystemExit` (128 + number), as Ctrl-C raises `KeyboardInterrupt`.

    By default they end Python at once, without ending ffmpeg and removing its file.  Signals that the parent process ignores
    (nohup) stay ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handled = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, _end) for number in handled}
    hook = sys.unraisablehook
    sys.unraisablehook = partial(_raise_again, otherwise=hook)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in previous.items():
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _raise_again(unraisable: UnraisableHookArgs, *, otherwise: Callable[[UnraisableHookArgs], object]) -> None:
    """Repeat a signal whose exception Python dropped.

    Python only prints exceptions in finalizers and in callbacks of weak references.  If a signal arrives there (seen in
    ``_weakrefset``, when a thread ends), the program would ignore it.
    """
    error = unraisable.exc_value
    if isinstance(error, KeyboardInterrupt):
        number = signal.SIGINT
    elif isinstance(error, SystemExit) and isinstance(error.code, int):
        number = signal.Signals(error.code - 128)
    else:
        otherwise(unraisable)
        return
    # From another thread and a little later, because here it would be dropped again; without threading's locks, which
    # the interrupted code may hold.
    _thread.start_new_thread(_repeat, (number,))


def _repeat(number: signal.Signals) -> None:
    time.sleep(_AGAIN_AFTER_S)
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    signal.pthread_kill(main_thread, number)  # which also interrupts a wait
