"""`verify` accepts the statistics of `recompute_stats` after every further operation."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import (
    Binaries,
    DatasetRecorder,
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
from tests.dataset_operations import H264, LAPTOP
from tests.version21 import version_21_of

pytest.importorskip("pyarrow")
from ffenc.dataset.format.documents import load_stats, save_stats
from ffenc.dataset.transform.pack import pack_dataset

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

ACTION, STATE = "action", "observation.state"
VECTOR = {"dtype": "float32", "shape": (2,), "names": None}
VECTORS: dict[str, Any] = {ACTION: VECTOR, STATE: VECTOR}
CAMERA = {LAPTOP: {"dtype": "video", "shape": (16, 32, 3), "names": ["height", "width", "channels"]}}
LENGTHS = (12, 8)


def add_episode(recorder: DatasetRecorder, episode: int, length: int) -> None:
    """Record an episode whose quantiles differ from those of the other episodes."""
    rng = np.random.default_rng(episode)
    for number in range(length):
        values = np.array([3 * episode + np.sin(number), number * (episode + 1)], np.float32)
        frame = {ACTION: 2 * values, STATE: values, "task": "move"}
        for camera in recorder.info.videos:
            frame[camera] = np.kron(rng.integers(0, 128 + 30 * episode, (2, 4, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        recorder.add_frame(frame)
    recorder.save_episode(wait=True)


def record(root: Path, features: dict[str, Any], binaries: Binaries) -> Path:
    with DatasetRecorder.create(root, "me/set", 30, features, camera_encoder=H264, binaries=binaries) as recorder:
        for episode, length in enumerate(LENGTHS):
            add_episode(recorder, episode, length)
    return root


def resume(root: Path, binaries: Binaries) -> None:
    with DatasetRecorder.resume(root, binaries=binaries) as recorder:
        add_episode(recorder, 2, 10)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, binaries: Binaries) -> Path:
    return record(tmp_path_factory.mktemp("recorded") / "set", VECTORS, binaries)


RECOMPUTED: dict[str, dict[str, Any]] = {"numbers": {}, "relative actions": {"relative_action": True, "chunk_size": 5}}

OPERATIONS: dict[str, Callable[[Path, Path, Binaries], object]] = {
    "nothing": lambda root, out, b: shutil.copytree(root, out),
    "recompute-stats": lambda root, out, b: recompute_stats(root, output=out),
    "merge": lambda root, out, b: merge_datasets([root, root], out, binaries=b),
    "delete-episodes": lambda root, out, b: delete_episodes(root, [0], out, binaries=b),
    "split": lambda root, out, b: split_dataset(root, {"a": [1], "b": [0]}, out, binaries=b),
    "trim": lambda root, out, b: trim_episodes(root, {0: (1, 9)}, out, binaries=b),
    "pack": lambda root, out, b: pack_dataset(shutil.copytree(root, out), binaries=b),
    "repair": lambda root, out, b: repair_dataset(shutil.copytree(root, out), level="metadata", binaries=b),
    "upgrade": lambda root, out, b: upgrade_dataset(version_21_of(root, out.with_name("old"), b), out, binaries=b),
    "reencode-dataset --fps": lambda root, out, b: reencode_dataset(
        root, camera_encoder=H264, fps=15, output=out, binaries=b
    ),
    "modify-tasks": lambda root, out, b: modify_tasks(root, "another", output=out),
    "rename-features": lambda root, out, b: rename_features(root, {STATE: "state"}, output=out),
    "remove-features": lambda root, out, b: remove_features(root, [STATE], output=out),
}  # fmt: skip

CAN_BE_RESUMED = OPERATIONS.keys() - {"split", "reencode-dataset --fps", "rename-features", "remove-features"}


def findings_about_statistics(root: Path) -> set[tuple[str, str]]:
    found = verify_dataset(root, "metadata").findings
    return {(each.code, each.severity) for each in found if "stats" in each.code}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("before", RECOMPUTED)
def test_operation_after_recompute_stats_has_no_false_finding(
    before: str, operation: str, recorded: Path, tmp_path: Path, binaries: Binaries
) -> None:
    root, out = shutil.copytree(recorded, tmp_path / "set"), tmp_path / "out"
    recompute_stats(root, **RECOMPUTED[before])
    OPERATIONS[operation](root, out, binaries)
    made = [out] if operation != "split" else [out / "a", out / "b"]
    expected = {("stats-incomplete", "note")} if operation == "upgrade" else {("stats-relative", "note")}
    for each in made:
        assert findings_about_statistics(each) <= expected
    if operation in CAN_BE_RESUMED:
        resume(out, binaries)
        assert findings_about_statistics(out) <= expected - {("stats-relative", "note")}


def test_resumed_camera_has_no_false_finding(tmp_path: Path, binaries: Binaries) -> None:
    root = record(tmp_path / "set", VECTORS | CAMERA, binaries)
    recompute_stats(root, features=[ACTION, LAPTOP], binaries=binaries)
    resume(root, binaries)
    assert verify_dataset(root, "decode", binaries=binaries).findings == ()


def test_wrong_statistics_are_found_after_recomputing_and_resuming(
    recorded: Path, tmp_path: Path, binaries: Binaries
) -> None:
    root = shutil.copytree(recorded, tmp_path / "set")
    recompute_stats(root)
    resume(root, binaries)
    stats = load_stats(root)
    assert stats is not None
    assert stats[ACTION].q99 is not None
    stats[ACTION].q99[0] += 1
    save_stats(root, stats)
    assert findings_about_statistics(root) == {("stats-wrong", "error")}
