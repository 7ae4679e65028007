"""`delete_episodes` and `split_dataset` keep encoded bits and meaning, and renumber episodes, tasks and statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ffenc import Binaries, probe_packets, verify_dataset
from ffenc.errors import DatasetError, OutputExistsError, UnsafePathError
from ffenc.statistics import aggregate_statistics, vector_statistics
from tests.datasets import change_info, copy_of, encoded_with, frames_of, rows_of, tree_of
from tests.lerobot_data import LEROBOT, needs_av1_decoder

pytest.importorskip("pyarrow")
from ffenc.dataset.format.dataset_tables import load_episodes, load_tasks
from ffenc.dataset.format.documents import load_info, load_stats
from ffenc.dataset.transform.edit import delete_episodes, plan_splits, split_dataset
from ffenc.dataset.transform.merge import merge_datasets
from ffenc.dataset.transform.source import DatasetSource

pytestmark = [pytest.mark.integration, pytest.mark.one_build]


@pytest.fixture(autouse=True)
def _av1(binaries: Binaries) -> None:
    needs_av1_decoder(binaries)


A, B, D = (LEROBOT / name for name in "ABD")
NUMBERS = {"index", "episode_index", "task_index"}


def check_kept(root: Path, source: Path, kept: list[int], binaries: Binaries, *, bits: bool = True) -> None:
    """Check everything that must hold for a dataset with these episodes of another one."""
    info, rows, tasks = load_info(root), rows_of(root), load_tasks(root)
    old_tasks = load_tasks(source)
    old = [row for number in kept for row in rows_of(source) if row["episode_index"] == number]
    for number, (row, before) in enumerate(zip(rows, old, strict=True)):
        assert {**row, **dict.fromkeys(NUMBERS)} == {**before, **dict.fromkeys(NUMBERS)}
        assert row["index"] == number
        assert kept[row["episode_index"]] == before["episode_index"]
        assert tasks[row["task_index"]] == old_tasks[before["task_index"]]
    assert set(tasks) == {old_tasks[row["task_index"]] for row in old}
    assert tasks == [task for task in old_tasks if task in tasks]
    episodes = load_episodes(root, info)
    assert (info.total_episodes, info.total_frames, info.total_tasks) == (len(kept), len(rows), len(tasks))
    assert info.splits == {"train": f"0:{len(kept)}"}
    unchanged = {"total_episodes", "total_frames", "total_tasks", "splits"}
    assert info.model_dump(exclude=unchanged) == load_info(source).model_dump(exclude=unchanged)
    for row in episodes:
        own = [each for each in rows if each["episode_index"] == row.episode_index]
        for name in NUMBERS:
            wanted = vector_statistics(np.array([each[name] for each in own])).to_json()
            for key, values in row.statistics[name].to_json().items():
                np.testing.assert_allclose(values, wanted[key], atol=1e-9, err_msg=f"{name} {key}")
    stats = load_stats(root)
    assert stats is not None
    for name, wanted in aggregate_statistics([row.statistics for row in episodes]).items():
        for key, values in stats[name].to_json().items():
            np.testing.assert_allclose(values, wanted.to_json()[key], atol=1e-9)
    assert verify_dataset(root, "packets", binaries=binaries).ok
    frames = frames_of(source, binaries)
    if bits:
        assert frames_of(root, binaries) == [frames[number] for number in kept]
    for path in root.glob("videos/*/*/*"):
        packets = probe_packets(path, binaries=binaries)
        assert packets.first_off_grid(load_info(root).fps) is None


@pytest.mark.parametrize(
    ("source", "left_out"), [(A, [1]), (A, [0]), (A, [2, 0]), (B, [0]), (D, [0]), (D, [1])], ids=str
)
def test_kept_episodes_keep_encoded_bits(tmp_path: Path, binaries: Binaries, source: Path, left_out: list[int]) -> None:
    seen: list[tuple[int, int | None]] = []
    result = delete_episodes(
        source, left_out, tmp_path / "out", binaries=binaries, progress=lambda *at: seen.append(at)
    )
    assert result.reencoded == {}
    kept = [number for number in range(load_info(source).total_episodes) if number not in left_out]
    check_kept(result.root, source, kept, binaries)
    assert seen[-1][0] == seen[-1][1] == result.frames * len(load_info(source).videos)


def test_emptied_files_leave_no_gap_in_numbers(tmp_path: Path, binaries: Binaries) -> None:
    several = merge_datasets([A, B, A], tmp_path / "several", concatenate_videos=False, binaries=binaries).root
    change_info(several, chunks_size=2, data_files_size_in_mb=7)
    result = delete_episodes(several, [0, 1, 2, 3], tmp_path / "out", binaries=binaries)
    check_kept(result.root, several, [4, 5, 6, 7], binaries)
    for directory in (result.root / "videos").iterdir():
        files = [str(path.relative_to(directory)) for path in sorted(directory.glob("*/*"))]
        assert files == ["chunk-000/file-000.mp4", "chunk-000/file-001.mp4"]
        untouched = several / "videos" / directory.name / "chunk-000/file-002.mp4"
        assert (directory / files[1]).read_bytes() == untouched.read_bytes()


def test_episode_starting_between_keyframes_is_partly_encoded(
    tmp_path: Path, binaries: Binaries, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"vcodec": "h264", "g": 12, "extra_options": {"bf": 0, "sc_threshold": 0}}
    source = encoded_with(copy_of("A", tmp_path), settings, binaries)
    result = delete_episodes(source, [0], tmp_path / "out", binaries=binaries)
    check_kept(result.root, source, [1, 2], binaries, bits=False)
    frames, before = frames_of(result.root, binaries), frames_of(source, binaries)
    for path, ranges in result.reencoded.items():
        key = path.parts[-3]
        ((first, stop),) = ranges
        assert first == 20
        assert stop == next(k for k in probe_packets(path, binaries=binaries).cut_points if k >= 20)
        assert frames[0][key][stop - 20 :] == before[1][key][stop - 20 :]
        assert frames[1][key] == before[2][key]
    assert len(result.reencoded) == 2
    assert "re-encoded" in caplog.text


def test_depth_cut_between_keyframes_is_exact(tmp_path: Path, binaries: Binaries) -> None:
    depth = "observation.images.laptop_depth"
    joined = copy_of("D", tmp_path)
    source = encoded_with(
        joined,
        {"vcodec": "hevc", "pix_fmt": "gray12le", "g": 10, "crf": None, "extra_options": {"x265-params": "lossless=1"}},
        binaries,
    )
    result = delete_episodes(source, [0], tmp_path / "out", binaries=binaries)
    assert frames_of(result.root, binaries)[0][depth] == frames_of(D, binaries)[1][depth]
    assert any(path.parts[-3] == depth for path in result.reencoded)


@pytest.mark.parametrize("left_out", [[], [0, 1, 2], [3], [-1], [True], [0, 7]], ids=str)
def test_empty_complete_and_unknown_selections_are_refused(
    tmp_path: Path, binaries: Binaries, left_out: list[int]
) -> None:
    with pytest.raises(DatasetError):
        delete_episodes(A, left_out, tmp_path / "out", binaries=binaries)
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputExistsError):
        delete_episodes(A, [0], tmp_path / "there", binaries=binaries)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


@pytest.mark.parametrize(
    ("splits", "episodes"),
    [
        ({"train": 0.7, "val": 0.3}, {"train": [0, 1], "val": [2]}),
        ({"val": [2, 0]}, {"val": [0, 2]}),
        ({"b": [1], "a": [0, 2]}, {"b": [1], "a": [0, 2]}),
    ],
    ids=str,
)
def test_every_split_is_a_dataset(
    tmp_path: Path, binaries: Binaries, splits: dict[str, float], episodes: dict[str, list[int]]
) -> None:
    before = tree_of(A)
    made = split_dataset(A, splits, tmp_path / "out", binaries=binaries)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(episodes)
    for name, kept in episodes.items():
        assert made[name].root == tmp_path / "out" / name
        check_kept(made[name].root, A, kept, binaries)
    assert tree_of(A) == before


def test_split_shares_are_exact_and_last_takes_rest(tmp_path: Path, binaries: Binaries) -> None:
    source = DatasetSource.open(merge_datasets([A, B] * 2, tmp_path / "ten", binaries=binaries).root)
    assert plan_splits({"a": 0.7, "b": 0.2, "c": 0.1}, source) == {
        "a": [0, 1, 2, 3, 4, 5, 6],
        "b": [7, 8],
        "c": [9],
    }
    assert {name: len(some) for name, some in plan_splits({"a": 0.55, "b": 0.45}, source).items()} == {"a": 5, "b": 5}


@pytest.mark.parametrize(
    "splits",
    [
        {},
        {"a": 0.5},
        {"a": 0.9, "b": 0.2},
        {"a": 0.1, "b": 0.9},
        {"a": [0], "b": [0]},
        {"a": []},
        {"a": [4]},
        {"a": 0.5, "b": [1]},
    ],
    ids=str,
)
def test_invalid_splits_are_refused(tmp_path: Path, binaries: Binaries, splits: dict[str, float]) -> None:
    with pytest.raises(DatasetError):
        split_dataset(A, splits, tmp_path / "out", binaries=binaries)
    with pytest.raises(UnsafePathError):
        split_dataset(A, {"../a": [0]}, tmp_path / "out", binaries=binaries)
    assert list(tmp_path.iterdir()) == []
