"""Frames of the demo show their number, also after lossy encoding."""

from __future__ import annotations

import numpy as np
import pytest

from ffenc.cli.commands.demo.demo import sample_numbers
from ffenc.cli.commands.demo.synthetic_frames import number_in, synthetic_frame


@pytest.mark.parametrize("size", [(640, 480), (160, 120), (96, 64), (1280, 720)])
@pytest.mark.parametrize("number", [0, 1, 89, 1234, 4095])
def test_the_number_can_be_read_back(number: int, size: tuple[int, int]) -> None:
    width, height = size
    frame = synthetic_frame(number, width=width, height=height)
    assert frame.shape == (height, width, 3)
    assert frame.dtype == np.uint8
    assert number_in(frame) == number


def test_noise_and_blur_do_not_hide_it() -> None:
    noise = np.random.default_rng(0).normal(0, 40, (480, 640, 3))
    frame = synthetic_frame(2741).astype(np.float64)
    blurred = (frame + np.roll(frame, 3, axis=1) + np.roll(frame, -3, axis=1)) / 3
    assert number_in(np.clip(blurred + noise, 0, 255).astype(np.uint8)) == 2741


def test_frames_differ() -> None:
    assert not np.array_equal(synthetic_frame(0), synthetic_frame(1))


@pytest.mark.parametrize(
    ("count", "numbers"), [(90, [0, 22, 44, 67, 89]), (5, [0, 1, 2, 3, 4]), (3, [0, 1, 2]), (2, [0, 1]), (1, [0])]
)
def test_samples_are_spread_from_the_first_to_the_last_frame(count: int, numbers: list[int]) -> None:
    assert sample_numbers(count) == numbers
