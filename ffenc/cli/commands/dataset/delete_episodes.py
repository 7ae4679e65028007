"""``ffenc delete-episodes``: copy a dataset without some of its episodes."""

from __future__ import annotations

from jsonargparse import Namespace

from ffenc.cli.output.results import frames_text, pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import binaries_of
from ffenc.dataset.transform.edit import EditResult, delete_episodes
from ffenc.json_text import as_json


def run(arguments: Namespace, screen: Screen) -> None:
    """Copy the other episodes, and print the result."""
    with screen.progress("copying") as progress:
        result = delete_episodes(
            arguments.root,
            arguments.episodes,
            arguments.output,
            follow_links=arguments.follow_links,
            binaries=binaries_of(arguments),
            progress=progress,
        )
    screen.result(edit_document(result), pairs_table(edit_rows(result), title=f"wrote {result.root}"))


def edit_document(result: EditResult) -> dict[str, object]:
    """Return the JSON form of a result."""
    reencoded = {str(path): as_json(ranges) for path, ranges in result.reencoded.items()}
    names = ("episodes", "frames", "tasks", "videos")
    return {"root": str(result.root), **{name: getattr(result, name) for name in names}, "reencoded": reencoded}


def edit_rows(result: EditResult) -> list[tuple[str, object]]:
    """Return the rows that show a result."""
    encoded = sum(stop - first for ranges in result.reencoded.values() for first, stop in ranges)
    return [
        ("episodes", f"{result.episodes} of {frames_text(result.frames)}, {result.tasks} tasks"),
        ("videos", f"{result.videos} files, {frames_text(encoded) if encoded else 'nothing'} re-encoded"),
    ]
