"""info.json round-trips byte for byte, and invalid documents are refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ffenc.dataset.format.paths import check_feature_name, check_template, expand_template
from ffenc.dataset.format.schema import DATA_PATH, DEFAULT_FEATURES, VIDEO_PATH, DatasetInfo, Feature
from ffenc.errors import DatasetError, UnsafePathError
from tests.lerobot_data import DATASETS, LEROBOT

DOCUMENT = json.loads((LEROBOT / "D/meta/info.json").read_text(encoding="utf-8"))
STATE = {"dtype": "float32", "shape": [6], "names": ["a", "b", "c", "d", "e", "f"]}
CAMERA = {"dtype": "video", "shape": [96, 128, 3], "names": ["height", "width", "channels"]}


@DATASETS
def test_lerobot_document_round_trips_byte_for_byte(root):
    text = (root / "meta/info.json").read_text(encoding="utf-8")
    info = DatasetInfo.from_json(json.loads(text))
    assert json.dumps(info.to_json(), indent=4, ensure_ascii=False) == text
    assert pickle.loads(pickle.dumps(info)) == info


def test_unknown_keys_are_kept_at_every_level():
    features = {**DOCUMENT["features"], "x": {**STATE, "unit": "rad", "info": {"mine": [1]}}}
    document = {**DOCUMENT, "features": features, "tools": [{"name": "t"}], "our_key": {"a": 1}}
    assert DatasetInfo.from_json(document).to_json() == document


def test_kinds_of_features():
    info = DatasetInfo.from_json(DOCUMENT)
    assert list(info.videos) == [f"observation.images.{name}" for name in ("laptop", "phone", "laptop_depth")]
    assert [name for name, feature in info.features.items() if feature.is_depth] == ["observation.images.laptop_depth"]
    assert list(info.columns) == ["observation.state", "action", "next.done", *DEFAULT_FEATURES]
    assert Feature(dtype="image", shape=(4, 4, 3)).is_camera
    assert not Feature(dtype="string", shape=(1,)).has_statistics
    assert Feature(dtype="bool", shape=(1,)).has_statistics


@pytest.mark.parametrize(
    ("extra", "depth"),
    [
        ({}, False),
        ({"info": {"is_depth_map": True}}, True),
        ({"info": {"video.is_depth_map": True}}, True),
        ({"info": None, "video_info": {"video.is_depth_map": True}}, True),
        ({"info": {"is_depth_map": False, "video.is_depth_map": False}, "video_info": None}, False),
    ],
)
def test_each_spelling_of_the_depth_marker_is_read(extra, depth):
    feature = Feature.model_validate({**CAMERA, **extra})
    assert feature.is_depth is depth
    assert feature.to_json() == {**CAMERA, **extra}


def test_new_document_equals_that_of_lerobot():
    info = DatasetInfo.create(30, {"observation.state": STATE, "cam": CAMERA}, robot_type="so100")
    document = info.to_json()
    assert list(document) == [key for key in DOCUMENT if key != "tools"]
    assert list(document["features"]) == ["observation.state", "cam", *DEFAULT_FEATURES]
    assert document["features"]["timestamp"] == DOCUMENT["features"]["timestamp"]
    assert document["features"]["observation.state"] == STATE
    assert (document["video_path"], document["splits"], document["total_frames"]) == (VIDEO_PATH, {}, 0)
    assert DatasetInfo.from_json(document) == info
    filled = info.with_totals(episodes=2, frames=9, tasks=1).with_feature_info("cam", {"video.g": 2})
    assert filled.to_json()["splits"] == {"train": "0:2"}
    assert filled.to_json()["features"]["cam"]["info"] == {"video.g": 2}
    assert "info" not in info.to_json()["features"]["cam"]


def test_dataset_without_video_features_has_no_video_path():
    info = DatasetInfo.create(30, {"a": {"dtype": "bool", "shape": (1,)}, "timestamp": DEFAULT_FEATURES["timestamp"]})
    assert info.video_path is None
    assert info.to_json()["features"]["a"]["names"] is None
    assert list(info.features)[1:] == list(DEFAULT_FEATURES)


@pytest.mark.parametrize(
    ("name", "feature", "said"),
    [
        ("task", STATE, "task text"),
        ("index", STATE, "the recorder fills"),
        ("cam", {"dtype": "video", "shape": [96, 128]}, "height, width, 3"),
        ("cam", {"dtype": "image", "shape": [96, 128, 4]}, "height, width, 3"),
        ("a", {"dtype": "float", "shape": [1]}, "numpy name"),
        ("a", {"dtype": "complex64", "shape": [1]}, "numpy name"),
        ("a", {"dtype": "no such", "shape": [1]}, "numpy name"),
        ("a", {"dtype": "int8", "shape": [1, 2, 3, 4, 5, 6]}, "6 axes"),
    ],
)
def test_feature_that_cannot_be_recorded_is_refused(name, feature, said):
    with pytest.raises(DatasetError, match=said):
        DatasetInfo.create(30, {name: feature})


@pytest.mark.parametrize(
    "change",
    [
        {"fps": 0}, {"fps": 29.97}, {"chunks_size": 0}, {"data_files_size_in_mb": 0}, {"video_files_size_in_mb": float("nan")},
        {"total_frames": -1}, {"features": {"a": {"dtype": "int8", "shape": []}}}, {"features": []}, {"robot_type": 3},
    ],
    ids=repr,
)  # fmt: skip
def test_error_names_an_invalid_value_of_the_document(change):
    with pytest.raises(DatasetError, match=next(iter(change))) as caught:
        DatasetInfo.from_json({**DOCUMENT, **change}, path=Path("set/meta/info.json"))
    assert caught.value.path == Path("set/meta/info.json")
    assert isinstance(caught.value.__cause__, ValidationError)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({**DOCUMENT, "codebase_version": "v2.1"}, "ffenc upgrade"),
        ({**DOCUMENT, "codebase_version": "v4.0"}, "v4.0"),
        ({}, "None"),
        ([], "JSON object"),
    ],
    ids=["v2.1", "v4.0", "none", "a list"],
)
def test_error_names_another_format_version(document, said):
    with pytest.raises(DatasetError, match=said):
        DatasetInfo.from_json(document)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "/etc",
        "a\0b",
        "a\nb",
        "a\x1bb",
        " a",
        "a ",
        ".a",
        "a.",
        "\u202ea",
        "x" * 256,
        "ä" * 128,
    ],
    ids=ascii,
)
def test_name_that_cannot_be_a_directory_is_refused(name):
    for refuse in (
        lambda: check_feature_name(name),
        lambda: DatasetInfo.create(30, {name: STATE}),
        lambda: DatasetInfo.from_json({**DOCUMENT, "features": {name: STATE}}),
        lambda: expand_template(VIDEO_PATH, chunk=0, file=0, video_key=name),
    ):
        with pytest.raises(UnsafePathError) as caught:
            refuse()
        assert caught.value.text == name


@given(st.text(min_size=1, max_size=20))
def test_accepted_name_is_one_part_of_a_path(name):
    try:
        check_feature_name(name)
    except UnsafePathError:
        return
    path = expand_template(VIDEO_PATH, chunk=0, file=0, video_key=name)
    assert path.parts == ("videos", name, "chunk-000", "file-000.mp4")


def test_file_numbers_have_at_least_three_digits():
    assert expand_template(DATA_PATH, chunk=7, file=1000) == Path("data/chunk-007/file-1000.parquet")


@pytest.mark.parametrize(
    "template",
    [
        "{chunk_index!r}/{file_index:03d}", "{chunk_index:f}/{file_index}", "{chunk_index:03d}/{file_index:03d}/{video_key}",
        "{chunk_index.__class__}/{file_index:03d}", "{chunk_index[0]}/{file_index:03d}", "{0}/{chunk_index:03d}/{file_index:03d}",
        "{{chunk_index:03d}}/{file_index:03d}", "{chunk_index:03d}/{file_index:03d}{", "{chunk_index:999999999d}/{file_index:03d}",
    ],
)  # fmt: skip
def test_template_with_unknown_fields_is_refused(template):
    with pytest.raises(DatasetError, match="the path template"):
        DatasetInfo.from_json({**DOCUMENT, "data_path": template})


def test_video_template_needs_the_camera():
    with pytest.raises(DatasetError, match="would share a file"):
        DatasetInfo.from_json({**DOCUMENT, "video_path": "videos/{chunk_index}/{file_index}.mp4"})


@pytest.mark.parametrize("prefix", ["/", "../", "a/../../", "a\0/"], ids=ascii)
def test_template_that_leaves_the_dataset_is_refused(prefix):
    for key, template in (("data_path", DATA_PATH), ("video_path", VIDEO_PATH)):
        with pytest.raises(UnsafePathError):
            DatasetInfo.from_json({**DOCUMENT, key: prefix + template})


def test_template_field_without_a_value_is_refused():
    check_template(VIDEO_PATH, camera=True)
    with pytest.raises(DatasetError, match="no value"):
        expand_template(VIDEO_PATH, chunk=0, file=0)
