"""Variants of a dataset that LeRobot recorded: keys and columns left out, null, or written in other ways.

``tests/data/lerobot/reads-0.6.1.json`` says for each of them whether LeRobot 0.6.1 reads it: ``same`` (as the original),
``other`` (other values) or the error it raises.  ``tests/integration/test_lerobot_compatibility.py`` compares the file with
LeRobot itself where there is one, and writes it if ``FFENC_UPDATE_LEROBOT`` is set.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.dataset_faults import DATA, EPISODES, LAPTOP, TASKS, Damage, append, both, edit_json, edit_table, info
from tests.lerobot_data import LEROBOT

DOCUMENT = json.loads((LEROBOT / "A/meta/info.json").read_text())
CODEC = {"video.codec": "av1"}


def _without(*keys: str) -> Damage:
    """Leave a key of ``info.json`` out, however deep it is."""

    def change(document: dict[str, Any]) -> None:
        for key in keys[:-1]:
            document = document[key]
        del document[keys[-1]]

    return edit_json("info.json", change)


def _with(*keys: str, value: Any) -> Damage:
    def change(document: dict[str, Any]) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return edit_json("info.json", change)


def _without_column(table: str, name: str) -> Damage:
    return edit_table(table, lambda rows: rows.drop_columns([name]))


def _moved(template: str, *, videos: bool) -> Damage:
    """Move the files to where a template of paths says, and write it into ``info.json``."""

    def damage(root: Path) -> None:
        for path in list(root.glob("videos/*/*/*.mp4" if videos else "data/*/*.parquet")):
            key = path.parts[-3]
            target = root / template.format(video_key=key, chunk_index=0, file_index=0)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        info(**{"video_path" if videos else "data_path": template})(root)

    return damage


def _without_pandas(root: Path) -> None:
    table = pq.read_table(root / TASKS)
    pq.write_table(table.replace_schema_metadata(None), root / TASKS)


def _columns(table: str) -> list[str]:
    return [name for name in pq.read_schema(LEROBOT / "A" / table).names if not name.startswith("stats/")]


VARIANTS: dict[str, Damage] = {
    "unchanged": lambda root: None,
    **{f"info without {key}": _without(key) for key in DOCUMENT},
    **{f"info null {key}": _with(key, value=None) for key in DOCUMENT},
    **{f"feature without {key}": _without("features", LAPTOP, key) for key in DOCUMENT["features"][LAPTOP]},
    **{f"feature null {key}": _with("features", LAPTOP, key, value=None) for key in DOCUMENT["features"][LAPTOP]},
    **{f"vector without {key}": _without("features", "action", key) for key in DOCUMENT["features"]["action"]},
    **{
        f"block without {key}": _without("features", LAPTOP, "info", key)
        for key in DOCUMENT["features"][LAPTOP]["info"]
    },
    **{
        f"features without {name}": _without("features", name)
        for name, feature in DOCUMENT["features"].items()
        if feature["dtype"] != "video"  # without one it is another dataset, and whole
    },
    **{f"episodes without {name}": _without_column(EPISODES, name) for name in _columns(EPISODES)},
    **{f"data without {name}": _without_column(DATA, name) for name in _columns(DATA)},
    **{f"tasks without {name}": _without_column(TASKS, name) for name in _columns(TASKS)},
    "tasks without pandas": _without_pandas,
    "tasks with a column": append(TASKS, "extra", [1, 2]),
    "data with a column": append(DATA, "extra", [1] * 60),
    "episodes with a column": append(EPISODES, "extra", [1, 2, 3]),
    "no statistics": lambda root: (root / "meta/stats.json").unlink(),
    "stats null": edit_json("stats.json", lambda document: document.update({"action": None})),
    "stats without a feature": edit_json("stats.json", lambda document: document.pop("action")),
    "fps 30.0": info(fps=30.0),
    "fps 29.97": info(fps=29.97),
    "fps text": info(fps="30"),
    "fps 0": info(fps=0),
    "total_episodes 0": info(total_episodes=0),
    "total_frames 0": info(total_frames=0),
    "total_tasks 0": info(total_tasks=0),
    "total_tasks 1": info(total_tasks=1),
    "total_tasks 3": info(total_tasks=3),
    "total_frames 60.0": info(total_frames=60.0),
    "total_tasks 2.0": info(total_tasks=2.0),
    "total_episodes 3.0": info(total_episodes=3.0),
    "chunks_size 1": info(chunks_size=1),
    "chunks_size 1000.0": info(chunks_size=1000.0),
    "chunks_size 0": info(chunks_size=0),
    "sizes as floats": info(data_files_size_in_mb=100.0, video_files_size_in_mb=0.5),
    "sizes 0": info(data_files_size_in_mb=0),
    "version 3.0": info(codebase_version="3.0"),
    "version v3": info(codebase_version="v3"),
    "version v3.1": info(codebase_version="v3.1"),
    "keys of version 2": info(total_videos=2, total_chunks=1),
    "tools": info(tools=[{"type": "function"}]),
    "tools null": info(tools=None),
    "splits of others": info(splits={"train": "0:2", "test": "2:3"}),
    "splits as lists": info(splits={"train": [0, 1, 2]}),
    "shape channels first": _with("features", LAPTOP, "shape", value=[3, 96, 128]),
    "names channels first": both(
        _with("features", LAPTOP, "shape", value=[3, 96, 128]),
        _with("features", LAPTOP, "names", value=["channels", "height", "width"]),
    ),
    "names channel": _with("features", LAPTOP, "names", value=["height", "width", "channel"]),
    "names as a dictionary": _with("features", "action", "names", value={"motors": ["a", "b", "c", "d", "e", "f"]}),
    "shape as a number": _with("features", "action", "shape", value=6),
    "shape of the scalar empty": _with("features", "next.done", "shape", value=[]),
    "shape of floats": _with("features", LAPTOP, "shape", value=[96.0, 128.0, 3.0]),
    "feature with a key": _with("features", LAPTOP, "fps", value=30),
    "block under its old name": both(
        _without("features", LAPTOP, "info"),
        _with("features", LAPTOP, "video_info", value={"video.fps": 30.0, **CODEC}),
    ),
    "block of the seed": _with("features", LAPTOP, "info", "video.is_depth_map", value=False),
    "block with null": _with("features", LAPTOP, "info", "video.preset", value=None),
    "data_path of others": _moved("data/part-{chunk_index}/rows-{file_index:06d}.parquet", videos=False),
    "data_path one folder": _moved("data/all/{file_index}.parquet", videos=False),
    "data_path one file": _moved("data/all/rows.parquet", videos=False),
    "data_path without data": _moved("rows/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet", videos=False),
    "data_path wrong": info(data_path="elsewhere/{chunk_index:03d}/{file_index:03d}.parquet"),
    "video_path of others": _moved("videos/{video_key}/{chunk_index}-{file_index:06d}.mp4", videos=True),
    "video_path flat": _moved("{video_key}_{file_index}.mp4", videos=True),
    "video_path one file": _moved("clips/{video_key}.mp4", videos=True),
    "video_path camera last": _moved("clips/{chunk_index:03d}/{video_key}/{file_index:03d}.mp4", videos=True),
    "video_path padded": _moved("clips/{chunk_index:>3}/{video_key:s}/{file_index:05}.mp4", videos=True),
    "video_path unknown field": info(video_path="videos/{video_key}/{episode:03d}.mp4"),
}


READS: dict[str, str] = json.loads((LEROBOT / "reads-0.6.1.json").read_text())

REFUSED = {
    "feature without shape": "a camera whose size nothing but its videos says",
    "feature null shape": "the same",
    "episodes without episode_index": "editing needs it, in LeRobot too",
    "tasks without task_index": "the same",
    "fps 29.97": "frame k would not be at k/fps; LeRobot's format has whole rates",
    "version v3.1": "a format that does not exist yet",
}
"""What LeRobot 0.6.1 reads and ffenc refuses with an error, and why."""
