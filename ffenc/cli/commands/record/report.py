"""Print the result of a recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import RenderableType
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from ffenc.cli.commands.record.session import Recorded, SessionPlan, SessionResult
from ffenc.cli.output.results import columns_table, dataset_files, files_table, pairs_table
from ffenc.cli.output.screen import Screen


def show_session(screen: Screen, root: Path, repo_id: str, plan: SessionPlan, result: SessionResult) -> None:
    """Print the episodes, the files, and the next steps."""
    files = dataset_files(root)
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
    shown: list[RenderableType] = [_episodes_table(result.episodes, plan.episodes), files_table(root, files)]
    if result.episodes:
        shown.append(pairs_table(_next_steps(root, repo_id, files), title="next"))
    screen.result(document, *shown)


def saved_text(result: SessionResult, root: Path) -> str:
    """Describe in one sentence what a session saved before a camera failed."""
    if not result.episodes:
        return f"no frame was recorded in {root}"
    last = result.episodes[-1]
    end = ", the last one up to the failure" if last.live.failure is not None else ""
    count = len(result.episodes)
    frames = sum(recorded.summary.frames for recorded in result.episodes)
    return f"{count} episode{'s' * (count > 1)} of {frames} frames in all are saved in {root}{end}"


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
        "stopped": live.stopped,
        "stale": live.stale,
        "complete": live.steps == live.steps_wanted,
    }


def _episodes_table(episodes: tuple[Recorded, ...], planned: int) -> Table:
    headings = (">episode", ">frames", ">seconds", ">dropped", ">late", ">repeated", ">video", "")
    table = columns_table(*headings, title=f"{len(episodes)} of {planned} episode{'' if planned == 1 else 's'} saved")
    for recorded in episodes:
        live, summary = recorded.live, recorded.summary
        remark = "ended early" if live.stopped else "until a camera failed" if live.failure or live.stale else ""
        counts = (summary.dropped, live.late, max(live.repeated.values(), default=0))
        seconds = f"{float(summary.frames / live.fps):.1f}"
        size = decimal(summary.size_bytes)
        table.add_row(str(summary.episode_index), str(summary.frames), seconds, *map(str, counts), size, Text(remark))
    return table


def _next_steps(root: Path, repo_id: str, files: dict[Path, int]) -> Iterator[tuple[str, object]]:
    video = next((path for path in files if path.suffix == ".mp4"), None)
    if video is not None:
        yield "show", f"ffenc info {video}"
    yield "continue", f"ffenc record --resume=true --dataset.repo_id={repo_id} --dataset.root={root} ..."
    yield "train", f'LeRobotDataset("{repo_id}", root="{root}")'
