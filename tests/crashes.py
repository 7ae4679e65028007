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


def count_changes(work: Callable[[], object]) -> int:
    """Return how many changes of the file system some work makes, in a fork."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        counted = 0

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal counted
            counted += changes_files(event, arguments)

        try:
            sys.addaudithook(count)
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(FAILED)
        os.write(writing, str(counted).encode())
        os._exit(DONE)
    os.close(writing)
    with os.fdopen(reading) as file:
        said = file.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == DONE
    return int(said)


def _work_and_die(n: int, work: Callable[[], object]) -> None:
    left = n

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if not changes_files(event, arguments):
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


def changes_files(event: str, arguments: tuple[object, ...]) -> bool:
    """Whether an audit event is a change of the file system."""
    return event in _EVENTS and (event != "open" or _writes(arguments))


def _writes(arguments: tuple[object, ...]) -> bool:
    _, mode, flags = arguments
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))
