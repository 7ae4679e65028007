"""Raise an exception at any bytecode instruction of chosen modules, as a signal handler may."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


class Interruption:
    """Raises `KeyboardInterrupt` at the n-th instruction of this thread in the given modules.

    Args:
        at: number of the instruction, from 0.
        modules: names of modules whose functions count.

    Attributes:
        seen: number of instructions so far.
        came: whether it has raised the error.
    """

    def __init__(self, at: int, modules: tuple[str, ...], error: type[BaseException] = KeyboardInterrupt) -> None:
        self.seen = 0
        self.came = False
        self._at = at
        self._modules = modules
        self._error = error

    def during(self, work: Callable[[], Any]) -> Any:
        """Do the work; raises if it was interrupted."""
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            return work()
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_globals.get("__name__") not in self._modules:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._step

    def _step(self, frame: FrameType, event: str, _: Any) -> Any:
        if event != "opcode" or self.came:
            return self._step
        self.seen += 1
        if self.seen > self._at:
            self.came = True
            raise self._error
        return self._step
