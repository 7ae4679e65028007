"""`reencode_dataset` writes videos of the same frames with measured metadata, or nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import Binaries, VideoEncoderConfig, VideoReader, concat_videos, probe_video, verify_dataset
from ffenc.config import DepthEncoderConfig
from ffenc.errors import DatasetError, DatasetLockedError, FFencError, OutputExistsError
from ffenc.statistics import FrameSampler, vector_statistics
from tests.datasets import copy_of, frames_of, rows_of, tree_of
from tests.lerobot_data import LEROBOT, needs_av1_decoder

pytest.importorskip("pyarrow")
from ffenc.dataset.format.dataset_tables import load_episodes, save_episodes
from ffenc.dataset.format.documents import load_info, load_stats
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.storage.lock import LOCK, DatasetLock
from ffenc.dataset.transform.merge import merge_datasets
from ffenc.dataset.transform.reencode import reencode_dataset

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _av1(binaries: Binaries) -> None:
    needs_av1_decoder(binaries)


A, B, D = (LEROBOT / name for name in "ABD")
LAPTOP, PHONE, DEPTH = (f"observation.images.{name}" for name in ("laptop", "phone", "laptop_depth"))
H264 = VideoEncoderConfig(vcodec="h264", crf=10, g=4)


def largest_difference(root: Path, source: Path, binaries: Binaries, *, every: int = 1) -> float:
    """Return the largest mean difference of a frame, over all episodes of the laptop's camera."""
    worst = 0.0
    info, old = load_info(root), load_info(source)
    for row, before in zip(load_episodes(root, info), load_episodes(source, old), strict=True):
        new_span, old_span = row.videos[LAPTOP], before.videos[LAPTOP]
        frames = []
        for base, span, step in ((root, new_span, 1), (source, old_span, every)):
            path = base / f"videos/{LAPTOP}/chunk-{span.file.chunk:03d}/file-{span.file.file:03d}.mp4"
            numbers = range(span.from_frame, span.to_frame, step)
            frames.append(VideoReader(path, binaries=binaries).frames(numbers).astype(float))
        assert frames[0].shape == frames[1].shape
        worst = max(worst, np.abs(frames[0] - frames[1]).mean(axis=(1, 2, 3)).max())
    return worst


@pytest.mark.parametrize("in_place", [False, True])
def test_new_videos_of_the_same_frames(tmp_path: Path, binaries: Binaries, in_place: bool) -> None:
    source = merge_datasets([A, A], tmp_path / "two", concatenate_videos=False, binaries=binaries).root
    original = tree_of(source)
    inode = next(source.glob(f"videos/{PHONE}/*/*")).stat().st_ino
    output = None if in_place else tmp_path / "out"
    result = reencode_dataset(source, camera_encoder=H264, cameras=[LAPTOP], output=output, binaries=binaries)
    root = result.root
    assert root == (output or source)
    assert (result.cameras, result.videos, result.frames) == ((LAPTOP,), 2, 120)
    if in_place:
        assert next(source.glob(f"videos/{PHONE}/*/*")).stat().st_ino == inode
        assert not (source / LOCK).exists()
    else:
        assert tree_of(source) == original
    names = ["two"] if in_place else ["out", "two"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    changed = (f"videos/{LAPTOP}", "meta/info.json", "meta/ffenc")
    assert {k: v for k, v in tree_of(root).items() if not k.startswith(changed)} == {
        k: v for k, v in original.items() if not k.startswith(changed)
    }
    info, before = load_info(root), json.loads(original["meta/info.json"])
    block = info.features[LAPTOP].info
    assert block is not None
    assert list(block) == list(before["features"][LAPTOP]["info"])
    assert (block["video.codec"], block["video.crf"], block["video.g"]) == ("h264", 10, 4)
    assert info.features[PHONE].info == before["features"][PHONE]["info"]
    operation = json.loads((root / "meta/ffenc/operations.jsonl").read_text().splitlines()[-1])
    assert operation["cameras"][LAPTOP]["vcodec"] == "h264"


def test_frames_stay_similar(tmp_path: Path, binaries: Binaries) -> None:
    root = reencode_dataset(A, camera_encoder=H264, output=tmp_path / "out", binaries=binaries).root
    assert largest_difference(root, A, binaries) < 3


@pytest.mark.parametrize("fps", [None, 5])
def test_episodes_begin_at_keyframes(tmp_path: Path, binaries: Binaries, fps: int | None) -> None:
    config = VideoEncoderConfig(vcodec="h264", g=50)
    root = reencode_dataset(A, camera_encoder=config, output=tmp_path / "out", fps=fps, binaries=binaries).root
    assert verify_dataset(root, "packets", binaries=binaries).findings == ()


def test_depth_is_exact_or_refused(tmp_path: Path, binaries: Binaries) -> None:
    exact = DepthEncoderConfig(g=5)
    root = reencode_dataset(D, depth_encoder=exact, output=tmp_path / "exact", binaries=binaries).root
    new, old = frames_of(root, binaries), frames_of(D, binaries)
    assert new == old
    block, before = load_info(root).features[DEPTH].info, load_info(D).features[DEPTH].info
    assert block is not None
    assert before is not None
    kept = ("depth_unit", "is_depth_map", "video.depth_min", "video.depth_max", "video.shift", "video.use_log")
    assert {name: block[name] for name in kept} == {name: before[name] for name in kept}
    assert block["video.g"] == 5
    lossy = DepthEncoderConfig(extra_options={}, crf=20)
    with pytest.raises(FFencError, match="changed during encoding"):
        reencode_dataset(D, depth_encoder=lossy, output=tmp_path / "lossy", binaries=binaries)
    reencode_dataset(D, depth_encoder=lossy, output=tmp_path / "lossy", keep_depth=False, binaries=binaries)
    with pytest.raises(DatasetError, match="depth_max"):
        reencode_dataset(D, depth_encoder=DepthEncoderConfig(depth_max=5.0), output=tmp_path / "x", binaries=binaries)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exact", "lossy"]


def test_resize(tmp_path: Path, binaries: Binaries) -> None:
    root = reencode_dataset(A, camera_encoder=H264, resize=(64, 64), output=tmp_path / "out", binaries=binaries).root
    info = load_info(root)
    for path in root.glob("videos/*/*/*"):
        stream = probe_video(path, binaries=binaries)
        assert (stream.width, stream.height, stream.sample_aspect_ratio or 1) == (64, 64, 1)
    assert info.features[LAPTOP].shape == (64, 64, 3)
    assert (info.features[LAPTOP].info or {})["video.height"] == 64
    assert rows_of(root) == rows_of(A)
    assert verify_dataset(root, "decode", binaries=binaries).ok


def test_resize_of_one_camera_updates_its_statistics(tmp_path: Path, binaries: Binaries) -> None:
    root = reencode_dataset(
        A, camera_encoder=H264, resize=(64, 64), cameras=[LAPTOP], output=tmp_path / "out", binaries=binaries
    ).root
    info = load_info(root)
    assert rows_of(root) == rows_of(A)
    for row, before in zip(load_episodes(root, info), load_episodes(A, load_info(A)), strict=True):
        sampler, span = FrameSampler(), row.videos[LAPTOP]
        path = root / f"videos/{LAPTOP}/chunk-000/file-{span.file.file:03d}.mp4"
        for frame in VideoReader(path, binaries=binaries).frames(range(span.from_frame, span.to_frame)):
            sampler.add(frame)
        for key, values in sampler.statistics().to_json().items():
            np.testing.assert_allclose(row.statistics[LAPTOP].to_json()[key], values, err_msg=key)
        for name in ("action", PHONE):
            assert row.statistics[name].to_json() == before.statistics[name].to_json()


@pytest.mark.parametrize("changes", ["resize", "fps"])
def test_frames_between_episodes_do_not_shift_others(tmp_path: Path, binaries: Binaries, changes: str) -> None:
    source, info = copy_of("A", tmp_path), load_info(A)
    layout = DatasetLayout.of(source, info)
    video = layout.video(LAPTOP, FileId())
    concat_videos([A / video.relative_to(source)] * 2, video, overwrite=True, binaries=binaries)
    rows = load_episodes(source, info)  # they have the second half
    for row in rows:
        span = row.videos[LAPTOP]
        row.videos[LAPTOP] = replace(span, from_frame=span.from_frame + 60, to_frame=span.to_frame + 60)
    save_episodes(source, info, rows)
    height, width, _ = info.features[LAPTOP].shape
    chosen: dict[str, Any] = {"resize": (width, height)} if changes == "resize" else {"fps": 10}
    root = reencode_dataset(source, camera_encoder=H264, output=tmp_path / "out", binaries=binaries, **chosen).root
    assert largest_difference(root, A, binaries, every=3 if changes == "fps" else 1) < 3
    assert load_episodes(root, load_info(root))[0].videos[LAPTOP].from_frame == (0 if changes == "fps" else 60)


@pytest.mark.parametrize("in_place", [False, True])
def test_slower_rate_drops_same_rows_and_frames(tmp_path: Path, binaries: Binaries, in_place: bool) -> None:
    source = copy_of("A", tmp_path)
    output = None if in_place else tmp_path / "out"
    result = reencode_dataset(source, camera_encoder=H264, fps=10, output=output, binaries=binaries)
    root, info = result.root, load_info(result.root)
    assert (info.fps, info.total_frames, result.frames) == (10, 7 + 9 + 5, 21)
    rows = rows_of(root)
    for row, old in zip(rows, [row for row in rows_of(A) if row["frame_index"] % 3 == 0], strict=True):
        assert {k: row[k] for k in ("action", "episode_index", "task_index")} == {
            k: old[k] for k in ("action", "episode_index", "task_index")
        }
        assert row["frame_index"] * 3 == old["frame_index"]
        assert row["timestamp"] == pytest.approx(old["timestamp"], abs=1e-6)
    for episode in load_episodes(root, info):
        actions = np.array([row["action"] for row in rows if row["episode_index"] == episode.episode_index])
        assert episode.statistics["action"].mean == pytest.approx(vector_statistics(actions).mean)
    stats = load_stats(root)
    assert stats is not None
    assert stats["index"].max == 20
    assert largest_difference(root, A, binaries, every=3) < 3
    assert verify_dataset(root, "decode", binaries=binaries).ok
    for block in (feature.info for feature in info.videos.values()):
        assert (block or {})["video.fps"] == 10


def test_stopped_run_continues(tmp_path: Path, binaries: Binaries) -> None:
    source, work = copy_of("A", tmp_path), tmp_path / "work"
    bad = next(source.glob(f"videos/{PHONE}/*/*"))
    whole = bad.read_bytes()
    bad.write_bytes(whole[:9000])
    with pytest.raises(DatasetError, match="1 of 2 videos"):
        reencode_dataset(source, camera_encoder=H264, output=tmp_path / "out", work=work, binaries=binaries)
    bad.write_bytes(whole)
    seen: list[str] = []
    reencode_dataset(
        source,
        camera_encoder=H264,
        output=tmp_path / "out",
        work=work,
        binaries=binaries,
        progress=lambda _, __, result: seen.append(result.status),
    )
    assert sorted(seen) == ["done", "skipped"]


def test_impossible_settings_are_refused(tmp_path: Path, binaries: Binaries) -> None:
    source = copy_of("A", tmp_path)
    before = tree_of(tmp_path)
    for wrong in (
        {},
        {"fps": 25},
        {"fps": 60},
        {"camera_encoder": H264, "cameras": ["x"]},
        {"camera_encoder": {"x": H264}},
        {"camera_encoder": H264, "fps": 15, "cameras": [LAPTOP]},
        {"depth_encoder": DepthEncoderConfig()},
        {"camera_encoder": DepthEncoderConfig()},
    ):
        with pytest.raises(DatasetError):
            reencode_dataset(source, output=tmp_path / "out", binaries=binaries, **wrong)  # type: ignore[arg-type]
    with pytest.raises(OutputExistsError):
        reencode_dataset(source, camera_encoder=H264, output=source, binaries=binaries)
    assert tree_of(tmp_path) == before
    with DatasetLock(source), pytest.raises(DatasetLockedError):
        reencode_dataset(source, camera_encoder=H264, binaries=binaries)


def test_failure_in_place_leaves_dataset_unchanged(tmp_path: Path, binaries: Binaries) -> None:
    source = copy_of("A", tmp_path)
    bad = next(source.glob(f"videos/{PHONE}/*/*"))
    bad.write_bytes(bad.read_bytes()[:9000])
    before = {k: v for k, v in tree_of(tmp_path).items() if "/ffenc/" not in k}
    with pytest.raises(DatasetError):
        reencode_dataset(source, camera_encoder=H264, binaries=binaries)
    assert {k: v for k, v in tree_of(tmp_path).items() if "/ffenc/" not in k} == before
