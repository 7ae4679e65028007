"""Run functions on the workers of a Dask cluster."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any, TypeVar

from ffenc.errors import DependencyError, FFencError
from ffenc.jobs.executors import NoWorkerLeftError, SelectiveExecutor, Workers
from ffenc.jobs.perform import worker_name

try:
    from distributed import Client, LocalCluster
except ImportError as err:  # pragma: no cover - depends on what is installed
    raise DependencyError("a Dask cluster needs distributed: pip install 'ffenc-video[cluster]'") from err

logger = logging.getLogger(__name__)

T = TypeVar("T")

CONNECT_TIMEOUT_S = 10
"""How long to wait for a scheduler to answer."""

WORKERS_TIMEOUT_S = 60
"""How long to wait for the first worker, which a batch system may start later."""


@contextmanager
def connected(address: str) -> Iterator[Workers]:
    """Use the cluster of a scheduler.

    Args:
        address: ``host:port``.

    Raises:
        FFencError: the scheduler does not answer, or it has no workers.
    """
    try:
        client = Client(address, timeout=CONNECT_TIMEOUT_S)
    except (OSError, ValueError) as err:
        raise FFencError(
            f"no Dask scheduler answers at {address}: {err}. Start one with `dask scheduler`, and workers with "
            f"`dask worker {address}`"
        ) from err
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKERS_TIMEOUT_S)
        except (TimeoutError, asyncio.TimeoutError) as err:  # two classes before Python 3.11
            raise FFencError(
                f"the Dask scheduler at {address} has no workers; start some with `dask worker {address}`"
            ) from err
        yield _workers(client)


@contextmanager
def local(count: int) -> Iterator[Workers]:
    """Start a cluster on this machine for the time of the block.

    Args:
        count: worker processes, of one thread each.
    """
    # Port 0: the default port may be in use.
    with (
        LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield _workers(client)


def _workers(client: Client) -> Workers:
    return Workers(
        executor=DaskExecutor(client),
        at_once=max(1, sum(client.nthreads().values())),
        dashboard=client.dashboard_link,
    )


class DaskExecutor(SelectiveExecutor):
    """An executor on the workers of a Dask cluster.

    Args:
        client: connected to the scheduler; the executor leaves it open.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        # The scheduler repeats the jobs of a lost worker, up to distributed.scheduler.allowed-failures times.
        # pure=False: a job that is submitted again is done again.
        self._everywhere: Executor = client.get_executor(pure=False)
        self._restricted: dict[tuple[str, ...], Executor] = {}
        self._names: dict[str, str] = {}
        self._allowed: dict[Future[Any], tuple[str, ...]] = {}

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run a function on any worker."""
        return self._everywhere.submit(fn, *args, **kwargs)

    def submit_avoiding(self, avoided: Collection[str], fn: Callable[..., T], /, *args: Any) -> Future[T]:
        """Run a function on a worker that is not among ``avoided``."""
        addresses = tuple(sorted(address for address, name in self._workers().items() if name not in avoided))
        if not addresses:
            raise NoWorkerLeftError("every worker of the cluster failed on this job")
        if addresses not in self._restricted:
            self._restricted[addresses] = self._client.get_executor(pure=False, workers=list(addresses))
        future = self._restricted[addresses].submit(fn, *args)
        self._allowed[future] = addresses
        future.add_done_callback(lambda done: self._allowed.pop(done, None))
        return future

    def on_each(self, fn: Callable[..., T], /, *args: Any) -> dict[str, T]:
        """Run a function once on every worker."""
        names = self._workers()
        return {names[address]: answer for address, answer in self._ask(fn, *args, workers=list(names)).items()}

    def release_stranded(self) -> None:
        """Cancel jobs that wait for lost workers only."""
        if not self._allowed:
            return
        present = set(self._client.nthreads())
        for future, addresses in list(self._allowed.items()):
            if not present.intersection(addresses):
                future.cancel()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Do nothing: the client belongs to the caller."""

    def _workers(self) -> dict[str, str]:
        """Return the name of every connected worker by its address."""
        addresses = list(self._client.nthreads())
        if unknown := [address for address in addresses if address not in self._names]:
            self._names |= self._ask(worker_name, workers=unknown)
        return {address: self._names[address] for address in addresses if address in self._names}

    def _ask(self, fn: Callable[..., T], /, *args: Any, workers: list[str]) -> dict[str, T]:
        """Run a function on some workers and return the answers by address; a warning names each that gives none."""
        answers = self._client.run(fn, *args, workers=workers, on_error="return")
        for address in workers:
            reason = answers.get(address, "it is gone")
            if address not in answers or isinstance(reason, BaseException):
                logger.warning("the Dask worker %s does not answer, so it gets no repeated jobs: %s", address, reason)
        return {address: answer for address, answer in answers.items() if not isinstance(answer, BaseException)}
