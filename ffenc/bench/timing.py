"""Measure the cost of work, and interleave repeats so that comparisons are fair.

The peer comparison in ``benchmarks/`` uses this module too.
"""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

QUIET_CPUS = 0.25
"""Processors that other programs may use on an idle machine."""

_STAT = Path("/proc/stat")
_RAPL = Path("/sys/class/powercap")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Cost of a run.

    Attributes:
        wall_s: elapsed seconds.
        own_cpu_s: CPU seconds of this process, all threads, user and system.
        child_cpu_s: CPU seconds of the children that ended during the run.
        others_cpu_s: CPU seconds of other programs during the run; None without ``/proc/stat``.
        energy_j: energy of the processor packages, for everything that ran; None if RAPL cannot be read.
        load: load average of the last minute at the start, if known.
        note: further measurements of the run.
    """

    wall_s: float
    own_cpu_s: float
    child_cpu_s: float
    others_cpu_s: float | None = None
    energy_j: float | None = None
    load: float | None = None
    note: Mapping[str, float] = field(default_factory=dict)

    @property
    def cpu_s(self) -> float:
        """CPU seconds of this process and its children."""
        return self.own_cpu_s + self.child_cpu_s


def cost_of(work: Callable[[], Mapping[str, float] | None]) -> Cost:
    """Run a function once and measure it, after a garbage collection."""
    gc.collect()
    load = load_average()
    machine, energy = machine_cpu_s(), _energy_uj()
    own, children, clock = _cpu_s(resource.RUSAGE_SELF), _cpu_s(resource.RUSAGE_CHILDREN), time.perf_counter()
    note = work()
    wall_s = time.perf_counter() - clock
    own_cpu_s = _cpu_s(resource.RUSAGE_SELF) - own
    child_cpu_s = _cpu_s(resource.RUSAGE_CHILDREN) - children
    machine_after = machine_cpu_s()
    others_cpu_s = None
    if machine is not None and machine_after is not None:
        # The kernel counts in ticks, so a busy child may seem to have used more than the machine did.
        others_cpu_s = max(0.0, machine_after - machine - own_cpu_s - child_cpu_s)
    return Cost(
        wall_s=wall_s,
        own_cpu_s=own_cpu_s,
        child_cpu_s=child_cpu_s,
        others_cpu_s=others_cpu_s,
        energy_j=_energy_between(energy, _energy_uj()),
        load=load,
        note=note or {},
    )


def interleaved(
    works: Mapping[str, Callable[[], Mapping[str, float] | None]], repeats: int, *, warm_up: bool = True
) -> dict[str, list[Cost]]:
    """Run all functions in turn, in the order of `round_order`, so that a slow period affects all of them equally."""
    costs: dict[str, list[Cost]] = {name: [] for name in works}
    if warm_up:
        for work in works.values():
            work()
    for number in range(repeats):
        for name in round_order(list(works), number):
            costs[name].append(cost_of(works[name]))
    return costs


def round_order(items: Sequence[T], number: int) -> Sequence[T]:
    """Return the order of a round: reversed in every other round."""
    return items if number % 2 == 0 else items[::-1]


def load_average() -> float | None:
    """Return the load average of the last minute."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def machine_cpu_s() -> float | None:
    """Return the CPU seconds of the machine since it started; None without ``/proc/stat``."""
    try:
        fields = _STAT.read_text(encoding="ascii").split(maxsplit=9)[1:9]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(value) for value in fields)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(patience_s: float) -> bool:
    """Wait until the rest of the machine is nearly idle.

    Args:
        patience_s: longest wait.

    Returns:
        Whether the machine is idle; also True without ``/proc/stat``.
    """
    ends = time.monotonic() + patience_s
    while True:
        before, clock = machine_cpu_s(), time.monotonic()
        time.sleep(_LOOK_S)
        after = machine_cpu_s()
        if before is None or after is None or (after - before) / (time.monotonic() - clock) <= QUIET_CPUS:
            return True
        if time.monotonic() >= ends:
            return False


_LOOK_S = 0.4


def _cpu_s(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _energy_uj() -> dict[str, tuple[int, int]]:
    """Return (microjoules so far, maximum of the counter) of each processor package."""
    found = {}
    for package in _RAPL.glob("intel-rapl:*"):
        # One colon is a package, two colons are a part of it.
        if package.name.count(":") == 1:
            try:
                now, wrap = ((package / name).read_text() for name in ("energy_uj", "max_energy_range_uj"))
            except OSError:  # since 5.10 only root may read it
                continue
            found[package.name] = int(now), int(wrap)
    return found


def _energy_between(before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]) -> float | None:
    if not before or before.keys() != after.keys():
        return None
    return sum((after[name][0] - then) % wrap for name, (then, wrap) in before.items()) / 1e6
