"""``ffenc info ROOT``: print a summary of a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from ffenc.cli.output.results import pairs_table
from ffenc.cli.output.screen import Screen, visible
from ffenc.dataset.format.dataset_tables import load_episodes
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.episode_columns import EpisodeRow
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.format.schema import DatasetInfo

_TASKS_SHOWN = 10


def show_dataset(root: Path, screen: Screen) -> None:
    """Print a summary.

    Raises:
        DatasetError: not a dataset of this version, or its tables cannot be read.
    """
    info = load_info(root)
    layout = DatasetLayout.of(root, info)
    episodes = load_episodes(root, info, statistics=False) if layout.episodes_files() else []
    tasks = Counter(task for episode in episodes for task in episode.tasks)
    series = _series(layout, info)
    lengths = sorted(episode.length for episode in episodes)
    frames = sum(lengths)
    document = {
        "root": str(root),
        "robot_type": info.robot_type,
        "fps": info.fps,
        "episodes": len(episodes),
        "frames": frames,
        "duration_s": frames / info.fps,
        "lengths": {"shortest": lengths[0], "longest": lengths[-1]} if lengths else None,
        "tasks": dict(tasks),
        "features": {name: feature.to_json() for name, feature in info.features.items()},
        "files": {name: {"files": count, "size_bytes": size} for name, (count, size) in series.items()},
    }
    screen.result(
        document,
        pairs_table(_sums(info, episodes), title=str(root)),
        pairs_table(((f"{count} episodes", task) for task, count in tasks.most_common(_TASKS_SHOWN)), title="\ntasks"),
        _features_table(info),
        pairs_table(((name, _files_text(*found)) for name, found in series.items()), title="\nfiles"),
    )


def _sums(info: DatasetInfo, episodes: list[EpisodeRow]) -> Iterator[tuple[str, object]]:
    lengths = [episode.length for episode in episodes]
    yield "robot", info.robot_type or "unknown"
    yield "rate", f"{info.fps} frames per second"
    yield "episodes", len(episodes)
    if lengths:
        median = sorted(lengths)[len(lengths) // 2]
        yield "lengths", f"{min(lengths)} to {max(lengths)} frames, median {median}"
    yield "frames", f"{sum(lengths)}, {_clock(sum(lengths) / info.fps)}"
    if (info.total_episodes, info.total_frames) != (len(lengths), sum(lengths)):
        declared = f"{info.total_episodes} episodes and {info.total_frames} frames"
        yield "mismatch", f"info.json has {declared}; see `ffenc verify`"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f} hours" if hours else f"{minutes}:{rest:04.1f} minutes"


def _features_table(info: DatasetInfo) -> Table:
    table = Table(
        box=None, pad_edge=False, padding=(0, 2), title="\nfeatures", title_justify="left", title_style="bold"
    )
    table.show_header = False
    for style in ("cyan", "", ""):
        table.add_column(style=style, overflow="fold")
    for name, feature in info.features.items():
        shape = "x".join(map(str, feature.shape))
        stream = feature.info or {}
        keys = ("video.codec", "video.pix_fmt", "video.crf", "video.g")
        parts = [f"{key.removeprefix('video.')} {stream[key]}" for key in keys if stream.get(key) is not None]
        parts += ["depth"] if feature.is_depth else []
        table.add_row(f"  {visible(name)}", f"{feature.dtype} {shape}", Text(visible(", ".join(parts))))
    return table


def _series(layout: DatasetLayout, info: DatasetInfo) -> dict[str, tuple[int, int]]:
    """Return the number of files of each series and their size in bytes."""
    found = {"data": layout.data_files(), "episodes": layout.episodes_files()}
    found |= {name: layout.video_files(name) for name in info.videos if info.video_path is not None}
    return {name: (len(paths), sum(path.stat().st_size for path in paths)) for name, paths in found.items()}


def _files_text(count: int, size_bytes: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}, {decimal(size_bytes)}"
