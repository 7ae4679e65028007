"""``ffenc merge``: several datasets become one."""

from __future__ import annotations

from typing import Any

from jsonargparse import Namespace

from ffenc.cli.output.results import frames_text, pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import binaries_of
from ffenc.plain_json import plain


def run(arguments: Namespace, screen: Screen) -> None:
    """Merge, and say what was made."""
    from ffenc.dataset.storage.new_directory import check_new
    from ffenc.dataset.transform.merge import merge_datasets, plan_merge

    binaries = binaries_of(arguments)
    if arguments.dry_run:
        check_new(arguments.output)
        plan = plan_merge(
            arguments.sources,
            on_mismatch=arguments.on_mismatch,
            follow_links=arguments.follow_links,
            binaries=binaries,
        )
        _show_plan(plan, arguments, screen)
        return
    with screen.progress("merging") as progress:
        result = merge_datasets(
            arguments.sources,
            arguments.output,
            repo_id=arguments.repo_id,
            concatenate_videos=arguments.concatenate_videos,
            concatenate_data=arguments.concatenate_data,
            on_mismatch=arguments.on_mismatch,
            follow_links=arguments.follow_links,
            binaries=binaries,
            progress=progress,
        )
    rows = [
        ("sources", result.sources),
        ("episodes", f"{result.episodes} of {frames_text(result.frames)}, {result.tasks} tasks"),
        ("videos", f"{result.videos} files, {_said(result.reencoded)}"),
    ]
    if result.other_colour_tags:
        said = f"{len(result.other_colour_tags)} source files with and without BT.601 tags, which decoders show alike, stay apart"
        rows.append(("colour", said))
    screen.result(plain(result), pairs_table(rows, title=f"wrote {result.root}"))


def _show_plan(plan: Any, arguments: Namespace, screen: Screen) -> None:
    episodes = sum(source.info.total_episodes for source in plan.sources)
    frames = sum(source.info.total_frames for source in plan.sources)
    unlike = sorted(map(str, plan.mismatched))
    document = {
        "output": str(arguments.output),
        "episodes": episodes,
        "frames": frames,
        "tasks": list(plan.tasks),
        "videos": {key: [str(video.stream.path) for video in some] for key, some in plan.videos.items()},
        "reencoded": unlike,
    }
    rows = [
        ("episodes", f"{episodes} of {frames_text(frames)}, {len(plan.tasks)} tasks"),
        ("videos", f"{sum(map(len, plan.videos.values()))} source files, {_said(unlike)}"),
    ]
    screen.result(document, pairs_table(rows, title=f"would write {arguments.output}"))


def _said(reencoded: Any) -> str:
    return f"{len(reencoded)} of them re-encoded" if reencoded else "nothing re-encoded"
