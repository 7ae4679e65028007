"""Commands that change the tables of a dataset."""

from __future__ import annotations

from jsonargparse import Namespace

from ffenc.cli.output.results import count_text, frames_text, pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import call
from ffenc.dataset.transform import features, tasks
from ffenc.dataset.transform import recompute_stats as statistics
from ffenc.dataset.transform.rewrite import RewriteResult


def modify_tasks(arguments: Namespace, screen: Screen) -> None:
    """Change the tasks of a dataset, and print the changes."""
    _show(screen, call(tasks.modify_tasks, arguments))


def add_features(arguments: Namespace, screen: Screen) -> None:
    """Add columns of a table to a dataset, and print the changes."""
    _show(screen, call(features.add_features, arguments, table=arguments["from"]))


def remove_features(arguments: Namespace, screen: Screen) -> None:
    """Remove features of a dataset, and print the changes."""
    _show(screen, call(features.remove_features, arguments))


def rename_features(arguments: Namespace, screen: Screen) -> None:
    """Rename features of a dataset, and print the changes."""
    _show(screen, call(features.rename_features, arguments))


def recompute_stats(arguments: Namespace, screen: Screen) -> None:
    """Compute the statistics of a dataset again, and print the changes."""
    _show(screen, call(statistics.recompute_stats, arguments))


def _show(screen: Screen, result: RewriteResult) -> None:
    """Print what was changed, or would be."""
    rows = [
        *(result.changes.items() or [("changes", "none")]),
        ("episodes", f"{result.episodes} of {frames_text(result.frames)}, {count_text(result.tasks, 'task')}"),
        ("features", ", ".join(result.features)),
    ]
    screen.result(result, pairs_table(rows, title=f"{'wrote' if result.written else 'would write'} {result.root}"))
