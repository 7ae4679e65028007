"""Stored images reveal frames that are shifted against their rows, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ffenc.dataset.format.frame_ties import TieCheck, camera_ties, is_tied, small_grid, ties_of
from tests.footage import numbered_frame

COUNT = 250


def check_of(shown: list[int], *, noise: int = 0) -> tuple[int, int] | None:
    random = np.random.default_rng(7)
    ties = {n: ties["a"] for n in range(COUNT) if (ties := ties_of(n, {"a": numbered_frame(n)})) is not None}
    check = TieCheck(ties)
    for number in shown:
        frame = numbered_frame(number).astype(np.int16)
        frame += random.integers(-noise, noise + 1, frame.shape, np.int16)
        check.add(frame.clip(0, 255).astype(np.uint8))
    return check.misaligned()


def test_few_frames_are_stored() -> None:
    assert [number for number in range(COUNT) if is_tied(number)] == [0, 1, 2, 4, 8, 16, 32, 64, 100, 128, 200]


@pytest.mark.parametrize("noise", [0, 40])
def test_frames_in_order_are_not_reported(noise: int) -> None:
    assert check_of(list(range(COUNT)), noise=noise) is None
    assert check_of(list(range(100)), noise=noise) is None


@pytest.mark.parametrize("noise", [0, 40])
def test_shifted_frames_are_found(noise: int) -> None:
    assert check_of(list(range(1, COUNT)), noise=noise) == (1, 0)
    assert check_of([0, *range(COUNT - 1)], noise=noise) == (1, 2)
    late = [*range(30), *range(31, COUNT)]
    assert check_of(late, noise=noise) == (32, 31)


def test_still_scene_is_not_reported() -> None:
    assert check_of([3] * COUNT) is None


def test_grid_does_not_depend_on_the_frame_size() -> None:
    grids = [small_grid(numbered_frame(n, width=64 * n, height=48 * n)) for n in (2, 10)]
    assert (
        np.abs(np.subtract(*[small_grid(numbered_frame(5, width=w, height=w)) for w in (128, 640)], dtype=int)).max()
        < 8
    )
    assert all(grid.shape == (64,) for grid in grids)


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (7, 5)])
def test_tiny_frames_have_a_grid(size: tuple[int, int]) -> None:
    assert small_grid(np.full((*size, 3), 9, np.uint8)).tolist() == [9] * 64


def test_only_colour_frames_are_stored() -> None:
    frames = {"a": numbered_frame(1), "b": np.zeros((4, 4), np.uint16), "c": None, "d": np.zeros((0, 4, 3), np.uint8)}
    assert list(ties_of(0, frames) or ()) == ["a"]
    assert ties_of(3, frames) is None


@pytest.mark.parametrize(
    "document", [{}, {"ties": 7}, {"ties": {"x": {"a": [1]}}}, {"ties": {"0": 7}}, {"ties": {"0": {"b": [1]}}}]
)
def test_document_without_images_has_none(document: dict[str, Any]) -> None:
    assert camera_ties(document, "a") == {}


@pytest.mark.parametrize("grid", [None, "text", [1], [[1]] * 64, ["x"] * 64, [0.5] * 64])
def test_invalid_grid_is_ignored(grid: Any) -> None:
    check = TieCheck({0: grid})
    check.add(numbered_frame(1))
    assert check.misaligned() is None
