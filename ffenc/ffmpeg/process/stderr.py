"""Keep the last lines of a child's standard error, bounded and safe to print."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Sequence

TAIL_LINES = 60
TAIL_BYTES = 16 * 1024
LINE_BYTES = 8 * 1024  # ffmpeg's longest ordinary line is its configuration, about 3 KiB
MATCHES_KEPT = 100

# The lines are printed in exceptions, logs and terminals, where escape sequences could do harm.
_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], "\N{REPLACEMENT CHARACTER}")
_CONTROLS.pop(ord("\t"))


class StderrTail:
    r"""Split a stream of bytes into lines and keep the last ones.

    A carriage return rewrites its line, as on a terminal, so that many status updates count as one line.  Bytes that are
    not UTF-8, and control characters, become U+FFFD.  A line is cut after 8 KiB.  One thread may feed while others read.

    Args:
        max_lines: number of lines kept.
        max_bytes: bytes kept, over all lines.
        patterns: the first 100 lines that match one of these are kept in `matches`, also if they were rewritten.
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
        self._times: deque[float] = deque()  # when each line was complete
        self._size_bytes = 0
        self._unfinished = b""
        self._matches: list[str] = []

    def feed(self, chunk: bytes) -> None:
        """Receive the next bytes, which may end anywhere, even within a character."""
        with self._lock:
            *complete, unfinished = (self._unfinished + chunk).split(b"\n")
            # Without patterns, only the lines that will be kept need to be processed.
            for line in complete if self._patterns else complete[-self._max_lines :]:
                self._keep(self._shown(line))
            shown = self._shown(unfinished)
            # One byte more than the limit shows later that the line was cut.
            self._unfinished = shown[: LINE_BYTES + 1] + (b"\r" if unfinished.endswith(b"\r") else b"")

    def end(self) -> None:
        """Receive the end of the data: an unfinished last line becomes a line."""
        with self._lock:
            if self._unfinished:
                self._keep(self._shown(self._unfinished))
                self._unfinished = b""

    @property
    def text(self) -> str:
        """All kept lines, including the unfinished one, without a final newline."""
        with self._lock:
            kept = [*self._lines, self._unfinished.rstrip(b"\r")]
        return "\n".join(_printable(line) for line in kept).rstrip()

    def lines_since(self, time_s: float) -> list[str]:
        """Return the kept lines that were complete at this time of ``time.monotonic`` or later."""
        with self._lock:
            kept = [line for line, when in zip(self._lines, self._times, strict=True) if when >= time_s]
        return [_printable(line) for line in kept]

    @property
    def last_words(self) -> str:
        """The end of `text`: at most 60 lines and 16 Ki characters, for an error message."""
        return "\n".join(self.text[-TAIL_BYTES:].splitlines()[-TAIL_LINES:])

    @property
    def matches(self) -> tuple[str, ...]:
        """Lines that match a pattern, oldest first, at most 100."""
        with self._lock:
            return tuple(self._matches)

    def _shown(self, line: bytes) -> bytes:
        """Return what a terminal would show of a line; rewritten text is only compared with the patterns."""
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
        self._times.append(time.monotonic())
        self._size_bytes += len(line) + 1
        while len(self._lines) > self._max_lines or self._size_bytes > self._max_bytes:
            self._size_bytes -= len(self._lines.popleft()) + 1
            self._times.popleft()

    def _look_at(self, line: bytes) -> None:
        if not line or not self._patterns or len(self._matches) >= MATCHES_KEPT:
            return
        text = _printable(line[:LINE_BYTES])
        if any(pattern.search(text) for pattern in self._patterns):
            self._matches.append(text)


def _printable(line: bytes) -> str:
    return line.decode(errors="replace").translate(_CONTROLS)
