"""``ffenc split``: split a dataset into several."""

from __future__ import annotations

from collections.abc import Mapping

from jsonargparse import Namespace

from ffenc.cli.commands.dataset.delete_episodes import edit_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import UsageError, call
from ffenc.dataset.transform.edit import split_dataset


def run(arguments: Namespace, screen: Screen) -> None:
    """Split, and print the results."""
    splits = arguments.splits
    if not isinstance(splits, Mapping) or not all(isinstance(share, int | float | list) for share in splits.values()):
        raise UsageError(
            "--splits takes a share or a list of episodes for each name, for example '{train: 0.8, val: 0.2}'"
        )
    with screen.progress("copying") as progress:
        made = call(split_dataset, arguments, source=arguments.root, splits=dict(splits), progress=progress)
    screen.result(made, *map(edit_table, made.values()))
