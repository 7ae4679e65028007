"""A LeRobot dataset recorded again from its frames has the same documents, tables and statistics."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from ffenc.dataset.format.dataset_tables import load_episodes, load_tasks
from ffenc.dataset.format.documents import load_info, load_stats
from ffenc.dataset.format.frame_columns import column_values
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.format.schema import DEFAULT_FEATURES
from ffenc.dataset.format.video_info import encoder_config_from_info
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.errors import CapabilityError, ProcessError
from ffenc.video.depth import read_depth
from ffenc.video.reader import VideoReader
from tests.lerobot_data import LEROBOT

pytestmark = pytest.mark.integration


def recorded_again(name, root, binaries):
    """Return a dataset made from the rows and decoded frames of one of LeRobot's."""
    theirs = LEROBOT / name
    info = load_info(theirs)
    layout = DatasetLayout.of(theirs, info)
    rows = pq.read_table(layout.data_files()[0])
    columns = {
        key: column_values(rows, key, feature) for key, feature in info.columns.items() if key not in DEFAULT_FEATURES
    }
    configs = {key: encoder_config_from_info(feature.info) for key, feature in info.videos.items()}
    frames = {}
    for key, feature in info.videos.items():
        path = layout.video_files(key)[0]
        frames[key] = list(
            read_depth(path, configs[key], binaries=binaries)
            if feature.is_depth
            else VideoReader(path, binaries=binaries)
        )
    tasks = load_tasks(theirs)
    features = {
        key: {"dtype": feature.dtype, "shape": feature.shape, "names": feature.names}
        | ({"info": {"is_depth_map": True}} if feature.is_depth else {})
        for key, feature in info.features.items()
        if key not in DEFAULT_FEATURES
    }
    with DatasetRecorder.create(
        root,
        "me/again",
        info.fps,
        features,
        robot_type=info.robot_type,
        camera_encoder={key: each for key, each in configs.items() if not info.features[key].is_depth},
        depth_encoder={key: each for key, each in configs.items() if info.features[key].is_depth},
        binaries=binaries,
    ) as recorder:
        for episode in load_episodes(theirs, info):
            for row in range(episode.dataset_from_index, episode.dataset_to_index):
                values = {key: column[row].reshape(info.features[key].shape) for key, column in columns.items()}
                images = {key: each[row] for key, each in frames.items()}
                recorder.add_frame({**values, **images, "task": tasks[rows["task_index"][row].as_py()]})
            recorder.save_episode()
    return theirs


@pytest.fixture(params=["A", "B", "D"])
def pair(request, tmp_path, binaries):
    root = tmp_path / "again"
    try:
        return recorded_again(request.param, root, binaries), root
    except (CapabilityError, ProcessError) as err:
        pytest.skip(f"this FFmpeg cannot read or write these codecs: {str(err).splitlines()[0]}")


def test_documents_tables_and_statistics_equal_lerobots(pair):
    theirs, ours = pair
    expected, seen = (json.loads((root / "meta/info.json").read_text()) for root in pair)
    assert list(seen) == list(expected)
    assert {key: value for key, value in seen.items() if key != "features"} == {
        key: value for key, value in expected.items() if key != "features"
    }
    assert list(seen["features"]) == list(expected["features"])
    for key, feature in expected["features"].items():
        again = seen["features"][key]
        again_info = again.get("info", {})
        # LeRobot stores its default crf beside a lossless switch, where x265 does not use it.
        lossless = {"video.crf": None} if feature.get("info", {}).get("is_depth_map") else {}
        assert again_info == {**feature.get("info", {}), **lossless}
        assert list(again_info) == list(feature.get("info", {}))
        assert {**again, "info": 0} == {**feature, "info": 0}
    for folder in ("data", "meta/episodes"):
        (one,), (other,) = ([*sorted((root / folder).glob("*/*.parquet"))] for root in pair)
        assert pq.read_schema(other).equals(pq.read_schema(one))
        assert pq.read_metadata(other).num_row_groups == pq.read_metadata(one).num_row_groups
    assert pq.read_table(ours / "data/chunk-000/file-000.parquet") == pq.read_table(
        theirs / "data/chunk-000/file-000.parquet"
    )
    assert load_tasks(ours) == load_tasks(theirs)
    _compare_episodes(theirs, ours)


def _compare_episodes(theirs, ours):
    info = load_info(theirs)
    for one, other in zip(load_episodes(theirs, info), load_episodes(ours, load_info(ours)), strict=True):
        assert (other.episode_index, other.tasks, other.length) == (one.episode_index, one.tasks, one.length)
        assert (other.videos, other.data, other.meta) == (one.videos, one.data, one.meta)
        _compare_statistics(info, one.statistics, other.statistics)
    _compare_statistics(info, load_stats(theirs), load_stats(ours))


def _compare_statistics(info, expected, seen):
    assert set(seen) == set(expected)  # their order is that of a Python set
    for key, one in expected.items():
        other, feature = seen[key], info.features[key]
        for name in one.to_json():
            left, right = getattr(one, name), getattr(other, name)
            assert left.shape == right.shape
            if name == "count":
                assert left.tolist() == right.tolist()
            elif not feature.is_camera:
                np.testing.assert_allclose(right, left, rtol=1e-5, atol=1e-6, err_msg=f"{key} {name}")
            elif name in ("mean", "std") and not feature.is_depth:
                # Theirs are of the frames before they were encoded.
                np.testing.assert_allclose(right, left, atol=0.05, err_msg=f"{key} {name}")
