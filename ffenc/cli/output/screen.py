"""Print results to standard output, and notes, progress and failures to standard error."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.rule import Rule
from rich.text import Text

from ffenc.cli.output.standard_streams import StandardOutputError
from ffenc.json_text import as_json
from ffenc.redaction import redacted

if TYPE_CHECKING:
    from ffenc.video.run_context import ProgressCallback

_FILE_WIDTH = 120
"""Characters per line where the output is not a terminal, unless COLUMNS says otherwise."""

_LOG_INTERVAL_S = 60.0
"""Interval of progress lines if standard error is not a terminal."""


class _Console(Console):
    """Console that prints text unchanged: no markup, no emoji codes, no highlighting of numbers."""

    def __init__(self, *, stderr: bool) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = _FILE_WIDTH

    def on_broken_pipe(self) -> None:
        """Leave the error to `ffenc.cli.main`."""
        raise  # noqa: PLE0704  rich calls this while it handles the BrokenPipeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """The output streams of a command.

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
        """Use the streams of this process."""
        return cls(out=_Console(stderr=False), err=_Console(stderr=True), as_json=as_json)

    def result(self, value: object, *shown: RenderableType) -> None:
        """Print a result: ``value`` as JSON (see `as_json`), or the ``shown`` parts for people."""
        if self.as_json:
            self.lines(json.dumps(as_json(value), indent=2, allow_nan=False))
            return
        if not shown:
            return
        if self.out.is_terminal:
            self.out.print(*shown, sep="\n")
            return
        with self.out.capture() as captured:
            self.out.print(*shown, sep="\n")
        # Tables are padded to their width with spaces.
        self.lines("\n".join(line.rstrip() for line in captured.get().rstrip().splitlines()))

    def lines(self, text: str) -> None:
        """Print text for programs or for copying; lines are never wrapped.

        Raises:
            BrokenPipeError: the reader of standard output has closed it.
            StandardOutputError: writing failed for another reason.
        """
        try:
            self.out.file.write(text + "\n")
            # Without a flush, a failure would be noticed only after the notes that follow.
            self.out.file.flush()
        except BrokenPipeError:
            raise
        except OSError as err:
            raise StandardOutputError(err.strerror or str(err)) from err

    def note(self, text: str) -> None:
        """Print a remark that is not part of the result; nothing in JSON mode."""
        if not self.as_json:
            self.err.print(Text(visible(text)), soft_wrap=True)

    def failure(self, title: str, message: str) -> None:
        """Print the reason for a failure."""
        message = visible(message)
        if not self.err.is_terminal:
            self.err.print(Text(f"{title}: {message}"), soft_wrap=True)
            return
        self.err.print(Rule(Text(title, style="bold red"), align="left", style="red"))
        for line in message.splitlines():
            # A command stays on one line so that it can be copied; other lines are wrapped.
            self.err.print(Text(line), soft_wrap=line.startswith(("  ", "command:", "next:")))
        self.err.print(Rule(style="red"))

    @contextmanager
    def progress(
        self, label: str, *, total: int | None = None, unit: str = "frames"
    ) -> Iterator[ProgressCallback | None]:
        """Show a progress bar on a terminal, or a line per minute elsewhere; yield None in JSON mode.

        Args:
            label: name of the work.
            total: number of units, if the library does not know it.
            unit: plural noun.
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
        """Show the current step of long work, and the time left.

        Yields:
            A function that takes (steps done, number of steps, label of the current step); None in JSON mode.
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
        # Steps differ much in length, so the time left is estimated over a long period.
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
    """Units per second of work (not of video)."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(
            "" if speed is None else f"{speed:.{0 if speed >= 10 else 1}f} {self._unit}/s", style="progress.data.speed"
        )


def visible(text: str) -> str:
    """Hide passwords, and escape control characters, so that a file name cannot control the terminal."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda match: f"\\x{ord(match[0]):02x}", redacted(text))
