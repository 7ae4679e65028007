"""Dask distributed: workers on many machines behind one scheduler."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from ffenc.errors import DependencyError, FFencError
from ffenc.jobs.executors import Workers

try:
    from distributed import Client, LocalCluster
except ImportError as err:  # pragma: no cover - depends on what is installed
    raise DependencyError("a Dask cluster needs distributed: pip install 'ffenc-video[cluster]'") from err

CONNECT_TIMEOUT_S = 10
"""How long to wait for a scheduler to answer."""

WORKERS_TIMEOUT_S = 60
"""How long to wait for its first worker, which a batch system may start later."""


@contextmanager
def connected(address: str) -> Iterator[Workers]:
    """Use the cluster of a scheduler.

    Args:
        address: ``host:port``.

    Raises:
        FFencError: nothing answers there, or there is no worker.
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
    """Start a cluster on this machine, ended with the block.

    Args:
        count: worker processes, of one thread each.
    """
    # Port 0: the usual one may be taken.
    with (
        LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield _workers(client)


def _workers(client: Client) -> Workers:
    # A lost worker's jobs are given to others by the scheduler, up to distributed.scheduler.allowed-failures times.
    # pure=False: the same job submitted again is to be done again.
    return Workers(
        executor=client.get_executor(pure=False),
        at_once=max(1, sum(client.nthreads().values())),
        dashboard=client.dashboard_link,
    )
