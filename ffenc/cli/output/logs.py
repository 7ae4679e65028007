"""Print log records on standard error, one line each."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from ffenc.cli.output.screen import visible

_LONGEST = 200  # characters; the reasons for a fallback to software are ten times longer
_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}


class _Lines(logging.Handler):
    """Prints through the console, which keeps a progress bar below the lines."""

    def __init__(self, console: Console, *, longest: int | None) -> None:
        super().__init__()
        self._console = console
        self._longest = longest

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        try:
            head = f"{record.levelname.lower()}: "
            if record.levelno < logging.INFO:
                head += f"{record.name}: "
            message = visible(record.getMessage())
            if self._longest and len(message) > self._longest:
                message = message[: self._longest] + "... (--verbose shows all of it)"
            text = Text(head, style=_STYLES.get(record.levelname, "dim"))
            self._console.print(text.append(message, style="none"), soft_wrap=True)
        except Exception:
            # A line that cannot be printed must not end the work.
            self.handleError(record)


@contextmanager
def logging_to(console: Console, *, verbose: bool) -> Iterator[None]:
    """Print ffenc's log records from WARNING on, or all of them."""
    logger = logging.getLogger("ffenc")
    handler, level = _Lines(console, longest=None if verbose else _LONGEST), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
