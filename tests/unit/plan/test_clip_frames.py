"""Filters that select frames by timestamp: exactly the listed frames, and never others."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffenc.errors import InputError
from ffenc.plan.clip_frames import MOST_RUNS, ClipFrames, FrameClock, ranges_of

NAMES = {
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gte": lambda a, b: a >= b,
    "abs": abs,
    "__builtins__": {},
}
MILLISECONDS = FrameClock(first_pts=-23, ticks_per_frame=Fraction(1000, 240), time_base=Fraction(1, 1000))
NTSC = FrameClock(first_pts=8_000_000_000, ticks_per_frame=Fraction(3003), time_base=Fraction(1, 90000))


def frames(runs: tuple[tuple[int, int], ...], clock: FrameClock = NTSC, **more: object) -> ClipFrames:
    return ClipFrames(path=Path("/in/a.mkv"), demuxer="matroska", size=(64, 48), clock=clock, runs=runs, **more)


def taken(chosen: ClipFrames, decoded: list[int]) -> list[int]:
    """Which of the decoded frames, by number, the filters of a selection let through."""
    filters = dict(chosen.input().filters)
    expression = compile(filters["select"]["expr"], "expression", "eval")
    end = int(filters["trim"]["end_pts"])
    passed: list[int] = []
    for number in decoded:
        pts = round(chosen.clock.first_pts + number * chosen.clock.ticks_per_frame)
        if pts < end and eval(expression, {**NAMES, "pts": pts, "selected_n": len(passed)}):  # noqa: S307
            passed.append(number)
    return passed


@given(st.sets(st.integers(0, 300), min_size=1), st.sampled_from([MILLISECONDS, NTSC]), st.integers(0, 300))
def test_any_list_of_frames_is_selected_from_any_start_of_decoding(
    numbers: set[int], clock: FrameClock, start: int
) -> None:
    wanted = sorted(numbers)
    chosen = frames(ranges_of(wanted), clock)
    assert list(chosen.numbers()) == wanted
    assert chosen.count == len(wanted)
    assert taken(chosen, list(range(min(start, wanted[0]), 301))) == wanted


@given(st.sets(st.integers(0, 60), min_size=1), st.lists(st.integers(0, 60)))
def test_other_frames_are_never_selected_whatever_the_decoder_outputs(numbers: set[int], decoded: list[int]) -> None:
    wanted = sorted(numbers)
    passed = taken(frames(ranges_of(wanted)), sorted(decoded))
    assert passed == wanted[: len(passed)]


def test_every_third_frame_of_two_ranges() -> None:
    chosen = frames(((2, 4), (19, 5)), every=3)
    assert taken(chosen, list(range(60))) == [2, 5, 8, 11, 19, 22, 25, 28, 31]
    assert (chosen.first, chosen.last, chosen.count) == (2, 31, 9)


def test_seek_uses_timestamps_of_the_container() -> None:
    options = dict(frames(((30, 2),), seek_s=Fraction(3, 2)).input().options)
    assert options["ss"] == "1.500000"
    assert options["seek_timestamp"] == "1"
    assert "noaccurate_seek" in options
    assert "ss" not in dict(frames(((30, 2),)).input().options)


def test_the_longest_list_fits_into_one_argument_and_a_longer_one_is_refused() -> None:
    runs = tuple((1_000_000 + 2 * number, 1) for number in range(MOST_RUNS))
    expression = dict(frames(runs).input().filters)["select"]["expr"]
    assert len(expression.replace(",", "\\\\,")) < 128 * 1024
    with pytest.raises(InputError, match=f"at most {MOST_RUNS}"):
        frames((*runs, (9_000_000, 1))).input()
