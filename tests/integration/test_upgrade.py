"""`upgrade_dataset` turns format 2.1 into 3.0 with the same rows, frames and values, or refuses it with file and line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import Binaries, VideoEncoderConfig, encode_frames, upgrade_dataset, verify_dataset
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from tests.datasets import frames_of, rows_of, tree_of
from tests.footage import numbered_frame
from tests.lerobot_data import LEROBOT

pytest.importorskip("pyarrow")
import pyarrow as pa
import pyarrow.parquet as pq

from ffenc.dataset.format.dataset_tables import load_episodes, load_tasks
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.transform import upgrade
from ffenc.errors import DatasetError, FFencError, OutputExistsError
from tests.version21 import change_lines, version_21_of

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

LAPTOP, PHONE = "observation.images.laptop", "observation.images.phone"
CONVERTED = LEROBOT / "upgraded-0.6.1.json"
"""Tables and documents that the converter of LeRobot 0.6.1 makes of dataset A in format 2.1."""


@pytest.fixture(scope="module")
def old_a(tmp_path_factory: pytest.TempPathFactory, binaries: Binaries) -> Path:
    return version_21_of(LEROBOT / "A", tmp_path_factory.mktemp("old") / "A", binaries)


@pytest.fixture
def old(old_a: Path, tmp_path: Path) -> Path:
    """Return a copy of dataset A in format 2.1 that may be changed."""
    return Path(shutil.copytree(old_a, tmp_path / "set"))


@pytest.mark.parametrize(("name", "in_place"), [("A", True), ("D", False)])
def test_rows_frames_and_documents_stay(name: str, in_place: bool, tmp_path: Path, binaries: Binaries) -> None:
    source = LEROBOT / name
    old = version_21_of(source, tmp_path / "set", binaries)
    (old / "README.md").write_text("read me")
    before = tree_of(old)
    result = upgrade_dataset(old, None if in_place else tmp_path / "out", binaries=binaries)
    root = old if in_place else tmp_path / "out"
    if not in_place:
        assert tree_of(old) == before
    info, expected = load_info(root), load_info(source)
    assert (result.root, result.episodes, result.frames) == (root, info.total_episodes, info.total_frames)
    assert (result.videos_before, result.videos) == (info.total_episodes * len(info.videos), len(info.videos))
    assert rows_of(root) == rows_of(source)
    assert frames_of(root, binaries) == frames_of(source, binaries)
    assert load_tasks(root) == load_tasks(source)
    without = [(row.tasks, row.length, row.dataset_from_index, row.videos) for row in load_episodes(source, expected)]
    assert [(r.tasks, r.length, r.dataset_from_index, r.videos) for r in load_episodes(root, info)] == without
    report = verify_dataset(root, "packets" if in_place else "decode", binaries=binaries)
    assert report.counts.keys() == {"stats-incomplete"}, report.findings
    assert (root / "README.md").read_text() == "read me"
    assert not list(root.rglob("*.jsonl")) or [path.name for path in root.rglob("*.jsonl")] == ["operations.jsonl"]
    assert {path.name for path in tmp_path.iterdir()} == {"set", *([] if in_place else ["out"])}


def test_result_equals_that_of_lerobots_converter(old: Path, binaries: Binaries) -> None:
    """The types are those of LeRobot's recorder, and the sums of statistics may differ in the last bit."""
    upgrade_dataset(old, binaries=binaries)
    converted = json.loads(CONVERTED.read_text())
    assert (old / "meta/info.json").read_text() == json.dumps(converted["info"], indent=4, ensure_ascii=False)
    episodes = pq.read_table(old / "meta/episodes/chunk-000/file-000.parquet")
    assert episodes.to_pylist() == converted["episodes"]  # as dictionaries, in any order of columns
    assert pq.read_table(old / "meta/tasks.parquet").to_pylist() == converted["tasks"]
    assert pq.read_table(old / "data/chunk-000/file-000.parquet").column_names == converted["data_columns"]
    stats = json.loads((old / "meta/stats.json").read_text())
    assert stats.keys() == converted["stats"].keys()
    for name, values in converted["stats"].items():
        assert stats[name].keys() == values.keys()
        for key, value in values.items():
            np.testing.assert_allclose(stats[name][key], value, rtol=1e-15)


def test_packets_are_copied(old: Path, binaries: Binaries) -> None:
    def packets(paths: list[Path]) -> list[list[str]]:
        found = []
        for path in paths:
            argv = [binaries.ffmpeg, "-v", "error", "-i", path, "-map", "0:v", "-c", "copy", "-f", "framecrc", "-"]
            lines = run_tool(list(map(str, argv)), check=True).stdout.decode().splitlines()
            found += [line.split(",")[4:6] for line in lines if not line.startswith("#")]  # size and checksum
        return found

    before = packets(sorted(old.glob(f"videos/*/{LAPTOP}/*.mp4")))
    upgrade_dataset(old, binaries=binaries)
    assert len(before) == 60
    assert packets(sorted(old.glob(f"videos/{LAPTOP}/*/*.mp4"))) == before


def test_size_limits_start_new_files(old: Path, tmp_path: Path, binaries: Binaries) -> None:
    small = {"data_files_size_in_mb": 0.001, "video_files_size_in_mb": 0.001}
    result = upgrade_dataset(old, tmp_path / "out", **small, binaries=binaries)
    assert result.videos == result.videos_before == 6
    assert len(list((tmp_path / "out/data").rglob("*.parquet"))) == 3
    assert frames_of(tmp_path / "out", binaries) == frames_of(LEROBOT / "A", binaries)
    assert verify_dataset(tmp_path / "out", binaries=binaries).ok


def test_videos_that_cannot_be_joined_keep_their_files(old: Path, binaries: Binaries) -> None:
    path = old / f"videos/chunk-000/{LAPTOP}/episode_000001.mp4"
    path.unlink()
    frames = [numbered_frame(number, width=128, height=96) for number in range(25)]
    encode_frames(frames, path, fps=30, config=VideoEncoderConfig(vcodec="h264"), binaries=binaries)
    result = upgrade_dataset(old, binaries=binaries)
    assert result.videos == 4  # three of the laptop, one of the phone
    spans = [row.videos[LAPTOP] for row in load_episodes(old, load_info(old))]
    assert [(span.file.file, span.from_frame) for span in spans] == [(0, 0), (1, 0), (2, 0)]


def test_images_further_keys_and_nan_survive(old: Path, binaries: Binaries) -> None:
    picture = {"bytes": b"\x89PNG\r\n", "path": "frame.png"}
    document = json.loads((old / "meta/info.json").read_text())
    document |= {"origin": {"lab": 3}, "tools": [{"type": "function"}]}
    document["features"]["observation.images.wrist"] = {"dtype": "image", "shape": [4, 4, 3], "names": None}
    (old / "meta/info.json").write_text(json.dumps(document))
    for path in old.glob("data/*/*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.append_column("observation.images.wrist", pa.array([picture] * len(table))), path)
    change_lines(old / "meta/episodes.jsonl", lambda lines: lines[1].update(score=0.5, labels=["a"]))
    change_lines(
        old / "meta/episodes_stats.jsonl", lambda lines: lines[0]["stats"]["action"].update(std=[float("nan")] * 6)
    )
    change_lines(old / "meta/episodes.jsonl", list.reverse)
    upgrade_dataset(old, binaries=binaries)
    info = load_info(old)
    assert info.tools == [{"type": "function"}]
    assert info.model_extra == {"origin": {"lab": 3}}
    assert all(row["observation.images.wrist"] == picture for row in rows_of(old))
    rows = load_episodes(old, info)
    assert [row.others for row in rows] == [
        {"score": None, "labels": None}, {"score": 0.5, "labels": ["a"]}, {"score": None, "labels": None},
    ]  # fmt: skip
    assert np.isnan(rows[0].statistics["action"].std).all()


def _line(path: str, change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Path], None]:
    return lambda root: change_lines(root / path, change)


def _rows(change: Callable[[pa.Table], pa.Table], episode: int = 1) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        path = root / f"data/chunk-000/episode_{episode:06d}.parquet"
        pq.write_table(change(pq.read_table(path)), path)

    return damage


def _column(name: str, row: int, value: object) -> Callable[[Path], None]:
    def change(table: pa.Table) -> pa.Table:
        values = table[name].to_pylist()
        values[row] = value
        return table.set_column(table.column_names.index(name), name, pa.array(values, table[name].type))

    return _rows(change)


def _info(**values: object) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        path = root / "meta/info.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return damage


def _text(path: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda root: (root / path).write_text(change((root / path).read_text()))  # type: ignore[func-returns-value]


def _copy(source: str, target: str) -> Callable[[Path], None]:
    return lambda root: shutil.copy(root / source, root / target)  # type: ignore[func-returns-value]


EPISODES, STATS, TASKS = "meta/episodes.jsonl", "meta/episodes_stats.jsonl", "meta/tasks.jsonl"
VIDEO = f"videos/chunk-000/{LAPTOP}/episode_000001.mp4"
DATA = "data/chunk-000/episode_000001.parquet"

DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no episode 1": (_line(EPISODES, lambda lines: lines.pop(1)), "episodes.jsonl, line 2: episode 1 is missing"),
    "no last episode": (_line(EPISODES, lambda lines: lines.pop()), "total_episodes 3, but .*episodes.jsonl has 2"),
    "an episode twice": (
        _line(EPISODES, lambda lines: lines.append(lines[0])),
        "episodes.jsonl, line 4: episode 0 is listed in line 1 too",
    ),
    "no length": (_line(EPISODES, lambda lines: lines[2].pop("length")), "episodes.jsonl, line 3: length is None"),
    "a length of 0": (_line(EPISODES, lambda lines: lines[2].update(length=0)), "episodes.jsonl, line 3: .* no frames"),
    "a length that is wrong": (
        _line(EPISODES, lambda lines: (lines[0].update(length=21), lines[1].update(length=24))),
        r"episode_000000.mp4 has 20 frames, but line 1 of .*episodes.jsonl says 21",
    ),
    "tasks as a text": (_line(EPISODES, lambda lines: lines[0].update(tasks="x")), "line 1: tasks is 'x'"),
    "a key of format 3": (
        _line(EPISODES, lambda lines: lines[0].update({"data/file_index": 1})),
        "line 1: the key 'data/file_index'",
    ),
    "values of two types": (
        _line(EPISODES, lambda lines: (lines[0].update(score=1), lines[1].update(score="high"))),
        "episodes.jsonl: the values of 'score'",
    ),
    "a line cut off": (_text(EPISODES, lambda text: text[:-9]), "episodes.jsonl .* line 3"),
    "a line that is a list": (_text(EPISODES, lambda text: text + "[]\n"), "episodes.jsonl, line 4: expected a JSON object"),
    "no file of episodes": (lambda root: (root / EPISODES).unlink(), "episodes.jsonl does not exist"),
    "an empty file of tasks": (_text(TASKS, lambda text: ""), "tasks.jsonl is empty"),
    "a task twice": (_line(TASKS, lambda lines: lines[1].update(task_index=0)), "tasks.jsonl, line 2: task 0 is listed in line 1"),
    "a text twice": (_line(TASKS, lambda lines: lines[1].update(task=lines[0]["task"])), "tasks.jsonl, line 2: the task .* line 1"),
    "a task left out": (_line(TASKS, lambda lines: lines[1].update(task_index=2)), "tasks.jsonl, line 2: task 1 is missing"),
    "no statistics of an episode": (_line(STATS, lambda lines: lines.pop(0)), "episodes_stats.jsonl, line 1: episode 0 is missing"),
    "statistics twice": (_line(STATS, lambda lines: lines.append(lines[2])), "episodes_stats.jsonl, line 4: episode 2 is listed in line 3"),
    "statistics without a mean": (
        _line(STATS, lambda lines: lines[1]["stats"]["action"].pop("mean")),
        "episodes_stats.jsonl, line 2: action: the statistics lack mean",
    ),
    "statistics of another shape": (
        _line(STATS, lambda lines: lines[1]["stats"]["action"].update({k: [0.0] for k in ("min", "max", "mean", "std")})),
        r"episodes_stats.jsonl, line 2: action has the shape \(1,\)",
    ),
    "no data file": (lambda root: (root / DATA).unlink(), "episode_000001.parquet is missing"),
    "a surplus data file": (_copy(DATA, "data/chunk-000/episode_000003.parquet"), "episode_000003.parquet does not belong"),
    "a row too few": (_rows(lambda table: table.slice(1)), "episode_000001.parquet has 24 rows, but line 2 .* says 25"),
    "a row of another episode": (_column("episode_index", 3, 0), "episode_000001.parquet, row 3: episode_index is 0, expected 1"),
    "an index of its own": (_column("index", 0, 0), "episode_000001.parquet, row 0: index is 0, expected 20"),
    "a frame index twice": (_column("frame_index", 9, 8), "episode_000001.parquet, row 9: frame_index is 8, expected 9"),
    "a time between frames": (_column("timestamp", 2, 0.05), "episode_000001.parquet, row 2: timestamp is 0.05"),
    "an unknown task": (_column("task_index", 4, 7), "episode_000001.parquet, row 4: task_index is 7, expected 0 to 1"),
    "a missing value": (_column("action", 0, None), "episode_000001.parquet: "),
    "a column too many": (
        _rows(lambda table: table.append_column("reward", table["timestamp"])),
        "episode_000001.parquet: .*unknown columns .'reward'",
    ),
    "a data file that is damaged": (lambda root: (root / DATA).write_bytes(b"PAR1"), "episode_000001.parquet cannot be read"),
    "no video": (lambda root: (root / VIDEO).unlink(), "episode_000001.mp4 is missing"),
    "a surplus video": (_copy(VIDEO, VIDEO.replace("1.mp4", "3.mp4")), "episode_000003.mp4 does not belong"),
    "a video of another episode": (
        _copy(VIDEO.replace("1.mp4", "0.mp4"), VIDEO),
        "episode_000001.mp4 has 20 frames, but line 2 of .*episodes.jsonl says 25",
    ),
    "a video that is cut off": (
        lambda root: (root / VIDEO).write_bytes((root / VIDEO).read_bytes()[:4000]),
        "episode_000001.mp4",
    ),
    "a wrong total": (_info(total_frames=61), "total_frames 61, but .*episodes.jsonl has 60"),
    "paths of its own": (_info(data_path="data/{episode_index}.parquet"), "data_path 'data/{episode_index}.parquet'"),
    "no path of videos": (_info(video_path=None), "video_path null"),
    "a rate that is not whole": (_info(fps=29.97), "fps"),
    "format 3.0 already": (_info(codebase_version="v3.0"), "current format v3.0, so there is nothing to upgrade"),
    "format 2.0": (_info(codebase_version="v2.0"), "convert_dataset_v20_to_v21"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_dataset_is_refused_and_unchanged(name: str, old: Path, tmp_path: Path, binaries: Binaries) -> None:
    damage, message = DAMAGED[name]
    damage(old)
    before = tree_of(tmp_path)
    dry_run = list(DAMAGED).index(name) % 2 == 1  # a dry run finds the same
    with pytest.raises(FFencError, match=message):
        upgrade_dataset(old, dry_run=dry_run, binaries=binaries)
    assert tree_of(tmp_path) == before


@pytest.mark.parametrize(
    "step", ["write_groups", "save_episodes", "save_tasks", "save_stats", "save_info", "copy_unchanged"]
)
@pytest.mark.parametrize("in_place", [False, True])
def test_failure_at_any_step_leaves_nothing(
    step: str, in_place: bool, old: Path, tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree_of(tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(upgrade, step, fail)
    with pytest.raises(FFencError, match="No space left"):
        upgrade_dataset(old, None if in_place else tmp_path / "out", binaries=binaries)
    assert tree_of(tmp_path) == before


def test_dry_run_checks_and_writes_nothing(old: Path, tmp_path: Path, binaries: Binaries) -> None:
    before = tree_of(tmp_path)
    result = upgrade_dataset(old, tmp_path / "out", dry_run=True, binaries=binaries)
    assert (result.dry_run, result.videos_before, result.videos) == (True, 6, 2)
    assert tree_of(tmp_path) == before
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputExistsError):
        upgrade_dataset(old, tmp_path / "out", dry_run=True, binaries=binaries)


def test_links_are_followed_only_if_asked(old: Path, tmp_path: Path, binaries: Binaries) -> None:
    (old / DATA).rename(tmp_path / "elsewhere.parquet")
    (old / DATA).symlink_to(tmp_path / "elsewhere.parquet")
    with pytest.raises(DatasetError, match="follow_links"):
        upgrade_dataset(old, binaries=binaries)
    upgrade_dataset(old, follow_links=True, binaries=binaries)
    assert rows_of(old) == rows_of(LEROBOT / "A")
