"""Signals as requests that a running episode answers, instead of exceptions in the middle of it."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_GIVE_UP_AT = 3
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Counts signals while it is entered.

    The first SIGINT asks for an end and the second one to discard what would be saved; the third raises
    `KeyboardInterrupt`, for work that does not come to an end by itself.  The first SIGTERM or SIGHUP asks for an end, and
    what was recorded is saved; the next one raises `SystemExit`.  One that the caller ignores (nohup) stays ignored.  Outside
    of the main thread no signal can be caught, and none is.

    Attributes:
        count: how often SIGINT came.
        ended_by: the SIGTERM or SIGHUP that came; None if none did.
    """

    def __init__(self) -> None:
        self.count = 0
        self.ended_by: int | None = None
        self._previous: dict[int, Any] = {}

    def came(self) -> bool:
        """Return whether an end was asked for."""
        return self.count >= 1 or self.ended_by is not None

    def came_again(self) -> bool:
        """Return whether SIGINT came twice."""
        return self.count >= 2

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            heeded = [number for number in _ENDINGS if signal.getsignal(number) is not signal.SIG_IGN]
            self._previous = {number: signal.signal(number, self._note) for number in (signal.SIGINT, *heeded)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        # No lock and no event: this runs in the middle of whatever the main thread does, which may hold its lock.
        if number == signal.SIGINT:
            self.count += 1
            if self.count >= _GIVE_UP_AT:
                raise KeyboardInterrupt
        elif self.ended_by is None:
            self.ended_by = number
        else:
            raise SystemExit(128 + number)
