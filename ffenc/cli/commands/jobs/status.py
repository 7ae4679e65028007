"""``ffenc jobs status``: print which jobs of a list are done."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from jsonargparse import Namespace

from ffenc.cli.output.results import count_text
from ffenc.cli.output.screen import Screen, visible
from ffenc.jobs.record import job_state
from ffenc.jobs.spec import iterate_specs

_LINES_AT_ONCE = 1000


def run(arguments: Namespace, screen: Screen) -> None:
    """Print the state of each job.

    A list may have 100,000 jobs, so neither the specs nor the output are kept in memory.
    """
    states = [(spec.output, (state := job_state(spec)).name, state.reason) for spec in iterate_specs(arguments.file)]
    numbers = Counter(name for _, name, _ in states)
    summary = {name: numbers[name] for name in ("done", "stale", "missing", "foreign")}
    if screen.as_json:
        _write_json(screen, {"jobs": len(states), **summary}, states)
        return
    counts = ", ".join(f"{number} {name}" for name, number in summary.items() if number)
    screen.lines(f"{count_text(len(states), 'job')}: {counts}")
    rows = (f"{name:<8}  {visible(output)}  {visible(reason)}" for output, name, reason in states if name != "done")
    for lines in _batches(rows):
        screen.lines("\n".join(lines))


def _write_json(screen: Screen, summary: dict[str, int], states: Sequence[tuple[str, str, str]]) -> None:
    head = json.dumps(summary)[:-1]
    entries = (json.dumps({"output": output, "state": name, "reason": reason}) for output, name, reason in states)
    batches = _batches(entries)
    screen.lines(f'{head}, "states": [\n' + ",\n".join(next(batches)))
    for lines in batches:
        screen.lines("," + ",\n".join(lines))
    screen.lines("]}")


def _batches(lines: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(islice(lines, _LINES_AT_ONCE)):
        yield batch
