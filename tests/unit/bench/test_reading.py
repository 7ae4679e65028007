from __future__ import annotations

import numpy as np
import pytest

from ffenc.bench.reading import PATTERNS, _frames_decoded, _is_frame, _requests


@pytest.mark.parametrize("offsets", [*PATTERNS.values(), (-3, 2)], ids=str)
def test_what_is_asked_for_is_in_the_file_and_the_same_every_time(offsets):
    first = list(_requests(20, offsets, 200, 0))
    assert first == list(_requests(20, offsets, 200, 0))
    assert first != list(_requests(20, offsets, 200, 1))
    numbers = {number for request in first for number in request}
    assert (min(numbers), max(numbers)) == (0, 19)
    assert all(np.diff(request).tolist() == np.diff(offsets).tolist() for request in first)


def test_a_pattern_longer_than_the_file_is_not_asked_for():
    assert list(_requests(5, (-5, 0), 3, 0)) == []


def test_frames_that_have_to_be_decoded_are_counted_from_the_key_frame_and_once():
    assert _frames_decoded([4], keyframes=[0, 2, 4]) == 1
    assert _frames_decoded([3], keyframes=[0, 2, 4]) == 2
    assert _frames_decoded([7, 8], keyframes=[0, 10]) == 9
    assert _frames_decoded([1, 11], keyframes=[0, 10]) == 4


def test_a_neighbour_is_not_taken_for_the_frame():
    frames = np.stack([np.full((8, 8, 3), 20 * number, np.uint8) for number in range(4)])
    small = frames[:, ::4, ::4].astype(np.int16)
    assert _is_frame(frames[1], 1, small)
    assert not _is_frame(frames[2], 1, small)
    assert not _is_frame(frames[0], 1, small)
    assert _is_frame(frames[3] + 1, 3, small)  # another rounding of colours
