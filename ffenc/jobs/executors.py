"""Open executors by name: threads or processes of this machine, or a Dask cluster."""

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
_DASK = "ffenc.jobs.dask_cluster"  # imported on demand, because importing Dask is slow
_KNOWN = re.compile(rf"(?:threads|processes|dask)(?::[1-9][0-9]{{0,4}})?|{_SCHEDULER}\S+:[0-9]+")


class NoWorkerLeftError(FFencError):
    """All workers are avoided."""


class SelectiveExecutor(Executor):
    """An executor that can avoid workers, because each has its own environment."""

    @abstractmethod
    def submit_avoiding(self, avoided: Collection[str], fn: Callable[..., T], /, *args: Any) -> Future[T]:
        """Run a function on a worker whose name (`ffenc.jobs.perform.worker_name`) is not among ``avoided``.

        Raises:
            NoWorkerLeftError: all workers are avoided.
        """

    @abstractmethod
    def on_each(self, fn: Callable[..., T], /, *args: Any) -> dict[str, T]:
        """Run a function once on every worker; return the results by worker name."""

    @abstractmethod
    def release_stranded(self) -> None:
        """Cancel calls that only lost workers were allowed to run."""


def selective(executor: Executor) -> Executor:
    """Wrap Dask's own executor so that it can avoid workers; return any other executor unchanged."""
    if type(executor).__module__.startswith("distributed."):
        wrapped: Executor = import_module(_DASK).DaskExecutor(executor._client)  # type: ignore[attr-defined]  # noqa: SLF001
        return wrapped
    return executor


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """An open executor.

    Attributes:
        executor: for `run_jobs`.
        at_once: number of jobs that run at the same time.
        dashboard: address of Dask's status page, if there is one.
    """

    executor: Executor
    at_once: int
    dashboard: str | None = None

    @property
    def in_flight(self) -> int:
        """Number of jobs to submit at a time: two per worker, so that no worker waits for the driver."""
        return 2 * self.at_once


@contextmanager
def executor_from(text: str, *, at_once: int) -> Iterator[Workers]:
    """Open an executor for the time of the block.

    Args:
        text: ``threads``, ``processes`` or ``dask`` (a cluster on this machine), each also with a number of workers as in
            ``threads:4``; or ``dask://host:port``, the address of a scheduler.
        at_once: number of workers if ``text`` has none, see `ffenc.jobs.run.jobs_at_once`.

    Raises:
        ValueError: ``text`` is none of these.
        DependencyError: Dask is not installed.
        FFencError: the scheduler does not answer, or it has no workers.
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
    """Raise a `ValueError` if `executor_from` does not know the name."""
    if _KNOWN.fullmatch(text) is None:
        raise ValueError(
            f"unknown executor {text!r}; expected threads, processes or dask, also with a number of workers (threads:4), or "
            "dask://host:port"
        )


class RenewedProcessPool(Executor):
    """Worker processes that are replaced when one of them dies.

    A standard pool is unusable after that.  Here the calls in flight fail too (`run_jobs` repeats them), but the next
    `submit` starts a new pool.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = self._new()

    def _new(self) -> ProcessPoolExecutor:
        # Not fork: it copies locks that other threads hold.
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._count, mp_context=spawn, initializer=stop_on_interrupt)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """See `concurrent.futures.Executor`."""
        try:
            return self._pool.submit(fn, *args, **kwargs)
        except BrokenProcessPool:
            self._pool.shutdown(wait=True)
            self._pool = self._new()
            return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See `concurrent.futures.Executor`."""
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)


_ENGINES: dict[str, Callable[[int], Executor]] = {"threads": ThreadPool, "processes": RenewedProcessPool}
