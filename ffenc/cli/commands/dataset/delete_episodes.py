"""``ffenc delete-episodes``: copy a dataset without some of its episodes."""

from __future__ import annotations

from jsonargparse import Namespace
from rich.table import Table

from ffenc.cli.output.results import dataset_table, frames_text
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import call
from ffenc.dataset.transform.edit import delete_episodes
from ffenc.dataset.transform.edit_job import EditResult


def run(arguments: Namespace, screen: Screen) -> None:
    """Copy the other episodes, and print the result."""
    with screen.progress("copying") as progress:
        result = call(delete_episodes, arguments, source=arguments.root, progress=progress)
    screen.result(result, edit_table(result))


def edit_table(result: EditResult) -> Table:
    """Make a table of a result."""
    encoded = sum(stop - first for ranges in result.reencoded.values() for first, stop in ranges)
    return dataset_table(result, f"{frames_text(encoded) if encoded else 'nothing'} re-encoded")
