"""How much of the machine a child may take from us: never real-time priority, and less than ours where asked.

On Linux nice value, allowed processors and rights belong to a *thread* and are handed on to what it starts.  So a thread
that exists only to start one child is turned down first, and the child is born that way: no program in between, no
``preexec_fn`` (which would make ``subprocess`` copy our page tables), no moment in which the child is still too strong.
"""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass

_PR_CAPBSET_DROP = 24
_CAP_SYS_NICE = 23


@dataclass(frozen=True, slots=True, kw_only=True)
class Priority:
    """The priority of a child process, and of the threads in which we read what it says.

    Attributes:
        nice: 0 to 19, added to our own nice value; 19 gets processor time only when nobody else wants it.
        cpus: processors it may run on; None: those that we may run on.
    """

    nice: int = 0
    cpus: frozenset[int] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.nice, bool) or not isinstance(self.nice, int) or not 0 <= self.nice <= 19:
            raise ValueError(f"nice must be a whole number from 0 to 19, got {self.nice!r}")
        if self.cpus is not None:
            known = getattr(os, "sched_getaffinity", None)
            if known is None:
                raise ValueError("cpus cannot be chosen on this system; leave it unset")
            if not self.cpus or not self.cpus <= known(0):
                raise ValueError(f"cpus must be some of {sorted(known(0))}, got {sorted(self.cpus)}")


def lower_this_thread(priority: Priority) -> None:
    """Give this thread what its child shall have; the thread must end soon after.  Does nothing outside Linux.

    SVT-AV1 takes real-time priority (SCHED_FIFO 99) for its threads whenever it runs as root, and then starves whatever
    feeds it.  Without CAP_SYS_NICE in the bounding set an ``exec`` cannot get that right, not even as root.
    """
    if sys.platform != "linux":
        return
    # Refused (EPERM) where we have no rights to give up; then there is nothing to take away from the child either.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_CAPBSET_DROP, _CAP_SYS_NICE, 0, 0, 0)
    if priority.nice:
        os.setpriority(os.PRIO_PROCESS, 0, min(19, os.getpriority(os.PRIO_PROCESS, 0) + priority.nice))
    if priority.cpus is not None:
        os.sched_setaffinity(0, priority.cpus)


def lower_child(pid: int, priority: Priority) -> None:
    """The same for a child that has just been started, where a thread cannot hand it on."""
    if sys.platform != "linux" and sys.platform != "win32" and priority.nice:
        os.setpriority(os.PRIO_PROCESS, pid, min(19, os.getpriority(os.PRIO_PROCESS, 0) + priority.nice))
