"""Tables equal those of LeRobot, round-trip, and are unchanged after a failed write."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffenc.dataset.format.dataset_tables import (
    data_writer,
    iterate_episodes,
    load_episodes,
    load_tasks,
    save_episodes,
    save_tasks,
)
from ffenc.dataset.format.documents import load_info, load_stats, save_info, save_stats
from ffenc.dataset.format.episode_columns import (
    EpisodeRow,
    VideoSpan,
    episode_rows,
    episodes_table,
    frame_at_time,
    time_of_frame,
)
from ffenc.dataset.format.frame_columns import column_values, conform, data_schema, data_table
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.parquet_series import iterate_episode_tables, iterate_row_groups, load_table, save_table
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.storage.atomic_file import unfinished_files
from ffenc.errors import DatasetError, OutputError
from ffenc.statistics import vector_statistics
from ffenc.video.output import PendingFile
from tests.lerobot_data import DATASETS, LEROBOT


def metadata_of(schema):
    documents = {key.decode(): json.loads(value) for key, value in (schema.metadata or {}).items()}
    documents.get("huggingface", {}).pop("fingerprint", None)
    documents.get("pandas", {}).pop("creator", None)
    return documents


def assert_same_file(seen, expected):
    """Schema as arrow and as parquet sees it, metadata, row groups, compression, encodings, and the rows."""
    seen, expected = pq.ParquetFile(seen), pq.ParquetFile(expected)
    assert seen.schema_arrow.equals(expected.schema_arrow, check_metadata=False)
    assert str(seen.schema).split("\n", 1)[1] == str(expected.schema).split("\n", 1)[1]
    assert metadata_of(seen.schema_arrow) == metadata_of(expected.schema_arrow)
    assert seen.num_row_groups == expected.num_row_groups
    for group in range(seen.num_row_groups):
        ours, theirs = seen.metadata.row_group(group), expected.metadata.row_group(group)
        assert ours.num_rows == theirs.num_rows
        for column in range(ours.num_columns):
            assert ours.column(column).compression == theirs.column(column).compression == "SNAPPY"
            assert ours.column(column).encodings == theirs.column(column).encodings
    assert seen.read().to_pylist() == expected.read().to_pylist()


def leftovers(root):
    return [path for path in root.rglob("*") if path.is_file() and ".part" in path.name]


@DATASETS
def test_lerobot_dataset_is_saved_unchanged(root, tmp_path):
    info = load_info(root)
    source, copy = DatasetLayout.of(root, info), DatasetLayout.of(tmp_path, info)
    save_info(tmp_path, info)
    save_stats(tmp_path, load_stats(root))
    save_tasks(tmp_path, load_tasks(root))
    with data_writer(tmp_path, info) as writer:
        for table in iterate_episode_tables(source.data_files()):
            columns = {
                name: column_values(table, name, feature) if feature.is_numeric else table[name].to_pylist()
                for name, feature in info.columns.items()
            }
            writer.write(data_table(info, columns))
    assert save_episodes(tmp_path, info, load_episodes(root, info)) == [FileId()]
    assert copy.info.read_bytes() == source.info.read_bytes()
    assert copy.stats.read_bytes() == source.stats.read_bytes()
    assert_same_file(copy.tasks, source.tasks)
    assert_same_file(copy.data(FileId()), source.data(FileId()))
    assert_same_file(copy.episodes(FileId()), source.episodes(FileId()))
    assert leftovers(tmp_path) == []


INFO = DatasetInfo.create(
    30,
    {
        "observation.state": {"dtype": "float32", "shape": [3]},
        "grid": {"dtype": "int16", "shape": [2, 3]},
        "cube": {"dtype": "float64", "shape": [2, 1, 3]},
        "says": {"dtype": "string", "shape": [1]},
        "still": {"dtype": "image", "shape": [4, 4, 3]},
        "done": {"dtype": "bool", "shape": [1]},
        "cam": {"dtype": "video", "shape": [4, 4, 3]},
    },
)


def columns_of(episode, length=4, info=INFO):
    rng = np.random.default_rng(episode)
    columns = {}
    for name, feature in info.columns.items():
        if feature.is_numeric:
            columns[name] = (100 * rng.random((length, *feature.shape))).astype(feature.dtype)
    columns["episode_index"] = np.full(length, episode)
    texts = {"says": [f"word {n}" for n in range(length)], "still": [bytes([n % 256]) for n in range(length)]}
    return {name: texts.get(name, columns.get(name)) for name in info.columns}


def row_of(episode, length=4, **changes):
    span = VideoSpan(file=FileId(), from_frame=episode * length, to_frame=(episode + 1) * length)
    row = EpisodeRow(
        episode_index=episode,
        tasks=("a", "b"),
        length=length,
        data=FileId(chunk=1, file=2),
        dataset_from_index=episode * length,
        videos={"cam": span},
        statistics={"done": vector_statistics(np.array([True, False]))},
    )
    return replace(row, **changes)


def plain(row):
    return replace(row, statistics={name: values.to_json() for name, values in row.statistics.items()})


def test_every_column_type_round_trips(tmp_path):
    columns = columns_of(3)
    save_table(tmp_path / "deep/er/x.parquet", data_table(INFO, columns))
    table = load_table(tmp_path / "deep/er/x.parquet")
    for name, feature in INFO.columns.items():
        if feature.is_numeric:
            seen = column_values(table, name, feature)
            assert seen.dtype == columns[name].dtype
            np.testing.assert_array_equal(seen, columns[name].reshape(seen.shape))
    assert table["says"].to_pylist() == columns["says"]
    assert [image["bytes"] for image in table["still"].to_pylist()] == columns["still"]
    types = metadata_of(table.schema)["huggingface"]["info"]["features"]
    assert types["grid"] == {"shape": [2, 3], "dtype": "int16", "_type": "Array2D"}
    assert types["cube"]["_type"] == "Array3D"
    assert table.schema.field("grid").metadata == {
        b"ARROW:extension:name": b"datasets.features.features.Array2DExtensionType",
        b"ARROW:extension:metadata": b'[[2, 3], "int16"]',
    }
    assert types["still"] == {"_type": "Image"}
    assert "cam" not in types


class HuggingFaceArray(pa.ExtensionType):
    """As the library registers it: then arrow hands out its type instead of nested lists."""

    def __init__(self, shape, dtype):
        self.said = json.dumps([shape, dtype])
        super().__init__(
            pa.list_(pa.list_(pa.from_numpy_dtype(dtype))), "datasets.features.features.Array2DExtensionType"
        )

    def __arrow_ext_serialize__(self):
        return self.said.encode()

    @classmethod
    def __arrow_ext_deserialize__(cls, _storage, said):
        return cls(*json.loads(said))


def test_array_columns_are_read_with_their_library_loaded(tmp_path):
    columns = columns_of(3)
    save_table(tmp_path / "x.parquet", data_table(INFO, columns))
    type_ = HuggingFaceArray([2, 3], "int16")
    pa.register_extension_type(type_)
    try:
        table = load_table(tmp_path / "x.parquet")
    finally:
        pa.unregister_extension_type(type_.extension_name)
    assert table.schema.field("grid").type == type_
    np.testing.assert_array_equal(column_values(table, "grid", INFO.columns["grid"]), columns["grid"])
    assert conform(table, data_schema(INFO)).to_pylist() == data_table(INFO, columns).to_pylist()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"observation.state": np.zeros((4, 3))}, "float64"),
        ({"observation.state": np.zeros((4, 2), np.float32)}, "shape"),
        ({"observation.state": np.zeros((3, 3), np.float32)}, "lengths"),
        ({"done": np.zeros((4, 2), bool)}, "shape"),
        ({"says": [1, 2, 3, 4]}, "expected str"),
        ({"still": ["text"] * 4}, "expected bytes"),
        ({"more": np.zeros(4)}, "columns"),
    ],
)
def test_column_that_does_not_match_its_feature_is_refused(change, said):
    with pytest.raises(DatasetError, match=said):
        data_table(INFO, columns_of(0) | change)


def test_language_column_cannot_be_created():
    info = DatasetInfo.from_json({**INFO.to_json(), "features": {"words": {"dtype": "language", "shape": [1]}}})
    with pytest.raises(DatasetError, match="'language'"):
        data_schema(info)


def test_merged_table_is_converted_to_the_recorder_types():
    table = data_table(INFO, columns_of(0)).replace_schema_metadata(None)
    lists = table["observation.state"].cast(pa.list_(pa.float32()))
    merged = table.drop_columns(["observation.state"]).append_column("observation.state", lists)
    seen = conform(merged, data_schema(INFO))
    assert seen.schema.equals(data_schema(INFO), check_metadata=True)
    assert seen.to_pylist() == table.to_pylist()
    for wrong in (merged.drop_columns(["done"]), merged.append_column("more", lists)):
        with pytest.raises(DatasetError, match=r"does not match info\.json"):
            conform(wrong, data_schema(INFO))
    halves = merged.set_column(0, "grid", pa.array([[[1, 2, 3], [4, 5, 1 << 40]]] * 4))
    with pytest.raises(DatasetError, match="do not match info"):
        conform(halves, data_schema(INFO))


def test_missing_values_and_wrong_lengths_are_refused():
    table = pa.table({"a": [1.0, None], "b": [[1.0], [1.0, 2.0]]})
    features = DatasetInfo.create(
        30, {"a": {"dtype": "float64", "shape": [1]}, "b": {"dtype": "float64", "shape": [2]}}
    ).features
    for name in ("a", "b", "index"):
        with pytest.raises(DatasetError, match=f"'{name}'"):
            column_values(table, name, features[name])


SMALL = DatasetInfo.create(10, {"a": {"dtype": "float32", "shape": [2]}})


def small_table(episode, length):
    return data_table(SMALL, columns_of(episode, length, SMALL))


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.integers(1, 5), st.integers(1, 9))
def test_episodes_are_complete_for_any_row_groups(tmp_path_factory, lengths, rows_per_group, rows_per_file):
    folder = tmp_path_factory.mktemp("series")
    whole = pa.concat_tables([small_table(episode, length) for episode, length in enumerate(lengths)])
    paths = []
    for start in range(0, len(whole), rows_per_file):
        paths.append(folder / f"{start:03d}.parquet")
        pq.write_table(whole.slice(start, rows_per_file), paths[-1], row_group_size=rows_per_group)
    tables = list(iterate_episode_tables(paths))
    assert [len(table) for table in tables] == lengths
    assert pa.concat_tables(tables).equals(whole)
    narrow = list(iterate_episode_tables(paths, columns=["index"]))
    assert {tuple(table.column_names) for table in narrow} == {("index", "episode_index")}


def test_new_file_starts_where_lerobot_starts_one(tmp_path):
    layout = DatasetLayout(root=tmp_path)
    tables = [small_table(episode, 2000) for episode in range(12)]
    save_table(tmp_path / "one.parquet", tables[0])
    one = (tmp_path / "one.parquet").stat().st_size / 1024**2
    info = SMALL.model_copy(update={"data_files_size_in_mb": 3.5 * one, "chunks_size": 2})
    with data_writer(tmp_path, info, first=FileId(file=1)) as writer:
        placed = [writer.write(table) for table in tables]
        assert leftovers(tmp_path) != []
        assert not any(path.suffix == ".parquet" for path in leftovers(tmp_path))
    assert placed == [
        id_ for id_ in (FileId(file=1), FileId(chunk=1), FileId(chunk=1, file=1), FileId(chunk=2)) for _ in range(3)
    ]
    assert writer.files == sorted(set(placed))
    assert [path.stat().st_size < 3.5 * one * 1024**2 for path in layout.data_files()] == [True] * 4
    assert list(iterate_row_groups(layout.data_files())) == tables
    assert leftovers(tmp_path) == []


def test_table_larger_than_the_limit_gets_its_own_file(tmp_path):
    info = SMALL.model_copy(update={"data_files_size_in_mb": 1e-6})
    with data_writer(tmp_path, info) as writer:
        assert [writer.write(small_table(episode, 5)).file for episode in range(3)] == [0, 1, 2]
    assert len(writer.files) == 3


def test_many_row_groups_are_split_over_files(tmp_path, monkeypatch):
    monkeypatch.setattr("ffenc.dataset.format.parquet_series.MOST_GROUPS", 4)
    tables = [small_table(episode, 5) for episode in range(10)]
    with data_writer(tmp_path, SMALL) as writer:
        assert [writer.write(table).file for table in tables] == [0] * 4 + [1] * 4 + [2] * 2
    assert list(iterate_row_groups(DatasetLayout(root=tmp_path).data_files())) == tables


def test_failure_leaves_no_incomplete_file(tmp_path):
    layout = DatasetLayout(root=tmp_path)
    with pytest.raises(DatasetError, match=r"does not match info\.json"), data_writer(tmp_path, SMALL) as writer:
        writer.write(small_table(0, 5))
        writer.write(pa.table({"a": [1]}))
    assert layout.data_files() == []
    assert leftovers(tmp_path) == []


def test_writer_without_tables_creates_no_file(tmp_path):
    with data_writer(tmp_path, SMALL) as writer:
        pass
    assert writer.files == []
    assert list(tmp_path.iterdir()) == []


def test_long_series_is_written_and_read_with_bounded_memory(tmp_path):
    layout = DatasetLayout(root=tmp_path)
    pool = pa.default_memory_pool()
    before, most = pool.bytes_allocated(), 0
    with data_writer(tmp_path, SMALL) as writer:
        for episode in range(30):
            writer.write(small_table(episode, 20_000))
            most = max(most, pool.bytes_allocated() - before)
    for table in iterate_episode_tables(layout.data_files()):
        most = max(most, pool.bytes_allocated() - before)
        size = table.nbytes
    assert most < 6 * size  # of 30


def test_error_names_a_file_that_is_not_parquet(tmp_path):
    torn = tmp_path / "torn.parquet"
    save_table(torn, small_table(0, 5))
    torn.write_bytes(torn.read_bytes()[:-8])
    for path in (torn, tmp_path / "missing.parquet"):
        for read in (load_table, lambda path: list(iterate_row_groups([path]))):
            with pytest.raises(DatasetError, match=path.name) as caught:
                read(path)
            assert caught.value.path == path


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.parquet"
    save_table(path, small_table(0, 5))
    before = path.read_bytes()

    def full(*_args, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(OutputError, match="No space left"):
        save_table(path, small_table(1, 5))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_episodes_round_trip(tmp_path):
    layout = DatasetLayout(root=tmp_path)
    rows = [row_of(0), row_of(1, statistics={}), row_of(2, tasks=())]
    assert save_episodes(tmp_path, INFO, iter(rows), first=FileId(file=4), group=2) == [FileId(file=4)]
    expected = [replace(row, meta=FileId(file=4)) for row in rows]
    assert [plain(row) for row in load_episodes(tmp_path, INFO)] == [plain(row) for row in expected]
    bare = list(iterate_episodes(tmp_path, INFO, statistics=False))
    assert bare == [replace(row, statistics={}) for row in expected]
    assert pq.ParquetFile(layout.episodes_files()[0]).num_row_groups == 2


def test_each_episode_has_the_number_of_its_file(tmp_path):
    layout = DatasetLayout(root=tmp_path)
    info = INFO.model_copy(update={"data_files_size_in_mb": 0.01})
    files = save_episodes(tmp_path, info, (row_of(episode) for episode in range(20)), group=3)
    assert len(files) > 1
    for path in layout.episodes_files():
        assert {row.meta for row in episode_rows(load_table(path), info)} == {layout.episodes_number(path)}
    assert [row.episode_index for row in load_episodes(tmp_path, info)] == list(range(20))


@given(st.integers(0, 10**7), st.sampled_from([1, 7, 24, 25, 30, 50, 60, 90, 1000]))
def test_frame_number_round_trips_as_time(frame, fps):
    assert frame_at_time(time_of_frame(frame, fps), fps) == frame


def test_timestamp_with_float_drift_maps_to_its_frame():
    assert frame_at_time(sum([1 / 30] * 1000), 30) == 1000
    for time_s in (0.5 / 30, 1 / 30 + 2e-4):
        with pytest.raises(DatasetError, match="30 frames"):
            frame_at_time(time_s, 30)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("dataset_to_index", 9, "rows"),
        ("length", 0, "rows"),
        ("videos/cam/to_timestamp", 0.12, "30 frames"),
        ("data/chunk_index", None, "invalid value"),
        ("stats/done/mean", [1.0, 2.0], "shapes"),
        ("videos/cam/from_timestamp", ..., "videos/cam/from_timestamp"),
    ],
)
def test_episode_with_an_invalid_value_is_refused(column, value, said):
    table = episodes_table([row_of(0)], INFO)
    place = table.column_names.index(column)
    if value is ...:
        table = table.drop_columns([column])
    else:
        table = table.set_column(place, column, pa.array([value], table.schema.field(column).type))
    with pytest.raises(DatasetError, match=said):
        episode_rows(table, INFO)


def test_episode_with_missing_video_frames_can_be_read():
    short = row_of(0, videos={"cam": VideoSpan(file=FileId(), from_frame=0, to_frame=3)})
    (row,) = episode_rows(episodes_table([short], INFO), INFO)
    assert row.videos["cam"].to_frame == 3


def test_episode_without_a_camera_is_not_written():
    with pytest.raises(DatasetError, match="cam"):
        episodes_table([row_of(0, videos={})], INFO)


def test_statistics_of_the_wrong_shape_are_not_written():
    wrong = {"cam": vector_statistics(np.arange(3.0))}
    with pytest.raises(DatasetError, match="shape"):
        episodes_table([row_of(0, statistics=wrong)], INFO)


def test_unknown_columns_are_kept():
    table = episodes_table([row_of(0)], INFO).append_column("success", pa.array([True]))
    table = table.append_column("stats/gone/mean", pa.array([None], pa.list_(pa.float64())))
    (row,) = episode_rows(table, INFO)
    assert list(row.statistics) == ["done"]
    assert row.others == {"success": True}
    written = episodes_table([row, row_of(1)], INFO, {"success": pa.bool_()})
    assert written["success"].to_pylist() == [True, None]


def test_episodes_out_of_order_are_refused(tmp_path):
    save_episodes(tmp_path, INFO, [row_of(1), row_of(0)])
    with pytest.raises(DatasetError, match="row 0"):
        load_episodes(tmp_path, INFO)


@pytest.mark.parametrize("tasks", [[], ["pick the cube"], ["b", "a", "ünïcode 🎲", 'with "quotes" and\nlines']])
def test_tasks_keep_their_numbers(tasks, tmp_path):
    save_tasks(tmp_path, tasks)
    assert load_tasks(tmp_path) == tasks


def test_tasks_with_another_index_name_are_read(tmp_path):
    layout = DatasetLayout(root=tmp_path)
    metadata = {"pandas": json.dumps({"index_columns": ["__index_level_0__"]})}
    table = pa.table({"task_index": [0, 1], "__index_level_0__": ["a", "b"]}).replace_schema_metadata(metadata)
    save_table(layout.tasks, table)
    assert load_tasks(tmp_path) == ["a", "b"]


@pytest.mark.parametrize(
    "columns",
    [
        {"task_index": [1, 0], "task": ["b", "a"]},
        {"task_index": [0, 1], "task": ["a", "a"]},
        {"task_index": [0, 1], "task": [1, 2]},
        {"task_index": [0, 1]},
        {"task": ["a"]},
    ],
    ids=["reversed", "twice", "numbers", "no texts", "no numbers"],
)
def test_tasks_that_lerobot_would_misread_are_refused(columns, tmp_path):
    layout = DatasetLayout(root=tmp_path)
    save_table(layout.tasks, pa.table(columns))
    with pytest.raises(DatasetError, match="task"):
        load_tasks(tmp_path)
    with pytest.raises(DatasetError, match="twice"):
        save_tasks(tmp_path, ["a", "a"])


def test_error_names_an_invalid_document(tmp_path):
    layout = DatasetLayout(root=tmp_path)
    with pytest.raises(DatasetError, match="not a LeRobot dataset"):
        load_info(tmp_path)
    assert load_stats(tmp_path) is None
    layout.info.parent.mkdir()
    for path, load in ((layout.info, load_info), (layout.stats, load_stats)):
        for text in ("{", '{"a": 1}', '{"a": {"min": [1]}}', "[1]"):
            path.write_text(text)
            with pytest.raises(DatasetError, match=path.name):
                load(tmp_path)
        path.write_bytes(b"\xff")
        with pytest.raises(DatasetError, match=path.name):
            load(tmp_path)


def test_nan_statistic_round_trips(tmp_path):
    save_stats(tmp_path, {"a": vector_statistics(np.array([1.0, np.nan]))})
    assert np.isnan(load_stats(tmp_path)["a"].mean[0])


def test_failed_write_leaves_the_old_document(tmp_path):
    save_info(tmp_path, INFO)
    before = DatasetLayout(root=tmp_path).info.read_bytes()
    with pytest.raises(OutputError, match="utf-8"):
        save_info(tmp_path, INFO.model_copy(update={"robot_type": "\ud800"}))
    assert DatasetLayout(root=tmp_path).info.read_bytes() == before
    assert leftovers(tmp_path) == []


def test_unfinished_files_are_found(tmp_path):
    save_info(tmp_path, INFO)
    data = DatasetLayout(root=tmp_path).data(FileId())
    data.parent.mkdir(parents=True)
    for keep_suffix in (True, False):
        pending = PendingFile(data, overwrite=True, keep_suffix=keep_suffix)
        assert unfinished_files(tmp_path) == [pending.path]
        pending.discard()
    assert unfinished_files(tmp_path) == []


def test_error_without_pyarrow_names_the_extra():
    code = "import sys; sys.modules['pyarrow'] = None\nimport ffenc.dataset.format.schema, ffenc.dataset.format.layout\nimport ffenc.dataset.format.dataset_tables"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=LEROBOT.parents[2]
    )
    assert done.stderr.strip().splitlines()[-1].startswith("ffenc.errors.DependencyError: ")
    assert "ffenc-video[dataset]" in done.stderr
