"""Ctrl-C as a request that a running episode answers, instead of an exception in the middle of it."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_GIVE_UP_AT = 3


class Interrupts:
    """Counts SIGINT while it is entered: once asks for an end, twice takes that back what would be saved.

    The third raises `KeyboardInterrupt`, for work that does not come to an end by itself.  Outside of the main thread
    nothing can be caught, and nothing is.

    Attributes:
        count: how often it came.
    """

    def __init__(self) -> None:
        self.count = 0
        self._previous: Any = None

    def came(self) -> bool:
        """Whether it came at all."""
        return self.count >= 1

    def came_again(self) -> bool:
        """Whether it came twice."""
        return self.count >= 2

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        # No lock and no event: this runs in the middle of whatever the main thread does, which may hold its lock.
        self.count += 1
        if self.count >= _GIVE_UP_AT:
            raise KeyboardInterrupt
