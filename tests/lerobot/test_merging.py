"""Test merges of several datasets, and that a merge or another tool that fails leaves no dataset behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ffenc.errors import ConcatError, LeRobotError
from ffenc.lerobot.merge_joins import MergeJoins
from tests.lerobot.judge import check_dataset
from tests.lerobot.test_recorder import frame, new_dataset

pytestmark = pytest.mark.usefixtures("installed")


@pytest.fixture(scope="session")
def alike(tmp_path_factory: pytest.TempPathFactory, installed: None) -> list[Path]:
    """Three datasets that can be joined; dataset n has the numbers from 100n, and one episode more than the one before."""
    roots = []
    for number in range(3):
        roots.append(tmp_path_factory.mktemp("alike") / "d")
        dataset = new_dataset(roots[-1])
        for episode in range(number + 1):
            for step in range(4):
                dataset.add_frame(frame(100 * number + 4 * episode + step))
            dataset.save_episode()
        dataset.finalize()
    return roots


def _video_sizes(roots: Sequence[Path]) -> list[list[int]]:
    """Return the sizes of the videos of each camera."""
    cameras = sorted(path.name for path in roots[0].glob("videos/*"))
    return [[path.stat().st_size for root in roots for path in root.glob(f"videos/{key}/*/*")] for key in cameras]


_EPISODES = [
    [[first + step for step in range(4)] for first in firsts] for firsts in ((0,), (100, 104), (200, 204, 208))
]
"""Numbers of the rows of each episode of each dataset."""


@pytest.mark.parametrize(
    ("order", "joined"),
    [
        ((0, 1, 2), "all"),
        ((2, 0, 1), "all"),
        ((1, 1, 1, 0), "all"),
        ((0, 1, 2), "two"),
        ((2, 2, 2, 2), "two"),
        ((0, 1), "none"),
    ],
)
@pytest.mark.parametrize("chunk_size", [None, 1])
def test_merged_rows_have_their_frames(
    alike: list[Path], tmp_path: Path, order: tuple[int, ...], joined: str, chunk_size: int | None
) -> None:
    from lerobot.datasets import aggregate_datasets

    roots = [alike[each] for each in order]
    limits: dict[str, Any] = {"all": {}, "none": {"concatenate_videos": False}}
    if joined == "two":
        limits["two"] = {"video_files_size_in_mb": (1 + max(sum(sizes[:2]) for sizes in _video_sizes(roots))) / 1024**2}
    merged = tmp_path / "merged"
    aggregate_datasets(["me/a"] * len(roots), "me/both", roots, merged, chunk_size=chunk_size, **limits[joined])
    check_dataset(merged, [episode for each in order for episode in _EPISODES[each]], backends=("torchcodec",))
    cameras = list(merged.glob("videos/*"))
    files = {"all": 1, "two": (len(order) + 1) // 2, "none": len(order)}[joined]
    assert [len(list(camera.glob("*/*.mp4"))) for camera in cameras] == [files] * len(cameras)
    assert sorted(path.name for path in merged.iterdir()) == ["data", "meta", "videos"]


def test_merge_that_joins_other_files_than_planned_is_right(
    alike: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lerobot.datasets import aggregate_datasets

    monkeypatch.setattr(MergeJoins, "_groups", lambda _, paths: iter([paths[:2], paths[2:]]))
    merged = tmp_path / "merged"
    aggregate_datasets(["me/a"] * 3, "me/both", alike, merged)
    check_dataset(merged, [episode for episodes in _EPISODES for episode in episodes], backends=("torchcodec",))
    assert len(list(merged.glob("videos/*/*/*.mp4"))) == len(list(merged.glob("videos/*")))
    assert not (merged / ".joined").exists()


@pytest.mark.parametrize("failing", [Exception("disk"), KeyboardInterrupt()])
def test_merge_whose_join_fails_leaves_nothing(
    alike: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: BaseException
) -> None:
    from lerobot.datasets import aggregate_datasets

    def fail(*_: Any) -> None:
        raise failing

    monkeypatch.setattr("ffenc.lerobot.dataset_tools.concatenate_video_files", fail)
    with pytest.raises(type(failing)):
        aggregate_datasets(["me/a"] * 3, "me/both", alike, tmp_path / "merged")
    assert list(tmp_path.iterdir()) == []


def test_merge_completes_its_videos_before_its_totals(
    alike: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A merge that is killed in between must not look complete."""
    from lerobot.datasets import aggregate, aggregate_datasets

    from ffenc.lerobot.video_files import get_video_duration_in_s

    seen: list[float] = []
    write_info = aggregate.write_info

    def watch(info: Any, root: Path) -> None:
        seen.extend(get_video_duration_in_s(path) for path in root.glob("videos/*/*/*.mp4"))
        write_info(info, root)

    monkeypatch.setattr(aggregate, "write_info", watch)
    aggregate_datasets(["me/a"] * 3, "me/both", alike, tmp_path / "merged")
    assert seen == [24 / 30]


def test_merge_with_too_few_roots_is_refused(alike: list[Path], tmp_path: Path) -> None:
    from lerobot.datasets import aggregate_datasets

    with pytest.raises(LeRobotError, match="got 2 for 3"):
        aggregate_datasets(["me/a"] * 3, "me/both", alike[:2], tmp_path / "merged")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("failing", [OSError("the disk is full"), KeyboardInterrupt()])
def test_dataset_that_cannot_be_created_leaves_no_directory(
    alike: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: BaseException, existing: bool
) -> None:
    from lerobot.datasets import aggregate_datasets, dataset_metadata

    def fail(*_: Any) -> None:
        raise failing

    if existing:
        (tmp_path / "d").mkdir()
    monkeypatch.setattr(dataset_metadata, "write_info", fail)
    for create in (
        lambda: aggregate_datasets(["me/a"] * 3, "me/both", alike, tmp_path / "d"),
        lambda: new_dataset(tmp_path / "d"),
    ):
        with pytest.raises(FileExistsError if existing else type(failing)):
            create()
    assert [path.name for path in tmp_path.rglob("*")] == ["d"] * existing


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
    with pytest.raises(ConcatError, match="B-frames") as raised:
        merge_datasets([sources[each] for each in order], output_repo_id="me/both", output_dir=tmp_path / "both")
    assert not (tmp_path / "both").exists()
    assert all(str(each.root) in str(raised.value) for each in sources)
    assert "--operation.concatenate_videos=false" in str(raised.value)


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
