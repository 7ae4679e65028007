"""Priority: accepted values; a child gets it and this process keeps its own."""

from __future__ import annotations

import os
import sys

import pytest

from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess
from ffenc.ffmpeg.process.priority import Priority

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs sched_getaffinity and /proc")

SAY = """
import os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
bounding = int(status["CapBnd"], 16)
nice = os.getpriority(os.PRIO_PROCESS, 0)
print(nice, os.sched_getscheduler(0), sorted(os.sched_getaffinity(0)), bounding >> 23 & 1)
"""


@pytest.mark.parametrize("nice", [-1, 20, 1.0, True, None, "10"])
def test_a_nice_value_that_makes_no_sense_is_refused(nice: object) -> None:
    with pytest.raises(ValueError, match="nice must be an integer from 0 to 19, got"):
        Priority(nice=nice)  # type: ignore[arg-type]


@pytest.mark.parametrize("nice", [0, 10, 19])
def test_any_other_is_taken(nice: int) -> None:
    assert Priority(nice=nice).nice == nice
    assert Priority(nice=nice) == Priority(nice=nice)
    assert Priority().cpus is None


@linux_only
def test_only_processors_that_we_may_use_can_be_chosen() -> None:
    ours = os.sched_getaffinity(0)
    assert Priority(cpus=frozenset(ours)).cpus == ours
    for wrong in (frozenset(), frozenset({max(ours) + 1}), frozenset({-1, min(ours)})):
        with pytest.raises(ValueError, match=r"cpus must be some of \[\d+"):
            Priority(cpus=wrong)


def test_processors_cannot_be_chosen_on_a_system_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert Priority(nice=3).cpus is None
    with pytest.raises(ValueError, match="cpus cannot be chosen on this system"):
        Priority(cpus=frozenset({0}))


def said_by_a_child(priority: Priority) -> list[str]:
    with FFmpegProcess.start([sys.executable, "-c", SAY], stdout="data", priority=priority) as process:
        return _all(process).decode().split(maxsplit=2)


def _all(process: FFmpegProcess) -> bytes:
    buffer = bytearray(500)
    return bytes(buffer[: process.read_into(buffer)])


@linux_only
def test_child_gets_the_priority_and_this_process_keeps_its_own() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0)
    some = frozenset({min(before[1])})
    nice, scheduler, rest = said_by_a_child(Priority(nice=7, cpus=some))
    assert int(nice) == min(19, before[0] + 7)
    assert int(scheduler) == os.SCHED_OTHER
    assert rest.split("]")[0] == f"[{min(some)}"
    assert (os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0)) == before


@linux_only
def test_child_never_gets_a_higher_priority() -> None:
    *_, rest = said_by_a_child(Priority())
    may_raise_itself = rest.split()[-1]
    if os.geteuid() != 0:
        pytest.skip("the bounding set can be given up by root only")
    assert may_raise_itself == "0"


@linux_only
def test_nice_stops_at_19() -> None:
    code = f"""
import os, sys
os.nice(15)
sys.path[:0] = {sys.path!r}
from tests.unit.ffmpeg.process.test_priority import said_by_a_child
from ffenc.ffmpeg.process.priority import Priority
print(said_by_a_child(Priority(nice=10))[0])
"""
    with FFmpegProcess.start([sys.executable, "-c", code], stdout="data") as process:
        assert _all(process).split() == [b"19"]
