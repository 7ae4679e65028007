"""``ffenc delete-episodes`` and ``ffenc split``: copy some episodes of a dataset into new datasets."""

from __future__ import annotations

from collections.abc import Mapping

from jsonargparse import Namespace
from rich.table import Table

from ffenc.cli.output.results import dataset_table, frames_text
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import UsageError, call
from ffenc.dataset.transform import edit
from ffenc.dataset.transform.edit_job import EditResult


def delete_episodes(arguments: Namespace, screen: Screen) -> None:
    """Copy the other episodes, and print the result."""
    with screen.progress("copying") as progress:
        result = call(edit.delete_episodes, arguments, source=arguments.root, progress=progress)
    screen.result(result, edit_table(result))


def split(arguments: Namespace, screen: Screen) -> None:
    """Split, and print the results."""
    splits = arguments.splits
    if not isinstance(splits, Mapping) or not all(isinstance(share, int | float | list) for share in splits.values()):
        raise UsageError(
            "--splits takes a share or a list of episodes for each name, for example '{train: 0.8, val: 0.2}'"
        )
    with screen.progress("copying") as progress:
        made = call(edit.split_dataset, arguments, source=arguments.root, splits=dict(splits), progress=progress)
    screen.result(made, *map(edit_table, made.values()))


def edit_table(result: EditResult) -> Table:
    """Make a table of a new dataset with episodes of another one."""
    encoded = sum(stop - first for ranges in result.reencoded.values() for first, stop in ranges)
    return dataset_table(result, f"{frames_text(encoded) if encoded else 'nothing'} re-encoded")
