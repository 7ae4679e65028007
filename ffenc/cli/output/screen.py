"""Where things are shown: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.rule import Rule
from rich.text import Text

if TYPE_CHECKING:
    from ffenc.video.run import ProgressCallback

_FILE_WIDTH = 120
"""Characters per line where the output is not a terminal, unless COLUMNS says otherwise."""

_LOG_INTERVAL_S = 60.0
"""How often a line says how far the work is, where standard error is a file."""


class StandardOutputError(Exception):
    """A result could not be written to standard output, for example because its disk is full."""


class _Console(Console):
    """Prints names as they are: no markup, no emoji codes, no colouring of things that look like numbers."""

    def __init__(self, *, stderr: bool) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = _FILE_WIDTH

    def on_broken_pipe(self) -> None:
        """Leave it to `ffenc.cli.main`, as where rich is not involved."""
        raise  # noqa: PLE0704  rich calls this while it handles the BrokenPipeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What a sub-command prints to.

    Attributes:
        out: standard output, for results.
        err: standard error, for everything else.
        as_json: results are printed as JSON.
    """

    out: Console
    err: Console
    as_json: bool

    @classmethod
    def of(cls, *, as_json: bool) -> Screen:
        """The streams of this process."""
        return cls(out=_Console(stderr=False), err=_Console(stderr=True), as_json=as_json)

    def result(self, value: Mapping[str, object], *shown: RenderableType) -> None:
        """Print a result: ``value`` as JSON, or else what is to be shown of it."""
        if self.as_json:
            self.lines(json.dumps(plain(value), indent=2, allow_nan=False))
            return
        if not shown:
            return
        if self.out.is_terminal:
            self.out.print(*shown, sep="\n")
            return
        with self.out.capture() as captured:
            self.out.print(*shown, sep="\n")
        # Tables are filled up to their width with blanks.
        self.lines("\n".join(line.rstrip() for line in captured.get().rstrip().splitlines()))

    def lines(self, text: str) -> None:
        """Print text for programs or for copying: whole lines, however long.

        Raises:
            BrokenPipeError: the reader of standard output has left.
            StandardOutputError: standard output cannot be written for another reason.
        """
        try:
            self.out.file.write(text + "\n")
            # Unwritten output would otherwise stay unnoticed until after the notes that follow it.
            self.out.file.flush()
        except BrokenPipeError:
            raise
        except OSError as err:
            raise StandardOutputError(err.strerror or str(err)) from err

    def note(self, text: str) -> None:
        """Tell people something that is not part of the result."""
        if not self.as_json:
            self.err.print(Text(visible(text)), soft_wrap=True)

    def failure(self, title: str, message: str) -> None:
        """Show why there is no result."""
        message = visible(message)
        if not self.err.is_terminal:
            self.err.print(Text(f"{title}: {message}"), soft_wrap=True)
            return
        self.err.print(Rule(Text(title, style="bold red"), align="left", style="red"))
        for line in message.splitlines():
            # A command keeps its line, however long, so that it can be copied; everything else is wrapped at words.
            self.err.print(Text(line), soft_wrap=line.startswith(("  ", "command:")))
        self.err.print(Rule(style="red"))

    @contextmanager
    def progress(
        self, label: str, *, total: int | None = None, unit: str = "frames"
    ) -> Iterator[ProgressCallback | None]:
        """A progress bar for people who watch, a line a minute in a file; None beside JSON.

        Args:
            label: what is going on.
            total: how many there are, where the library is not told.
            unit: of what.
        """
        if self.as_json:
            yield None
            return
        if not self.err.is_terminal:
            say = self._now_and_then()
            yield lambda done, in_all: say(f"{label}: {done} of {in_all or total or '?'} {unit}")
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            _Rate(unit),
            TimeRemainingColumn(compact=True),
        )
        with Progress(*columns, console=self.err, transient=True, expand=True) as bar:
            task = bar.add_task(label, total=total)

            def report(done: int, in_all: int | None) -> None:
                bar.update(task, completed=done, total=in_all if in_all is not None else total)

            yield report

    @contextmanager
    def steps(self) -> Iterator[Callable[[int, int, str], None] | None]:
        """As `progress`, for long work in steps: which one runs now, and how long the rest will take.

        Yields:
            What takes (steps done, steps in all, what runs now); None beside JSON.
        """
        if self.as_json:
            yield None
            return
        if not self.err.is_terminal:
            say = self._now_and_then()
            yield lambda done, total, label: say(f"{done} of {total}: {label}")
            return
        columns = (
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.description}"),
        )
        # Steps take seconds each and differ much, so the time left is reckoned from a long past.
        with Progress(*columns, console=self.err, transient=True, speed_estimate_period=600) as bar:
            task = bar.add_task("starting", total=None)

            def report(done: int, total: int, label: str) -> None:
                bar.update(task, completed=done, total=total, description=label)

            yield report

    def _now_and_then(self) -> Callable[[str], None]:
        last = time.monotonic()

        def say(text: str) -> None:
            nonlocal last
            if time.monotonic() - last >= _LOG_INTERVAL_S:
                last = time.monotonic()
                self.note(text)

        return say


class _Rate(ProgressColumn):
    """Frames (or whatever it is) per second of work, not of video."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(
            "" if speed is None else f"{speed:.{0 if speed >= 10 else 1}f} {self._unit}/s", style="progress.data.speed"
        )


def plain(value: Any) -> Any:
    """A value as JSON has it: exact rates and times are texts (``"30000/1001"``), as FFmpeg writes them."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump())
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return str(value) if isinstance(value, Path | Fraction) else value


def visible(text: str) -> str:
    """The text with control characters as escapes, so that the name of a file cannot steer the terminal."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda match: f"\\x{ord(match[0]):02x}", text)


def prepare_standard_streams() -> None:
    """Make standard streams safe to use: closed ones discard what is written, and any file name can be printed.

    Without the first, the next file that is opened would get the number of the closed stream, and results would be
    written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
