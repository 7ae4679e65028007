"""Lower the priority of a child: never real-time priority, and a nice value and processors on request.

On Linux these belong to a *thread* and are inherited by the processes that it starts.  So a thread that only starts one
child is lowered first, and the child starts with them.  This needs no wrapper program and no ``preexec_fn`` (with which
``subprocess`` would copy the page tables).
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
    """The priority of a child process, and of the threads that read its output.

    Attributes:
        nice: 0 to 19, added to this process's nice value; 19 gets only processor time that is otherwise idle.
        cpus: processors it may run on; None: those of this process.
    """

    nice: int = 0
    cpus: frozenset[int] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.nice, bool) or not isinstance(self.nice, int) or not 0 <= self.nice <= 19:
            raise ValueError(f"nice must be an integer from 0 to 19, got {self.nice!r}")
        if self.cpus is not None:
            known = getattr(os, "sched_getaffinity", None)
            if known is None:
                raise ValueError("cpus cannot be chosen on this system; leave it unset")
            if not self.cpus or not self.cpus <= known(0):
                raise ValueError(f"cpus must be some of {sorted(known(0))}, got {sorted(self.cpus)}")


def lower_this_thread(priority: Priority) -> None:
    """Give this short-lived thread the priority for its child.  Does nothing outside Linux.

    As root, SVT-AV1 takes real-time priority (SCHED_FIFO 99) for its threads and starves the process that feeds it.  Without
    CAP_SYS_NICE in the bounding set a started program cannot, not even as root.
    """
    if sys.platform != "linux":
        return
    # Fails with EPERM if this process lacks the capability; then the child lacks it too.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_CAPBSET_DROP, _CAP_SYS_NICE, 0, 0, 0)
    if priority.nice:
        os.setpriority(os.PRIO_PROCESS, 0, min(19, os.getpriority(os.PRIO_PROCESS, 0) + priority.nice))
    if priority.cpus is not None:
        os.sched_setaffinity(0, priority.cpus)


def lower_child(pid: int, priority: Priority) -> None:
    """Lower a child that was just started, on systems where it does not inherit the priority of a thread."""
    if sys.platform != "linux" and sys.platform != "win32" and priority.nice:
        os.setpriority(os.PRIO_PROCESS, pid, min(19, os.getpriority(os.PRIO_PROCESS, 0) + priority.nice))
