"""`merge_datasets` gives LeRobot's tables and the frames of the sources, or writes nothing on a mismatch."""

from __future__ import annotations

import itertools
import json
import logging
from pathlib import Path

import numpy as np
import pytest

from ffenc import Binaries, VideoEncoderConfig, probe_packets, probe_video, verify_dataset
from ffenc.errors import DatasetError, FFencError, MergeError, OutputError, OutputExistsError
from ffenc.statistics import vector_statistics
from ffenc.video.clip import MeasuredClip
from tests.datasets import change_info, copy_of, encoded_with, frames_of, rows_of, tree_of
from tests.lerobot_data import LEROBOT, needs_av1_decoder

pytest.importorskip("pyarrow")
from ffenc.dataset.format.dataset_tables import load_episodes, load_tasks
from ffenc.dataset.format.documents import load_info, load_stats
from ffenc.dataset.transform.merge import merge_datasets

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _av1(binaries: Binaries) -> None:
    needs_av1_decoder(binaries)


A, B, D = (LEROBOT / name for name in "ABD")
LAPTOP = "observation.images.laptop"


def check_merged(root: Path, sources: list[Path], binaries: Binaries) -> None:
    """Check everything that must hold for any merged dataset."""
    info, parts = load_info(root), [load_info(source) for source in sources]
    rows, episodes, tasks = rows_of(root), load_episodes(root, info), load_tasks(root)
    old_rows = [(row, load_tasks(source)[row["task_index"]]) for source in sources for row in rows_of(source)]
    old_episodes = [row for source, part in zip(sources, parts, strict=True) for row in load_episodes(source, part)]
    assert (info.total_episodes, info.total_frames) == (len(old_episodes), len(old_rows))
    assert (info.total_tasks, info.splits) == (len(tasks), {"train": f"0:{len(old_episodes)}"})
    assert tasks == list(dict.fromkeys(task for source in sources for task in load_tasks(source)))
    renumbered = {"index", "episode_index", "task_index"}
    for number, (row, (old, task)) in enumerate(zip(rows, old_rows, strict=True)):
        assert {k: v for k, v in row.items() if k not in renumbered} == {
            k: v for k, v in old.items() if k not in renumbered
        }
        assert (row["index"], tasks[row["task_index"]]) == (number, task)
    start = 0
    for row, old in zip(episodes, old_episodes, strict=True):
        assert (row.tasks, row.length, row.dataset_from_index) == (old.tasks, old.length, start)
        own = rows[start : start + row.length]
        assert {each["episode_index"] for each in own} == {row.episode_index}
        start += row.length
        for name, statistics in row.statistics.items():
            wanted = old.statistics[name]
            if name in renumbered:
                wanted = vector_statistics(np.array([each[name] for each in own]))
            for key, values in wanted.to_json().items():
                np.testing.assert_allclose(statistics.to_json()[key], values, atol=1e-9, err_msg=f"{name} {key}")
    stats = load_stats(root)
    assert stats is not None
    assert stats["index"].max == len(rows) - 1
    assert stats["episode_index"].max == len(episodes) - 1
    assert verify_dataset(root, "packets", binaries=binaries).ok
    assert frames_of(root, binaries) == [each for source in sources for each in frames_of(source, binaries)]


@pytest.mark.parametrize("sources", [[A, B], [B, A], [A, A], [D, D], [A]], ids=["AB", "BA", "AA", "DD", "A"])
def test_merged_tables_and_frames_equal_sources(tmp_path: Path, binaries: Binaries, sources: list[Path]) -> None:
    seen: list[tuple[int, int | None]] = []
    result = merge_datasets(sources, tmp_path / "out", binaries=binaries, progress=lambda *at: seen.append(at))
    check_merged(result.root, sources, binaries)
    assert result.reencoded == ()
    info = load_info(result.root)
    assert (result.episodes, result.frames, result.tasks) == (info.total_episodes, info.total_frames, info.total_tasks)
    assert result.videos == len(info.videos)
    assert seen[-1] == (result.frames * len(info.videos),) * 2
    for path in sorted(result.root.glob("videos/*/*/*.mp4")):
        packets = probe_packets(path, binaries=binaries)
        assert packets.count == result.frames
        assert packets.first_off_grid(probe_video(path, binaries=binaries).fps) is None


def test_differing_settings_become_null_with_one_warning(
    tmp_path: Path, binaries: Binaries, caplog: pytest.LogCaptureFixture
) -> None:
    root = merge_datasets([A, B], tmp_path / "out", binaries=binaries).root
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert f"{LAPTOP}: video.crf: 30 in {A}; 40 in {B}" in warning.getMessage()
    merged, first = (json.loads((each / "meta/info.json").read_text()) for each in (root, A))
    assert list(merged) == list(first)
    for name, feature in merged["features"].items():
        if feature["dtype"] == "video":
            assert list(feature["info"]) == list(first["features"][name]["info"])
            first["features"][name]["info"] |= {"video.crf": None, "video.preset": None}
    assert merged["features"] == first["features"]


def test_merge_is_associative(tmp_path: Path, binaries: Binaries) -> None:
    left = merge_datasets([A, B], tmp_path / "AB", binaries=binaries).root
    right = merge_datasets([B, A], tmp_path / "BA", binaries=binaries).root
    first = merge_datasets([left, A], tmp_path / "first", binaries=binaries).root
    second = merge_datasets([A, right], tmp_path / "second", binaries=binaries).root
    for root in (first, second):
        check_merged(root, [A, B, A], binaries)
    assert rows_of(first) == rows_of(second)


def test_limits_and_tools_come_from_first_source(tmp_path: Path, binaries: Binaries) -> None:
    first = copy_of("A", tmp_path)
    tools = [{"type": "function", "function": {"name": "grasp"}}]
    change_info(first, chunks_size=2, video_files_size_in_mb=0.03, data_files_size_in_mb=0.005, tools=tools)
    root = merge_datasets([first, B, A], tmp_path / "out", binaries=binaries).root
    check_merged(root, [first, B, A], binaries)
    info = load_info(root)
    assert (info.chunks_size, info.video_files_size_in_mb, info.tools) == (2, 0.03, tools)
    files = [str(path.relative_to(root / "videos" / LAPTOP)) for path in sorted(root.glob(f"videos/{LAPTOP}/*/*"))]
    assert files == ["chunk-000/file-000.mp4", "chunk-000/file-001.mp4", "chunk-001/file-000.mp4"]
    assert len(list(root.glob("data/*/*"))) > 1


def test_files_can_stay_separate(tmp_path: Path, binaries: Binaries) -> None:
    root = merge_datasets(
        [A, B], tmp_path / "out", concatenate_videos=False, concatenate_data=False, binaries=binaries
    ).root
    check_merged(root, [A, B], binaries)
    assert len(list(root.glob("data/*/*"))) == 2
    copies = sorted(root.glob(f"videos/{LAPTOP}/*/*"))
    assert [path.read_bytes() for path in copies] == [
        next(source.glob(f"videos/{LAPTOP}/*/*")).read_bytes() for source in (A, B)
    ]


def test_other_codec_is_refused_before_writing_or_reencoded(tmp_path: Path, binaries: Binaries) -> None:
    odd = encoded_with(copy_of("A", tmp_path), {"vcodec": "h264"}, binaries)
    before = tree_of(tmp_path)
    with pytest.raises(MergeError) as caught:
        merge_datasets([A, odd], tmp_path / "out", binaries=binaries)
    assert caught.value.disagreements[f"{LAPTOP}: video.codec"] == ("av1", "h264")
    assert f"h264 in {odd}" in str(caught.value)
    # Also when info.json does not say so.
    (odd / "meta/info.json").write_bytes((A / "meta/info.json").read_bytes())
    with pytest.raises(MergeError) as caught:
        merge_datasets([A, odd], tmp_path / "out", binaries=binaries)
    assert caught.value.disagreements[f"{LAPTOP}: codec"] == ("av1", "h264")
    assert tree_of(tmp_path).keys() == before.keys()


def test_only_mismatched_videos_are_reencoded(tmp_path: Path, binaries: Binaries) -> None:
    first = encoded_with(copy_of("A", tmp_path, "first"), {"vcodec": "h264", "crf": 20}, binaries)
    alike = encoded_with(copy_of("B", tmp_path, "alike"), {"vcodec": "h264", "crf": 33}, binaries)
    odd = encoded_with(copy_of("B", tmp_path, "odd"), {"vcodec": "mpeg4", "crf": None}, binaries)
    with pytest.raises(MergeError):
        merge_datasets([first, odd, alike], tmp_path / "out", binaries=binaries)
    result = merge_datasets([first, odd, alike], tmp_path / "out", on_mismatch="reencode", binaries=binaries)
    assert set(result.reencoded) == set(odd.rglob("*.mp4"))
    assert not [path for path in result.root.iterdir() if path.name.startswith(".")]
    merged = frames_of(result.root, binaries)
    assert merged[:3] == frames_of(first, binaries)
    assert merged[5:] == frames_of(alike, binaries)
    assert load_info(result.root).features[LAPTOP].info["video.codec"] == "h264"  # type: ignore[index]
    assert result.frames == 60 + 40 + 40


def test_differing_headers_are_verified_by_decoding_or_kept_separate(
    tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sources = [
        encoded_with(copy_of("B", tmp_path, f"{number}"), {"vcodec": "h264", "crf": crf}, binaries)
        for number, crf in enumerate((20, 40, 20))
    ]
    hashes = {
        probe_video(next(each.glob(f"videos/{LAPTOP}/*/*")), binaries=binaries).extradata_hash for each in sources[:2]
    }
    assert len(hashes) == 2
    joined = merge_datasets(sources, tmp_path / "joined", binaries=binaries)
    check_merged(joined.root, sources, binaries)
    assert joined.videos == 2

    def deny(made: MeasuredClip, *_: object, **__: object) -> None:
        raise OutputError("it is another frame", path=made.stream.path)

    monkeypatch.setattr("ffenc.dataset.transform.video_groups.check_frames", deny)
    apart = merge_datasets(sources, tmp_path / "apart", binaries=binaries)
    assert "3 videos of observation.images.laptop cannot share a file" in caplog.text
    assert apart.videos == 6
    check_merged(apart.root, sources, binaries)


CHANGES = {
    "fps": {"fps": 25},
    "robot_type": {"robot_type": "another"},
}


@pytest.mark.parametrize("name", CHANGES)
def test_mismatched_datasets_are_refused(tmp_path: Path, binaries: Binaries, name: str) -> None:
    odd = copy_of("A", tmp_path)
    change_info(odd, **CHANGES[name])
    with pytest.raises(MergeError) as caught:
        merge_datasets([A, odd], tmp_path / "out", on_mismatch="reencode", binaries=binaries)
    assert list(caught.value.disagreements) == [name]
    assert [path.name for path in tmp_path.iterdir()] == ["A"]


def test_other_features_and_shapes_are_refused(tmp_path: Path, binaries: Binaries) -> None:
    with pytest.raises(MergeError) as caught:
        merge_datasets([A, D], tmp_path / "out", binaries=binaries)
    assert list(caught.value.disagreements) == ["features"]
    odd = copy_of("A", tmp_path)
    features = json.loads((odd / "meta/info.json").read_text())["features"]
    features["action"]["names"][0] = "other"
    change_info(odd, features=features)
    with pytest.raises(MergeError) as caught:
        merge_datasets([A, odd], tmp_path / "out", binaries=binaries)
    assert list(caught.value.disagreements) == ["action: names"]


def test_older_depth_marker_is_accepted(tmp_path: Path, binaries: Binaries) -> None:
    older = copy_of("A", tmp_path)
    features = json.loads((older / "meta/info.json").read_text())["features"]
    for feature in features.values():
        if "info" in feature:
            feature["info"]["video.is_depth_map"] = feature["info"].pop("is_depth_map")
    change_info(older, features=features)
    for number, sources in enumerate(itertools.permutations([A, older])):
        root = merge_datasets(list(sources), tmp_path / f"{number}", binaries=binaries).root
        info = load_info(root).features[LAPTOP].info
        assert info is not None
        kept, other = ("is_depth_map", "video.is_depth_map")[:: 1 - 2 * number]
        assert info[kept] is False
        assert other not in info


def test_incomplete_source_is_refused(tmp_path: Path, binaries: Binaries) -> None:
    torn = copy_of("B", tmp_path)
    video = next(torn.glob(f"videos/{LAPTOP}/*/*"))
    video.write_bytes(next(A.glob(f"videos/{LAPTOP}/*/*")).read_bytes()[:9000])
    with pytest.raises(FFencError, match=r"file-000\.mp4"):
        merge_datasets([A, torn], tmp_path / "out", binaries=binaries)
    other = copy_of("A", tmp_path)
    next(other.glob(f"videos/{LAPTOP}/*/*")).write_bytes(next(B.glob(f"videos/{LAPTOP}/*/*")).read_bytes())
    with pytest.raises(DatasetError, match="has 40 frames, but episodes need 60"):
        merge_datasets([B, other], tmp_path / "out", binaries=binaries)
    change_info(other, total_frames=61)
    with pytest.raises(DatasetError, match="is inconsistent"):
        merge_datasets([B, other], tmp_path / "out", binaries=binaries)
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputExistsError):
        merge_datasets([A, B], tmp_path / "there", binaries=binaries)
    with pytest.raises(MergeError, match="no datasets"):
        merge_datasets([], tmp_path / "out", binaries=binaries)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["A", "B", "there"]


def test_missing_encoder_config_does_not_prevent_copy(tmp_path: Path, binaries: Binaries) -> None:
    sources = [copy_of("A", tmp_path, name) for name in ("1", "2")]
    for source in sources:
        features = json.loads((source / "meta/info.json").read_text())["features"]
        features[LAPTOP]["info"]["video.crf"] = "a lot"
        change_info(source, features=features)
    with pytest.raises(ValueError):
        VideoEncoderConfig.from_video_info(load_info(sources[0]).features[LAPTOP].info or {})
    check_merged(merge_datasets(sources, tmp_path / "out", binaries=binaries).root, sources, binaries)
