"""``ffenc upgrade``: convert a dataset of format 2.1 to 3.0."""

from __future__ import annotations

from jsonargparse import Namespace

from ffenc.cli.output.results import dataset_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import call
from ffenc.dataset.transform.upgrade import upgrade_dataset


def run(arguments: Namespace, screen: Screen) -> None:
    """Upgrade, and print the result."""
    with screen.progress("joining videos") as progress:
        result = call(upgrade_dataset, arguments, progress=progress)
    if arguments.dry_run:
        screen.note("dry run: everything fits together; nothing was written")
    screen.result(result, dataset_table(result, f"joined from {result.videos_before}, nothing re-encoded"))
