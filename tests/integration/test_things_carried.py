"""What other programs add to a dataset survives every operation: a table of operations and things carried."""

from __future__ import annotations

import io
import json
import logging
import shutil
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import (
    Binaries,
    DatasetRecorder,
    add_features,
    convert_images_to_video,
    delete_episodes,
    merge_datasets,
    modify_tasks,
    recompute_stats,
    reencode_dataset,
    remove_features,
    rename_features,
    repair_dataset,
    split_dataset,
    trim_episodes,
    upgrade_dataset,
    verify_dataset,
)
from ffenc.cli.main import main
from ffenc.errors import DatasetError, MergeError
from tests.dataset_operations import EPISODES, H264, LAPTOP, LENGTH, TOP, WRIST, copy_tree, frame_of, listing
from tests.datasets import change_info, rows_of
from tests.version21 import change_lines, version_21_of

pytest.importorskip("pyarrow")
import pyarrow as pa
import pyarrow.parquet as pq

from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.frame_columns import nested_array
from ffenc.dataset.transform.pack import pack_dataset

pytestmark = [pytest.mark.net, pytest.mark.integration, pytest.mark.one_build]

FRAMES = EPISODES * LENGTH
SUBTASKS = {"set": ["reach", "grasp", "lift"], "other": ["push", "lift", "reach"]}
SKILLS = {
    "set": [{"skill": "slow", "limits": [1, 2]}, {"skill": "fast", "limits": [3]}],
    "other": [{"skill": "fast", "limits": [3]}, {"skill": "slow", "limits": [9]}],
}
TOOLS = [{"type": "function", "function": {"name": "say"}}]
FILES = {"README.md": "what it is", "meta/modality.json": "{}", "calibration/arm.yaml": "a: 1"}
CALLS = pa.list_(pa.json_() if hasattr(pa, "json_") else pa.string())
EVENT = pa.struct(
    [pa.field("role", pa.string(), nullable=False), ("content", pa.string()), ("style", pa.string()),
     ("camera", pa.string()), ("tool_calls", CALLS)]
)  # fmt: skip
"""The entries that LeRobot's annotation tools write."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The frame of the original dataset that a row was."""

    name: str
    episode: int
    frame: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Origin:
        number = round(float(row["observation.state"][1]) * 10)
        return cls("other" if number >= 1000 else "set", number % 1000 // 10, number % 10)

    @property
    def is_new(self) -> bool:
        return self.episode >= EPISODES

    @property
    def mark(self) -> str:
        return f"{self.name} {self.episode} {self.frame}"


def annotate(root: Path, name: str, *, language: bool) -> Path:
    """Add everything to a dataset; each value names the row, the episode or the dataset that has it."""
    features = json.loads((root / "meta/info.json").read_text())["features"]
    rows: list[Origin] = []
    for path in sorted(root.glob("data/*/*.parquet")):
        table = pq.read_table(path)
        state = np.array(table["observation.state"].to_pylist(), np.float32) + (100 if name == "other" else 0)
        place = table.schema.get_field_index("observation.state")
        table = table.set_column(place, table.schema.field(place), pa.array(list(state), pa.list_(pa.float32(), 2)))
        here = [Origin.of(row) for row in table.to_pylist()]
        events = [
            [{"role": "user", "content": each.mark, "style": "vqa", "camera": LAPTOP, "tool_calls": ['{"a": 1}']}]
            for each in here
        ]
        if language:
            table = table.append_column("language_events", nested_array(events, pa.list_(EVENT)))
        for feature, count in (("subtask_index", 3), ("skill_index", 2)):
            table = table.append_column(feature, pa.array([(each.episode + each.frame) % count for each in here]))
        pq.write_table(table, path)
        rows += here
    number = {"dtype": "int64", "shape": [1], "names": None}
    features |= {"subtask_index": number, "skill_index": {**number, "unit": "none"}}
    if language:
        features["language_events"] = {"dtype": "language", "shape": [1], "names": None}
    change_info(root, features=features, tools=TOOLS, licence="MIT")
    for path in sorted(root.glob("meta/episodes/*/*.parquet")):
        table = pq.read_table(path)
        episodes = table["episode_index"].to_pylist()
        table = table.append_column("success", pa.array([each == 1 for each in episodes]))
        table = table.append_column(f"videos/{LAPTOP}/exposure", pa.array([f"{name} {each}" for each in episodes]))
        pq.write_table(table, path)
    texts = pa.table({"subtask_index": [0, 1, 2], "subtask": SUBTASKS[name]})
    pq.write_table(texts, root / "meta/subtasks.parquet")
    pq.write_table(
        pa.Table.from_pylist([{"skill_index": k, **row} for k, row in enumerate(SKILLS[name])]),
        root / "meta/skills.parquet",
    )
    tasks = root / "meta/tasks.parquet"
    table = pq.read_table(tasks).append_column("difficulty", pa.array([3]))
    pq.write_table(table.append_column("limits", pa.array([[0.5, 1.5]])), tasks)
    columns = {
        "index": list(range(FRAMES)),
        "episode_index": [each.episode for each in rows],
        "frame_index": [each.frame for each in rows],
        "subtask_index": [(each.episode + each.frame) % 3 for each in rows],
        "mark": [each.mark for each in rows],
    }
    pq.write_table(pa.table(columns), root / "progress.parquet")
    grades = {"episode_index": list(range(EPISODES)), "grade": [f"{name} {each}" for each in range(EPISODES)]}
    pq.write_table(pa.table(grades), root / "meta/grades.parquet")
    for file, text in FILES.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    return root


# Things carried: each fails if it is not as in the original


def _language(root: Path, rows: list[tuple[Origin, dict[str, Any]]]) -> None:
    camera = next(iter(load_info(root).videos))
    for origin, row in rows:
        (entry,) = row["language_events"]
        assert (entry["content"], entry["camera"], entry["tool_calls"]) == (origin.mark, camera, ['{"a": 1}'])
    (path, *_) = sorted(root.glob("data/*/*.parquet"))
    assert pq.read_schema(path).field("language_events").type == pa.list_(EVENT)


def _subtasks(root: Path, rows: list[tuple[Origin, dict[str, Any]]]) -> None:
    table = pq.read_table(root / "meta/subtasks.parquet").to_pylist()
    for origin, row in rows:
        assert table[row["subtask_index"]]["subtask"] == SUBTASKS[origin.name][(origin.episode + origin.frame) % 3]


def _task_columns(root: Path, rows: list[tuple[Origin, dict[str, Any]]]) -> None:
    table = pq.read_table(root / "meta/tasks.parquet").to_pylist()
    assert {table[row["task_index"]]["task"] for _, row in rows} <= {"move", "another"}
    for _, row in rows:
        assert (table[row["task_index"]]["difficulty"], table[row["task_index"]]["limits"]) == (3, [0.5, 1.5])


def _skills(root: Path, rows: list[tuple[Origin, dict[str, Any]]]) -> None:
    table = pq.read_table(root / "meta/skills.parquet").to_pylist()
    assert [row["skill_index"] for row in table] == list(range(len(table)))
    for origin, row in rows:
        wanted = SKILLS[origin.name][(origin.episode + origin.frame) % 2]
        assert table[row["skill_index"]] == {"skill_index": row["skill_index"], **wanted}
    assert (load_info(root).features["skill_index"].model_extra or {})["unit"] == "none"


def _table_of_frames(root: Path, rows: list[tuple[Origin, dict[str, Any]]]) -> None:
    table = pq.read_table(root / "progress.parquet").to_pylist()
    assert [row["mark"] for row in table] == [origin.mark for origin, _ in rows]
    for mine, (_, row) in zip(table, rows, strict=True):
        for name in ("index", "episode_index", "frame_index", "subtask_index"):
            assert mine[name] == row[name]


def _table_of_episodes(root: Path, rows: list[tuple[Origin, dict[str, Any]]]) -> None:
    wanted = {row["episode_index"]: f"{origin.name} {origin.episode}" for origin, row in rows}
    table = pq.read_table(root / "meta/grades.parquet").to_pylist()
    assert {row["episode_index"]: row["grade"] for row in table} == wanted


def _episode_columns(root: Path, rows: list[tuple[Origin, dict[str, Any]]]) -> None:
    camera = next(iter(load_info(root).videos))
    files = sorted(root.glob("meta/episodes/*/*.parquet"))
    episodes = {row["episode_index"]: row for path in files for row in pq.read_table(path).to_pylist()}
    for origin, row in rows:
        found = episodes[row["episode_index"]]
        assert found["success"] == (origin.episode == 1)
        # Format 2.1 has no columns of cameras.
        exposure = found["exposure"] if "exposure" in found else found[f"videos/{camera}/exposure"]
        assert exposure == f"{origin.name} {origin.episode}"


def _info_keys(root: Path, rows: list[tuple[Origin, dict[str, Any]]]) -> None:
    info = load_info(root)
    assert info.tools == TOOLS
    assert (info.model_extra or {})["licence"] == "MIT"


def _side_files(root: Path, rows: list[tuple[Origin, dict[str, Any]]]) -> None:
    assert {name: (root / name).read_text() for name in FILES} == FILES


THINGS: dict[str, Callable[[Path, list[tuple[Origin, dict[str, Any]]]], None]] = {
    "language columns": _language,
    "meta/subtasks.parquet": _subtasks,
    "other numbered tables": _skills,
    "columns of the tasks": _task_columns,
    "tables about frames": _table_of_frames,
    "tables about episodes": _table_of_episodes,
    "columns of the episodes": _episode_columns,
    "tools and keys of info.json": _info_keys,
    "other files": _side_files,
}


# Operations


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation on the annotated dataset ``set``, which may use ``other``.

    Attributes:
        run: takes ``set``, ``other``, a path for an output, and the executables.
        made: the resulting datasets; ``out`` is the output.
        language: False for an operation that refuses this language column.
    """

    run: Callable[[Path, Path, Path, Binaries], object]
    made: tuple[str, ...] = ("set",)
    language: bool = True
    warnings: tuple[str, ...] = field(default=())


def _add_frames(recorder: DatasetRecorder) -> None:
    for number in range(LENGTH):
        new = {"subtask_index": np.array([0]), "skill_index": np.array([1])}
        recorder.add_frame({**frame_of(EPISODES, number), **new})


def _resume(root: Path, other: Path, out: Path, binaries: Binaries) -> None:
    with DatasetRecorder.resume(root, binaries=binaries) as recorder:
        _add_frames(recorder)
        recorder.save_episode(wait=True)
        recorder.finalize(pack=False)


def _salvage(root: Path, other: Path, out: Path, binaries: Binaries) -> None:
    with suppress(InterruptedError), DatasetRecorder.resume(root, binaries=binaries) as recorder:
        _add_frames(recorder)
        raise InterruptedError
    _command(binaries, "salvage", root)
    assert load_info(root).total_episodes == EPISODES + 1


def _command(binaries: Binaries, *words: object) -> str:
    """Run a command, and return what it prints."""
    tools = f"--ffmpeg={binaries.ffmpeg}", f"--ffprobe={binaries.ffprobe or 'none'}"
    with redirect_stdout(io.StringIO()) as printed:
        assert main([*map(str, words), *tools]) == 0
    return printed.getvalue()


def _jobs(root: Path, other: Path, out: Path, binaries: Binaries) -> None:
    work, jobs = out.with_name("work"), out.with_name("jobs.jsonl")
    jobs.write_text(_command(binaries, "jobs", "plan", root, f"--work={work}", "--camera_encoder.vcodec=h264"))
    _command(binaries, "jobs", "run", jobs)
    _command(binaries, "jobs", "commit", work, f"--output={out}")


def _merge_mismatched(root: Path, other: Path, out: Path, binaries: Binaries) -> None:
    reencode_dataset(other, camera_encoder=H264.model_copy(update={"pix_fmt": "yuv444p"}), binaries=binaries)
    with pytest.raises(MergeError, match="pix_fmt"):
        merge_datasets([root, other], out, binaries=binaries)
    merge_datasets([root, other], out, on_mismatch="reencode", binaries=binaries)


def _add(root: Path, other: Path, out: Path, binaries: Binaries) -> None:
    pq.write_table(pa.table({"index": list(range(FRAMES)), "force": [0.5] * FRAMES}), out.with_suffix(".parquet"))
    add_features(root, out.with_suffix(".parquet"))


def _upgrade(root: Path, other: Path, out: Path, binaries: Binaries) -> None:
    old = version_21_of(root, out.with_name("old"), binaries)
    for name in (*FILES, "meta/subtasks.parquet", "meta/skills.parquet", "meta/grades.parquet", "progress.parquet"):
        (old / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, old / name)
    columns = ["episode_index", "success", f"videos/{LAPTOP}/exposure"]
    paths = sorted(root.glob("meta/episodes/*/*.parquet"))
    others = {row["episode_index"]: row for each in paths for row in pq.read_table(each, columns=columns).to_pylist()}
    for row in others.values():
        row["exposure"] = row.pop(f"videos/{LAPTOP}/exposure")
    change_lines(
        old / "meta/episodes.jsonl", lambda lines: [line.update(others[line["episode_index"]]) for line in lines]
    )
    tasks = pq.read_table(root / "meta/tasks.parquet").to_pylist()
    change_lines(old / "meta/tasks.jsonl", lambda lines: [line.update(tasks[line["task_index"]]) for line in lines])
    upgrade_dataset(old, out, binaries=binaries)


def _repair(root: Path, other: Path, out: Path, binaries: Binaries) -> None:
    change_info(root, total_frames=1)
    repair_dataset(root, level="metadata", binaries=binaries)


RUNS: dict[str, Operation] = {
    "merge": Operation(run=lambda a, b, o, n: merge_datasets([a, b], o, binaries=n), made=("out",)),
    "merge --on_mismatch": Operation(run=_merge_mismatched, made=("out",)),
    "delete-episodes": Operation(run=lambda a, b, o, n: delete_episodes(a, [0], o, binaries=n), made=("out",)),
    "split": Operation(
        run=lambda a, b, o, n: split_dataset(a, {"x": [2], "y": [0, 1]}, o, binaries=n), made=("out/x", "out/y")
    ),
    "reencode-dataset": Operation(
        run=lambda a, b, o, n: reencode_dataset(a, camera_encoder=H264, output=o, binaries=n), made=("out",)
    ),
    "reencode-dataset --resize": Operation(
        run=lambda a, b, o, n: reencode_dataset(a, camera_encoder=H264, resize=(32, 24), binaries=n)
    ),
    "reencode-dataset --fps": Operation(
        run=lambda a, b, o, n: reencode_dataset(a, camera_encoder=H264, fps=15, binaries=n), language=False
    ),
    "jobs commit": Operation(run=_jobs, made=("set", "out")),
    "images-to-video": Operation(run=lambda a, b, o, n: convert_images_to_video(a, camera_encoder=H264, binaries=n)),
    "trim": Operation(
        run=lambda a, b, o, n: trim_episodes(a, {0: (1, 3), 2: (0, 2)}, o, binaries=n), made=("set", "out")
    ),
    "pack": Operation(run=lambda a, b, o, n: pack_dataset(a, binaries=n)),
    "repair": Operation(run=_repair),
    "record --resume": Operation(run=_resume, language=False),
    "salvage": Operation(run=_salvage, language=False),
    "modify-tasks": Operation(run=lambda a, b, o, n: modify_tasks(a, "another", output=o), made=("set", "out")),
    "add-features": Operation(run=_add),
    "remove-features": Operation(run=lambda a, b, o, n: remove_features(a, [WRIST])),
    "rename-features": Operation(
        run=lambda a, b, o, n: rename_features(a, {LAPTOP: TOP}, output=o), made=("set", "out")
    ),
    "recompute-stats": Operation(run=lambda a, b, o, n: recompute_stats(a)),
    "upgrade": Operation(run=_upgrade, made=("out",), language=False),
}


@pytest.fixture(scope="module")
def made(recorded: Path, tmp_path_factory: pytest.TempPathFactory, binaries: Binaries) -> Callable[[str], list[Path]]:
    """Return a function that runs an operation once and returns the resulting datasets."""
    done: dict[str, list[Path]] = {}

    def make(name: str) -> list[Path]:
        if name not in done:
            operation, home = RUNS[name], tmp_path_factory.mktemp("carried")
            language = operation.language
            root = annotate(copy_tree(recorded, home / "set"), "set", language=language)
            other = annotate(copy_tree(recorded, home / "other"), "other", language=language)
            operation.run(root, other, home / "out", binaries)
            done[name] = [home / each for each in operation.made]
        return done[name]

    return make


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("operation", RUNS)
def test_thing_survives(operation: str, thing: str, made: Callable[[str], list[Path]]) -> None:
    if thing == "language columns" and not RUNS[operation].language:
        pytest.skip("refused; see below")
    for root in made(operation):
        rows = [(Origin.of(row), row) for row in rows_of(root)]
        assert rows
        THINGS[thing](root, [(origin, row) for origin, row in rows if not origin.is_new])


@pytest.mark.parametrize("operation", RUNS)
def test_result_is_valid(operation: str, made: Callable[[str], list[Path]], binaries: Binaries) -> None:
    for root in made(operation):
        found = verify_dataset(root, "decode", binaries=binaries).findings
        # The frames have one colour each, and the annotation has made statistics wrong or missing.
        assert {each.code for each in found if each.severity != "note"} <= {
            "camera-blank", "episode-stats-missing", "episode-stats-wrong", "stats-feature-missing", "stats-wrong",
        }, found  # fmt: skip


@pytest.mark.parametrize("operation", [name for name, each in RUNS.items() if not each.language])
def test_language_entries_that_would_be_lost_are_refused(
    operation: str, recorded: Path, tmp_path: Path, binaries: Binaries
) -> None:
    root = annotate(copy_tree(recorded, tmp_path / "set"), "set", language=True)
    with pytest.raises(DatasetError, match="language_events"):
        RUNS[operation].run(root, root, tmp_path / "out", binaries)


# What cannot be merged


def _without(name: str) -> Callable[[Path], None]:
    return lambda root: (root / name).unlink()


def _columns(name: str, change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    return lambda root: pq.write_table(change(pq.read_table(root / name)), root / name)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (_without("meta/subtasks.parquet"), MergeError, "differ in meta/subtasks.parquet, and .*other has none"),
        (_columns("meta/skills.parquet", lambda table: table.append_column("more", pa.array([1, 2]))), MergeError,
         "skills.parquet has other columns than that of"),
        (_columns("meta/subtasks.parquet", lambda table: table.take([1, 0, 2])), MergeError, "not in the order of its"),
        (_columns("meta/subtasks.parquet", lambda table: table.slice(0, 2)), DatasetError,
         "has a subtask_index outside the table of subtasks"),
        (_columns("meta/grades.parquet", lambda table: table.append_column("more", pa.array([1, 2, 3]))), DatasetError,
         "grades.parquet has other columns in"),
        (_columns("progress.parquet", lambda table: table.set_column(1, "episode_index", pa.array([9] * FRAMES))),
         DatasetError, "row 0 of .*progress.parquet belongs to episode 9, frame 0, which the dataset does not have"),
        (_columns("meta/tasks.parquet", lambda table: table.set_column(2, "difficulty", pa.array([5]))), MergeError,
         ("'move' of .*set and 'move' of .*other cannot become the task 'move': meta/tasks.parquet has different values of "
         r"'difficulty' \(3 and 5\); make these values equal, or remove the columns, first")),
        (_columns("meta/tasks.parquet", lambda table: table.drop_columns(["limits"])), MergeError,
         r"meta/tasks.parquet has other columns in .*other than in .*set \(difficulty \(int64\); difficulty"),
        (partial(change_info, tools=[]), MergeError, "tools"),
        (partial(change_info, licence="GPL"), MergeError, "licence"),
    ],
    ids=range(10),
)  # fmt: skip
def test_things_that_cannot_be_merged_are_refused(
    recorded: Path, tmp_path: Path, binaries: Binaries, change: Any, error: type[Exception], message: str
) -> None:
    root = annotate(copy_tree(recorded, tmp_path / "set"), "set", language=True)
    other = annotate(copy_tree(recorded, tmp_path / "other"), "other", language=True)
    change(other)
    with pytest.raises(error, match=message):
        merge_datasets([root, other], tmp_path / "out", binaries=binaries)
    assert not (tmp_path / "out").exists()


def test_merge_names_what_only_one_dataset_has(
    recorded: Path, tmp_path: Path, binaries: Binaries, caplog: pytest.LogCaptureFixture
) -> None:
    root = annotate(copy_tree(recorded, tmp_path / "set"), "set", language=True)
    other = annotate(copy_tree(recorded, tmp_path / "other"), "other", language=True)
    (other / "progress.parquet").unlink()
    shutil.rmtree(other / "calibration")
    change_info(other, splits={"train": "0:2", "test": "2:3"})
    merge_datasets([other, root], tmp_path / "out", binaries=binaries)
    said = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert any(f"progress.parquet has no rows for the episodes of {other}" in each for each in said)
    assert any("not copied" in each and "calibration/arm.yaml" in each for each in said)
    assert any("'test': '2:3'" in each for each in said)
    table = pq.read_table(tmp_path / "out/progress.parquet").to_pylist()
    assert [row["index"] for row in table] == list(range(FRAMES, 2 * FRAMES))
    assert [row["episode_index"] for row in table] == [EPISODES + k for k in range(EPISODES) for _ in range(LENGTH)]


def test_splits_of_unchanged_episodes_stay(recorded: Path, tmp_path: Path) -> None:
    root = copy_tree(recorded, tmp_path / "set")
    splits = {"train": "0:2", "test": "2:3"}
    change_info(root, splits=splits)
    modify_tasks(root, "another")
    assert load_info(root).splits == splits


def test_resumed_recording_has_the_columns_of_earlier_episodes(
    recorded: Path, tmp_path: Path, binaries: Binaries
) -> None:
    """LeRobot leaves the columns of removed features, and adds none for new features."""
    root = copy_tree(recorded, tmp_path / "set")
    pack_dataset(root, binaries=binaries)
    (path,) = root.glob("meta/episodes/*/*.parquet")
    table = pq.read_table(path)
    table = table.drop_columns([name for name in table.column_names if name.startswith("stats/observation.state/")])
    table = table.append_column("stats/gone/mean", pa.array([[1.0]] * EPISODES))
    table = table.append_column("videos/gone/file_index", pa.array([0] * EPISODES))
    pq.write_table(table, path)
    with DatasetRecorder.resume(root, binaries=binaries) as recorder:
        recorder.add_frame(frame_of(EPISODES, 0))
        recorder.save_episode(wait=True)
        recorder.finalize(pack=False)
    first, second = (pq.read_schema(each) for each in sorted(root.glob("meta/episodes/*/*.parquet")))
    assert {field.name: field.type for field in first} == {field.name: field.type for field in second}


@pytest.fixture
def with_tasks(recorded: Path, tmp_path: Path) -> Callable[[str, dict[str, int]], Path]:
    """Return a function that makes a dataset whose episode k has the k-th task, and a column for each task."""

    def make(name: str, difficulties: dict[str, int]) -> Path:
        root = copy_tree(recorded, tmp_path / name)
        modify_tasks(root, episode_tasks=dict(enumerate(difficulties)))
        path = root / "meta/tasks.parquet"
        table = pq.read_table(path)
        numbers = pa.array([difficulties[text] for text in table["task"].to_pylist()])
        pq.write_table(table.append_column("difficulty", numbers), path)
        return root

    return make


def difficulties_of(root: Path) -> dict[str, int | None]:
    return {row["task"]: row["difficulty"] for row in pq.read_table(root / "meta/tasks.parquet").to_pylist()}


def test_rows_of_tasks_move_with_them(
    with_tasks: Callable[[str, dict[str, int]], Path], tmp_path: Path, binaries: Binaries
) -> None:
    one = with_tasks("one", {"b": 2, "a": 1, "c": 3})
    two = with_tasks("two", {"d": 4, "c": 3, "e": 5})
    merge_datasets([two, one], tmp_path / "merged", binaries=binaries)
    assert difficulties_of(tmp_path / "merged") == {"c": 3, "d": 4, "e": 5, "a": 1, "b": 2}
    delete_episodes(one, [1], tmp_path / "fewer", binaries=binaries)
    assert difficulties_of(tmp_path / "fewer") == {"b": 2, "c": 3}
    modify_tasks(one, replace={"a": "z"}, output=tmp_path / "renamed")
    assert difficulties_of(tmp_path / "renamed") == {"b": 2, "c": 3, "z": 1}
    with DatasetRecorder.resume(one, binaries=binaries) as recorder:
        recorder.add_frame({**frame_of(EPISODES, 0), "task": "new"})
        recorder.save_episode(wait=True)
    assert difficulties_of(one) == {"a": 1, "b": 2, "c": 3, "new": None}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"task": "all"},
            "'a' of .*, 'b' of .* and 'c' of .* cannot become the task 'all': .* 'difficulty' .1, 2 and 3.;",
        ),
        (
            {"replace": {"a": "c"}},
            "'c' of .*one and 'a' of .*one cannot become the task 'c': .* 'difficulty' .3 and 1.;",
        ),
        ({"episode_tasks": {1: "c"}}, "'c' of .* and 'a' of .* cannot become the task 'c'"),
        ({"task": "c"}, "'c' of .*, 'a' of .* and 'b' of .* cannot become the task 'c'"),
        ({"replace": {"a": "c", "c": "d"}}, "'c' of .* and 'a' of .* cannot become the task 'c'"),
    ],
    ids=str,
)
def test_tasks_with_different_rows_do_not_become_one(
    with_tasks: Callable[[str, dict[str, int]], Path], tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    root = with_tasks("one", {"b": 2, "a": 1, "c": 3})
    before = listing(tmp_path)
    for more in ({"dry_run": True}, {"output": tmp_path / "out"}, {}):
        with pytest.raises(MergeError, match=message):
            modify_tasks(root, **given, **more)
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"replace": {"a": "b"}}, {"b": 2, "c": 3}),
        ({"task": "b", "replace": {"c": "c"}}, {"b": 2, "c": 3}),
        ({"replace": {"a": "b", "b": "d"}}, {"b": 2, "c": 3, "d": 2}),
        ({"replace": {"b": "c", "c": "b"}}, {"a": 2, "b": 2, "c": 3}),
        ({"episode_tasks": {1: "c"}, "replace": {"b": "a"}}, {"a": 2, "c": 3}),
    ],
    ids=str,
)
def test_tasks_become_one_if_no_row_is_lost(
    with_tasks: Callable[[str, dict[str, int]], Path],
    tmp_path: Path,
    given: dict[str, Any],
    expected: dict[str, int],
) -> None:
    root = with_tasks("one", {"b": 2, "a": 2, "c": 3})
    modify_tasks(root, output=tmp_path / "out", **given)
    assert difficulties_of(tmp_path / "out") == expected


def test_repair_sorts_the_rows_of_tasks(
    with_tasks: Callable[[str, dict[str, int]], Path], tmp_path: Path, binaries: Binaries
) -> None:
    root = with_tasks("one", {"b": 2, "a": 1, "c": 3})
    path = root / "meta/tasks.parquet"
    pq.write_table(pq.read_table(path).take([2, 0, 1]), path)
    repair_dataset(root, level="metadata", binaries=binaries)
    assert pq.read_table(path)["task"].to_pylist() == ["a", "b", "c"]
    assert difficulties_of(root) == {"a": 1, "b": 2, "c": 3}
