"""The only place where log records get a handler: one readable line each, on standard error."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from ffenc.cli.output.screen import visible

_LONGEST = 200  # characters; the reasons of a fall-back to software are ten times as many
_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}


class _Lines(logging.Handler):
    """Prints through the console, which keeps a progress bar below what is printed."""

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
            # As every handler does: a line that cannot be shown must not end the work.
            self.handleError(record)


@contextmanager
def logging_to(console: Console, *, verbose: bool) -> Iterator[None]:
    """Show what ffenc logs, from WARNING on, or everything."""
    logger = logging.getLogger("ffenc")
    handler, level = _Lines(console, longest=None if verbose else _LONGEST), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
