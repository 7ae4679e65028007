"""``ffenc jobs status``: which jobs of a file are done."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from jsonargparse import Namespace
from rich.table import Table
from rich.text import Text

from ffenc.cli.arguments import Command, command_parser
from ffenc.cli.screen import Screen, visible
from ffenc.jobs.record import job_state
from ffenc.jobs.spec import read_specs

_DESCRIPTION = """\
Compare the jobs of a file with what lies on the disk; nothing is run.

done      the output is that of this job and of its inputs as they are now
stale     it is of another job or of other inputs, or unfinished; made anew
missing   there is no output
foreign   a file that no job made has the name; the job would be refused"""


def command() -> Command:
    """The sub-command."""
    parser = command_parser("jobs status [options] FILE", _DESCRIPTION)
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="one job in each line, as `ffenc jobs plan` prints them"
    )
    return Command(name="jobs-status", summary="which jobs of a file are done", parser=parser, run=run)


def run(arguments: Namespace, screen: Screen) -> None:
    """Print the state of each job."""
    specs = read_specs(arguments.file)
    states = [(spec, job_state(spec)) for spec in specs]
    numbers = Counter(state.name for _, state in states)
    summary = {name: numbers[name] for name in ("done", "stale", "missing", "foreign")}
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", title_style="bold")
    table.title = f"{len(specs)} jobs: {', '.join(f'{number} {name}' for name, number in summary.items() if number)}"
    table.add_column("state")
    table.add_column("output", overflow="fold")
    table.add_column("why", overflow="fold")
    for spec, state in states:
        why = "" if state.name == "done" else visible(state.reason)
        table.add_row(state.name, Text(visible(spec.output)), Text(why))
    jobs = [{"output": spec.output, "state": state.name, "reason": state.reason} for spec, state in states]
    screen.result({"jobs": len(specs), **summary, "states": jobs}, table)
