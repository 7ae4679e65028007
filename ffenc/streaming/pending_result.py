"""The result of background work, whose error is always raised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ffenc.errors import ErrorGroup
from ffenc.owner import Owner
from ffenc.threads import Gate

T_co = TypeVar("T_co", covariant=True)


class PendingResult(Generic[T_co]):
    """The result of background work.

    `wait` returns it or raises its error.  The object that returned the pending result raises errors that were not seen
    (`unseen_error`) in its next call, so no error gets lost.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._ended = Gate()
        self._result: list[T_co] = []
        self._error: BaseException | None = None
        self._seen = False
        self._owner = Owner()

    def done(self) -> bool:
        """Whether the work has ended, with a result or an error."""
        return self._ended.is_open

    def error(self) -> BaseException | None:
        """Return the error, or None before the end and after a success.  The error then counts as seen."""
        if self._error is not None:
            self._seen = True
        return self._error

    def wait(self, timeout_s: float | None = None) -> T_co:
        """Wait for the result.

        Args:
            timeout_s: longest wait in seconds; None waits until the end (hanging work is killed and ends with an error).

        Raises:
            FFencError: the error of the work; an `ErrorGroup` if several cameras failed.
            NotOwnerError: this process was forked from the one that does the work.
            TimeoutError: the work has not ended; wait again.
        """
        self._owner.check(self)
        if not self._ended.wait(timeout_s):
            raise TimeoutError(f"{self._what} is not complete after {timeout_s} s; it continues in the background")
        if self._error is not None:
            self._seen = True
            raise self._error
        return self._result[0]

    def settle(self, timeout_s: float | None = None) -> bool:
        """Wait for the end without reading the result; return whether the work has ended."""
        return self._ended.wait(timeout_s)

    def run(self, work: Callable[[], T_co], *, is_seen: bool = False) -> None:
        """Do the work, and end with its result or its error; ``is_seen`` if the error was raised elsewhere already."""
        try:
            self._result.append(work())
        except BaseException as err:  # raised by `wait`
            self._error, self._seen = err, self._seen or is_seen
        self._ended.open()

    def hand_over(self) -> None:
        """Leave the error to another result, which waits for this one and raises it; `unseen_error` then returns None."""
        self._seen = True

    def unseen_error(self) -> BaseException | None:
        """Return the error if it was not seen yet; it then counts as seen."""
        if self._error is None or self._seen:
            return None
        self._seen = True
        return self._error

    def __repr__(self) -> str:
        state = "is running" if not self.done() else "failed" if self._error else "is complete"
        return f"<{self._what} {state}>"


def one_error(message: str, errors: Sequence[BaseException]) -> BaseException:
    """Return the only error or a group of several; an interrupt takes precedence."""
    if len(errors) == 1:
        return errors[0]
    grouped = [error for error in errors if isinstance(error, Exception)]
    if len(grouped) < len(errors):
        return next(error for error in errors if not isinstance(error, Exception))
    reasons = "; ".join(str(error).partition("\n")[0] for error in grouped)
    return ErrorGroup(f"{message}: {reasons}", grouped)
