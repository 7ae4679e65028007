"""A request to end becomes an exception, so that whatever is half done is removed on the way out."""

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
    """SIGTERM and SIGHUP raise `SystemExit` (128 + number), as Ctrl-C raises `KeyboardInterrupt`.

    Without it they end Python at once, and with it the chance to end ffmpeg and to remove its file.  A signal that the
    caller ignores (nohup) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heeded = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, _end) for number in heeded}
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

    Whatever is raised in a finaliser or in the callback of a weak reference is only printed.  A signal can arrive just
    there (seen in ``_weakrefset``, when a thread ends), and then the work would go on as if nothing had been said.
    """
    error = unraisable.exc_value
    if isinstance(error, KeyboardInterrupt):
        number = signal.SIGINT
    elif isinstance(error, SystemExit) and isinstance(error.code, int):
        number = signal.Signals(error.code - 128)
    else:
        otherwise(unraisable)
        return
    # From another thread and a little later, for it would be dropped again in here; without threading's locks, which
    # the interrupted code may hold.
    _thread.start_new_thread(_repeat, (number,))


def _repeat(number: signal.Signals) -> None:
    time.sleep(_AGAIN_AFTER_S)
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    signal.pthread_kill(main_thread, number)  # which also wakes it, if it waits for something
