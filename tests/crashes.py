"""A process that dies at the n-th thing it asks of the file system, for every n."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

_EVENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "open"}

DIED, DONE, FAILED = 9, 0, 3


def dies_at(n: int, work: Callable[[], object]) -> bool:
    """Do the work in a fork that ends without any clean-up at its n-th change of the file system, counted from 0.

    Returns:
        True if it died, False if the work was done before.
    """
    pid = os.fork()
    if pid == 0:
        _work_and_die(n, work)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (DIED, DONE), f"the work failed by itself at step {n}"
    return code == DIED


def _work_and_die(n: int, work: Callable[[], object]) -> None:
    left = n

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event not in _EVENTS or (event == "open" and not _writes(arguments)):
            return
        if left == 0:
            os._exit(DIED)
        left -= 1

    try:
        sys.addaudithook(count)
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(FAILED)
    os._exit(DONE)


def _writes(arguments: tuple[object, ...]) -> bool:
    _, mode, flags = arguments
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))
