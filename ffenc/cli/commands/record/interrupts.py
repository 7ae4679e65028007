"""Count signals during an episode, instead of raising exceptions in the middle of it."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_GIVE_UP_AT = 3
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Counts signals while it is entered.

    The first SIGINT ends the episode, the second discards it, and the third raises `KeyboardInterrupt`, in case the work
    does not end.  The first SIGTERM or SIGHUP ends the episode, which is saved; the second raises `SystemExit`.  Signals
    that the parent process ignores (nohup) stay ignored.  Outside the main thread no signal is handled.

    Attributes:
        count: number of SIGINTs.
        ended_by: the SIGTERM or SIGHUP that was received, if any.
    """

    def __init__(self) -> None:
        self.count = 0
        self.ended_by: int | None = None
        self._previous: dict[int, Any] = {}

    def came(self) -> bool:
        """Return whether a signal was received."""
        return self.count >= 1 or self.ended_by is not None

    def came_again(self) -> bool:
        """Return whether SIGINT was received twice."""
        return self.count >= 2

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            handled = [number for number in _ENDINGS if signal.getsignal(number) is not signal.SIG_IGN]
            self._previous = {number: signal.signal(number, self._note) for number in (signal.SIGINT, *handled)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        # No lock and no event: the interrupted code of the main thread may hold its lock.
        if number == signal.SIGINT:
            self.count += 1
            if self.count >= _GIVE_UP_AT:
                raise KeyboardInterrupt
        elif self.ended_by is None:
            self.ended_by = number
        else:
            raise SystemExit(128 + number)
