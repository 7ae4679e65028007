"""Repair fixes what can be derived, and leaves everything else unchanged byte for byte; without FFmpeg."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ffenc.dataset.format.parquet_series import load_table
from ffenc.dataset.storage.lock import DatasetLock
from ffenc.dataset.verify.finding_codes import CODES
from ffenc.dataset.verify.repair import RepairReport, repair_dataset
from ffenc.errors import DatasetError, DatasetLockedError
from tests.dataset_faults import (
    DATA,
    EPISODES,
    METADATA,
    PHONE,
    TASKS,
    both,
    cell,
    copy_of,
    drop,
    episode,
    info,
    rows,
    times,
    write,
)
from tests.lerobot_data import LEROBOT

REPAIRED = {
    *("an episode too many counted", "a frame too few counted", "a task too many counted"),
    *("splits of fewer episodes", "splits that overlap", "splits in words", "a temporary file"),
    *("half a commit", "half a change"),
    *("tasks reordered", "tasks that are no index", "another text", "episodes without tasks", "another task"),
    *("a length that is not its rows", "an episode of no frames", "rows moved", "rows in another file"),
    *("an episode of another file", "a row of another task", "other actions than those of the statistics"),
    *("no stats.json", "stats.json cut off", "stats.json of words", "stats.json without mean", "no quantiles"),
    *("statistics of a feature gone", "statistics of a camera gone", "statistics of another shape"),
    *("another count", "an episode without statistics"),
    *("episodes without statistics", "maximum of an episode", "median of an episode"),
    *("mean of a camera in an episode", "mean of action wrong", "q50 of observation.images.laptop wrong"),
    *("a begin between frames", "an end between frames", "a begin before the video", "times that drift"),
    *("an end one frame too late", "a begin one frame too late", "the last episode one frame later"),
    *("the last episode one frame earlier", "all episodes one frame later"),
}
NOT_WITHOUT_FFMPEG = {
    *("episodes without statistics of a camera", "episodes without any statistics"),
    *("no info block", "an info block of another rate", "an info block of another size"),
}
NO_DATASET = {"dataset-missing", "dataset-version", "info-unreadable"}
IN_PART = {"a task twice"}


def repair(root: Path, *, dry_run: bool = False) -> RepairReport:
    return repair_dataset(root, level="metadata", dry_run=dry_run)


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and "lock" not in path.name)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.mark.parametrize("fault", sorted(REPAIRED))
def test_repaired_dataset_has_no_findings(tmp_path, fault):
    root = copy_of("A", tmp_path)
    METADATA[fault][0](root)
    data = contents(root / "data") | contents(root / "videos")
    report = repair(root)
    assert report.after.counts == {}, report.after.findings
    assert report.changes
    assert report.refused == ()
    kept = {name: content for name, content in data.items() if not name.endswith(".part")}
    assert contents(root / "data") | contents(root / "videos") == kept
    assert repair(root).changes == ()


@pytest.mark.parametrize(
    "fault", sorted(n for n in METADATA if n not in REPAIRED | NOT_WITHOUT_FFMPEG | IN_PART and " wrong" not in n)
)
def test_values_that_cannot_be_derived_are_unchanged(tmp_path, fault):
    root = copy_of("A", tmp_path)
    damage, codes = METADATA[fault]
    damage(root)
    before = contents(root)
    if codes & NO_DATASET:
        with pytest.raises(DatasetError):
            repair(root)
    else:
        report = repair(root)
        assert report.after.counts == report.before.counts
        assert report.changes == ()
    assert contents(root) == before


def test_every_repairable_code_is_tested():
    tested = set().union(*(METADATA[fault][1] for fault in REPAIRED | NOT_WITHOUT_FFMPEG))
    assert {name for name, code in CODES.items() if code.repaired} - tested == set()


def test_repair_restores_the_original_values(tmp_path):
    root = copy_of("A", tmp_path)
    both(
        *(METADATA[fault][0] for fault in ("tasks reordered", "a frame too few counted", "splits in words")),
        *(METADATA[fault][0] for fault in ("rows moved", "a begin one frame too late", "an episode of another file")),
        drop(EPISODES, "stats/action/"),
    )(root)
    assert repair(root).after.counts == {}
    assert (root / "meta/info.json").read_bytes() == (LEROBOT / "A/meta/info.json").read_bytes()
    columns = [name for name in load_table(root / EPISODES).column_names if "stats/" not in name]
    assert load_table(root / EPISODES).select(columns).equals(load_table(LEROBOT / "A" / EPISODES).select(columns))
    assert load_table(root / TASKS).to_pydict() == load_table(LEROBOT / "A" / TASKS).to_pydict()


def test_correct_row_groups_and_columns_are_unchanged(tmp_path):
    root = copy_of("A", tmp_path)
    table = load_table(root / EPISODES).append_column("note", [["a", "b", "c"]])
    pq.write_table(table, root / EPISODES, row_group_size=1)
    episode("dataset_from_index", 1, 21)(root)
    pq.write_table(load_table(root / EPISODES), root / EPISODES, row_group_size=1)
    repair(root)
    with pq.ParquetFile(root / EPISODES) as file:
        assert file.num_row_groups == 3
        assert file.read()["note"].to_pylist() == ["a", "b", "c"]


def test_dry_run_reports_changes_and_writes_nothing(tmp_path):
    root = copy_of("A", tmp_path)
    both(info(total_frames=1), rows(TASKS, [1, 0]), write("data/chunk-000/.x.0a1b2c3d.part"))(root)
    before = contents(root)
    report = repair(root, dry_run=True)
    assert report.after.counts == {}
    assert sorted(str(change.path) for change in report.changes) == [
        "data/chunk-000/.x.0a1b2c3d.part",
        "meta/info.json",
        "meta/tasks.parquet",
    ]
    assert contents(root) == before
    assert not (root / "meta/ffenc").exists()
    assert repair(root).changes == report.changes


def test_task_order_that_contradicts_the_episodes_is_unchanged(tmp_path):
    root = copy_of("A", tmp_path)
    both(rows(TASKS, [1, 0]), cell("task_index", 0, 0, table=TASKS), cell("task_index", 1, 1, table=TASKS))(root)
    # Now the numbers count upwards but the texts are exchanged: the episodes are believed to name the wrong ones.
    both(rows(TASKS, [1, 0]))(root)
    report = repair(root)
    assert any("name other tasks" in change.message for change in report.refused)
    assert report.after.counts.keys() >= {"tasks-order"}


def test_times_are_unchanged_if_frames_are_missing(tmp_path):
    root = copy_of("A", tmp_path)
    shorter = both(rows(DATA, list(range(59))), episode("length", 2, 14), episode("dataset_to_index", 2, 59))
    both(shorter, times(PHONE, 1, start=0.01))(root)
    report = repair(root)
    assert report.after.counts.keys() == {"video-time-off-grid", "video-range-wrong"}
    assert {change.message for change in report.refused} == {
        "it has 60 frames for 59 rows, so the frame ranges are unknown"
    }


def test_repair_refuses_a_locked_dataset(tmp_path):
    root = copy_of("A", tmp_path)
    info(total_frames=1)(root)
    with DatasetLock(root), pytest.raises(DatasetLockedError):
        repair(root)


def test_repair_refuses_a_directory_that_is_not_a_dataset(tmp_path):
    with pytest.raises(DatasetError, match="not a LeRobot dataset"):
        repair(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
