"""Dask workers that do not answer: a warning names each, and they get no repeated jobs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

pytest.importorskip("distributed")
from ffenc.jobs.dask_cluster import DaskExecutor
from ffenc.jobs.executors import NoWorkerLeftError
from ffenc.jobs.perform import worker_name

GOOD, MUTE, GONE = "tcp://10.0.0.1:1", "tcp://10.0.0.2:1", "tcp://10.0.0.3:1"


class FakeClient:
    """A client whose scheduler knows three workers; `MUTE` raises an error and `GONE` returns no answer."""

    def __init__(self) -> None:
        self.restricted_to: list[list[str] | None] = []

    def nthreads(self) -> dict[str, int]:
        return dict.fromkeys((GOOD, MUTE, GONE), 1)

    def run(self, fn: Callable[..., Any], *args: Any, workers: list[str], on_error: str) -> dict[str, Any]:
        assert on_error == "return"
        answers = {GOOD: "good" if fn is worker_name else fn(*args), MUTE: OSError("Timed out")}
        return {address: answer for address, answer in answers.items() if address in workers}

    def get_executor(self, *, pure: bool, workers: list[str] | None = None) -> FakeClient:
        assert not pure
        self.restricted_to.append(workers)
        return self

    def submit(self, fn: Callable[..., Any], *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args))
        return future


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def executor(client: FakeClient) -> DaskExecutor:
    return DaskExecutor(client)


def test_warning_names_each_worker_that_does_not_answer(
    executor: DaskExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    assert executor.on_each(abs, -1) == {"good": 1}
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert [record.getMessage() for record in caplog.records] == [
        f"the Dask worker {MUTE} does not answer, so it gets no repeated jobs: Timed out",
        f"the Dask worker {GONE} does not answer, so it gets no repeated jobs: it is gone",
    ]


def test_worker_that_does_not_answer_gets_no_repeated_jobs(executor: DaskExecutor, client: FakeClient) -> None:
    assert executor.submit_avoiding(["bad"], abs, -2).result() == 2
    assert client.restricted_to == [None, [GOOD]]
    with pytest.raises(NoWorkerLeftError):
        executor.submit_avoiding(["good"], abs, -2)
