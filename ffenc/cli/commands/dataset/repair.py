"""``ffenc repair``: repair metadata of a dataset, in place."""

from __future__ import annotations

from collections.abc import Sequence

from jsonargparse import Namespace
from rich.table import Table
from rich.text import Text

from ffenc.cli.commands.dataset.verify import FAULTY, show_report
from ffenc.cli.output.results import pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import call
from ffenc.dataset.verify.repair import repair_dataset
from ffenc.dataset.verify.repairs.changes import Change
from ffenc.json_text import as_json


def run(arguments: Namespace, screen: Screen) -> int:
    """Repair, and print the changes and the remaining findings."""
    with screen.progress("verifying", unit="videos") as progress:
        report = call(repair_dataset, arguments, progress=progress)
    would = "would be " if report.dry_run else ""
    shown: list[Table | Text] = []
    if report.changes:
        shown.append(_changes_table(report.changes, f"{would}repaired"))
    if report.refused:
        shown.append(_changes_table(report.refused, "not repaired"))
    show_report(screen, report.after, {**as_json(report), "ok": report.after.ok}, *shown)
    return 0 if report.after.ok else FAULTY


def _changes_table(changes: Sequence[Change], title: str) -> Table:
    return pairs_table(((str(change.path), change.message) for change in changes), title=title)
