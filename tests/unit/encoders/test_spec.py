"""The arithmetic of a row: scales and versions."""

from __future__ import annotations

import pytest

from ffenc.encoders.spec import ByVersion, Quality

STEPS = ByVersion((((0,), "old"), ((2,), "two"), ((3, 1), "three")))


@pytest.mark.parametrize(
    ("version", "value"),
    [
        (None, "old"),
        ((1, 4, 1), "old"),
        ((2,), "two"),
        ((2, 0, 0), "two"),
        ((3, 0, 9), "two"),
        ((3, 1), "three"),
        ((3, 1, 2), "three"),
        ((10,), "three"),
    ],
)
def test_value_by_version_is_the_latest_step_and_the_oldest_if_unknown(version, value):
    assert STEPS.at(version) == value


SAME = Quality(options=("crf",), crf=(0, 51), values=(0, 51))
QUANTISER = Quality(options=("qp",), crf=(0, 63), values=(0, 255), whole=True)
BACKWARDS = Quality(options=("q",), crf=(0, 51), values=(100, -2), floor=1)


@pytest.mark.parametrize(
    ("quality", "crf", "value"),
    [
        (SAME, 0, 0),
        (SAME, 23.5, 23.5),
        (SAME, 51, 51),
        (QUANTISER, 0, 0),
        (QUANTISER, 30, 121),
        (QUANTISER, 30.5, 123),
        (QUANTISER, 63, 255),
        (BACKWARDS, 0, 100),
        (BACKWARDS, 30, 40),
        (BACKWARDS, 30.5, 39),
        (BACKWARDS, 49, 2),
        (BACKWARDS, 50, 1),
        (BACKWARDS, 51, 1),
    ],
)
def test_crf_is_mapped_linearly_between_the_ends_of_the_scale(quality, crf, value):
    assert quality.value(crf) == value


def test_only_a_scale_that_is_the_crf_scale_is_one_to_one():
    assert [quality.one_to_one for quality in (SAME, QUANTISER, BACKWARDS)] == [True, False, False]
