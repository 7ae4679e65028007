"""``ffenc trim``: keep a range of frames of some episodes."""

from __future__ import annotations

from collections.abc import Mapping

from jsonargparse import Namespace
from rich.table import Table

from ffenc.cli.commands.dataset.edit import edit_table
from ffenc.cli.output.results import columns_table, count_text, frames_text, pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import UsageError, call
from ffenc.dataset.storage.new_directory import check_new
from ffenc.dataset.transform.idle import find_idle
from ffenc.dataset.transform.trim import TrimPlan, plan_trim, trim_episodes
from ffenc.json_text import as_json
from ffenc.plan.cut import Range

_EXAMPLE = "'{3: [12, 240]}'"


def run(arguments: Namespace, screen: Screen) -> None:
    """Find the ranges if wanted, then trim, and print the result."""
    if arguments.idle == (arguments.episodes is not None):
        raise UsageError(f"give either the frames to keep, --episodes={_EXAMPLE}, or --idle")
    if arguments.output is not None:
        check_new(arguments.output)
    ranges = _idle(arguments, screen) if arguments.idle else _given(arguments.episodes)
    if arguments.dry_run or (arguments.idle and not (arguments.yes and ranges)):
        _show_plan(arguments, ranges, screen)
        return
    with screen.progress("trimming") as progress:
        result = call(trim_episodes, arguments, source=arguments.root, ranges=ranges, progress=progress)
    screen.result({**as_json(result), "kept": ranges}, edit_table(result))


def _given(episodes: Mapping[object, object]) -> dict[int, Range]:
    """Return the ranges of ``--episodes``; keys are text in JSON."""
    ranges: dict[int, Range] = {}
    for key, value in episodes.items():
        number = int(key) if isinstance(key, str) and key.isdecimal() else key
        whole = isinstance(value, list) and len(value) == 2 and all(type(each) is int for each in value)
        if type(number) is not int or not whole:
            raise UsageError(
                f"--episodes has {key!r}: {value!r}; give the first frame to keep and the one after the last, {_EXAMPLE}"
            )
        assert isinstance(value, list)
        ranges[number] = (value[0], value[1])
    return ranges


def _idle(arguments: Namespace, screen: Screen) -> dict[int, Range]:
    with screen.progress("searching", unit="episodes") as progress:
        return call(find_idle, arguments, source=arguments.root, progress=progress)


def _show_plan(arguments: Namespace, ranges: Mapping[int, Range], screen: Screen) -> None:
    if not ranges:
        screen.result({"kept": {}}, "no episode has an idle end")
        return
    plan = call(plan_trim, arguments, source=arguments.root, ranges=ranges)
    copied = sum(video.copied for video in plan.videos)
    encoded = sum(stop - first for video in plan.videos for first, stop in video.reencoded)
    dropped = sum(video.dropped for video in plan.videos)
    rows = [
        (
            "frames",
            f"{sum(plan.lengths.values()) - _count(ranges)} of {sum(plan.lengths.values())} in these episodes dropped",
        ),
        (
            "videos cut",
            f"{count_text(len(plan.videos), 'file')}, {frames_text(copied)} copied, {encoded} re-encoded, {dropped} dropped",
        ),
    ]
    screen.result(plan, _table(plan), pairs_table(rows, title=f"would trim {plan.root}"))
    screen.note("nothing was written" if arguments.dry_run else "nothing was written; add --yes to trim these episodes")


def _table(plan: TrimPlan) -> Table:
    table = columns_table("episode", "length", "cut at start", "cut at end", "kept")
    for number, (first, stop) in plan.kept.items():
        length = plan.lengths[number]
        table.add_row(*map(str, (number, length, first, length - stop, f"[{first}, {stop})")))
    return table


def _count(ranges: Mapping[int, Range]) -> int:
    return sum(stop - first for first, stop in ranges.values())
