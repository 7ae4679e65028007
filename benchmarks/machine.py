"""Describe the machine, and keep it from disturbing measurements."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from ffenc.bench.machine import describe_machine, memory_directory

__all__ = [
    "busy_cpu_s",
    "child_pids",
    "description",
    "give_up_realtime_rights",
    "may_take_realtime",
    "memory_directory",
    "thread_policies",
    "wait_until_quiet",
]

CAP_SYS_NICE = 23
"""Capability to take real-time priority (capabilities(7))."""

_PR_CAPBSET_DROP = 24
_RESTARTED = "FFENC_BENCH_RESTARTED"


def give_up_realtime_rights() -> None:
    """Restart this program without the right to real-time priority, if it has it.

    SVT-AV1 takes SCHED_FIFO 99 for its threads when it may, in a child process as well as inside PyAV.  It then starves
    whatever else is measured.  A right that is gone from the bounding set does not survive an ``exec``, and no helper
    program is needed for that.
    """
    if sys.platform != "linux" or not may_take_realtime() or _RESTARTED in os.environ:
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_CAPBSET_DROP, CAP_SYS_NICE, 0, 0, 0) == 0:
        os.environ[_RESTARTED] = "1"
        os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606  # ourselves, with our own arguments


def may_take_realtime() -> bool:
    """Return whether this process has CAP_SYS_NICE."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    effective = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> CAP_SYS_NICE & 1)


def thread_policies(pid: int | str = "self") -> str:
    """Return the scheduling policies of all threads of a process, such as ``"57 SCHED_OTHER"``."""
    names = {getattr(os, name): name for name in ("SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_IDLE")}
    seen: Counter[str] = Counter()
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            policy = os.sched_getscheduler(int(task.name))
        except ProcessLookupError:  # it ended meanwhile
            continue
        seen[names.get(policy, str(policy))] += 1
    return ", ".join(f"{count} {name}" for name, count in seen.most_common())


def child_pids(pid: int | str = "self") -> list[int]:
    """Return the children of a process that it has not waited for."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that ended meanwhile
            children += map(int, (task / "children").read_text(encoding="ascii").split())
    return children


def busy_cpu_s() -> float:
    """Return the CPU seconds of all processes since the machine started, and the time stolen by its host."""
    line = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
    user, nice, system, _, _, irq, softirq, steal = (int(field) for field in line[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def wait_until_quiet(patience_s: float) -> None:
    """Wait until other programs use less than a tenth of the machine for a second, or until the time limit."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        before = busy_cpu_s()
        time.sleep(1)
        if busy_cpu_s() - before < 0.1 * (os.cpu_count() or 1):
            return


def description() -> dict[str, str]:
    """Return processor, system and the versions of the software."""
    packages = ("numpy", "pydantic", "av", "imageio-ffmpeg", "opencv-python-headless", "pillow")
    found = {
        "load at start": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        "may take real-time priority": "yes" if may_take_realtime() else "no",
    }
    return describe_machine(packages) | found
