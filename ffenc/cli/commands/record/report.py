"""Print the result of a recording."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from rich.console import RenderableType
from rich.filesize import decimal
from rich.table import Table

from ffenc.cli.commands.record.cameras import FEATURE_PREFIX
from ffenc.cli.commands.record.session import Recorded, SessionPlan, SessionResult
from ffenc.cli.output.results import columns_table, count_text, dataset_files, files_table, frames_text, pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.dataset.recording.live_recording import LiveEpisode

_MANY_REPEATS = 0.1  # share of repeated frames above which a camera is reported
_LONG_PAUSE_S = 1.0  # shortest run of repeated frames that is reported
_WIDE = 76  # narrowest terminal, in characters, on which the table of episodes fits


def show_session(screen: Screen, root: Path, repo_id: str, plan: SessionPlan, result: SessionResult) -> None:
    """Print the episodes, the files, and the next steps."""
    files = dataset_files(root)
    _warn_of_repeats(screen, result)
    document = {
        "root": str(root),
        "repo_id": repo_id,
        "fps": str(plan.fps),
        "task": plan.task,
        "episodes": [_document(recorded) for recorded in result.episodes],
        "discarded": result.discarded,
        "failure": None if result.failure is None else str(result.failure),
        "files": {str(file.relative_to(root)): size for file, size in files.items()},
    }
    is_narrow = screen.out.width < _WIDE
    episodes = _episodes_table(result.episodes, plan.episodes, is_narrow=is_narrow)
    shown: list[RenderableType] = [str(episodes.title)]
    if result.episodes:
        shown = [episodes, files_table(root, files)]
        shown.append(pairs_table(_next_steps(root, repo_id), title="next"))
    screen.result(document, *shown)


def _warn_of_repeats(screen: Screen, result: SessionResult) -> None:
    lives = [recorded.live for recorded in result.episodes]
    steps = sum(live.steps for live in lives)
    for name in lives[0].repeated if lives else ():
        repeated = sum(live.repeated[name] for live in lives)
        if repeated > _MANY_REPEATS * steps:
            rate = float(lives[0].fps) * (steps - repeated) / steps
            pause_s = max(longest_pause(live, name) for live in lives)
            pause = f", without a new frame for up to {pause_s:.1f} s" if pause_s >= _LONG_PAUSE_S else ""
            screen.note(
                f"warning: camera {name.removeprefix(FEATURE_PREFIX)} gave {rate:.1f} new frames per second; "
                f"{repeated} of {steps} recorded frames repeat the one before{pause}"
            )


def longest_pause(live: LiveEpisode, name: str) -> float:
    """Return the length of the longest run of repeated frames of a camera, in seconds."""
    longest = run = 0
    before = -1
    for step, names in live.repeats:
        if name in names:
            run = run + 1 if step == before + 1 else 1
            before, longest = step, max(longest, run)
    return float(longest / live.fps)


def saved_text(result: SessionResult, root: Path) -> str:
    """Describe in one sentence what a session saved before a camera failed."""
    if not result.episodes:
        return f"no episode was saved in {root}"
    last = result.episodes[-1]
    end = ", the last one up to the failure" if last.live.failure is not None else ""
    count = len(result.episodes)
    frames = sum(recorded.summary.frames for recorded in result.episodes)
    are = "is" if count == 1 else "in all are"
    return f"{count_text(count, 'episode')} of {frames_text(frames)} {are} saved in {root}{end}"


def continue_command(root: Path, repo_id: str) -> str:
    """Return the command that adds episodes to a dataset."""
    command = ["ffenc", "record", "--resume=true", f"--dataset.repo_id={repo_id}", f"--dataset.root={root}"]
    return f"{shlex.join(command)} ..."


def _document(recorded: Recorded) -> dict[str, object]:
    live, summary = recorded.live, recorded.summary
    return {
        "episode_index": summary.episode_index,
        "frames": summary.frames,
        "dropped": summary.dropped,
        "size_bytes": summary.size_bytes,
        "late": live.late,
        "latest_s": round(live.latest_s, 6),
        "repeated": dict(live.repeated),
        "spread_s": {name: round(value, 6) for name, value in _spread(live).items()},
        "stopped": live.stopped,
        "stale": live.stale,
        "failure": None if live.failure is None else live.failure.message,
        "complete": live.steps == live.steps_wanted,
    }


def _spread(live: LiveEpisode) -> dict[str, float]:
    """Return the median and the maximum of the time between the frames of one step, in seconds."""
    return {"median": median(live.spreads_s), "max": max(live.spreads_s)} if live.spreads_s else {}


def _episodes_table(episodes: tuple[Recorded, ...], planned: int, *, is_narrow: bool) -> Table:
    headings = (">episode", ">frames", ">dropped", ">repeated", ">seconds", ">late", ">spread", ">video")
    count = 4 if is_narrow else len(headings)  # more would break the headings in the middle of a word
    table = columns_table(*headings[:count], title=f"{len(episodes)} of {count_text(planned, 'episode')} saved")
    remarks: dict[str, list[str]] = {}
    for recorded in episodes:
        live, summary = recorded.live, recorded.summary
        if live.stopped:
            remarks.setdefault("ended early", []).append(str(summary.episode_index))
        elif live.failure is not None:
            remark = f"ended when camera {live.failure.source} failed"
            remarks.setdefault(remark, []).append(str(summary.episode_index))
        counts = (summary.episode_index, summary.frames, summary.dropped, max(live.repeated.values(), default=0))
        seconds = f"{float(summary.frames / live.fps):.1f}"
        spread = f"{1000 * _spread(live)['median']:.0f} ms" if live.spreads_s else "-"
        size = decimal(summary.size_bytes)
        table.add_row(*[*map(str, counts), seconds, str(live.late), spread, size][:count])
    # Not a column: the table would exceed 80 characters, and its headings would break.
    table.caption = "\n".join(
        f"episode{'s' if len(numbers) > 1 else ''} {', '.join(numbers)} {remark}" for remark, numbers in remarks.items()
    )
    table.caption_justify, table.caption_style = "left", "none"
    return table


def _next_steps(root: Path, repo_id: str) -> Iterator[tuple[str, object]]:
    yield "show", shlex.join(["ffenc", "preview", str(root)])
    yield "continue", continue_command(root, repo_id)
    yield "train", f'LeRobotDataset("{repo_id}", root="{root}")'
