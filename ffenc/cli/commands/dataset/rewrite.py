"""Show the result of commands that change the tables of a dataset."""

from __future__ import annotations

from ffenc.cli.output.results import frames_text, pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.dataset.transform.rewrite import RewriteResult


def show_rewrite(screen: Screen, result: RewriteResult) -> None:
    """Print what was changed, or would be."""
    rows = [
        *(result.changes.items() or [("changes", "none")]),
        ("episodes", f"{result.episodes} of {frames_text(result.frames)}, {result.tasks} tasks"),
        ("features", ", ".join(result.features)),
    ]
    screen.result(result, pairs_table(rows, title=f"{'wrote' if result.written else 'would write'} {result.root}"))
