"""``ffenc upgrade``: convert a dataset of format 2.1 to 3.0."""

from __future__ import annotations

from jsonargparse import Namespace

from ffenc.cli.output.results import frames_text, pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import call
from ffenc.dataset.transform.upgrade import upgrade_dataset
from ffenc.json_text import as_json


def run(arguments: Namespace, screen: Screen) -> None:
    """Upgrade, and print the result."""
    with screen.progress("joining videos") as progress:
        result = call(upgrade_dataset, arguments, progress=progress)
    rows = [
        ("episodes", f"{result.episodes} of {frames_text(result.frames)}, {result.tasks} tasks"),
        ("videos", f"{result.videos_before} files joined into {result.videos}, nothing re-encoded"),
    ]
    done = "would write" if result.dry_run else "wrote"
    screen.result(as_json(result), pairs_table(rows, title=f"{done} {result.root} in format 3.0"))
