"""``ffenc delete-episodes``: a dataset without some of its episodes."""

from __future__ import annotations

from typing import Any

from jsonargparse import Namespace

from ffenc.cli.output.results import frames_text, pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import binaries_of
from ffenc.plain_json import plain


def run(arguments: Namespace, screen: Screen) -> None:
    """Leave them out, and say what was made."""
    from ffenc.dataset.transform.edit import delete_episodes

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


def edit_document(result: Any) -> dict[str, object]:
    """An `EditResult` as JSON has it."""
    reencoded = {str(path): plain(ranges) for path, ranges in result.reencoded.items()}
    names = ("episodes", "frames", "tasks", "videos")
    return {"root": str(result.root), **{name: getattr(result, name) for name in names}, "reencoded": reencoded}


def edit_rows(result: Any) -> list[tuple[str, object]]:
    """An `EditResult` for people."""
    encoded = sum(stop - first for ranges in result.reencoded.values() for first, stop in ranges)
    return [
        ("episodes", f"{result.episodes} of {frames_text(result.frames)}, {result.tasks} tasks"),
        ("videos", f"{result.videos} files, {frames_text(encoded) if encoded else 'nothing'} re-encoded"),
    ]
