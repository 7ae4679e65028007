"""When to give up on a child: by what it got done, not by the clock on the wall."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

SLICE_S = 0.05
"""How long one look at a child may block; also how soon an abort from another thread is noticed."""

CPU_ONLY_LIMIT_S = 600.0
"""Longest time for which a child may burn CPU without any other sign of progress (a slow encoder's flush)."""

# A hung ffmpeg still wakes up a few times a second; 1 % of one core is more than that ever costs.
_CPU_SHARE = 0.01
# A parent that was stopped or suspended must not take its own absence for the child's.
_LONGEST_STEP_S = 1.0


class StallWatch:
    """Judge one blocking call on a child.

    Progress is a change of what `activity` returns, or CPU time used by the child: at least 1 % of one core
    over ``stall_s``, and for at most 600 s on end.  Time is summed over the looks, at most 1 s for each, so a
    stopped parent (Ctrl-Z, suspend) does not find its child late when it comes back.

    Args:
        activity: a value that changes whenever something moved: bytes written or read, frames reported.
        cpu_s: CPU seconds used by the child so far; None where the system does not tell.
        stall_s: longest time without progress, in seconds.
        wall_s: seconds of wall time allowed in all, however much it does.
        left_s: how many of those are left.
    """

    def __init__(
        self,
        *,
        activity: Callable[[], object],
        cpu_s: Callable[[], float | None],
        stall_s: float,
        wall_s: float = math.inf,
        left_s: float = math.inf,
    ) -> None:
        self._activity = activity
        self._cpu_s = cpu_s
        self._stall_s = stall_s
        self._looked = time.monotonic()
        self._wall_s = wall_s
        self._deadline = self._looked + left_s
        self._seen = activity()
        self._cpu_mark_s: float | None = None
        self._idle_s = 0.0
        self._unmoved_s = 0.0

    def complaint(self) -> str | None:
        """Call after a wait in vain: why to give up now, or None to go on waiting."""
        now = time.monotonic()
        step_s = min(now - self._looked, _LONGEST_STEP_S)
        self._looked = now
        if now >= self._deadline:
            return f"its {self._wall_s:g} s are over"
        seen = self._activity()
        if seen != self._seen:
            self._seen = seen
            self._idle_s = self._unmoved_s = 0.0
            return None
        self._unmoved_s += step_s
        self._idle_s = 0.0 if self._computed() else self._idle_s + step_s
        if self._idle_s >= self._stall_s:
            return f"no sign of progress for {self._stall_s:g} s"
        limit_s = max(CPU_ONLY_LIMIT_S, self._stall_s)
        if self._unmoved_s >= limit_s:
            return f"busy for {limit_s:g} s without any progress"
        return None

    def _computed(self) -> bool:
        cpu_s = self._cpu_s()
        if cpu_s is None:
            return False
        if self._cpu_mark_s is None:
            self._cpu_mark_s = cpu_s
        if cpu_s - self._cpu_mark_s < _CPU_SHARE * self._stall_s or cpu_s == self._cpu_mark_s:
            return False
        self._cpu_mark_s = cpu_s
        return True
