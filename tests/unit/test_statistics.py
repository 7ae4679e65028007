"""Statistics and samples equal those of LeRobot."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ffenc.errors import FrameError
from ffenc.statistics import (
    STATISTICS,
    FeatureStatistics,
    FrameSampler,
    StatisticsTotal,
    aggregate_statistics,
    sample_count,
    vector_statistics,
)
from tests.lerobot_data import DATASETS

# LeRobot sums in float32: its means are good to 1e-7 and its deviations, a difference of squares, to 1e-6.
TOLERANCES = {"std": 2e-6}
DTYPES = {"next.done": bool, "timestamp": np.float32, "action": np.float32, "observation.state": np.float32}


def episodes_of(root):
    return pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()


def stored(row):
    names = dict.fromkeys(name.split("/")[1] for name in row if name.startswith("stats/"))
    return {
        name: FeatureStatistics.from_json({key: row[f"stats/{name}/{key}"] for key in STATISTICS}) for name in names
    }


def assert_equal(seen, expected, *, atol=1e-12):
    assert list(seen) == list(STATISTICS)
    for name in STATISTICS:
        assert np.shape(seen[name]) == np.shape(expected[name])
        np.testing.assert_allclose(
            seen[name], expected[name], rtol=0, atol=max(atol, TOLERANCES.get(name, 0)), err_msg=name
        )


@DATASETS
def test_statistics_of_rows_equal_those_of_lerobot(root):
    data = pq.read_table(root / "data/chunk-000/file-000.parquet")
    for row in episodes_of(root):
        table = data.slice(row["dataset_from_index"], row["length"])
        for name in table.column_names:
            rows = np.array(table.column(name).to_pylist(), DTYPES.get(name, np.int64))
            expected = {key: row[f"stats/{name}/{key}"] for key in STATISTICS}
            assert_equal(vector_statistics(rows).to_json(), expected, atol=2e-7)


@DATASETS
def test_stats_json_of_lerobot_is_the_aggregate_of_its_episodes(root):
    together = aggregate_statistics([stored(row) for row in episodes_of(root)])
    document = json.loads((root / "meta/stats.json").read_text())
    assert together.keys() == document.keys()
    for name, statistics in together.items():
        expected = FeatureStatistics.from_json(document[name])
        for key in STATISTICS:
            seen, wanted = getattr(statistics, key), getattr(expected, key)
            assert seen.shape == wanted.shape
            np.testing.assert_allclose(seen, wanted, rtol=1e-7, atol=1e-12, err_msg=f"{name} {key}")


def test_quantiles_of_one_row_are_its_mean():
    values = vector_statistics(np.array([[1.0, -3.0]], np.float32)).to_json()
    assert values.pop("std") == [0.0, 0.0]
    assert values.pop("count") == [1]
    assert set(map(tuple, values.values())) == {(1.0, -3.0)}


def test_booleans_count_as_numbers():
    values = vector_statistics(np.array([True, False, False, False])).to_json()
    assert (values["min"], values["max"], values["mean"], values["count"]) == ([0.0], [1.0], [0.25], [4])


def test_matrix_has_statistics_of_its_last_axis():
    rows = np.arange(24, dtype=np.int64).reshape(4, 3, 2)
    statistics = vector_statistics(rows)
    assert statistics.min.tolist() == [0.0, 1.0]
    assert statistics.mean.tolist() == [11.0, 12.0]
    assert statistics.count.tolist() == [4]


def test_large_numbers_keep_their_precision():
    rows = np.array([1e8, 1e8 + 1], np.float64)
    assert vector_statistics(rows).std[0] == 0.5
    assert vector_statistics(np.full(1000, 0.1, np.float32)).std[0] < 1e-15


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_nonfinite_value_affects_only_its_component(hole):
    rows = np.ones((3, 2), np.float32)
    rows[1, 0] = hole
    statistics = vector_statistics(rows)
    assert np.isnan(statistics.q50[0])
    assert not np.isfinite(statistics.mean[0])
    assert abs(statistics.q50[1] - 1) < 1e-9


@pytest.mark.parametrize("rows", [np.empty((0, 2)), np.array(["a"]), np.array([1j])], ids=["empty", "text", "complex"])
def test_rows_without_numbers_are_refused(rows):
    with pytest.raises(ValueError, match="at least one row of numbers"):
        vector_statistics(rows)


def test_statistics_survive_json_and_pickle():
    statistics = vector_statistics(np.arange(7.0))
    for copy in (FeatureStatistics.from_json(statistics.to_json()), pickle.loads(pickle.dumps(statistics))):
        assert copy.to_json() == statistics.to_json()
        assert copy.count.dtype == np.int64


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"min": None}, "lack min"),
        ({"min": [1.0, 2.0]}, "shapes"),
        ({"count": [1, 2]}, "shapes"),
        ({"mean": {}}, "not lists of numbers"),
    ],
)
def test_invalid_statistics_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        FeatureStatistics.from_json(vector_statistics(np.arange(7.0)).to_json() | change)


def test_statistics_without_quantiles_can_be_aggregated():
    old = vector_statistics(np.arange(7.0)).to_json()
    del old["q50"]
    joined = aggregate_statistics([{"a": FeatureStatistics.from_json(old)}, {"a": vector_statistics(np.arange(3.0))}])
    assert joined["a"].q50 is None
    assert "q50" not in joined["a"].to_json()
    assert joined["a"].q10 is not None


def test_feature_with_two_shapes_cannot_be_aggregated():
    with pytest.raises(ValueError, match="'a'"):
        aggregate_statistics([{"a": vector_statistics(np.ones((2, n)))} for n in (1, 2)])


def test_aggregate_has_the_features_of_all_parts():
    joined = aggregate_statistics([{"b": vector_statistics(np.arange(3))}, {"a": vector_statistics(np.arange(3))}])
    assert list(joined) == ["b", "a"]
    assert aggregate_statistics([]) == {}


EPISODES = st.lists(
    hnp.arrays(np.float64, st.integers(1, 8), elements=st.floats(-1e3, 1e3, width=32)), min_size=1, max_size=5
)


@given(EPISODES, st.integers(0, 4))
def test_aggregation_in_steps_equals_aggregation_of_all_rows(episodes, cut):
    parts = [{"a": vector_statistics(rows)} for rows in episodes]
    at_once = aggregate_statistics(parts)["a"]
    in_steps = aggregate_statistics([aggregate_statistics(some) for some in (parts[:cut], parts[cut:])])["a"]
    of_rows = vector_statistics(np.concatenate(episodes))
    for one in (at_once, in_steps):
        for name in ("min", "max", "count"):
            assert getattr(one, name) == getattr(of_rows, name)
        np.testing.assert_allclose(one.mean, of_rows.mean, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(one.std, of_rows.std, rtol=1e-6, atol=1e-5)
    assert at_once.q50 == min(part["a"].q50 for part in parts)
    assert at_once.q90 == max(part["a"].q90 for part in parts)


@pytest.mark.parametrize(
    ("frames", "count"),
    [(1, 1), (99, 99), (100, 100), (400, 100), (500, 105), (1800, 276), (18000, 1554), (10**6, 10**4)],
)
def test_number_of_sampled_frames_equals_lerobots(frames, count):
    assert sample_count(frames) == count


def sampled(frames):
    sampler = FrameSampler()
    for frame in frames:
        sampler.add(frame)
    return sampler


@pytest.mark.parametrize("length", [1, 2, 99, 250, 400])
def test_sample_of_up_to_400_frames_equals_lerobots(length):
    rng = np.random.default_rng(length)
    frames = rng.integers(0, 256, (length, 5, 4, 3), dtype=np.uint8)
    positions = np.rint(np.linspace(0, length - 1, sample_count(length))).astype(int)
    statistics = sampled(frames).statistics()
    assert statistics.mean.shape == (3, 1, 1)
    expected = vector_statistics(frames[positions].reshape(-1, 3)).to_json()
    del expected["count"]
    scaled = {name: np.divide(values, 255).reshape(3, 1, 1) for name, values in expected.items()}
    assert_equal(statistics.to_json(), scaled | {"count": [len(positions)]})


@pytest.mark.parametrize("length", [401, 801, 3000])
def test_longer_episode_uses_the_nearest_kept_frames(length):
    sampler = sampled(np.full((1, 1), value, np.uint16) for value in range(length))
    ideal = np.rint(np.linspace(0, length - 1, sample_count(length)))
    taken = sampler.statistics(scale=1.0)
    assert taken.count == [len(ideal)]
    step = sampler._step
    assert step <= (length / len(ideal)) / 2
    assert len(sampler._kept) <= 4 * len(ideal)
    assert abs(taken.max[0, 0, 0] - ideal.max()) < step
    assert abs(taken.mean[0, 0, 0] - ideal.mean()) <= step / 2


@pytest.mark.parametrize(
    ("shape", "stride"),
    [((299, 299, 3), 1), ((300, 200, 3), 2), ((480, 640, 3), 4), ((40, 449, 3), 2), ((450, 9, 3), 3)],
)
def test_pixels_are_sampled_like_lerobots(shape, stride):
    frame = np.full(shape, 9, np.uint8)
    frame[::stride, ::stride] = 200
    statistics = sampled([frame]).statistics(scale=1)
    assert statistics.min.ravel().tolist() == [200, 200, 200]


def test_depth_keeps_its_unit():
    rng = np.random.default_rng(1)
    frames = rng.integers(300, 9000, (30, 6, 7), dtype=np.uint16)
    expected = vector_statistics(frames.reshape(-1)).to_json()
    shaped = {name: np.reshape(values, (1, 1, 1)) for name, values in expected.items()} | {"count": [30]}
    assert_equal(sampled(frames).statistics().to_json(), shaped, atol=1e-9)
    assert_equal(sampled(frames[..., np.newaxis]).statistics().to_json(), shaped, atol=1e-9)


def test_float_depth_has_exact_moments_and_close_quantiles():
    rng = np.random.default_rng(2)
    frames = rng.uniform(0.3, 9, (30, 6, 7)).astype(np.float32)
    seen, expected = sampled(frames).statistics(), vector_statistics(frames.reshape(-1))
    for name in ("min", "max", "mean", "std"):
        np.testing.assert_allclose(getattr(seen, name).ravel(), getattr(expected, name), rtol=1e-12, err_msg=name)
    for name in ("q01", "q10", "q50", "q90", "q99"):
        np.testing.assert_allclose(getattr(seen, name).ravel(), getattr(expected, name), rtol=2e-3, err_msg=name)


def test_nan_depth_gives_nan_statistics():
    frame = np.ones((4, 4), np.float32)
    frame[0, 0] = np.nan
    statistics = sampled([np.ones((4, 4), np.float32), frame]).statistics()
    assert np.isnan([statistics.min, statistics.mean, statistics.std, statistics.q50]).all()


def test_frame_array_is_not_kept():
    frame = np.full((4, 4), 7, np.uint16)
    sampler = sampled([frame])
    frame[:] = 9
    assert sampler.statistics().max == 7
    assert sampler.frames == 1
    assert 0 < sampler.size_bytes < 100


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.uint16),
        np.zeros(4, np.uint8),
        np.zeros((0, 4), np.uint8),
    ],
    ids=["float colours", "16-bit colours", "a row", "empty"],
)
def test_invalid_frame_is_refused(frame):
    with pytest.raises(FrameError, match="expected a frame"):
        FrameSampler().add(frame)


def test_frame_of_another_shape_or_dtype_is_refused():
    sampler = sampled([np.zeros((4, 4, 3), np.uint8)])
    with pytest.raises(FrameError, match=r"\(4, 4, 3\) uint8"):
        sampler.add(np.zeros((4, 5, 3), np.uint8))
    assert sampler.frames == 1


def test_sampler_without_frames_is_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        FrameSampler().statistics()


def test_total_of_many_episodes_is_that_of_all_and_has_only_what_every_episode_has():
    parts = [{"a": vector_statistics(np.arange(10.0) * number)} for number in range(120)]
    parts[7] = {**parts[7], "b": parts[7]["a"]}
    total = StatisticsTotal()
    for part in parts:
        total.add(part)
    (expected,) = aggregate_statistics([{"a": part["a"]} for part in parts]).values()
    assert total.result().keys() == {"a"}
    for name in STATISTICS:
        np.testing.assert_allclose(getattr(total.result()["a"], name), getattr(expected, name), rtol=1e-12)
