"""``ffenc merge``: merge datasets into a new one."""

from __future__ import annotations

from jsonargparse import Namespace

from ffenc.cli.output.results import count_text, dataset_table, frames_text, pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import call
from ffenc.dataset.storage.new_directory import check_new
from ffenc.dataset.transform.merge import MergePlan, merge_datasets, plan_merge


def run(arguments: Namespace, screen: Screen) -> None:
    """Merge, and print the result."""
    if arguments.dry_run:
        check_new(arguments.output)
        _show_plan(call(plan_merge, arguments), arguments, screen)
        return
    with screen.progress("merging") as progress:
        result = call(merge_datasets, arguments, progress=progress)
    other = len(result.other_colour_tags)
    colour = ("colour", f"{other} source files keep their own output files: only some have BT.601 tags")
    videos = _reencoded_text(len(result.reencoded))
    screen.result(result, dataset_table(result, videos, ("sources", result.sources), *([colour] if other else [])))


def _show_plan(plan: MergePlan, arguments: Namespace, screen: Screen) -> None:
    episodes = sum(source.info.total_episodes for source in plan.sources)
    frames = sum(source.info.total_frames for source in plan.sources)
    document = {
        "output": arguments.output,
        "episodes": episodes,
        "frames": frames,
        "tasks": plan.tasks,
        "videos": {key: [video.stream.path for video in videos] for key, videos in plan.videos.items()},
        "reencoded": sorted(map(str, plan.mismatched)),
    }
    rows = [
        ("episodes", f"{episodes} of {frames_text(frames)}, {count_text(len(plan.tasks), 'task')}"),
        ("videos", f"{sum(map(len, plan.videos.values()))} source files, {_reencoded_text(len(plan.mismatched))}"),
    ]
    screen.result(document, pairs_table(rows, title=f"would write {arguments.output}"))


def _reencoded_text(count: int) -> str:
    return f"{count} of them re-encoded" if count else "nothing re-encoded"
