"""Compatibility with files of LeRobot 0.6.1, tested without FFmpeg and without LeRobot."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ffenc import VideoEncoderConfig, video_info
from ffenc.config import DepthEncoderConfig
from ffenc.dataset.format.dataset_tables import load_task_columns, load_tasks, load_texts, save_tasks, save_texts
from ffenc.dataset.format.documents import load_stats, save_stats
from ffenc.dataset.format.frame_columns import data_schema
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.paths import expand_template, file_numbers
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.format.video_info import depth_markers, is_depth, markers_to_write, with_depth_markers
from ffenc.dataset.transform.compatibility import compare_infos, merged_info, mismatches
from ffenc.dataset.transform.source import DatasetSource
from ffenc.dataset.verify.verify import verify_dataset
from ffenc.errors import DatasetError
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from tests.dataset_faults import TASKS, append, copy_of
from tests.lerobot_data import LEROBOT
from tests.lerobot_variants import READS, REFUSED, VARIANTS

CAMERA = "observation.images.a"
RECORDED = json.loads((LEROBOT / "E/meta/info.json").read_text())  # by LeRobot 0.6.1
STREAM = VideoStreamInfo(
    path=Path("/in/a.mp4"), codec="h264", profile="High", codec_tag="avc1", pix_fmt="yuv420p", channels=3, width=96,
    height=64, fps=Fraction(30), is_constant_rate=True, time_base=Fraction(1, 15360), start_s=Fraction(0),
    duration_s=None, has_b_frames=0, color_range=None, color_space=None, color_primaries=None, color_transfer=None,
    sample_aspect_ratio=None, rotation=0, extradata_hash=None, container="mov", size_bytes=1, audio=None,
    frames_declared=None,
)  # fmt: skip
CONFIG = VideoEncoderConfig(vcodec="h264", preset="veryfast")


# The layout of info blocks


def test_info_block_equals_that_of_lerobot():
    block = with_depth_markers(video_info(STREAM, CONFIG), markers_to_write([None], None))
    assert block == RECORDED["features"][CAMERA]["info"]
    assert list(block) == list(RECORDED["features"][CAMERA]["info"])


def test_seed_layout_has_only_its_own_depth_marker():
    block = with_depth_markers(video_info(STREAM, CONFIG), markers_to_write([], "seed"))
    assert set(block) == set(video_info(STREAM, CONFIG)) - {"is_depth_map"}
    assert block["video.is_depth_map"] is False


@pytest.mark.parametrize("config", [CONFIG, DepthEncoderConfig()], ids=["colour", "depth"])
@pytest.mark.parametrize("markers", [{"is_depth_map"}, {"video.is_depth_map"}, {"is_depth_map", "video.is_depth_map"}])
def test_dataset_keeps_its_info_layout(config, markers):
    given = video_info(STREAM, config)
    block = with_depth_markers(given, markers)
    assert depth_markers([None, {"is_depth_map": True}, block]) == markers  # the second one was not measured
    assert markers_to_write([block], None) == markers
    assert is_depth(block) is is_depth(given)
    assert with_depth_markers(with_depth_markers(block, {"video.is_depth_map"}), markers) == block


def test_layout_that_differs_from_the_dataset_is_refused():
    block = with_depth_markers(video_info(STREAM, CONFIG), {"is_depth_map"})
    assert markers_to_write([block], "lerobot-0.6") == {"is_depth_map"}
    with pytest.raises(DatasetError, match=r"--dataset\.info_layout"):
        markers_to_write([block], "seed")
    with pytest.raises(DatasetError, match="unknown info_layout 'old'"):
        markers_to_write([], "old")


# What LeRobot reads


@pytest.mark.parametrize("name", VARIANTS)
def test_verify_agrees_with_lerobot(tmp_path, name):
    """An error where LeRobot fails or reads other values, and none where it reads the same."""
    root = copy_of("A", tmp_path)
    VARIANTS[name](root)
    report = verify_dataset(root)
    if READS[name] == "same" and name not in REFUSED:
        assert not report.severities["error"], report.findings
    else:
        assert report.severities["error"], READS[name]


def test_every_variant_that_lerobot_reads_can_be_opened(tmp_path):
    opened = 0
    for number, name in enumerate(VARIANTS):
        if READS[name] == "same" and name not in REFUSED and not name.startswith("episodes without"):
            (tmp_path / str(number)).mkdir()
            root = copy_of("A", tmp_path / str(number))
            VARIANTS[name](root)
            source = DatasetSource.open(root)
            assert [len(table) for _, table in source.episodes()] == [20, 25, 15]
            assert all(path.is_file() for key in source.videos for path in source.layout.video_files(key))
            opened += 1
    assert opened > 40


def test_table_lists_every_variant():
    assert READS.keys() == VARIANTS.keys()
    assert all(READS[name] == "same" for name in REFUSED)


def test_dataset_of_lerobot_0_6_1_has_no_findings(tmp_path):
    assert verify_dataset(LEROBOT / "E").findings == ()
    root = copy_of("E", tmp_path)
    (root / "images" / CAMERA).mkdir(parents=True)  # LeRobot leaves it
    stats = load_stats(root)
    stats["index"].mean[:] += 100  # as after LeRobot's merge
    save_stats(root, stats)
    assert verify_dataset(root).findings == ()


@pytest.mark.parametrize(
    ("change", "found"), [(0.05, []), (1.5, ["stats-wrong"]), (-1.5, ["stats-wrong"]), (float("nan"), ["stats-wrong"])]
)
def test_quantiles_must_lie_between_those_of_the_episodes(tmp_path, change, found):
    root = copy_of("E", tmp_path)
    stats = load_stats(root)
    stats["action"].q50[:] += change
    save_stats(root, stats)
    assert [(each.code, each.severity) for each in verify_dataset(root).findings] == [(code, "error") for code in found]


@pytest.mark.parametrize(
    "template",
    [
        "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet", "data/{chunk_index}/{file_index}.parquet",
        "data/{chunk_index:05}/f{file_index:>4}.parquet", "data/x/{chunk_index:02d}_{file_index:02d}_{file_index}.parquet",
    ],
)  # fmt: skip
@pytest.mark.parametrize("numbers", [(0, 0), (3, 12), (0, 1000)])
def test_file_numbers_are_read_back_from_a_path(template, numbers):
    path = expand_template(template, chunk=numbers[0], file=numbers[1])
    assert path.as_posix() == template.format(chunk_index=numbers[0], file_index=numbers[1])
    assert file_numbers(template, path) == numbers
    assert file_numbers(template, path.with_name("0" + path.name)) is None


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("data/all/{file_index}.parquet", "without chunk_index"),
        ("rows/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet", "data/\\*/\\*.parquet only"),
        ("data/{chunk_index}/x/{file_index}.parquet", "data/\\*/\\*.parquet only"),
    ],
)
def test_templates_without_room_for_files_are_refused_before_writing(tmp_path, template, said):
    with pytest.raises(DatasetError, match=said):
        DatasetLayout(root=tmp_path, data_path=template).check_growing()
    DatasetLayout(root=tmp_path, data_path="data/{chunk_index}/{file_index}.parquet").check_growing()


def test_file_number_is_known_for_a_relative_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layout = DatasetLayout(root=Path("set"))
    for path in (Path("set/data/chunk-000/file-003.parquet"), tmp_path / "set/data/chunk-000/file-003.parquet"):
        assert layout.data_number(path) == FileId(file=3)


# Cameras that can be recorded


@pytest.mark.parametrize("dtype", ["video", "image"])
@pytest.mark.parametrize(
    ("shape", "names", "depth", "said"),
    [
        ((64, 96, 3), ["height", "width", "channels"], False, None),
        ((64, 96, 3), ["height", "width", "channel"], False, None),
        ((64, 96, 3), ["h", "w", "c"], False, None),
        ((64, 96, 3), ["rows", "columns", "rgb"], False, None),
        ((64, 96, 3), None, False, None),
        ((64, 96, 1), ["height", "width", "channels"], True, None),
        ((64, 96, 1), None, False, "is_depth_map"),
        ((64, 96, 3), None, True, "expected \\(height, width, 1\\)"),
        ((64, 96, 2), None, False, "expected \\(height, width, 3\\)"),
        ((64, 96, 4), None, False, "expected \\(height, width, 3\\)"),
        ((64, 96), None, False, "expected \\(height, width, 3\\)"),
        ((3, 64, 96), None, False, "channels last"),
        ((3, 64, 96), ["channels", "height", "width"], False, "names"),
        ((3, 64, 3), ["channels", "height", "width"], False, "names"),
        ((96, 64, 3), ["width", "height", "channels"], False, "names"),
        ((1, 64, 96), None, True, "channels last"),
    ],
)
def test_camera_that_cannot_be_recorded_is_refused(dtype, shape, names, depth, said):
    feature = {"dtype": dtype, "shape": shape, "names": names} | ({"info": {"is_depth_map": True}} if depth else {})
    if said is None:
        assert CAMERA in DatasetInfo.create(30, {CAMERA: feature}).features
        return
    with pytest.raises(DatasetError, match=said) as caught:
        DatasetInfo.create(30, {CAMERA: feature})
    assert CAMERA in str(caught.value)


# Merging


def changed(**keys):
    return DatasetInfo.from_json({**RECORDED, **keys})


def test_keys_of_some_sources_are_merged():
    infos = [changed(), changed(licence="MIT", total_videos=3), changed(tools=[{"a": 1}], total_videos=4)]
    assert compare_infos(infos) == {}
    document = merged_info(infos, [Path("a"), Path("b"), Path("c")]).to_json()
    assert (document["licence"], document["tools"]) == ("MIT", [{"a": 1}])
    assert "total_videos" not in document


@pytest.mark.parametrize("key", ["licence", "tools"])
def test_differing_keys_are_refused_by_name(key):
    assert list(compare_infos([changed(**{key: ["x"]}), changed(**{key: ["y"]}), changed()])) == [key]


def test_keys_of_features_are_merged_or_refused():
    features = {**RECORDED["features"], "action": {**RECORDED["features"]["action"], "unit": "rad"}}
    infos = [changed(), changed(features=features)]
    assert compare_infos(infos) == {}
    assert merged_info(infos, [Path("a"), Path("b")]).to_json()["features"]["action"]["unit"] == "rad"
    other = {**features, "action": {**features["action"], "unit": "deg"}}
    assert list(compare_infos([infos[1], changed(features=other)])) == ["action: unit"]


def tagged(*tags):
    names = ("color_range", "color_space", "color_primaries", "color_transfer")
    return replace(STREAM, **dict(zip(names, tags, strict=True)))


BT601 = ("tv", "smpte170m", "smpte170m", "smpte170m")
BT709 = ("tv", "bt709", "bt709", "bt709")


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (BT601, (None,) * 4, True), (BT601, ("tv", None, None, None), True), ((None,) * 4, ("tv", None, None, None), True),
        (BT709, (None,) * 4, False), (BT709, BT601, False), (("pc", *BT601[1:]), (None,) * 4, False),
        (("pc", None, None, None), (None,) * 4, False), (("tv", "bt470bg", "bt470bg", "smpte170m"), (None,) * 4, False),
        (BT601, ("tv", "smpte170m", None, None), True), ((None,) * 4, ("tv", "smpte170m", None, None), True),
        ((None,) * 4, ("tv", None, "bt709", None), False), ((None,) * 4, ("tv", "smpte170m", "bt709", "bt709"), False),
        ((None,) * 4, (None, "smpte170m", None, None), False),
    ],
)  # fmt: skip
def test_only_missing_colour_tags_match_limited_bt601(one, other, alike):
    for pair in ((one, other), (other, one)):
        assert (mismatches(*(tagged(*tags) for tags in pair)) == []) is alike


# Columns and tables of others


def test_language_column_takes_the_type_of_its_file():
    kind = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
    features = {**RECORDED["features"], "language_events": {"dtype": "language", "shape": [1], "names": None}}
    info = changed(features=features)
    with pytest.raises(DatasetError, match="copy but not create"):
        data_schema(info)
    schema = data_schema(info, like=pa.schema([("language_events", kind)]))
    assert schema.field("language_events").type == kind
    assert schema.metadata is None


def test_further_columns_of_tasks_are_in_the_order_of_the_tasks_and_null_for_new_ones(tmp_path):
    root = copy_of("E", tmp_path)
    append(TASKS, "extra", [1, 2])(root)
    append(TASKS, "limits", [[0.5], None])(root)
    tasks, others = load_tasks(root), load_task_columns(root)
    assert others.to_pydict() == {"extra": [1, 2], "limits": [[0.5], None]}
    save_tasks(root, [*tasks, "new"], others)
    assert load_tasks(root) == [*tasks, "new"]
    assert load_task_columns(root).to_pydict() == {"extra": [1, 2, None], "limits": [[0.5], None, None]}
    table = pq.read_table(root / TASKS)
    pq.write_table(table.take([2, 0, 1]), root / TASKS)
    assert load_task_columns(root).to_pydict()["extra"] == [1, 2, None]


def test_subtasks_are_saved_and_loaded_like_tasks(tmp_path):
    path = tmp_path / "meta/subtasks.parquet"
    save_texts(path, "subtask", ["reach", "grasp"])
    assert load_texts(path, "subtask") == ["reach", "grasp"]
