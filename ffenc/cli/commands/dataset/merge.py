"""``ffenc merge``: merge datasets into a new one."""

from __future__ import annotations

from jsonargparse import Namespace

from ffenc.cli.output.results import frames_text, pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import binaries_of
from ffenc.dataset.storage.new_directory import check_new
from ffenc.dataset.transform.merge import MergePlan, merge_datasets, plan_merge
from ffenc.json_text import as_json


def run(arguments: Namespace, screen: Screen) -> None:
    """Merge, and print the result."""
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
        ("videos", f"{result.videos} files, {_reencoded_text(len(result.reencoded))}"),
    ]
    if result.other_colour_tags:
        count = len(result.other_colour_tags)
        rows.append(("colour", f"{count} source files keep their own output files: only some have BT.601 tags"))
    screen.result(as_json(result), pairs_table(rows, title=f"wrote {result.root}"))


def _show_plan(plan: MergePlan, arguments: Namespace, screen: Screen) -> None:
    episodes = sum(source.info.total_episodes for source in plan.sources)
    frames = sum(source.info.total_frames for source in plan.sources)
    unlike = sorted(map(str, plan.mismatched))
    document = {
        "output": str(arguments.output),
        "episodes": episodes,
        "frames": frames,
        "tasks": list(plan.tasks),
        "videos": {key: [str(video.stream.path) for video in videos] for key, videos in plan.videos.items()},
        "reencoded": unlike,
    }
    rows = [
        ("episodes", f"{episodes} of {frames_text(frames)}, {len(plan.tasks)} tasks"),
        ("videos", f"{sum(map(len, plan.videos.values()))} source files, {_reencoded_text(len(unlike))}"),
    ]
    screen.result(document, pairs_table(rows, title=f"would write {arguments.output}"))


def _reencoded_text(count: int) -> str:
    return f"{count} of them re-encoded" if count else "nothing re-encoded"
