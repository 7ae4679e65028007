"""Test that a merge or another tool that fails leaves no dataset behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ffenc.errors import ConcatError
from tests.lerobot.judge import check_dataset
from tests.lerobot.test_recorder import frame, new_dataset

pytestmark = pytest.mark.usefixtures("installed")


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory, installed: None) -> list[Any]:
    """Two datasets that LeRobot calls compatible, because they differ only in B-frames."""
    from lerobot.configs import RGBEncoderConfig
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    made = []
    for number, settings in enumerate(({"g": 2}, {"g": 6, "extra_options": {"bf": 2}})):
        root = tmp_path_factory.mktemp("source") / "d"
        dataset = new_dataset(root, rgb_encoder=RGBEncoderConfig(vcodec="h264", **settings))
        for episode in range(2):
            for step in range(4):
                dataset.add_frame(frame(100 * number + 4 * episode + step))
            dataset.save_episode()
        dataset.finalize()
        made.append(LeRobotDataset("me/cubes", root=root))
    return made


@pytest.mark.smoke
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_mismatched_videos_are_refused_before_anything_is_written(
    sources: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[int, ...]
) -> None:
    from lerobot.datasets import merge_datasets
    from lerobot.datasets.dataset_metadata import LeRobotDatasetMetadata

    def create(*_: Any, **__: Any) -> None:
        raise AssertionError("the merge began to write")

    monkeypatch.setattr(LeRobotDatasetMetadata, "create", create)
    with pytest.raises(ConcatError, match="B-frames"):
        merge_datasets([sources[each] for each in order], output_repo_id="me/both", output_dir=tmp_path / "both")
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize("options", [{"concatenate_videos": False}, {"video_files_size_in_mb": 0.001}])
def test_videos_that_stay_separate_may_differ(sources: list[Any], tmp_path: Path, options: dict[str, Any]) -> None:
    from lerobot.datasets import aggregate_datasets

    aggregate_datasets(["me/a", "me/b"], "me/both", [each.root for each in sources], tmp_path / "both", **options)
    check_dataset(
        tmp_path / "both",
        [[0, 1, 2, 3], [4, 5, 6, 7], [100, 101, 102, 103], [104, 105, 106, 107]],
        backends=("torchcodec",),
    )


@pytest.mark.parametrize("tool", ["merge", "delete", "split"])
def test_failed_tool_leaves_no_dataset(
    sources: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    from lerobot.datasets import aggregate, dataset_tools, delete_episodes, merge_datasets, split_dataset

    def fail(*_: Any, **__: Any) -> None:
        assert list(tmp_path.rglob("info.json"))
        raise OSError("the disk is full")

    monkeypatch.setattr(aggregate, "concatenate_video_files", fail)
    monkeypatch.setattr(dataset_tools, "_copy_and_reindex_data", fail)
    merged = tmp_path / "twice"
    merge_datasets([sources[0]], output_repo_id="me/one", output_dir=merged)
    kept = sorted(tmp_path.rglob("*"))
    with pytest.raises(OSError, match="the disk is full"):
        if tool == "merge":
            merge_datasets([sources[0], sources[0]], output_repo_id="me/both", output_dir=tmp_path / "both")
        elif tool == "delete":
            delete_episodes(sources[0], [1], output_dir=tmp_path / "less", repo_id="me/less")
        else:
            split_dataset(sources[0], {"a": [0]}, output_dir=tmp_path / "parts")
    assert sorted(path for path in tmp_path.rglob("*") if path.name != "parts") == kept
