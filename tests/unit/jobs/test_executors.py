"""Executors by name, and worker processes that are replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from ffenc.jobs.executors import RenewedProcessPool, check_executor, executor_from


@pytest.mark.parametrize(
    "text", ["threads", "threads:4", "processes:2", "dask", "dask:3", "dask://10.0.0.1:8786", "dask://[::1]:8786"]
)
def test_names_that_are_known(text: str) -> None:
    check_executor(text)


@pytest.mark.parametrize(
    "text", ["", "thread", "threads:0", "threads:", "threads: 2", "dask:host:8786", "dask://host", "ray"]
)
def test_names_that_are_not(text: str) -> None:
    with (
        pytest.raises(ValueError, match=r"unknown executor .*; expected threads, processes or dask"),
        executor_from(text, at_once=1),
    ):
        raise AssertionError


@pytest.mark.parametrize(("text", "count"), [("threads", 3), ("threads:5", 5)])
def test_threads(text: str, count: int) -> None:
    with executor_from(text, at_once=3) as workers:
        assert isinstance(workers.executor, ThreadPoolExecutor)
        assert (workers.at_once, workers.in_flight, workers.dashboard) == (count, 2 * count, None)
        assert workers.executor.submit(abs, -1).result() == 1
    with pytest.raises(RuntimeError):
        workers.executor.submit(abs, -1)


def test_a_dead_worker_process_costs_what_was_with_it_and_not_the_pool() -> None:
    with RenewedProcessPool(1) as pool:
        first = pool.submit(os.getpid).result(60)
        with pytest.raises(BrokenProcessPool):
            pool.submit(os._exit, 1).result(60)
        assert pool.submit(os.getpid).result(60) not in (first, os.getpid())


def test_a_missing_dask_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "distributed.py").write_text("raise ImportError('hidden')\n")
    code = "from ffenc.jobs.executors import executor_from\nwith executor_from('dask', at_once=1): pass"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "DependencyError: a Dask cluster needs distributed: pip install 'ffenc-video[cluster]'" in done.stderr
