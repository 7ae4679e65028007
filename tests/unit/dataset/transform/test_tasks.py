"""`modify_tasks` changes the tasks in all tables, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.datasets import copy_of, rows_of, tree_of
from tests.lerobot_data import LEROBOT

pytest.importorskip("pyarrow")
import pyarrow as pa
import pyarrow.parquet as pq

from ffenc.dataset.format.dataset_tables import load_episodes, load_tasks
from ffenc.dataset.format.documents import load_info, load_stats
from ffenc.dataset.transform.tasks import modify_tasks
from ffenc.dataset.verify.verify import verify_dataset
from ffenc.errors import DatasetError, OutputExistsError

PICK, PLACE = "pick the cube", "place the cube"  # the tasks of A: PICK, PLACE, PICK
A = LEROBOT / "A"


def texts_of(root: Path) -> list[list[str]]:
    """Return the tasks of the rows of each episode, and check them against the table of episodes."""
    tasks, info = load_tasks(root), load_info(root)
    found: list[dict[str, None]] = [{} for _ in range(info.total_episodes)]
    for row in rows_of(root):
        found[row["episode_index"]][tasks[row["task_index"]]] = None
    assert [list(row.tasks) for row in load_episodes(root, info)] == [list(each) for each in found]
    assert sorted({text for each in found for text in each}) == tasks
    assert info.total_tasks == len(tasks)
    return [list(each) for each in found]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"task": "go"}, ["go", "go", "go"]),
        ({"task": "go", "episode_tasks": {1: "stop"}}, ["go", "stop", "go"]),
        ({"episode_tasks": {1: "stop"}}, [PICK, "stop", PICK]),
        ({"replace": {PICK: "zip"}}, ["zip", PLACE, "zip"]),
        ({"replace": {PICK: PLACE}}, [PLACE, PLACE, PLACE]),
        ({"replace": {PICK: PLACE, PLACE: PICK}}, [PLACE, PICK, PLACE]),
        ({"replace": {PICK: "zip"}, "task": "go", "episode_tasks": {2: "stop"}}, ["zip", "go", "stop"]),
        ({"task": PICK, "episode_tasks": {1: PLACE}}, [PICK, PLACE, PICK]),
    ],
    ids=str,
)
def test_tasks_change_everywhere_and_nothing_else_does(
    tmp_path: Path, given: dict[str, Any], expected: list[str]
) -> None:
    result = modify_tasks(A, output=tmp_path / "out", **given)
    assert texts_of(result.root) == [[text] for text in expected]
    assert result.tasks == len(set(expected))
    own = {"task_index"}
    assert [{**row, **dict.fromkeys(own)} for row in rows_of(result.root)] == [
        {**row, **dict.fromkeys(own)} for row in rows_of(A)
    ]
    before, after = tree_of(A), tree_of(result.root)
    assert {name: data for name, data in after.items() if name.endswith(".mp4")} == {
        name: data for name, data in before.items() if name.endswith(".mp4")
    }
    stats, old = load_stats(result.root), load_stats(A)
    assert stats is not None
    assert old is not None
    numbers = np.array([row["task_index"] for row in rows_of(result.root)])
    assert stats["task_index"].mean == pytest.approx(numbers.mean())
    assert {name: each.to_json() for name, each in stats.items() if name not in own} == {
        name: each.to_json() for name, each in old.items() if name not in own
    }
    assert verify_dataset(result.root, "metadata").findings == ()


def test_changes_in_place_are_those_of_the_dry_run(tmp_path: Path) -> None:
    root = copy_of("A", tmp_path)
    before = tree_of(root)
    shown = modify_tasks(root, replace={PICK: "zip"}, dry_run=True)
    assert tree_of(root) == before
    assert shown.changes == {f"{PICK!r} -> 'zip'": "2 of 3 episodes"}
    done = modify_tasks(root, replace={PICK: "zip"})
    assert (done.changes, done.tasks, shown.written, done.written) == (shown.changes, shown.tasks, False, True)
    assert texts_of(root) == [["zip"], [PLACE], ["zip"]]
    assert [path.name for path in tmp_path.iterdir()] == ["A"]


def test_further_tasks_of_an_episode_stay(tmp_path: Path) -> None:
    root = copy_of("A", tmp_path)
    path = root / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    numbers = table["task_index"].to_pylist()
    numbers[5] = 1 - numbers[5]
    place = table.schema.get_field_index("task_index")
    pq.write_table(table.set_column(place, table.schema.field(place), pa.array(numbers)), path)
    episodes = root / "meta/episodes/chunk-000/file-000.parquet"
    rows = pq.read_table(episodes)
    tasks = [[PICK, PLACE], [PLACE], [PICK]]
    pq.write_table(rows.set_column(rows.schema.get_field_index("tasks"), "tasks", pa.array(tasks)), episodes)
    modify_tasks(root, replace={PICK: "zip"})
    assert texts_of(root) == [["zip", PLACE], [PLACE], ["zip"]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "no task is given"),
        ({"task": " "}, "at least one character, not ' '"),
        ({"task": ""}, "at least one character, not ''"),
        ({"task": "\udce9"}, "text that has a UTF-8 encoding"),
        ({"episode_tasks": {0: 5}}, "at least one character, not 5"),
        ({"episode_tasks": {3: "x"}}, "the episodes 0 to 2, but not 3"),
        ({"episode_tasks": {-1: "x"}}, "the episodes 0 to 2, but not -1"),
        ({"replace": {"unknown": "x"}}, "does not have the task 'unknown'; it has 'pick the cube', 'place the cube'"),
    ],
    ids=str,
)
def test_wrong_tasks_are_refused(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    root = copy_of("A", tmp_path)
    before = tree_of(tmp_path)
    for more in ({}, {"dry_run": True}, {"output": tmp_path / "out"}):
        with pytest.raises(DatasetError, match=message):
            modify_tasks(root, **given, **more)
    assert tree_of(tmp_path) == before


@pytest.mark.parametrize("dry_run", [True, False])
def test_existing_output_is_refused(tmp_path: Path, dry_run: bool) -> None:
    with pytest.raises(OutputExistsError):
        modify_tasks(A, "go", output=tmp_path, dry_run=dry_run)
