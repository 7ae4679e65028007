"""Decide when a child has stalled, by its progress rather than by wall time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

SLICE_S = 0.05
"""Longest time that one check of a child blocks, and until an abort from another thread is noticed."""

CPU_ONLY_LIMIT_S = 600.0
"""Longest time for which a child may use CPU without any other progress (a slow encoder's flush)."""

# A hung ffmpeg still wakes up a few times a second, which costs less than 1 % of one core.
_CPU_SHARE = 0.01
# The time during which this process was stopped or suspended must not count against the child.
_LONGEST_STEP_S = 1.0


class StallWatch:
    """Judge one blocking call on a child.

    Progress is a change of the value of `activity`, or CPU time used by the child: at least 1 % of one core over
    ``stall_s``, for at most 600 s without a change.  At most 1 s is counted per check, so that a pause of this process
    (Ctrl-Z, suspend) does not count.

    Args:
        activity: returns a value that changes with progress: bytes written or read, frames reported.
        cpu_s: returns the CPU seconds used by the child so far, or None if unknown.
        stall_s: longest time without progress, in seconds.
        wall_s: total seconds of wall time allowed, for the message.
        left_s: remaining seconds of wall time.
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
        """Return the reason to give up, or None, after a wait timed out."""
        now = time.monotonic()
        step_s = min(now - self._looked, _LONGEST_STEP_S)
        self._looked = now
        if now >= self._deadline:
            return f"it exceeded its {self._wall_s:g} s"
        seen = self._activity()
        if seen != self._seen:
            self._seen = seen
            self._idle_s = self._unmoved_s = 0.0
            return None
        self._unmoved_s += step_s
        self._idle_s = 0.0 if self._computed() else self._idle_s + step_s
        if self._idle_s >= self._stall_s:
            return f"no progress for {self._stall_s:g} s"
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
