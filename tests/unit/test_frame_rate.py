"""Frame rates are exact fractions or refused."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from ffenc.frame_rate import parse_frame_rate, plain_frame_rate, whole_frame_rate


@pytest.mark.parametrize(
    ("given", "exact"),
    [
        (30, Fraction(30)),
        ("30", Fraction(30)),
        (Fraction(30000, 1001), Fraction(30000, 1001)),
        ("30000/1001", Fraction(30000, 1001)),
        ("30000:1001", Fraction(30000, 1001)),
        ("1/3", Fraction(1, 3)),
        (1000, Fraction(1000)),
        (np.int64(15), Fraction(15)),
        (np.uint8(15), Fraction(15)),
        (15.0, Fraction(15)),
        (np.float32(30), Fraction(30)),
        (np.float64(30), Fraction(30)),
        (Decimal("15.0"), Fraction(15)),
        ("15.0", Fraction(15)),
        ("15.", Fraction(15)),
        (" 15 ", Fraction(15)),
    ],
    ids=repr,
)
def test_frame_rate_is_exact(given, exact):
    rate = parse_frame_rate(given)
    assert rate == exact
    assert type(rate) is Fraction


@pytest.mark.parametrize(
    "given",
    [
        29.97, 7.5, Decimal("29.97"), np.float32(29.97), float("nan"), float("inf"), -30.0, 1e9, 0.0, True, np.True_, "29.97", "30.0.0",
        Decimal("NaN"), Decimal("Infinity"), 30j, "3e1", "3E1", "", " ", "thirty", "1/0", "30/1/1", "ntsc",
        None, [30], 0, -30, "0", "-30", "0/1", 1001, "1001", Fraction(1_000_001, 1000), "inf", "nan", "30\n-y",
    ],
    ids=repr,
)  # fmt: skip
def test_inexact_or_invalid_frame_rate_is_refused(given):
    with pytest.raises(ValueError, match="frame rate"):
        parse_frame_rate(given)


@pytest.mark.parametrize(
    ("given", "suggested"),
    [
        (29.97, "30000/1001"),
        (30000 / 1001, "30000/1001"),
        (np.float32(29.97), "30000/1001"),
        ("29.97", "30000/1001"),
        (Decimal("29.97"), "30000/1001"),
        (23.976, "24000/1001"),
        (23.98, "24000/1001"),
        (59.94, "60000/1001"),
        (119.88, "120000/1001"),
        (12.5, "25/2"),
        (7.5, "15/2"),
        (1 / 3, "1/3"),
        (14.99, "15000/1001"),
    ],
)
def test_rounded_decimal_is_refused_with_the_fraction_that_it_approximates(given, suggested):
    with pytest.raises(ValueError, match=f"use '{suggested}' if that is the intended rate"):
        parse_frame_rate(given)
    assert parse_frame_rate(suggested)


@pytest.mark.parametrize("given", [30, 30.0, "30", np.float32(30), Fraction(30)], ids=repr)
def test_dataset_frame_rate_is_an_integer(given):
    assert whole_frame_rate(given) == 30
    assert type(whole_frame_rate(given)) is int


def test_fraction_is_refused_as_dataset_frame_rate():
    with pytest.raises(ValueError, match="must be a whole number here, for example 30"):
        whole_frame_rate("30000/1001")


@pytest.mark.parametrize(
    ("given", "stored"), [(30, 30), (30.0, 30), ("30", "30"), ("30000/1001", "30000/1001"), (Fraction(25, 2), "25/2")]
)
def test_frame_rate_in_a_document(given, stored):
    assert plain_frame_rate(given) == stored
