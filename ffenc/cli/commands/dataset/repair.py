"""``ffenc repair``: what is derived set right, in place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace
from rich.table import Table
from rich.text import Text

from ffenc.cli.commands.dataset.verify import FAULTY, show_report
from ffenc.cli.output.results import pairs_table
from ffenc.cli.output.screen import Screen, plain
from ffenc.cli.parsing.arguments import Command, add_follow_links_flag, binaries_of, command_parser
from ffenc.dataset.verify.repair import repair_dataset
from ffenc.dataset.verify.repairs.changes import Change

_DESCRIPTION = """\
Set right what can be derived from the rest of a LeRobot dataset: places of
episodes in data and videos, counters, splits, the order of tasks, statistics,
info blocks, leftovers. Videos and data files are not changed. What is not
certain is left, and said. Each file is replaced in one step, under the
dataset's lock. The exit status is 1 if something is wrong afterwards."""


def command() -> Command:
    """The sub-command."""
    parser = command_parser("repair [options] ROOT", _DESCRIPTION)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    add_follow_links_flag(parser)
    parser.add_argument("--dry_run", "--dry-run", action="store_true", help="say what would be done, and do nothing")
    return Command(parser=parser, run=run)


def run(arguments: Namespace, screen: Screen) -> int:
    """Repair, and say what was done."""
    with screen.progress("verifying", unit="videos") as progress:
        report = repair_dataset(
            arguments.root,
            dry_run=arguments.dry_run,
            follow_links=arguments.follow_links,
            binaries=binaries_of(arguments),
            progress=progress,
        )
    would = "would be " if report.dry_run else ""
    shown: list[Table | Text] = []
    if report.changes:
        shown.append(_changes_table(report.changes, f"{would}set right"))
    if report.refused:
        shown.append(_changes_table(report.refused, "left as it is"))
    show_report(screen, report.after, {**plain(report), "ok": report.after.ok}, *shown)
    return 0 if report.after.ok else FAULTY


def _changes_table(changes: Sequence[Change], title: str) -> Table:
    return pairs_table(((str(change.path), change.message) for change in changes), title=title)
