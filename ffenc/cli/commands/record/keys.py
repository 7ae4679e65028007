"""Read the keys that control a recording from the terminal, without waiting for them."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from enum import Enum
from types import TracebackType
from typing import Any

_ESCAPE = b"\x1b"
# The bytes of an arrow key arrive together, except over a slow connection.
_ESCAPE_ALONE_S = 0.05


class Key(Enum):
    """A key of ``lerobot-record``."""

    NEXT = "right arrow"
    AGAIN = "left arrow"
    STOP = "Escape"


_SEQUENCES = {b"\x1b[C": Key.NEXT, b"\x1bOC": Key.NEXT, b"\x1b[D": Key.AGAIN, b"\x1bOD": Key.AGAIN}


class Keys:
    """Keys that are pressed while it is entered; Ctrl-C still sends its signal.

    Without a terminal on standard input, or in the background, no key is read.

    Args:
        wanted: False reads no key.

    Attributes:
        is_active: whether keys are read.
    """

    def __init__(self, *, wanted: bool = True) -> None:
        self._wanted = wanted
        self._descriptor = -1
        self._before: list[Any] = []
        self._held = b""
        self._held_since = 0.0
        self.is_active = False

    def __enter__(self) -> Keys:
        if self._wanted and sys.stdin is not None and sys.stdin.isatty():
            self._descriptor = sys.stdin.fileno()
            if _is_in_foreground(self._descriptor):
                self._before = termios.tcgetattr(self._descriptor)
                tty.setcbreak(self._descriptor)
                self.is_active = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_active:
            self.is_active = False
            termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, self._before)

    def drop_arrows(self) -> Key | None:
        """Drop the arrow keys that were pressed so far; return Escape if it was pressed.

        Call it before a new state is shown: an arrow means something else in each state, and Escape the same in all.
        """
        stop = None
        while (key := self.pressed()) is not None or self._held:
            if key is Key.STOP:
                stop = key
            elif key is None:
                time.sleep(_ESCAPE_ALONE_S / 10)  # the rest of a sequence may follow
        return stop

    def pressed(self) -> Key | None:
        """Return the next key that was pressed; None if there is none.  Other keys are ignored."""
        if not self.is_active:
            return None
        if select.select([self._descriptor], [], [], 0)[0]:
            self._held += os.read(self._descriptor, 64)
            self._held_since = time.monotonic()
        while self._held:
            key, length = _parse(self._held, is_complete=time.monotonic() - self._held_since > _ESCAPE_ALONE_S)
            if not length:
                return None  # the rest of a sequence may follow
            self._held = self._held[length:]
            if key is not None:
                return key
        return None


def _parse(held: bytes, *, is_complete: bool) -> tuple[Key | None, int]:
    """Return the first key and its number of bytes; 0 bytes if more may follow."""
    if held[:1] != _ESCAPE:
        return None, 1
    if held[:3] in _SEQUENCES:
        return _SEQUENCES[held[:3]], 3
    if held[1:2] not in (b"[", b"O", b""):
        return Key.STOP, 1
    if len(held) > 2:  # another sequence, such as an up arrow
        return None, 3
    if not is_complete:
        return None, 0
    return (Key.STOP, 1) if held == _ESCAPE else (None, len(held))


def _is_in_foreground(terminal: int) -> bool:
    """Return whether this process may read the terminal; False if it is not its controlling terminal."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
