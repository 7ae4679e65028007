"""Idle ends are found in states, actions and other features, whatever their units and noise."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow")
from ffenc.cli.commands.dataset.flags import trim
from ffenc.dataset.transform import idle
from ffenc.dataset.transform.idle import find_idle
from ffenc.errors import DatasetError
from tests.table_datasets import write_dataset

RAMP = [0.0] * 20 + [0.1, 0.3, 0.6, 0.9, 1.0] + [1.0] * 25


def found(root: Path, *episodes: list[float] | np.ndarray, **options: object) -> dict[int, tuple[int, int]]:  # type: ignore[type-arg]
    states = [np.array(each, np.float32).reshape(len(each), -1) for each in episodes]
    write_dataset(root / "set", states)
    return find_idle(root / "set", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("episode", "kept"),
    [
        (RAMP, (19, 25)),
        (RAMP[18:], (0, 7)),  # two idle rows are less than half a second
        (RAMP[18:32], None),
        (RAMP[:24], (19, 24)),
        (RAMP[::-1], (25, 31)),
        ([0.0] * 50, None),  # idle throughout
        ([0.0] * 20 + [1.0] + [0.0] * 20, (19, 22)),
        ([float("nan"), *RAMP[1:]], (0, 25)),  # not a number: it moves
        (list(np.linspace(0, 1, 50)), None),
    ],
    ids=str,
)
def test_rows_near_the_first_and_last_pose_are_idle(
    tmp_path: Path, episode: list[float], kept: tuple[int, int] | None
) -> None:
    episodes = [[0.0, 1.0], episode]
    assert found(tmp_path, *episodes) == ({} if kept is None else {1: kept})


@pytest.mark.parametrize("unit", [1e-3, 1.0, 180.0, 1e6])
def test_threshold_is_relative_and_noise_of_an_unused_joint_is_ignored(tmp_path: Path, unit: float) -> None:
    noise = np.random.default_rng(1).normal(0, 0.0005, (50, 3))
    noise[:, 0] += RAMP
    assert found(tmp_path, noise * unit) == {0: (19, 25)}


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"threshold": 0.2}, (20, 24)),
        ({"min_idle_s": 0.0}, (19, 25)),
        ({"min_idle_s": 0.7}, (0, 25)),
        ({"min_idle_s": 2}, None),
        ({"idle_from": "observation.state"}, (19, 25)),
    ],
    ids=str,
)
def test_options(tmp_path: Path, options: dict[str, object], kept: tuple[int, int] | None) -> None:
    assert found(tmp_path, RAMP, **options) == ({} if kept is None else {0: kept})


def test_idle_episodes_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert found(tmp_path, [0.0] * 40, RAMP, [1.0] * 30) == {1: (19, 25)}
    assert "episodes 0, 2 of" in caplog.text


def test_missing_feature_names_the_others(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"'action'; it has observation\.state\. .*--idle_from"):
        found(tmp_path, RAMP, idle_from="action")
    with pytest.raises(DatasetError, match="no colour video"):
        find_idle(tmp_path / "set", idle_from="frames")
    for options in ({"threshold": 0}, {"threshold": 1.0}, {"min_idle_s": -1.0}, {"threshold": float("nan")}):
        with pytest.raises(ValueError, match="threshold="):
            find_idle(tmp_path / "set", **options)


def test_flags_have_the_defaults_of_the_function() -> None:
    flags = trim().get_defaults()
    parameters = inspect.signature(find_idle).parameters
    for name in ("idle_from", "threshold", "min_idle_s"):
        assert flags[name] == parameters[name].default
    assert flags.threshold == idle.THRESHOLD


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_value_that_is_not_finite_does_not_change_what_is_idle_elsewhere(tmp_path: Path, value: float) -> None:
    assert found(tmp_path, [value] * 3, RAMP, [0.0, value, 1.0]) == {1: (19, 25)}
