"""Mark short steps that an exception from a signal handler must not cut in two.

Between the creation of a temporary directory and the ``try`` that removes it, an exception would leave the directory.  The
library installs no handlers.  The handlers of the command line ask `is_disturbable` and try again a little later.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType, TracebackType
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_DELICATE_MODULES = {
    __name__,
    "ffenc.threads",
    "ffenc.dataset.storage.lock",
    "concurrent.futures.thread",
    "tempfile",
    "weakref",
    "_weakrefset",
}
"""Modules that run only for a moment and that leave something behind when they are interrupted."""

_LOCKING_MODULES = {"contextlib", "threading", "queue", "concurrent.futures._base"}
"""Modules that enter marked steps, or take locks that other threads need; they can be interrupted only while they wait."""


def undisturbed_context(function: Callable[P, Iterator[T]]) -> Callable[P, AbstractContextManager[T]]:
    """Make a context manager of a generator, as `contextlib.contextmanager` does, whose beginning and end are not cut in two.

    The block itself can be interrupted.
    """
    make = contextmanager(function)

    @functools.wraps(function)
    def manager(*args: P.args, **kwargs: P.kwargs) -> AbstractContextManager[T]:
        return _UndisturbedContext(make(*args, **kwargs))

    return manager


class _UndisturbedContext(AbstractContextManager[T], Generic[T]):
    """A context manager that is on the stack, for `is_disturbable`, while it is entered and left."""

    def __init__(self, inner: AbstractContextManager[T]) -> None:
        self._inner = inner

    def __enter__(self) -> T:
        return self._inner.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._inner.__exit__(kind, error, trace)


def is_disturbable(frame: FrameType | None, *, is_waiting: bool) -> bool:
    """Return whether an exception may be raised in a frame: it and its callers are outside of every marked step.

    Args:
        frame: what a signal has interrupted.
        is_waiting: it has not moved since the signal came.
    """
    if frame is not None and frame.f_globals.get("__name__") in _LOCKING_MODULES and not is_waiting:
        return False
    while frame is not None:
        if frame.f_code.co_name == "__del__" or frame.f_globals.get("__name__") in _DELICATE_MODULES:
            return False
        frame = frame.f_back
    return True
