"""What the report of a sweep says at its top: what is missing, and what disturbed the measurement."""

from __future__ import annotations

from typing import Any

import pytest

from ffenc.bench.caveats import caveats
from ffenc.bench.report import render
from tests.unit.bench.rows_of_a_sweep import row

REFERENCE = {"encoder": "libx264", "g": 2, "crf": 30}


def timing(*realtime: float, **changes: Any) -> list[dict[str, Any]]:
    quiet = {"at": "2026-01-01", "wall_s": 1.0, "others_cpu": 0.1, "load": 0.5}
    return [{**quiet, "realtime": speed, **changes} for speed in realtime]


GOOD = row(timing=timing(2.0, 2.1, 2.2))
UNTIMED = {name: value for name, value in row(key="q", status="planned", rounds=0).items() if name != "timing"}

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "stopped before a trial": (UNTIMED, "Partial: 1 of 2 trials were not measured"),
    "stopped between rounds": (
        row(key="p", status="partial", rounds=1, timing=timing(2.0)), "Partial: 1 of 2 trials lack rounds",
    ),
    "failed": (row(key="f", status="failed", reason="no", timing=[]), "Partial: 1 of 2 trials failed"),
    "another program ran": (
        row(key="o", timing=timing(2.0, others_cpu=1.5)),
        "Disturbed: during 1 of 4 timed runs other programs kept more than 0.25 processors busy, at most 1.50",
    ),
    "uneven rounds": (
        row(key="u", timing=timing(2.0, 3.0)), "Disturbed: the speed of 1 of 2 trials differs between rounds by more than a factor of 1.25, at most 1.50",
    ),
    "another machine": (
        row(key="m", machine={"processor": "64 x faster"}, timing=timing(2.0)), "Mixed: the trials ran with 2 different machines",
    ),
    "another FFmpeg": (
        row(key="b", ffmpeg={"version": "5.1", "digest": "g"}, timing=timing(2.0)), "Mixed: the trials ran with 2 different FFmpeg builds",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_caveat_is_named_with_its_figures(name):
    other, expected = CASES[name]
    (caveat,) = caveats([GOOD, other])
    assert caveat.startswith(expected)


def test_report_shows_caveats_before_its_first_figure():
    page = render([GOOD, UNTIMED], reference=REFERENCE)
    assert page.index("Partial: 1 of 2 trials were not measured") < page.index("1 trials, made by")


@pytest.mark.parametrize(
    "other",
    [
        row(key="r", status="refused", reason="not in this build", timing=[]),
        row(key="t", timing=timing(2.0, wall_s=0.04, others_cpu=0.4)),  # two ticks of the kernel's clock
        row(key="n", timing=timing(2.0, others_cpu=None)),
    ],
    ids=["refused", "short run", "unknown"],
)
def test_complete_and_quiet_sweep_has_no_caveat(other):
    assert caveats([GOOD, other]) == []
