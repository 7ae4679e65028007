"""The last words of a child: bounded, however much it writes to standard error and whatever is in it."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Sequence

TAIL_LINES = 60
TAIL_BYTES = 16 * 1024
LINE_BYTES = 8 * 1024  # ffmpeg's longest ordinary line is its configuration, about 3 KiB
MATCHES_KEPT = 100

# These texts end up in exceptions, logs and terminals, where escape sequences could do mischief.
_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], "\N{REPLACEMENT CHARACTER}")
_CONTROLS.pop(ord("\t"))


class StderrTail:
    r"""Collect a stream of bytes as lines and keep only the newest of them.

    A carriage return rewrites its line, as on a terminal, so that ten thousand status updates count as one
    line.  Bytes that are not UTF-8, and control characters, become U+FFFD.  A line is cut after 8 KiB.  One
    thread may feed while others read.

    Args:
        max_lines: lines kept; older ones are forgotten.
        max_bytes: bytes kept, over all lines.
        patterns: a line in which one of these is found is kept in `matches` even when it scrolls out of the
            tail, as is a line that was rewritten; the first 100 of them.
    """

    def __init__(
        self,
        *,
        max_lines: int = TAIL_LINES,
        max_bytes: int = TAIL_BYTES,
        patterns: Sequence[re.Pattern[str]] = (),
    ) -> None:
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._patterns = tuple(patterns)
        self._lock = threading.Lock()
        self._lines: deque[bytes] = deque()
        self._size_bytes = 0
        self._unfinished = b""
        self._matches: list[str] = []

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; they may end anywhere, even inside a character."""
        with self._lock:
            *complete, unfinished = (self._unfinished + chunk).split(b"\n")
            # Of a flood, only what will be kept is worth the time, unless every line has to be looked at.
            for line in complete if self._patterns else complete[-self._max_lines :]:
                self._keep(self._shown(line))
            shown = self._shown(unfinished)
            # One byte more than a line may have is enough to know later that it was cut.
            self._unfinished = shown[: LINE_BYTES + 1] + (b"\r" if unfinished.endswith(b"\r") else b"")

    def end(self) -> None:
        """Say that nothing more will come: an unfinished last line becomes a line."""
        with self._lock:
            if self._unfinished:
                self._keep(self._shown(self._unfinished))
                self._unfinished = b""

    @property
    def text(self) -> str:
        """Everything that is kept, the unfinished line included, without a final newline."""
        with self._lock:
            kept = [*self._lines, self._unfinished.rstrip(b"\r")]
        return "\n".join(_printable(line) for line in kept).rstrip()

    @property
    def last_words(self) -> str:
        """The end of `text`: at most 60 lines and 16 Ki characters, for an error message."""
        return "\n".join(self.text[-TAIL_BYTES:].splitlines()[-TAIL_LINES:])

    @property
    def matches(self) -> tuple[str, ...]:
        """Lines in which a pattern was found, oldest first, at most 100."""
        with self._lock:
            return tuple(self._matches)

    def _shown(self, line: bytes) -> bytes:
        """What a terminal would still show of a line; what was rewritten is only looked at."""
        shown = b""
        for text in line.split(b"\r"):
            if text:
                self._look_at(shown)
                shown = text
        return shown

    def _keep(self, line: bytes) -> None:
        self._look_at(line)
        if len(line) > LINE_BYTES:
            line = line[:LINE_BYTES] + b" [...]"
        self._lines.append(line)
        self._size_bytes += len(line) + 1
        while len(self._lines) > self._max_lines or self._size_bytes > self._max_bytes:
            self._size_bytes -= len(self._lines.popleft()) + 1

    def _look_at(self, line: bytes) -> None:
        if not line or not self._patterns or len(self._matches) >= MATCHES_KEPT:
            return
        text = _printable(line[:LINE_BYTES])
        if any(pattern.search(text) for pattern in self._patterns):
            self._matches.append(text)


def _printable(line: bytes) -> str:
    return line.decode(errors="replace").translate(_CONTROLS)
