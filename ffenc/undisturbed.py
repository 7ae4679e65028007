"""Mark short steps that an exception from a signal handler must not interrupt.

For example, an exception between the creation of a temporary directory and the ``try`` that removes it would leave the
directory behind.  The library installs no signal handlers.  Those of the command line call `is_disturbable`, and retry a
little later if it returns False.
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
"""Modules that run briefly and leave files, locks or threads behind if they are interrupted."""

_LOCKING_MODULES = {"contextlib", "threading", "queue", "concurrent.futures._base"}
"""Modules that enter marked steps or take locks that other threads need; they may be interrupted only while they wait."""


def undisturbed_context(function: Callable[P, Iterator[T]]) -> Callable[P, AbstractContextManager[T]]:
    """Turn a generator function into a context manager whose entry and exit are not interrupted.

    It works like `contextlib.contextmanager`.  The body of the ``with`` statement can be interrupted.
    """
    make = contextmanager(function)

    @functools.wraps(function)
    def manager(*args: P.args, **kwargs: P.kwargs) -> AbstractContextManager[T]:
        return _UndisturbedContext(make(*args, **kwargs))

    return manager


class _UndisturbedContext(AbstractContextManager[T], Generic[T]):
    """A context manager with a stack frame in this module during entry and exit, which `is_disturbable` detects."""

    def __init__(self, inner: AbstractContextManager[T]) -> None:
        self._inner = inner

    def __enter__(self) -> T:
        return self._inner.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._inner.__exit__(kind, error, trace)


def is_disturbable(frame: FrameType | None, *, is_waiting: bool) -> bool:
    """Return whether a stack frame and all its callers are outside marked steps, so that an exception may be raised in it.

    Args:
        frame: the stack frame that a signal interrupted.
        is_waiting: whether the frame has made no progress since the signal.
    """
    if frame is not None and frame.f_globals.get("__name__") in _LOCKING_MODULES and not is_waiting:
        return False
    while frame is not None:
        if frame.f_code.co_name == "__del__" or frame.f_globals.get("__name__") in _DELICATE_MODULES:
            return False
        frame = frame.f_back
    return True
