from __future__ import annotations

import pytest

from ffenc.bench.analysis import at_quality, bd_rate, curves, gaps, pareto_front
from ffenc.bench.rows import summary
from tests.unit.bench.rows_of_a_sweep import row

CRFS = {20: (4000, 0.98), 30: (2000, 0.95), 40: (1000, 0.90), 50: (500, 0.80)}


def sweep(encoder: str = "libx264", *, times: float = 1.0, **changes) -> list[dict]:
    rows = [
        row(encoder=encoder, crf=crf, size_bytes=size * times, ssim=ssim, **changes)
        for crf, (size, ssim) in CRFS.items()
    ]
    return [summary(one) for one in rows]


def test_the_front_is_what_nothing_beats_in_everything():
    best = summary(row(key="best", size_bytes=500, ssim=0.9))
    larger_and_better = summary(row(key="better", size_bytes=900, ssim=0.95))
    beaten = summary(row(key="beaten", size_bytes=600, ssim=0.9))
    twin = summary(row(key="twin", size_bytes=500, ssim=0.9))
    unknown = summary(row(key="unknown", size_bytes=1, ssim=None))
    found = [one["key"] for one in pareto_front([best, larger_and_better, beaten, twin, unknown])]
    assert found == ["best", "better", "twin"]


def test_a_front_is_of_one_source():
    other = row(key="other", size_bytes=9999)
    other["source"] = {**other["source"], "name": "other"}
    assert len(pareto_front([summary(row()), summary(other)])) == 2


def test_half_the_bits_at_equal_similarity_have_a_bd_rate_of_minus_half():
    base, half = curves(sweep()), curves(sweep("libx265", times=0.5))
    assert bd_rate(base[0], half[0]) == (-50.0, None)
    assert bd_rate(half[0], base[0]) == (100.0, None)


def test_a_bd_rate_that_cannot_be_said_has_a_reason():
    few = curves(sweep()[:3])[0]
    assert bd_rate(few, few) == (None, "both curves need 4 points of rising ssim")
    low = [{**one, "ssim": one["ssim"] - 0.5} for one in sweep("libx265")]
    percent, reason = bd_rate(curves(sweep())[0], curves(low)[0])
    assert (percent, reason) == (None, "the ranges of ssim do not overlap")
    barely = [{**one, "ssim": one["ssim"] - 0.1} for one in sweep("libx265")]
    percent, reason = bd_rate(curves(sweep())[0], curves(barely)[0])
    assert (percent, reason) == (None, "the curve covers less than half of the reference's range of ssim")


def test_values_at_a_similarity_are_interpolated():
    (curve,) = curves(sweep())
    assert at_quality(curve, "ssim", 0.95)["kbit_per_s"] == pytest.approx(8.0)
    between = at_quality(curve, "ssim", 0.925)
    assert between["crf"] == pytest.approx(35)
    assert between["kbit_per_s"] == pytest.approx((8 * 4) ** 0.5)
    assert at_quality(curve, "ssim", 0.99) == {}


def test_gaps_are_ratios_to_the_reference_of_the_same_source():
    rows = [*sweep(), *sweep("libx265", times=0.5)]
    (gap,) = gaps(rows, {"encoder": "libx264", "g": 2, "crf": 30})
    assert gap.curve.encoder == "libx265"
    assert gap.bd_rate_percent == -50
    assert gap.equal_crf == pytest.approx(30)
    assert gap.at_equal["kbit_per_s"] == pytest.approx(0.5)
    assert gaps(rows, {"encoder": "libx264", "g": 7, "crf": 30}) == []
