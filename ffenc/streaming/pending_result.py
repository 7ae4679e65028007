"""An episode that is completed in the background, and an outcome that cannot be missed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ffenc.owner import Owner

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

T_co = TypeVar("T_co", covariant=True)


class PendingResult(Generic[T_co]):
    """The outcome of work that goes on in the background.

    `wait` gives it or raises its error.  An error that nobody has seen comes out of the next call of whoever handed out the
    handle (`raise_unseen`), so it cannot get lost.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._ended = threading.Event()
        self._result: list[T_co] = []
        self._error: BaseException | None = None
        self._seen = False
        self._owner = Owner()

    def done(self) -> bool:
        """Whether it has ended, well or badly."""
        return self._ended.is_set()

    def error(self) -> BaseException | None:
        """The error it ended with; None if it ended well or goes on.  Looking at it counts as having seen it."""
        if self._error is not None:
            self._seen = True
        return self._error

    def wait(self, timeout_s: float | None = None) -> T_co:
        """Wait for the outcome.

        Args:
            timeout_s: most seconds to wait; None: as long as it takes (what hangs is killed and ends with an error).

        Raises:
            FFencError: what went wrong; an ExceptionGroup of them where several cameras failed.
            NotOwnerError: this process was forked from the one that works on it.
            TimeoutError: it goes on; wait once more.
        """
        self._owner.check(self)
        if not self._ended.wait(timeout_s):
            raise TimeoutError(f"{self._what} is not complete after {timeout_s} s; it goes on in the background")
        if self._error is not None:
            self._seen = True
            raise self._error
        return self._result[0]

    def settle(self, timeout_s: float | None = None) -> bool:
        """Wait for its end without looking at the outcome; whether it has ended."""
        return self._ended.wait(timeout_s)

    def complete(self, result: T_co) -> None:  # type: ignore[misc]  # only its maker calls it
        """End it well."""
        self._result.append(result)
        self._ended.set()

    def fail(self, error: BaseException, *, is_seen: bool = False) -> None:
        """End it with an error; ``is_seen`` says that whoever waits has been told of it already."""
        self._error, self._seen = error, is_seen
        self._ended.set()

    def run(self, work: Callable[[], T_co], *, is_seen: bool = False) -> None:
        """End it with what the work returns or raises; see `fail`."""
        try:
            result = work()
        except BaseException as err:  # it crosses to whoever waits
            self.fail(err, is_seen=is_seen)
        else:
            self.complete(result)

    def unseen_error(self) -> BaseException | None:
        """Its error, if nobody has seen it yet; from now on somebody has."""
        if self._error is None or self._seen:
            return None
        self._seen = True
        return self._error

    def __repr__(self) -> str:
        state = "goes on" if not self.done() else "failed" if self._error else "is complete"
        return f"<{self._what} {state}>"


def one_error(message: str, errors: Sequence[BaseException]) -> BaseException:
    """The error itself, or a group of several."""
    if len(errors) == 1:
        return errors[0]
    kept = [error for error in errors if isinstance(error, Exception)]
    if len(kept) < len(errors):
        return next(error for error in errors if not isinstance(error, Exception))
    reasons = "; ".join(str(error).partition("\n")[0] for error in kept)
    return ExceptionGroup(f"{message}: {reasons}", kept)
