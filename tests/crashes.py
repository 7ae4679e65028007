"""Run work in a fork: let it die at its n-th change of the file system, stop there, or count its changes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ffenc.errors import FFencError

_EVENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "open"}

DONE, REFUSED, FAILED, DIED = 0, 1, 2, 9
"""Exit codes of a fork: its work returned, raised an `FFencError` or another error, or was killed at a change."""


def start_fork(work: Callable[[], object]) -> int:
    """Do the work in a fork that ends without clean-up, and return its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = FAILED
    try:
        work()
        code = DONE
    except FFencError:
        code = REFUSED
        traceback.print_exc()
    except BaseException:
        traceback.print_exc()
    os._exit(code)


def exit_code(pid: int) -> int:
    """Wait for a fork, and return its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def at_change(n: int, act: Callable[[], object], *, below: Path | None = None) -> None:
    """Call ``act`` before the n-th change of the file system of this process, counted from 0; it cannot be undone.

    Args:
        n: number of the change.
        act: called once.
        below: count only changes that name a path below this directory.
    """
    left = n

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if changes_files(event, arguments) and (below is None or str(below) in str(arguments)):
            left -= 1
            if left == -1:
                act()

    sys.addaudithook(hook)


def dies_at(n: int, work: Callable[[], object]) -> bool:
    """Do the work in a fork that is killed at its n-th change of the file system; False if the work ended before."""

    def doomed() -> None:
        at_change(n, lambda: os._exit(DIED))
        work()

    code = exit_code(start_fork(doomed))
    assert code in (DIED, DONE), f"the work failed by itself at step {n}"
    return code == DIED


def count_changes(work: Callable[[], object]) -> int:
    """Do the work in a fork, and return how many changes of the file system it makes."""
    reading, writing = os.pipe()

    def counted() -> None:
        count = 0

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal count
            count += changes_files(event, arguments)

        sys.addaudithook(hook)
        work()
        os.write(writing, str(count).encode())

    pid = start_fork(counted)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    assert exit_code(pid) == DONE
    return int(text)


class Paused:
    """Work in a fork that stops at its n-th change below a directory until `finish` is called."""

    def __init__(self, work: Callable[[], object], below: Path, at: int) -> None:
        self._reached, reached = os.pipe()
        go, self._go = os.pipe()

        def pausing() -> None:
            at_change(at, lambda: (os.write(reached, b"x"), os.read(go, 1)), below=below)
            work()

        self._pid = start_fork(pausing)
        os.close(reached)
        os.close(go)

    def wait(self) -> bool:
        """Wait until it stops; return False if it has ended before."""
        return os.read(self._reached, 1) == b"x"

    def finish(self) -> bool:
        """Let it continue to its end, and return whether it succeeded; it may have raised an `FFencError`."""
        with suppress(BrokenPipeError):  # it has ended
            os.write(self._go, b"x")
        code = exit_code(self._pid)
        os.close(self._go)
        os.close(self._reached)
        assert code in (DONE, REFUSED), "it ended with an error that is not typed"
        return code == DONE


def changes_files(event: str, arguments: tuple[object, ...]) -> bool:
    """Return whether an audit event is a change of the file system."""
    return event in _EVENTS and (event != "open" or _writes(arguments))


def _writes(arguments: tuple[object, ...]) -> bool:
    _, mode, flags = arguments
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))
