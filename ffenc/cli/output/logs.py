"""Print log records on standard error: their first lines, or all of them with ``--verbose``."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from ffenc.cli.output.results import count_text
from ffenc.cli.output.screen import visible

_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}


class _Lines(logging.Handler):
    """Prints through the console, which keeps a progress bar below the lines."""

    def __init__(self, console: Console, *, verbose: bool) -> None:
        super().__init__()
        self._console = console
        self._verbose = verbose

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        try:
            head = f"{record.levelname.lower()}: "
            if record.levelno < logging.INFO:
                head += f"{record.name}: "
            message = visible(record.getMessage())
            first, *rest = message.split("\n")
            if rest and not self._verbose:  # the command and the output of a process
                message = f"{first} (--verbose shows {count_text(len(rest), 'more line')})"
            text = Text(head, style=_STYLES.get(record.levelname, "dim"))
            self._console.print(text.append(message, style="none"), soft_wrap=True)
        except Exception:
            # A line that cannot be printed must not end the work.
            self.handleError(record)


@contextmanager
def logging_to(console: Console, *, verbose: bool) -> Iterator[None]:
    """Print ffenc's log records from WARNING on, or all of them."""
    logger = logging.getLogger("ffenc")
    handler, level = _Lines(console, verbose=verbose), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
