"""Datasets exchanged with LeRobot 0.6.1 can be recorded, merged and edited in both.

If ``FFENC_LEROBOT_PYTHON`` names a Python with LeRobot 0.6.1, LeRobot itself merges and reads them too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ffenc import DatasetRecorder, VideoEncoderConfig, VideoReader
from ffenc.dataset.format.dataset_tables import load_tasks, load_texts, save_texts
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.transform.edit import delete_episodes, split_dataset
from ffenc.dataset.transform.images_to_video import convert_images_to_video
from ffenc.dataset.transform.merge import merge_datasets
from ffenc.dataset.transform.pack import pack_dataset
from ffenc.dataset.transform.reencode import reencode_dataset
from ffenc.dataset.verify.verify import verify_dataset
from ffenc.errors import DatasetError, FFencError, MergeError
from tests.dataset_faults import DATA, EPISODES
from tests.datasets import change_info, copy_of, frames_of, rows_of
from tests.lerobot_data import LEROBOT
from tests.lerobot_variants import READS, VARIANTS

pytestmark = pytest.mark.integration

CAMERA = "observation.images.a"
THEIRS = LEROBOT / "E"  # recorded by LeRobot 0.6.1: two episodes of 8 and 14 frames in H.264, without colour tags
CONFIG = VideoEncoderConfig(vcodec="h264", preset="veryfast")
MARKERS = {"is_depth_map", "video.is_depth_map"}
LEROBOT_PYTHON = os.environ.get("FFENC_LEROBOT_PYTHON")
needs_lerobot = pytest.mark.skipif(
    not LEROBOT_PYTHON, reason="FFENC_LEROBOT_PYTHON does not name a Python that has LeRobot 0.6.1"
)
RECORDED = json.loads((THEIRS / "meta/info.json").read_text())


def save_subtasks(root, texts):
    save_texts(root / "meta/subtasks.parquet", "subtask", texts)


def load_subtasks(root):
    return load_texts(root / "meta/subtasks.parquet", "subtask")


def features(dtype="video"):
    """Return the features that LeRobot recorded in `THEIRS`."""
    given = {name: dict(RECORDED["features"][name]) for name in ("action", "ok", "note", CAMERA)}
    del given[CAMERA]["info"]
    return {**given, CAMERA: {**given[CAMERA], "dtype": dtype}}


def frame(number):
    y, x = np.mgrid[0:64, 0:96]
    return np.stack([(x * 2 + number * 9) % 256, (y * 3) % 256, (x + y + number * 5) % 256], -1).astype(np.uint8)


def add_episodes(recorder, lengths):
    for length in lengths:
        for number in range(length):
            row = {"action": np.full(3, number, np.float32), "ok": np.array([number > 2]), "note": f"{number}"}
            recorder.add_frame({**row, CAMERA: frame(number), "task": "task 0"})
        recorder.save_episode()


def recorded(root, binaries, *, lengths=(6, 5), dtype="video", **options):
    with DatasetRecorder.create(
        root, "me/ours", 30, features(dtype), robot_type="r", camera_encoder=CONFIG, binaries=binaries, **options
    ) as recorder:
        add_episodes(recorder, lengths)
    return root


def markers_of(root):
    return {key for key in load_info(root).features[CAMERA].info if key in MARKERS}


@pytest.fixture(scope="module")
def ours(tmp_path_factory, binaries):
    return recorded(tmp_path_factory.mktemp("recorded") / "ours", binaries)


@pytest.fixture(scope="module")
def images(tmp_path_factory, binaries):
    try:
        return recorded(tmp_path_factory.mktemp("recorded") / "images", binaries, dtype="image")
    except FFencError as err:
        pytest.skip(f"this FFmpeg cannot write PNG: {str(err).splitlines()[0]}")


# The layout of info.json


def test_features_equal_those_of_lerobot(ours):
    seen = json.loads((ours / "meta/info.json").read_text())
    assert seen["features"] == RECORDED["features"]
    assert list(seen["features"][CAMERA]["info"]) == list(RECORDED["features"][CAMERA]["info"])
    assert seen.keys() == RECORDED.keys()


def test_images_become_video_in_both_info_layouts(tmp_path, images, binaries):
    converted = tmp_path / "converted"
    convert_images_to_video(images, camera_encoder=CONFIG, output=converted, info_layout="seed", binaries=binaries)
    assert markers_of(converted) == {"video.is_depth_map"}


def test_dataset_keeps_its_info_layout(tmp_path, ours, binaries):
    seed = recorded(tmp_path / "seed", binaries, info_layout="seed")
    assert (markers_of(ours), markers_of(seed)) == ({"is_depth_map"}, {"video.is_depth_map"})
    with DatasetRecorder.resume(seed, binaries=binaries) as recorder:
        add_episodes(recorder, [4])
    with pytest.raises(DatasetError, match="info_layout"):
        DatasetRecorder.resume(seed, info_layout="lerobot-0.6", binaries=binaries)
    merge_datasets([seed, ours], tmp_path / "merged", binaries=binaries)
    delete_episodes(tmp_path / "merged", [1], tmp_path / "deleted", binaries=binaries)
    again = VideoEncoderConfig(vcodec="h264", preset="veryfast", crf=40)
    reencode_dataset(tmp_path / "deleted", camera_encoder=again, output=tmp_path / "again", binaries=binaries)
    for root in (seed, tmp_path / "merged", tmp_path / "deleted", tmp_path / "again"):
        assert markers_of(root) == {"video.is_depth_map"}
        assert verify_dataset(root).findings == ()


# Merging with LeRobot's own recordings


@pytest.mark.parametrize("ours_first", [True, False])
def test_untagged_videos_are_copied_beside_bt601(tmp_path, ours, binaries, ours_first):
    sources = [ours, THEIRS][:: 1 if ours_first else -1]
    before = [episode for source in sources for episode in frames_of(source, binaries)]
    result = merge_datasets(sources, tmp_path / "merged", binaries=binaries)
    assert result.reencoded == ()
    assert result.videos == 2  # FFmpeg from 7.0 on loses frames where the tags of a file change
    (other,) = result.other_colour_tags
    assert sources[1] in other.parents
    assert frames_of(result.root, binaries) == before
    shown = [list(VideoReader(path, binaries=binaries)) for root in sources for path in root.glob("videos/*/*/*.mp4")]
    merged = [list(VideoReader(path, binaries=binaries)) for path in sorted(result.root.glob("videos/*/*/*.mp4"))]
    assert all(np.array_equal(one, other) for one, other in zip(shown, merged, strict=True))
    (line,) = (result.root / "meta/ffenc/operations.jsonl").read_text().splitlines()
    (kept,) = json.loads(line)["other_colour_tags"]
    assert (kept["video"], kept["tags"][1]) == (str(other), None if ours_first else "smpte170m")
    assert verify_dataset(result.root, "packets", binaries=binaries).findings == ()
    pack_dataset(result.root, binaries=binaries)
    assert frames_of(result.root, binaries) == before


# Columns, tables and keys of others


def annotated(root, names=("reach", "grasp"), *, start=0):
    """Add to a copy of LeRobot's dataset what annotation tools write, with their types."""
    row = pa.struct([("role", pa.string()), ("content", pa.string()), ("tool_calls", pa.list_(pa.string()))])
    table = pq.read_table(root / DATA)
    events = [
        [{"role": "user", "content": f"{root.name} {n}", "tool_calls": None}] if n % 5 == 0 else [] for n in range(22)
    ]
    table = table.append_column("language_events", pa.array(events, pa.list_(row)))
    table = table.append_column("subtask_index", pa.array([n % len(names) for n in range(22)]))
    pq.write_table(table, root / DATA)
    known = json.loads((root / "meta/info.json").read_text())["features"]
    known["language_events"] = {"dtype": "language", "shape": [1], "names": None}
    known["subtask_index"] = {"dtype": "int64", "shape": [1], "names": None}
    change_info(root, features=known, licence="MIT")
    episodes = pq.read_table(root / EPISODES)
    pq.write_table(episodes.append_column("success", pa.array([True, False])), root / EPISODES)
    save_subtasks(root, names)
    return root


def notes_of(root):
    """Return the annotations of every frame."""
    subtasks = load_subtasks(root)
    return [(row["note"], row["language_events"], subtasks[row["subtask_index"]]) for row in rows_of(root)]


def successes_of(root):
    files = sorted(root.glob("meta/episodes/*/*.parquet"))
    return [value for path in files for value in pq.read_table(path)["success"].to_pylist()]


def test_annotations_move_with_their_episodes(tmp_path, binaries):
    one, other = (annotated(copy_of("E", tmp_path, name), names) for name, names in
                  (("one", ("reach", "grasp")), ("other", ("lift", "grasp", "reach"))))  # fmt: skip
    before = notes_of(one), notes_of(other)
    merge_datasets([one, other], tmp_path / "merged", binaries=binaries)
    merged = tmp_path / "merged"
    assert notes_of(merged) == [*before[0], *before[1]]
    assert load_subtasks(merged) == ["reach", "grasp", "lift"]
    assert successes_of(merged) == [True, False, True, False]
    assert load_info(merged).model_extra == {"licence": "MIT"}
    kind = pq.read_schema(one / DATA).field("language_events").type
    assert pq.read_schema(merged / DATA).field("language_events").type == kind
    delete_episodes(merged, [0, 2], tmp_path / "deleted", binaries=binaries)
    assert notes_of(tmp_path / "deleted") == [*before[0][8:], *before[1][8:]]
    assert successes_of(tmp_path / "deleted") == [False, False]
    split_dataset(merged, {"a": [3], "b": [0, 1, 2]}, tmp_path / "split", binaries=binaries)
    assert notes_of(tmp_path / "split/a") == before[1][8:]
    assert load_subtasks(tmp_path / "split/a") == ["reach", "grasp", "lift"]
    small = VideoEncoderConfig(vcodec="h264", preset="veryfast")
    reencode_dataset(one, camera_encoder=small, resize=(48, 32), output=tmp_path / "small", binaries=binaries)
    assert notes_of(tmp_path / "small") == before[0]
    assert successes_of(tmp_path / "small") == [True, False]
    with pytest.raises(DatasetError, match="frame 5 of episode 0 has a value of language_events"):
        reencode_dataset(one, fps=15, output=tmp_path / "slow", binaries=binaries)
    assert not (tmp_path / "slow").exists()
    with pytest.raises(DatasetError, match="cannot be recorded"):
        DatasetRecorder.resume(one, binaries=binaries)
    for root in (merged, tmp_path / "deleted", tmp_path / "split/a", tmp_path / "small"):
        assert {finding.severity for finding in verify_dataset(root).findings} <= {"note", "warning"}


def test_images_with_annotations_become_video(tmp_path, images, binaries):
    root = tmp_path / "images"
    pack_dataset(images, binaries=binaries)
    shutil.copytree(images, root)
    table = pq.read_table(root / DATA)
    events = [[{"role": "user", "content": f"{n}"}] for n in range(len(table))]
    pq.write_table(table.append_column("language_events", pa.array(events)), root / DATA)
    known = json.loads((root / "meta/info.json").read_text())["features"]
    change_info(root, features={**known, "language_events": {"dtype": "language", "shape": [1], "names": None}})
    save_subtasks(root, ["reach"])
    convert_images_to_video(root, camera_encoder=CONFIG, binaries=binaries)
    assert [row["language_events"] for row in rows_of(root)] == events
    assert load_subtasks(root) == ["reach"]


def test_incompatible_subtasks_are_refused(tmp_path, binaries):
    one, other = (annotated(copy_of("E", tmp_path, name), names) for name, names in
                  (("one", ("reach", "grasp")), ("other", ("grasp", "reach"))))  # fmt: skip
    (other / "meta/subtasks.parquet").unlink()
    with pytest.raises(MergeError, match=r"other has none"):
        merge_datasets([one, other], tmp_path / "merged", binaries=binaries)
    save_subtasks(other, ["grasp"])
    with pytest.raises(DatasetError, match="has a subtask_index outside the table of subtasks"):
        merge_datasets([one, other], tmp_path / "merged", binaries=binaries)
    assert not (tmp_path / "merged").exists()


def test_merged_dataset_has_lerobot_paths(tmp_path, ours, binaries):
    root = copy_of("E", tmp_path)
    VARIANTS["data_path of others"](root)
    VARIANTS["video_path flat"](root)
    change_info(root, fps=30.0)
    before = frames_of(root, binaries)
    delete_episodes(root, [0], tmp_path / "deleted", binaries=binaries)
    merge_datasets([root, ours], tmp_path / "merged", binaries=binaries)
    assert frames_of(tmp_path / "deleted", binaries) == before[1:]
    assert frames_of(tmp_path / "merged", binaries)[:2] == before
    for name in ("deleted", "merged"):
        assert (tmp_path / name / DATA).is_file()
        assert verify_dataset(tmp_path / name).findings == ()
    with pytest.raises(DatasetError, match="video_path"):
        DatasetRecorder.resume(root, binaries=binaries)


# LeRobot itself


def judged(*arguments):
    command = [LEROBOT_PYTHON, "-P", "-W", "ignore", Path(__file__).parents[1] / "lerobot_judge.py", *arguments]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, env=environment, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.one_build
@needs_lerobot
@pytest.mark.parametrize("ours_first", [True, False])
def test_lerobot_merges_ffenc_recording_with_its_own(tmp_path, ours, ours_first):
    said = judged("merge", tmp_path / "merged", *[ours, THEIRS][:: 1 if ours_first else -1])
    assert (said.get("frames"), said.get("episodes")) == (33, 4), said
    assert verify_dataset(tmp_path / "merged").ok


@pytest.mark.one_build
@needs_lerobot
def test_lerobot_reads_merged_dataset(tmp_path, ours, binaries):
    merge_datasets([THEIRS, ours], tmp_path / "merged", binaries=binaries)
    said = judged(tmp_path / "merged", THEIRS)
    merged, theirs = said[str(tmp_path / "merged")], said[str(THEIRS)]
    assert (merged["frames"], merged["episodes"]) == (33, 4)
    assert merged["items"][0] == theirs["items"][0]
    assert load_tasks(tmp_path / "merged") == ["task 0", "task 1"]


@pytest.mark.one_build
@needs_lerobot
def test_lerobot_reads_the_variants_as_recorded(tmp_path):
    roots = {}
    for number, name in enumerate(VARIANTS):
        roots[name] = copy_of("A", tmp_path, f"{number:03d}")
        VARIANTS[name](roots[name])
    said = judged(*roots.values())
    expected = said[str(roots["unchanged"])]
    seen = {}
    for name, root in roots.items():
        one = said[str(root)]
        seen[name] = one["error"].partition(":")[0] if "error" in one else "same" if one == expected else "other"
    assert "error" not in expected
    assert seen == READS
