"""StallWatch: which changes count as progress, and for how long."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ffenc.ffmpeg.process import stall
from ffenc.ffmpeg.process.stall import CPU_ONLY_LIMIT_S, StallWatch


class Clock:
    """Stands in for the `time` module, so that 600 s take no time."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stall, "time", clock)
    return clock


def seconds_until_complaint(
    clock: Clock,
    *,
    activity: Callable[[float], object] = lambda _now: 0,
    cpu_s: Callable[[float], float | None] = lambda _now: None,
    step_s: float = 0.05,
    give_up_s: float = 2000.0,
    stall_s: float = 10.0,
    **limits: float,
) -> tuple[float, str | None]:
    start = clock.now
    watch = StallWatch(
        activity=lambda: activity(clock.now - start), cpu_s=lambda: cpu_s(clock.now - start), stall_s=stall_s, **limits
    )
    while clock.now - start < give_up_s:
        clock.now += step_s
        if why := watch.complaint():
            return clock.now - start, why
    return clock.now - start, None


def test_nothing_at_all_is_a_stall(clock: Clock) -> None:
    after_s, why = seconds_until_complaint(clock)
    assert after_s == pytest.approx(10, abs=0.2)
    assert why == "no progress for 10 s"


def test_each_change_starts_the_count_again(clock: Clock) -> None:
    after_s, _ = seconds_until_complaint(clock, activity=lambda now: min(int(now / 9), 5))
    assert after_s == pytest.approx(5 * 9 + 10, abs=0.2)


def test_change_every_nine_seconds_is_never_a_stall(clock: Clock) -> None:
    assert seconds_until_complaint(clock, activity=lambda now: int(now / 9))[1] is None


@pytest.mark.parametrize(
    ("share", "expected_s"),
    [
        pytest.param(0.0, 10.0, id="idle"),
        pytest.param(0.002, 10.0, id="only-wakes-up"),
        pytest.param(0.02, CPU_ONLY_LIMIT_S, id="works-a-little"),
        pytest.param(1.0, CPU_ONLY_LIMIT_S, id="works"),
    ],
)
def test_cpu_time_counts_as_progress_for_a_limited_time(clock: Clock, share: float, expected_s: float) -> None:
    after_s, _ = seconds_until_complaint(clock, cpu_s=lambda now: 3.0 + round(share * now, 2))
    assert after_s == pytest.approx(expected_s, rel=0.03)


def test_stall_is_counted_from_the_last_cpu_use(clock: Clock) -> None:
    after_s, _ = seconds_until_complaint(clock, cpu_s=lambda now: min(now, 60.0))
    assert after_s == pytest.approx(70, abs=0.3)


def test_a_stall_limit_above_600_s_is_kept_for_cpu_as_well(clock: Clock) -> None:
    after_s, why = seconds_until_complaint(clock, cpu_s=lambda now: now, stall_s=900.0)
    assert after_s == pytest.approx(900, abs=1)
    assert why == "busy for 900 s without any progress"


def test_pause_of_this_process_does_not_count(clock: Clock) -> None:
    watch = StallWatch(activity=lambda: 0, cpu_s=lambda: None, stall_s=10.0)
    clock.now += 3600
    assert watch.complaint() is None
    clock.now += 9
    assert watch.complaint() is None


def test_the_wall_limit_holds_whatever_happens(clock: Clock) -> None:
    after_s, why = seconds_until_complaint(
        clock, activity=lambda now: now, cpu_s=lambda now: now, wall_s=30.0, left_s=20.0
    )
    assert after_s == pytest.approx(20, abs=0.1)
    assert why == "it exceeded its 30 s"


def test_call_without_limits_never_stalls(clock: Clock) -> None:
    assert seconds_until_complaint(clock, stall_s=float("inf"), cpu_s=lambda now: now)[1] is None
