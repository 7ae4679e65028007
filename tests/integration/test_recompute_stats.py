"""`recompute_stats` gives the values of LeRobot's own, and changes nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import Binaries, DatasetRecorder, recompute_stats, verify_dataset
from ffenc.errors import DatasetError
from tests.datasets import copy_of, tree_of
from tests.lerobot_data import LEROBOT, needs_av1_decoder

pytest.importorskip("pyarrow")
from ffenc.dataset.format.dataset_tables import load_episodes
from ffenc.dataset.format.documents import load_info, load_stats
from ffenc.dataset.transform.edit import delete_episodes
from ffenc.dataset.transform.tasks import modify_tasks
from ffenc.dataset.verify.repair import repair_dataset
from tests.dataset_operations import copy_tree
from tests.rows_without_cameras import FEATURES, LENGTHS, record

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

EXPECTED: dict[str, Any] = json.loads((LEROBOT / "recomputed-0.6.1.json").read_text())
"""For each case: the dataset, the arguments, and the statistics that LeRobot 0.6.1 computed."""

EPSILON = 2e-6
"""Largest distance from LeRobot's mean and variance, as a part of the largest value and of its square.  LeRobot computes in
float32, and the variance as the mean of squares minus the square of the mean."""

QUANTILE = 1 / 5000
"""Largest distance of a quantile, as a part of the range: one bin of the histogram, whose edges LeRobot computes in float32."""

LAPTOP = "observation.images.laptop"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory, binaries: Binaries) -> Path:
    return record(tmp_path_factory.mktemp("recorded") / "rows", binaries)


@pytest.mark.parametrize("case", EXPECTED)
def test_values_equal_those_of_lerobot(case: str, rows: Path, tmp_path: Path) -> None:
    source = rows if EXPECTED[case]["dataset"] == "rows" else LEROBOT / EXPECTED[case]["dataset"]
    result = recompute_stats(source, output=tmp_path / "out", **EXPECTED[case]["arguments"])
    stats, before = load_stats(result.root), load_stats(source)
    assert stats is not None
    assert before is not None
    for name, wanted in EXPECTED[case]["stats"].items():
        found = stats[name].to_json()
        assert found.keys() == wanted.keys()
        low, high = np.array(wanted["min"]), np.array(wanted["max"])
        largest = np.maximum(np.abs(low), np.abs(high))
        slack = dict.fromkeys(wanted, QUANTILE * (high - low) + 1e-6 * largest)
        slack |= {"min": 0, "max": 0, "count": 0, "mean": EPSILON * largest, "std": EPSILON * largest**2}
        for key, values in wanted.items():
            power = 2 if key == "std" else 1
            off = np.abs(np.array(found[key]) ** power - np.array(values) ** power)
            assert (off <= slack[key] + 1e-9).all(), f"{name} {key}: {found[key]}, LeRobot has {values}"
    others = before.keys() - EXPECTED[case]["stats"].keys()
    assert others
    assert all(stats[name].to_json() == before[name].to_json() for name in others)
    assert verify_dataset(result.root, "metadata").ok


def test_only_statistics_change(rows: Path, tmp_path: Path) -> None:
    root = tmp_path / "rows"
    recompute_stats(rows, output=root)
    path = root / "meta/stats.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "far": {**document["far"], "mean": [0.0, 0.0]}}))
    before = tree_of(root)
    shown = recompute_stats(root, dry_run=True)
    assert tree_of(root) == before
    assert shown.changes["far"] == f"stats.json differs; 0 of {len(LENGTHS)} episodes differ"
    assert shown.changes["action"] == f"stats.json is the same; 0 of {len(LENGTHS)} episodes differ"
    assert recompute_stats(root).changes == shown.changes
    after = tree_of(root)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed <= {"meta/stats.json", "meta/ffenc/operations.jsonl", "meta/episodes/chunk-000/file-000.parquet"}
    assert json.loads(after["meta/stats.json"])["far"] == document["far"]


def test_episode_statistics_are_computed_again(tmp_path: Path) -> None:
    root = copy_of("A", tmp_path)
    info = load_info(root)
    right = {row.episode_index: row.statistics["action"].to_json() for row in load_episodes(root, info)}
    result = recompute_stats(root, features=["action", "index"])
    assert list(result.changes) == ["action", "index"]
    for row in load_episodes(root, info):
        for key, values in row.statistics["action"].to_json().items():
            np.testing.assert_allclose(values, right[row.episode_index][key], rtol=1e-4, atol=1e-5)


def test_named_camera_is_decoded(tmp_path: Path, binaries: Binaries) -> None:
    needs_av1_decoder(binaries)
    result = recompute_stats(LEROBOT / "A", features=[LAPTOP], output=tmp_path / "out", binaries=binaries)
    new, old = load_stats(result.root), load_stats(LEROBOT / "A")
    assert new is not None
    assert old is not None
    assert new[LAPTOP].count[0] == load_info(result.root).total_frames
    np.testing.assert_allclose(new[LAPTOP].mean, old[LAPTOP].mean, atol=0.02)
    assert verify_dataset(result.root, "decode", binaries=binaries).ok


def test_statistics_of_relative_actions_are_recognised(
    rows: Path, tmp_path: Path, binaries: Binaries, caplog: pytest.LogCaptureFixture
) -> None:
    root = recompute_stats(rows, relative_action=True, chunk_size=7, output=tmp_path / "out").root
    kept = json.loads((root / "meta/stats.json").read_text())["action"]
    assert [finding.code for finding in verify_dataset(root, "metadata").findings] == ["stats-relative"]
    modify_tasks(root, "go")
    assert json.loads((root / "meta/stats.json").read_text())["action"] == kept
    document = json.loads((root / "meta/stats.json").read_text())
    (root / "meta/stats.json").write_text(json.dumps({**document, "far": {**document["far"], "mean": [0.0, 0.0]}}))
    repair_dataset(root, level="metadata", binaries=binaries)
    assert json.loads((root / "meta/stats.json").read_text())["action"] == kept
    assert not caplog.records
    copy = copy_tree(root, tmp_path / "resumed")
    with DatasetRecorder.resume(copy, binaries=binaries) as recorder:
        recorder.add_frame({name: np.zeros(f["shape"], f["dtype"]) for name, f in FEATURES.items()} | {"task": "go"})
        recorder.save_episode(wait=True)
        recorder.finalize()
    assert "statistics of action that are not those of its rows" in caplog.text
    assert verify_dataset(copy, "metadata").findings == ()
    caplog.clear()
    delete_episodes(root, [0], tmp_path / "fewer", binaries=binaries)
    assert "statistics of action that are not those of its rows" in caplog.text
    assert verify_dataset(tmp_path / "fewer", "metadata").findings == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"features": ["nothing"]}, "unknown feature 'nothing', or one without statistics"),
        ({"relative_action": True, "chunk_size": 301}, "a chunk of 301 frames, the longest has 300"),
        ({"relative_action": True, "chunk_size": 0}, r"chunk_size .* is 0; it must be at least 1"),
        ({"relative_action": True, "chunk_size": 1}, r"give 341 values, and .* has as many rows"),
        ({"chunk_size": 5}, "apply only with relative_action"),
        ({"relative_exclude_joints": ["wrist"]}, "apply only with relative_action"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(rows: Path, given: dict[str, Any], message: str) -> None:
    before = tree_of(rows)
    for dry_run in (True, False):
        with pytest.raises(DatasetError, match=message):
            recompute_stats(rows, dry_run=dry_run, **given)
    assert tree_of(rows) == before
