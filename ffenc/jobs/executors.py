"""Executors by name: threads and processes of this machine, or a Dask cluster."""

from __future__ import annotations

import multiprocessing
import re
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from ffenc.errors import FFencError
from ffenc.jobs.stopping import stop_on_interrupt
from ffenc.threads import ThreadPool

T = TypeVar("T")

_SCHEDULER = "dask://"
_DASK = "ffenc.jobs.dask_cluster"  # loaded when it is asked for, since Dask takes long to import
_KNOWN = re.compile(rf"(?:threads|processes|dask)(?::[1-9][0-9]{{0,4}})?|{_SCHEDULER}\S+:[0-9]+")


class NoWorkerLeftError(FFencError):
    """No worker is left that is not avoided."""


class SelectiveExecutor(Executor):
    """An executor whose workers have environments of their own, so that some of them can be avoided."""

    @abstractmethod
    def submit_avoiding(self, avoided: Collection[str], fn: Callable[..., T], /, *args: Any) -> Future[T]:
        """Run a function on a worker whose name (`ffenc.jobs.perform.worker_name`) is not among ``avoided``.

        Raises:
            NoWorkerLeftError: all workers are avoided.
        """

    @abstractmethod
    def on_each(self, fn: Callable[..., T], /, *args: Any) -> dict[str, T]:
        """Run a function once on every worker; return its answers by the name of the worker."""

    @abstractmethod
    def release_stranded(self) -> None:
        """Cancel what was submitted for workers that are all gone."""


def selective(executor: Executor) -> Executor:
    """Return Dask's own executor with the ability to avoid workers, and every other executor as it is."""
    if type(executor).__module__.startswith("distributed."):
        wrapped: Executor = import_module(_DASK).DaskExecutor(executor._client)  # type: ignore[attr-defined]  # noqa: SLF001
        return wrapped
    return executor


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """An open executor.

    Attributes:
        executor: for `run_jobs`.
        at_once: jobs that work at the same time.
        dashboard: address of a page that shows the work, if there is one.
    """

    executor: Executor
    at_once: int
    dashboard: str | None = None

    @property
    def in_flight(self) -> int:
        """Jobs to hand to it at a time: a second one for each worker, so that none has to wait for us."""
        return 2 * self.at_once


@contextmanager
def executor_from(text: str, *, at_once: int) -> Iterator[Workers]:
    """Open an executor, and close it at the end of the block.

    Args:
        text: ``threads``, ``processes`` or ``dask`` (a cluster on this machine), each also with a number of workers as in
            ``threads:4``; or ``dask://host:port``, the address of a scheduler.
        at_once: workers where ``text`` has no number, see `ffenc.jobs.run.jobs_at_once`.

    Raises:
        ValueError: the text is none of these.
        DependencyError: Dask is not installed.
        FFencError: no scheduler answers there, or it has no workers.
    """
    check_executor(text)
    if text.startswith(_SCHEDULER):
        with import_module(_DASK).connected(text.removeprefix(_SCHEDULER)) as workers:
            yield workers
        return
    engine, _, number = text.partition(":")
    count = int(number or at_once)
    if engine == "dask":
        with import_module(_DASK).local(count) as workers:
            yield workers
        return
    with _ENGINES[engine](count) as executor:
        yield Workers(executor=executor, at_once=count)


def check_executor(text: str) -> None:
    """Refuse what `executor_from` would not know.

    Raises:
        ValueError: see there.
    """
    if _KNOWN.fullmatch(text) is None:
        raise ValueError(
            f"unknown executor {text!r}; expected threads, processes or dask, also with a number of workers (threads:4), or "
            "dask://host:port"
        )


class RenewedProcessPool(Executor):
    """Worker processes that are replaced when one of them dies.

    The standard pool is of no use any more then: whatever is with it fails, and so does everything later.  Here the former
    fails too, for `run_jobs` to repeat, but the next `submit` begins a new pool.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = self._new()

    def _new(self) -> ProcessPoolExecutor:
        # A fork copies the locks of other threads, taken or not.
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._count, mp_context=spawn, initializer=stop_on_interrupt)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """As every executor does."""
        try:
            return self._pool.submit(fn, *args, **kwargs)
        except BrokenProcessPool:
            self._pool.shutdown(wait=True)
            self._pool = self._new()
            return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As every executor does."""
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)


_ENGINES: dict[str, Callable[[int], Executor]] = {"threads": ThreadPool, "processes": RenewedProcessPool}
