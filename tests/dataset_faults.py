"""Every fault that can be made of the tables of a good dataset, each with the codes by which it has to be found.

A fault is a function that damages a copy of ``tests/data/lerobot/A``: three episodes of 20, 25 and 15 frames, two cameras.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.lerobot_data import LEROBOT

Damage = Callable[[Path], object]

DATA = "data/chunk-000/file-000.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
TASKS = "meta/tasks.parquet"
LAPTOP, PHONE = "observation.images.laptop", "observation.images.phone"
VIDEO = f"videos/{LAPTOP}/chunk-000/file-000.mp4"
OTHER_VIDEO = f"videos/{PHONE}/chunk-000/file-000.mp4"


def copy_of(name: str, directory: Path) -> Path:
    """A dataset that may be damaged."""
    return Path(shutil.copytree(LEROBOT / name, directory / name))


def edit_json(name: str, change: Callable[[dict[str, Any]], object]) -> Damage:
    def damage(root: Path) -> None:
        path = root / "meta" / name
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document, indent=4))

    return damage


def info(**values: Any) -> Damage:
    return edit_json("info.json", lambda document: document.update(values))


def feature(name: str, **values: Any) -> Damage:
    return edit_json("info.json", lambda document: document["features"][name].update(values))


def block(name: str, **values: Any) -> Damage:
    return edit_json("info.json", lambda document: document["features"][name]["info"].update(values))


def edit_table(name: str, change: Callable[[pa.Table], pa.Table]) -> Damage:
    def damage(root: Path) -> None:
        table = pq.read_table(root / name)
        pq.write_table(change(table), root / name)

    return damage


def with_column(table: pa.Table, name: str, values: Any, type_: pa.DataType | None = None) -> pa.Table:
    column = pa.array(values, type_ or table.schema.field(name).type)
    return table.set_column(table.column_names.index(name), name, column)


def cell(name: str, row: int, value: Any, *, table: str = DATA) -> Damage:
    """One value of a table changed; a function is given the old one."""

    def change(rows: pa.Table) -> pa.Table:
        values = rows[name].to_pylist()
        values[row] = value(values[row]) if callable(value) else value
        return with_column(rows, name, values)

    return edit_table(table, change)


def episode(name: str, row: int, value: Any) -> Damage:
    return cell(name, row, value, table=EPISODES)


def retype(table: str, name: str, type_: pa.DataType) -> Damage:
    def change(rows: pa.Table) -> pa.Table:
        values = rows[name].to_pylist()
        if type_ == pa.string():
            values = [str(value) for value in values]
        return with_column(rows, name, values, type_)

    return edit_table(table, change)


def drop(table: str, *names: str) -> Damage:
    def change(rows: pa.Table) -> pa.Table:
        return rows.drop_columns([n for n in rows.column_names if n.startswith(names)])

    return edit_table(table, change)


def append(table: str, name: str, values: list[Any]) -> Damage:
    return edit_table(table, lambda rows: rows.append_column(name, pa.array(values)))


def rows(table: str, order: list[int]) -> Damage:
    return edit_table(table, lambda whole: whole.take(order))


def remove(name: str) -> Damage:
    return lambda root: (root / name).unlink()


def remove_tree(name: str) -> Damage:
    return lambda root: shutil.rmtree(root / name)


def cut(name: str, keep: float) -> Damage:
    def damage(root: Path) -> None:
        content = (root / name).read_bytes()
        (root / name).write_bytes(content[: int(len(content) * keep)])

    return damage


def write(name: str, content: bytes = b"") -> Damage:
    def damage(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)

    return damage


def repeats(start: int, stop: int) -> Damage:
    """Return a drop log in which a camera had nothing new at these steps of episode 1."""
    entries = [{"step": step, "cameras": [LAPTOP]} for step in range(start, stop)]
    document = {"episode_index": 1, "drops": [], "repeats": entries}
    return write("meta/ffenc/episodes.jsonl", json.dumps(document).encode() + b"\n")


def copy(source: str, target: str) -> Damage:
    def damage(root: Path) -> None:
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / source, root / target)

    return damage


def exchange(first: str, second: str) -> Damage:
    def damage(root: Path) -> None:
        one, two = (root / first).read_bytes(), (root / second).read_bytes()
        (root / first).write_bytes(two)
        (root / second).write_bytes(one)

    return damage


def both(*damages: Damage) -> Damage:
    def damage(root: Path) -> None:
        for each in damages:
            each(root)

    return damage


def times(camera: str, row: int, *, start: float = 0.0, stop: float = 0.0) -> Damage:
    """The place of an episode in a video moved, in seconds."""
    return both(
        episode(f"videos/{camera}/from_timestamp", row, lambda time_s: time_s + start),
        episode(f"videos/{camera}/to_timestamp", row, lambda time_s: time_s + stop),
    )


def stat(name: str, key: str, change: Callable[[float], float]) -> Damage:
    """The first component of one statistic in stats.json changed."""

    def edit(document: dict[str, Any]) -> None:
        values = document[name][key]
        while isinstance(values[0], list):
            values = values[0]
        values[0] = change(values[0])

    return edit_json("stats.json", edit)


def without_quantiles(document: dict[str, Any]) -> None:
    for statistics in document.values():
        for key in ("q01", "q10", "q50", "q90", "q99"):
            del statistics[key]


def two_files_of_episodes(second: Callable[[pa.Table], pa.Table]) -> Damage:
    """The last episode in a file of its own."""

    def damage(root: Path) -> None:
        table = pq.read_table(root / EPISODES)
        pq.write_table(table.slice(0, 2), root / EPISODES)
        moved = with_column(table.slice(2), "meta/episodes/file_index", [1])
        pq.write_table(second(moved), root / "meta/episodes/chunk-000/file-001.parquet")

    return damage


def scaled(values: list[Any]) -> list[Any]:
    return [value * 1.5 + 1 for value in values]


FRAME_S = 1 / 30
ORDER = list(range(60))

METADATA: dict[str, tuple[Damage, set[str]]] = {
    # the documents
    "no info.json": (remove("meta/info.json"), {"dataset-missing"}),
    "only meta": (both(remove_tree("data"), remove_tree("videos")), {"meta-only"}),
    "v2.1": (info(codebase_version="v2.1"), {"dataset-version"}),
    "a version of the future": (info(codebase_version="v4.0"), {"dataset-version"}),
    "info.json cut off": (cut("meta/info.json", 0.5), {"info-unreadable"}),
    "info.json not UTF-8": (write("meta/info.json", b"\xff\xfe\x00"), {"info-unreadable"}),
    "info.json nested without end": (write("meta/info.json", b"[" * 100_000), {"info-unreadable"}),
    "a list for info.json": (write("meta/info.json", b"[]"), {"info-unreadable"}),
    "fps as text": (info(fps="30"), {"info-unreadable"}),
    "fps of zero": (info(fps=0), {"info-unreadable"}),
    "a path that leads out": (info(data_path="../{chunk_index:03d}/{file_index:03d}.parquet"), {"info-unreadable"}),
    "a foreign key": (info(total_videos=6), {"info-key-unknown"}),
    "index of 32 bits": (feature("index", dtype="int32"), {"feature-default", "data-column-type"}),
    "a type that nothing has": (feature("action", dtype="floaty"), {"feature-type"}),
    "a shape that nothing has": (feature("action", shape=[1 << 62]), {"feature-type"}),
    "a camera without channels": (feature(LAPTOP, shape=[96, 128]), {"feature-type"}),
    "no video_path": (info(video_path=None), {"video-path-missing"}),
    "an episode too many counted": (info(total_episodes=4), {"counter-wrong"}),
    "a frame too few counted": (info(total_frames=59), {"counter-wrong"}),
    "a task too many counted": (info(total_tasks=3), {"counter-wrong"}),
    "splits of fewer episodes": (info(splits={"train": "0:2"}), {"splits-wrong"}),
    "splits that overlap": (info(splits={"train": "0:2", "val": "1:3"}), {"splits-wrong"}),
    "splits in words": (info(splits={"train": "all"}), {"splits-wrong"}),
    # what writers leave
    "a temporary file": (write("data/chunk-000/.file-000.parquet.0a1b2c3d.part"), {"leftover-temporary"}),
    "staged images": (write(f"images/{LAPTOP}/episode-000003/frame-000000.png", b"x"), {"leftover-images"}),
    "a staged video": (write("tmpab12cd34/video.mp4", b"x"), {"leftover-images"}),
    "a recording": (write(".laptop.0a1b2c3d.recording.mp4", b"x"), {"leftover-recording"}),
    "an episode that was kept": (write("meta/ffenc/kept/3/laptop.mp4", b"x"), {"leftover-recording"}),
    "half a commit": (write("meta/ffenc/recording/3/commit.json", b"[]"), {"leftover-commit"}),
    "half a change": (lambda root: root.with_name(f".{root.name}.ffenc-new").mkdir(), {"leftover-sibling"}),
    "a run of repeated frames": (repeats(3, 40), {"camera-repeated"}),
    "repeated frames now and then": (repeats(3, 30), set()),
    # tasks
    "no tasks": (remove(TASKS), {"tasks-missing"}),
    "tasks without footer": (cut(TASKS, 0.5), {"tasks-unreadable"}),
    "tasks without numbers": (drop(TASKS, "task_index"), {"tasks-unreadable"}),
    "tasks reordered": (rows(TASKS, [1, 0]), {"tasks-order"}),
    "a number of no task": (cell("task_index", 1, 2, table=TASKS), {"tasks-gap"}),
    "tasks that are no index": (edit_table(TASKS, lambda t: t.replace_schema_metadata(None)), {"tasks-index-missing"}),
    "a task twice": (cell("task", 1, "pick the cube", table=TASKS), {"task-repeated", "episode-tasks-wrong"}),
    "another text": (cell("task", 1, "fold the shirt", table=TASKS), {"episode-tasks-wrong"}),
    "a task for nothing": (
        both(
            edit_table(TASKS, lambda t: pa.concat_tables([t, t.slice(0, 1)])),
            cell("task", 2, "wave", table=TASKS),
            cell("task_index", 2, 2, table=TASKS),
            info(total_tasks=3),
        ),
        {"task-unused"},
    ),
    # episodes
    "no episodes": (remove(EPISODES), {"episodes-missing"}),
    "episodes without footer": (cut(EPISODES, 0.9), {"episodes-unreadable"}),
    "episodes without length": (drop(EPISODES, "length"), {"episodes-column-missing"}),
    "episodes without numbers": (drop(EPISODES, "dataset_to"), {"episodes-column-missing"}),
    "episodes without tasks": (drop(EPISODES, "tasks"), {"episodes-column-missing", "episode-tasks-wrong"}),
    "episodes without times": (drop(EPISODES, f"videos/{PHONE}/from"), {"episodes-column-missing"}),
    "a column of others": (append(EPISODES, "success", [1, 2, 3]), {"episodes-column-extra"}),
    "a column of a removed feature": (append(EPISODES, "stats/gone/mean", [1, 2, 3]), set()),
    "data under another name than data_path": (
        edit_json("info.json", lambda d: d.update(data_path="data/{chunk_index}/{file_index}.parquet")),
        {"data-path-wrong"},
    ),
    "channels first without names": (feature(LAPTOP, shape=[3, 96, 128]), {"feature-axes"}),
    "lengths as text": (retype(EPISODES, "length", pa.string()), {"episodes-column-type"}),
    "times as whole numbers": (
        both(
            episode(f"videos/{LAPTOP}/from_timestamp", 1, 1.0),
            episode(f"videos/{LAPTOP}/from_timestamp", 2, 2.0),
            retype(EPISODES, f"videos/{LAPTOP}/from_timestamp", pa.int64()),
        ),
        {"episodes-column-type"},
    ),
    "files of episodes with other types": (
        two_files_of_episodes(lambda t: with_column(t, "length", t["length"].to_pylist(), pa.int32())),
        {"episodes-files-differ"},
    ),
    "files of episodes with other columns": (
        two_files_of_episodes(lambda t: t.append_column("note", pa.array(["x"]))),
        {"episodes-files-differ", "episodes-column-extra"},
    ),
    "an episode without length": (episode("length", 1, None), {"episode-value-wrong"}),
    "an episode of a negative file": (episode("data/file_index", 1, -1), {"episode-value-wrong"}),
    "an endless time": (episode(f"videos/{PHONE}/to_timestamp", 2, float("inf")), {"episode-value-wrong"}),
    "an episode with another number": (episode("episode_index", 1, 7), {"episode-index-wrong"}),
    "two episodes of one number": (episode("episode_index", 2, 1), {"episode-index-wrong"}),
    "episodes reordered": (
        rows(EPISODES, [0, 2, 1]),
        {"episode-index-wrong", "episode-range-wrong"},
    ),
    "an episode's row gone": (
        rows(EPISODES, [0, 2]),
        {
            *("episode-index-wrong", "episode-range-wrong", "data-rows-wrong"),
            *("counter-wrong", "splits-wrong", "video-range-gap"),
        },
    ),
    "an episode twice": (
        rows(EPISODES, [0, 1, 1, 2]),
        {"episode-index-wrong", "episode-range-wrong", "counter-wrong", "splits-wrong", "video-range-overlap"},
    ),
    "a length that is not its rows": (episode("length", 1, 26), {"episode-length-wrong"}),
    "an episode of no frames": (episode("length", 1, 0), {"episode-length-wrong"}),
    "rows moved": (
        both(
            episode("dataset_from_index", 1, lambda row: row + 3), episode("dataset_to_index", 1, lambda row: row + 3)
        ),
        {"episode-range-wrong"},
    ),
    "rows in another file": (episode("data/file_index", 1, 1), {"episode-data-file-wrong"}),
    "an episode of another file": (episode("meta/episodes/file_index", 1, 1), {"episode-meta-file-wrong"}),
    "another task": (episode("tasks", 1, ["wave"]), {"episode-tasks-wrong"}),
    # data
    "no data": (remove(DATA), {"data-missing"}),
    "data without footer": (cut(DATA, 0.9), {"data-unreadable"}),
    "data damaged within": (
        lambda root: (root / DATA).write_bytes(
            (root / DATA).read_bytes()[:200] + bytes(1500) + (root / DATA).read_bytes()[1700:]
        ),
        {"data-unreadable"},
    ),
    "a data file of another name": (copy(DATA, "data/chunk-000/copy.parquet"), {"file-name-foreign"}),
    "a file of episodes of another name": (
        copy(EPISODES, "meta/episodes/chunk-000/copy.parquet"),
        {"file-name-foreign"},
    ),
    "a data file twice": (copy(DATA, "data/chunk-000/file-001.parquet"), {"data-rows-wrong"}),
    "no column of a feature": (drop(DATA, "next.done"), {"data-column-missing"}),
    "a column of no feature": (append(DATA, "reward", [0.0] * 60), {"data-column-extra"}),
    "a column of a video": (append(DATA, LAPTOP, [b""] * 60), {"data-column-extra"}),
    "whole numbers for floats": (retype(DATA, "timestamp", pa.string()), {"data-column-type"}),
    "text for whole numbers": (retype(DATA, "frame_index", pa.string()), {"data-column-type"}),
    "floats of 64 bits": (retype(DATA, "timestamp", pa.float64()), {"data-column-type"}),
    "vectors of another length": (
        edit_table(
            DATA,
            lambda t: with_column(t, "action", [v[:5] for v in t["action"].to_pylist()], pa.list_(pa.float32(), 5)),
        ),
        {"data-column-type"},
    ),
    "vectors of many lengths": (
        edit_table(
            DATA,
            lambda t: with_column(
                t, "action", [v[: 5 + i % 2] for i, v in enumerate(t["action"].to_pylist())], pa.list_(pa.float32())
            ),
        ),
        {"data-value-missing"},
    ),
    "a hole": (cell("next.done", 30, None), {"data-value-missing"}),
    "a hole in episode_index": (cell("episode_index", 30, None), {"data-value-missing"}),
    "NaN": (cell("action", 30, [float("nan")] * 6), {"data-not-finite"}),
    "infinity": (cell("observation.state", 59, [float("inf")] * 6), {"data-not-finite"}),
    "a row gone": (rows(DATA, [*range(30), *range(31, 60)]), {"data-rows-wrong"}),
    "the last row gone": (rows(DATA, ORDER[:-1]), {"data-rows-wrong"}),
    "a row twice": (rows(DATA, [*range(31), *range(30, 60)]), {"data-rows-wrong"}),
    "rows of an episode gone": (rows(DATA, [*range(20), *range(45, 60)]), {"data-rows-wrong"}),
    "all rows gone": (edit_table(DATA, lambda t: t.slice(0, 0)), {"data-rows-wrong"}),
    "rows of an episode too many": (
        edit_table(DATA, lambda t: pa.concat_tables([t, with_column(t.slice(45), "episode_index", [3] * 15)])),
        {"data-rows-wrong"},
    ),
    "two rows exchanged": (
        rows(DATA, [*range(30), 31, 30, *range(32, 60)]),
        {"data-frame-index-wrong", "data-index-wrong", "data-timestamp-wrong"},
    ),
    "a row of another episode": (cell("episode_index", 30, 2), {"data-episode-wrong"}),
    "a row of no episode": (cell("episode_index", 59, 3), {"data-episode-wrong"}),
    "another frame_index": (cell("frame_index", 30, 11), {"data-frame-index-wrong"}),
    "another index": (cell("index", 30, 31), {"data-index-wrong"}),
    "a time off the grid": (cell("timestamp", 30, lambda t: t + 0.001), {"data-timestamp-wrong"}),
    "a time that is none": (cell("timestamp", 30, float("nan")), {"data-timestamp-wrong", "data-not-finite"}),
    "times of another rate": (
        edit_table(DATA, lambda t: with_column(t, "timestamp", [v * 1.001 for v in t["timestamp"].to_pylist()])),
        {"data-timestamp-wrong"},
    ),
    "an unknown task": (cell("task_index", 30, 2), {"data-task-unknown"}),
    "a negative task": (cell("task_index", 30, -1), {"data-task-unknown"}),
    "a row of another task": (
        cell("task_index", 30, 0),
        {"episode-tasks-wrong"},
    ),
    "other actions than those of the statistics": (
        edit_table(DATA, lambda t: with_column(t, "action", [scaled(v) for v in t["action"].to_pylist()])),
        {"episode-stats-wrong", "stats-wrong"},
    ),
    # statistics
    "no stats.json": (remove("meta/stats.json"), {"stats-missing"}),
    "stats.json cut off": (cut("meta/stats.json", 0.5), {"stats-unreadable"}),
    "stats.json of words": (edit_json("stats.json", lambda d: d["action"].update(mean="many")), {"stats-unreadable"}),
    "stats.json without mean": (edit_json("stats.json", lambda d: d["action"].pop("mean")), {"stats-unreadable"}),
    "statistics of a feature gone": (edit_json("stats.json", lambda d: d.pop("action")), {"stats-feature-missing"}),
    "statistics of a camera gone": (edit_json("stats.json", lambda d: d.pop(LAPTOP)), {"stats-feature-missing"}),
    "statistics of no feature": (
        edit_json("stats.json", lambda d: d.update(gone=d["action"])),
        {"stats-feature-extra"},
    ),
    "statistics of another shape": (
        edit_json("stats.json", lambda d: d.update(action=d["timestamp"])),
        {"stats-shape-wrong"},
    ),
    "no quantiles": (edit_json("stats.json", without_quantiles), {"stats-incomplete"}),
    **{
        f"{key} of {name} wrong": (stat(name, key, lambda v: v * 1.1 + 50), {"stats-wrong"})
        for name in ("action", "observation.state", "next.done", "timestamp", LAPTOP)
        for key in ("min", "max", "mean", "std", "q01", "q50", "q99")
    },
    "another count": (stat("action", "count", lambda v: v + 1), {"stats-wrong"}),
    "mean of index of another dataset": (stat("index", "mean", lambda v: v + 100), set()),
    "an episode without statistics": (episode("stats/action/mean", 1, None), {"episode-stats-wrong"}),
    "episodes without statistics": (drop(EPISODES, "stats/action/"), {"episode-stats-missing"}),
    "episodes without statistics of a camera": (drop(EPISODES, f"stats/{PHONE}/"), {"episode-stats-missing"}),
    "episodes without any statistics": (drop(EPISODES, "stats/"), {"episode-stats-missing"}),
    "maximum of an episode": (episode("stats/action/max", 1, scaled), {"episode-stats-wrong"}),
    "median of an episode": (episode("stats/observation.state/q50", 0, scaled), {"episode-stats-wrong"}),
    "mean of a camera in an episode": (episode(f"stats/{PHONE}/mean", 0, [[[0.1]], [[0.2]], [[0.3]]]), {"stats-wrong"}),
    # videos, without opening them
    "no video": (remove(VIDEO), {"video-missing"}),
    "an empty video": (write(VIDEO), {"video-unreadable"}),
    "a video of another number": (episode(f"videos/{LAPTOP}/file_index", 1, 5), {"video-missing", "video-range-gap"}),
    "a video for nothing": (copy(VIDEO, VIDEO.replace("file-000", "file-001")), {"video-unused"}),
    "a video of no camera": (copy(VIDEO, "videos/observation.images.gone/chunk-000/file-000.mp4"), {"video-unused"}),
    "no info block": (edit_json("info.json", lambda d: d["features"][LAPTOP].pop("info")), {"video-info-missing"}),
    "an info block of another rate": (block(LAPTOP, **{"video.fps": 25}), {"video-info-wrong"}),
    "an info block of another size": (block(PHONE, **{"video.height": 97}), {"video-info-wrong"}),
    "a begin between frames": (times(LAPTOP, 1, start=0.01), {"video-time-off-grid"}),
    "an end between frames": (times(PHONE, 2, stop=-0.01), {"video-time-off-grid"}),
    "a begin before the video": (times(PHONE, 0, start=-FRAME_S), {"video-time-off-grid"}),
    "times that drift": (times(LAPTOP, 2, start=5e-5, stop=7e-5), {"video-time-drift"}),
    "an end one frame too late": (times(LAPTOP, 2, stop=FRAME_S), {"video-range-wrong"}),
    "a begin one frame too late": (times(LAPTOP, 1, start=FRAME_S), {"video-range-wrong"}),
    "the last episode one frame later": (times(LAPTOP, 2, start=FRAME_S, stop=FRAME_S), {"video-range-gap"}),
    "the last episode one frame earlier": (times(LAPTOP, 2, start=-FRAME_S, stop=-FRAME_S), {"video-range-overlap"}),
    "all episodes one frame later": (
        both(*(times(PHONE, row, start=FRAME_S, stop=FRAME_S) for row in range(3))),
        {"video-range-gap"},
    ),
}
"""What is found without opening a video: the fault, and all codes that may be found."""
