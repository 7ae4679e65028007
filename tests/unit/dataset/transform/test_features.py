"""Features are removed, renamed and added in all tables and documents; videos are kept bit by bit."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.datasets import change_info, copy_of, rows_of, tree_of
from tests.lerobot_data import LEROBOT

pytest.importorskip("pyarrow")
import pyarrow as pa
import pyarrow.parquet as pq

from ffenc.dataset.format.dataset_tables import load_episodes
from ffenc.dataset.format.documents import load_info, load_stats
from ffenc.dataset.format.provenance import load_provenance, save_provenance
from ffenc.dataset.transform.features import add_features, remove_features, rename_features
from ffenc.dataset.verify.verify import verify_dataset
from ffenc.errors import DatasetError, UnsafePathError
from ffenc.statistics import vector_statistics

LAPTOP, PHONE, TOP = "observation.images.laptop", "observation.images.phone", "observation.images.top"
A = LEROBOT / "A"
DATA, EPISODES = "data/chunk-000/file-000.parquet", "meta/episodes/chunk-000/file-000.parquet"
FRAMES = 60
LINE = {
    "episode_index": 0,
    "cameras": {LAPTOP: {"encoder": "libsvtav1"}, PHONE: {"encoder": "libx264"}},
    "drops": [{"step": 3, "cameras": [LAPTOP]}],
    "ties": {"0": {LAPTOP: [1], PHONE: [2]}},
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copy_of("A", tmp_path)


def videos_of(root: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree_of(root).items() if name.startswith("videos/")}


def names_in(root: Path) -> set[str]:
    """Return the features in info.json, stats.json, the rows, the episodes and the videos; fail if they differ."""
    info, stats = load_info(root), load_stats(root)
    assert stats is not None
    assert stats.keys() == info.features.keys()
    assert set(rows_of(root)[0]) == info.columns.keys()
    columns = {name.split("/")[1] for name in pq.read_schema(root / EPISODES).names if name.startswith("stats/")}
    assert columns == info.features.keys()
    cameras = {name.split("/")[1] for name in pq.read_schema(root / EPISODES).names if name.startswith("videos/")}
    assert cameras == {path.name for path in root.glob("videos/*")} == info.videos.keys()
    for row in load_episodes(root, info):
        assert row.statistics.keys() == info.features.keys()
    assert verify_dataset(root, "metadata").findings == ()
    return set(info.features)


@pytest.mark.parametrize("output", [True, False])
def test_camera_and_column_are_renamed_everywhere(root: Path, tmp_path: Path, output: bool) -> None:
    save_provenance(root, [LINE])
    before, rows, stats = videos_of(root), rows_of(root), load_stats(root)
    assert stats is not None
    names = {LAPTOP: TOP, "action": "command"}
    result = rename_features(root, names, output=tmp_path / "out" if output else None)
    made = result.root
    assert names_in(made) == {names.get(name, name) for name in stats}
    assert list(load_info(made).features) == [names.get(name, name) for name in load_info(A).features]
    assert load_info(made).features[TOP] == load_info(A).features[LAPTOP]
    assert videos_of(made) == {name.replace(LAPTOP, TOP): data for name, data in before.items()}
    assert rows_of(made) == [{names.get(name, name): value for name, value in row.items()} for row in rows]
    new = load_stats(made)
    assert new is not None
    assert new[TOP].to_json() == stats[LAPTOP].to_json()
    assert load_provenance(made) == {0: json.loads(json.dumps(LINE).replace(LAPTOP, TOP))}
    assert videos_of(root) == (before if output else videos_of(made))


def test_names_are_exchanged(root: Path) -> None:
    before = videos_of(root)
    rename_features(root, {LAPTOP: PHONE, PHONE: LAPTOP})
    key = "videos/{}/chunk-000/file-000.mp4"
    after = videos_of(root)
    assert after == {key.format(LAPTOP): before[key.format(PHONE)], key.format(PHONE): before[key.format(LAPTOP)]}


def test_camera_and_column_are_removed_everywhere(root: Path) -> None:
    save_provenance(root, [LINE])
    remove_features(root, [LAPTOP, "action"])
    assert names_in(root) == load_info(A).features.keys() - {LAPTOP, "action"}
    (line,) = load_provenance(root).values()
    assert line["cameras"] == {PHONE: {"encoder": "libx264"}}
    assert line["ties"] == {"0": {PHONE: [2]}}
    assert line["drops"] == [{"step": 3, "cameras": []}]
    remove_features(root, [PHONE])
    assert load_info(root).video_path is None
    assert videos_of(root) == {}


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        ({}, DatasetError, "no features are given"),
        ({"nothing": "x"}, DatasetError, "does not have the feature 'nothing'; it has observation.state, action"),
        ({"index": "x"}, DatasetError, "'index' is a feature of every dataset"),
        ({"action": "index"}, DatasetError, "'index' is a feature that the recorder fills"),
        ({"action": "observation.state"}, DatasetError, "two features would be named 'observation.state'"),
        ({"action": "x", "observation.state": "x"}, DatasetError, "two features would be named 'x'"),
        ({"action": "task"}, DatasetError, "'task' is the key of the task text"),
        ({"action": "image_age"}, DatasetError, "LeRobot takes 'image_age' for a camera"),
        ({"action": "language_events"}, DatasetError, "the name of LeRobot's language column"),
        ({"action": "a/b"}, UnsafePathError, "a/b"),
        ({"action": ""}, UnsafePathError, "name of a feature"),
        ({"action": 5}, DatasetError, "the new name of 'action' is 5; expected a text"),
        ({"action": None}, DatasetError, "the new name of 'action' is None; expected a text"),
    ],
    ids=str,
)
def test_wrong_names_are_refused(root: Path, tmp_path: Path, names: dict[str, str], error: Any, message: str) -> None:
    before = tree_of(tmp_path)
    for dry_run in (True, False):
        with pytest.raises(error, match=message):
            rename_features(root, names, dry_run=dry_run)
    assert tree_of(tmp_path) == before


@pytest.mark.parametrize(("name", "message"), [("timestamp", "of every dataset"), ("nothing", "does not have")])
def test_features_that_cannot_be_removed_are_refused(name: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        remove_features(A, [name])


def test_other_files_with_an_old_name_are_listed(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / "meta/modality.json").write_text(json.dumps({"video": {"top": {"original_key": LAPTOP}}}))
    change_info(root, wrist={"state": "observation.state"})
    rename_features(root, {LAPTOP: TOP, "observation.state": "state"})
    assert [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING] == [
        f"meta/modality.json contains the name {LAPTOP}; it is kept unchanged, so correct it",
        "the key wrist of info.json contains the name observation.state; it is kept unchanged, so correct it",
    ]
    assert LAPTOP in (root / "meta/modality.json").read_text()


def with_language(root: Path) -> Path:
    """Add a language column of LeRobot's type, with an entry for each camera in every row."""
    calls = pa.list_(pa.json_() if hasattr(pa, "json_") else pa.string())
    entry = pa.struct([pa.field("role", pa.string(), nullable=False), ("camera", pa.string()), ("tool_calls", calls)])
    plain = pa.struct([("role", pa.string()), ("camera", pa.string()), ("tool_calls", pa.list_(pa.string()))])
    rows = [
        [{"role": "user", "camera": key, "tool_calls": ['{"a": 1}']} for key in (LAPTOP, PHONE, None)]
        for _ in range(FRAMES)
    ]
    table = pq.read_table(root / DATA).append_column(
        "language_events", pa.array(rows, pa.list_(plain)).cast(pa.list_(entry))
    )
    pq.write_table(table, root / DATA)
    features = json.loads((root / "meta/info.json").read_text())["features"]
    change_info(root, features={**features, "language_events": {"dtype": "language", "shape": [1], "names": None}})
    return root


def test_language_entries_get_the_new_name_of_their_camera(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    kind = pq.read_schema(with_language(root) / DATA).field("language_events").type
    rename_features(root, {LAPTOP: TOP})
    cameras = [[entry["camera"] for entry in row["language_events"]] for row in rows_of(root)]
    assert cameras == [[TOP, PHONE, None]] * FRAMES
    assert rows_of(root)[0]["language_events"][0]["tool_calls"] == ['{"a": 1}']
    assert pq.read_schema(root / DATA).field("language_events").type == kind
    with pytest.raises(DatasetError, match="LeRobot finds by this name"):
        rename_features(root, {"language_events": "events"})
    caplog.clear()
    remove_features(root, [PHONE])
    assert [each.getMessage() for each in caplog.records] == [
        f"language_events has entries about {PHONE}, which is removed; they are kept"
    ]


# Columns of a table


def table_of(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table({"index": list(range(FRAMES)), **columns}), path)
    return path


@pytest.mark.parametrize("output", [True, False])
def test_columns_are_added_by_index_in_any_order(root: Path, tmp_path: Path, output: bool) -> None:
    order = [(7 * number) % FRAMES for number in range(FRAMES)]
    pairs = [[float(number), float(-number)] for number in order]
    table = tmp_path / "table.parquet"
    columns = {
        "index": order,
        "force": pa.array(pairs, pa.list_(pa.float32())),
        "label": [f"frame {number}" for number in order],
        "matrix": [[[number, 1], [2, 3], [4, 5]] for number in order],
        "flag": [number % 2 == 0 for number in order],
        "single": pa.array([[number] for number in order], pa.list_(pa.int16(), 1)),
    }
    pq.write_table(pa.table(columns), table)
    before = videos_of(root)
    result = add_features(root, table, output=tmp_path / "out" if output else None)
    info = load_info(result.root)
    assert {name: (info.features[name].dtype, info.features[name].shape) for name in list(columns)[1:]} == {
        "force": ("float32", (2,)),
        "label": ("string", (1,)),
        "matrix": ("int64", (3, 2)),
        "flag": ("bool", (1,)),
        "single": ("int16", (1,)),
    }
    assert list(info.features)[-5:] == list(load_info(A).features)[-5:]
    for number, row in enumerate(rows_of(result.root)):
        assert row["force"] == [number, -number]
        assert (row["label"], row["matrix"]) == (f"frame {number}", [[number, 1], [2, 3], [4, 5]])
        assert (row["flag"], row["single"]) == (number % 2 == 0, number)
    assert videos_of(result.root) == before
    assert verify_dataset(result.root, "metadata").findings == ()
    (first, *_) = load_episodes(result.root, info)
    own = pa.array(range(first.length), pa.int16()).to_numpy()
    assert first.statistics["single"].to_json() == vector_statistics(own).to_json()
    stats = load_stats(result.root)
    assert stats is not None
    assert (stats["single"].max.tolist(), stats["single"].count.tolist()) == ([FRAMES - 1], [FRAMES])


def test_rows_are_joined_by_episode_and_frame(root: Path, tmp_path: Path) -> None:
    places = [(row["episode_index"], row["frame_index"]) for row in rows_of(root)][::-1]
    columns = {"episode_index": [e for e, _ in places], "frame_index": [f for _, f in places]}
    table = tmp_path / "table.parquet"
    pq.write_table(pa.table({**columns, "place": [100 * e + f for e, f in places]}), table)
    add_features(root, table)
    assert [row["place"] for row in rows_of(root)] == [100 * e + f for e, f in places[::-1]]


def test_features_choose_columns_and_set_names(root: Path, tmp_path: Path) -> None:
    table = table_of(
        tmp_path / "table.parquet", force=[[1.0, 2.0]] * FRAMES, other=[1] * FRAMES, timestamp=[0] * FRAMES
    )
    given = {"force": {"dtype": "float64", "shape": [2], "names": ["x", "y"]}, "other": {}}
    result = add_features(root, table, features=given)
    assert result.changes == {"force": "added, float64 [2]", "other": "added, int64 [1]"}
    assert load_info(root).features["force"].names == ["x", "y"]


NAN = float("nan")
KEYS = [(row["episode_index"], row["frame_index"]) for row in rows_of(A)]
GOOD: dict[str, Any] = {"x": [1.0] * FRAMES}


@pytest.mark.parametrize(
    ("columns", "features", "message"),
    [
        ({"index": list(range(FRAMES - 2))}, None, r"no row for 2 of 60 frames: index 58, 59; the first is frame 13 of"),
        ({"index": [*range(FRAMES), FRAMES]}, None, "rows 60 of .* name frames that the dataset does not have"),
        ({"index": [-1, *range(1, FRAMES)]}, None, "rows 0 of .* name frames that the dataset does not have"),
        ({"index": [*range(FRAMES), 7]}, None, "rows 7, 60 of .* name the same frame"),
        ({"index": [None, *range(1, FRAMES)]}, None, "the column index of .* with 1 missing values"),
        ({"index": [float(n) for n in range(FRAMES)]}, None, "the column index of .* is double"),
        ({}, None, "needs the column index, or episode_index and frame_index"),
        ({"episode_index": [e for e, _ in KEYS]}, None, "needs the column index"),
        ({"index": list(range(FRAMES)), "episode_index": [0] * FRAMES, "frame_index": [f for _, f in KEYS]}, None,
         "rows 20, 21, 22, 23, 24 and 35 more of .* have an index that is not that of their episode_index"),
        ({"episode_index": [3, *[e for e, _ in KEYS[1:]]], "frame_index": [f for _, f in KEYS]}, None, "rows 0 of"),
        ({"episode_index": [e for e, _ in KEYS], "frame_index": [99, *[f for _, f in KEYS[1:]]]}, None, "rows 0 of"),
        (None, {"x": {"dtype": "float32"}}, r"has dtype float64 and shape \[1\]; expected float32 and \[1\]"),
        (None, {"x": {"shape": [2]}}, r"has dtype float64 and shape \[1\]; expected float64 and \[2\]"),
        (None, {"x": {"names": 3}}, "the feature 'x' is invalid"),
        (None, {"x": {"kind": 3}}, "has the keys kind; expected dtype, shape and names"),
        (None, {"y": {}}, "does not have the column 'y'; it has index, x"),
        ({"x": [1.0, NAN, float("inf"), *[1.0] * (FRAMES - 3)]}, None, "rows 1, 2 of .* have NaN or infinity in 'x'"),
        ({"x": [None, *[1.0] * (FRAMES - 1)]}, None, "rows 0 of .* have no value of 'x'"),
        ({"x": [[1.0, 2.0], [1.0], *[[1.0, 2.0]] * (FRAMES - 2)]}, None, "rows 1 of .* with another length"),
        ({"x": [[1.0, 2.0], [1.0, None], *[[1.0, 2.0]] * (FRAMES - 2)]}, None, "rows 1 of .* missing values in 'x'"),
        ({"x": [[1.0, 2.0], [1.0, NAN], *[[1.0, 2.0]] * (FRAMES - 2)]}, None, "rows 1 of .* have NaN"),
        ({"x": [[]] * FRAMES}, None, "or empty ones"),
        ({"x": [["a"]] * FRAMES}, {"x": {"shape": [2]}}, "expected string"),
        ({"x": [["a", "b"]] * FRAMES}, None, "has lists of text"),
        ({"x": [{"bytes": b"1"}] * FRAMES}, None, "contains struct.*; expected numbers, booleans or text"),
        ({"action": [1.0] * FRAMES}, None, "has the feature 'action' already"),
        ({"timestamp": [1.0] * FRAMES}, None, "has the feature 'timestamp' already"),
        ({"task": ["a"] * FRAMES}, None, "'task' is the key of the task text"),
        ({"my_image": [1.0] * FRAMES}, None, "LeRobot takes 'my_image' for a camera"),
        ({"index": pa.array([], pa.int64()), "x": pa.array([], pa.float32())}, None, "no row for 60 of 60 frames"),
        (None, {}, "features .--features. names no column"),
        (None, {"x": "float32"}, "the feature 'x' is 'float32'; expected a dictionary"),
        (None, {"x": {"names": ["a", "b"]}}, "the feature 'x' has 2 names, but 1 components"),
        ({"x": [[1.0, 2.0]] * FRAMES}, {"x": {"names": ["a"]}}, "the feature 'x' has 1 names, but 2 components"),
    ],
    ids=range(34),
)  # fmt: skip
def test_wrong_tables_are_refused_with_row_numbers(
    root: Path, tmp_path: Path, columns: dict[str, Any] | None, features: dict[str, Any] | None, message: str
) -> None:
    given = GOOD if columns is None else columns
    keys = {} if given.keys() & {"index", "episode_index"} or given == {} else {"index": list(range(FRAMES))}
    values = (
        {}
        if given.keys() - {"index", "episode_index", "frame_index"}
        else {"x": [1.0] * len(next(iter(given.values()), []))}
    )
    table = tmp_path / "table.parquet"
    pq.write_table(pa.table({**keys, **given, **values}), table)
    before = tree_of(tmp_path)
    for dry_run in (True, False):
        with pytest.raises(DatasetError, match=message):
            add_features(root, table, features=features, dry_run=dry_run)
    assert tree_of(tmp_path) == before


@pytest.mark.parametrize("names", [("index", "index", "x"), ("index", "x", "x")])
def test_columns_with_one_name_are_refused(root: Path, tmp_path: Path, names: tuple[str, ...]) -> None:
    table = tmp_path / "table.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(range(FRAMES))] * 3, names=list(names)), table)
    with pytest.raises(DatasetError, match=r"several columns named '(index|x)'; rename them"):
        add_features(root, table)
