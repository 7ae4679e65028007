"""Run many jobs on any executor; the driver's side."""

from __future__ import annotations

import logging
import os
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from ffenc.ffmpeg.binaries import Binaries
from ffenc.jobs.perform import JobError, JobStatus, as_json, perform_job, stop_run
from ffenc.jobs.spec import JobSpec, check_independent

logger = logging.getLogger(__name__)

_IN_FLIGHT_AT_LEAST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """What came of one job.

    Attributes:
        spec: the job.
        status: ``"done"``; ``"skipped"``: it was done before; ``"failed"``.
        result: what the kind's function returned, as JSON (``frames``, ``size_bytes``, ``stream``, ...); None if it failed.
        error: why it failed; None if it did not.
        attempts: how often it was tried.
        elapsed_s: wall time of the last attempt on its worker.
        worker: host and process ID of the worker; empty if it was lost.
    """

    spec: JobSpec
    status: JobStatus
    result: Mapping[str, Any] | None = None
    error: JobError | None = None
    attempts: int = 1
    elapsed_s: float = 0.0
    worker: str = ""

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        document: dict[str, Any] = as_json(self)
        return document


JobProgress = Callable[[int, int, JobResult], None]
"""Called in the driver's thread with (jobs settled, jobs in all, the one that was settled just now)."""


def usable_cores() -> int:
    """Cores that this process may use; a batch system or ``taskset`` may have given it fewer than there are."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def jobs_at_once(specs: Sequence[JobSpec], *, cores: int | None = None) -> int:
    """How many of these jobs keep the cores busy, given the threads of each.

    At least two: while one starts its processes or reads its file back, the other one encodes.

    Args:
        specs: the jobs; the most hungry one counts.
        cores: to keep busy; None: `usable_cores`.
    """
    hungriest = max((spec.cores for spec in specs), default=1)
    return max(2, -(-(cores or usable_cores()) // hungriest))


def run_jobs(
    specs: Sequence[JobSpec],
    *,
    executor: Executor | None = None,
    max_in_flight: int | None = None,
    retries: int = 1,
    progress: JobProgress | None = None,
    binaries: Binaries | None = None,
) -> list[JobResult]:
    """Run jobs and say of each what came of it.

    A job whose output is there already is skipped (`ffenc.jobs.record.job_state`), so a run that was stopped goes on where
    it was.  A job that fails is data, and the others go on.  What is sent to the executor is a function of a module with
    arguments that can be pickled, so threads, processes, Dask's ``Client.get_executor()`` and the like will all do.

    Args:
        specs: independent of each other; they run in any order.
        executor: any executor, which is left open; None: threads, `jobs_at_once` of them.
        max_in_flight: jobs that are with the executor at a time, working or waiting; None: 4 for each core here, at least
            64, which keeps small clusters busy.  Threads of our own need no more than there are of them.
        retries: further attempts where a failure may pass: ffmpeg died or hung, or a worker was lost.  What was refused is
            not tried again.
        progress: see `JobProgress`.
        binaries: the executables; None: what each worker finds.

    Returns:
        One result for each spec, in their order.

    Raises:
        ValueError: jobs that depend on each other; a number below its range.
        KeyboardInterrupt: nothing more was begun, and what worked in threads of this process was stopped.
    """
    specs = list(specs)
    check_independent(specs)
    if retries < 0 or (max_in_flight is not None and max_in_flight < 1):
        raise ValueError(f"retries={retries} must be at least 0, and max_in_flight={max_in_flight} at least 1")
    if not specs:
        return []
    if executor is not None:
        in_flight = max_in_flight or max(_IN_FLIGHT_AT_LEAST, 4 * usable_cores())
        return _Run(specs, executor, in_flight, retries, progress, binaries).to_the_end()
    workers = jobs_at_once(specs)
    with ThreadPoolExecutor(workers, thread_name_prefix="ffenc-job") as threads:
        return _Run(specs, threads, max_in_flight or workers, retries, progress, binaries).to_the_end()


class _Run:
    """The bookkeeping of one call."""

    def __init__(
        self,
        specs: Sequence[JobSpec],
        executor: Executor,
        max_in_flight: int,
        retries: int,
        progress: JobProgress | None,
        binaries: Binaries | None,
    ) -> None:
        self._specs = specs
        self._executor = executor
        self._max_in_flight = max_in_flight
        self._retries = retries
        self._progress = progress
        self._binaries = binaries
        self._id = uuid.uuid4().hex
        self._waiting = deque((number, 1) for number in range(len(specs)))
        self._running: dict[Future[dict[str, Any]], tuple[int, int]] = {}
        self._results: dict[int, JobResult] = {}

    def to_the_end(self) -> list[JobResult]:
        """Until every job is settled."""
        try:
            while self._waiting or self._running:
                self._submit()
                for future in wait(self._running, return_when=FIRST_COMPLETED).done:
                    self._settle(*self._running.pop(future), _answer(future))
        except BaseException:
            self._stop()
            raise
        return [self._results[number] for number in range(len(self._specs))]

    def _submit(self) -> None:
        while self._waiting and len(self._running) < self._max_in_flight:
            number, attempt = self._waiting.popleft()
            document = self._specs[number].model_dump(mode="json")
            try:
                future = self._executor.submit(perform_job, document, self._id, attempt, self._binaries)
            except Exception as err:  # a broken pool, a scheduler that is gone: the executor's business, not the job's
                self._settle(number, attempt, JobError.of(err, may_pass=True))
            else:
                self._running[future] = number, attempt

    def _settle(self, number: int, attempt: int, answer: Mapping[str, Any] | JobError) -> None:
        spec = self._specs[number]
        if isinstance(answer, JobError):
            answer = {"status": "failed", "error": as_json(answer)}
        error = JobError(**answer["error"]) if "error" in answer else None
        if error is not None and error.may_pass and attempt <= self._retries:
            logger.warning("attempt %d of %s failed and is repeated: %s", attempt, spec.output, error.message)
            self._waiting.append((number, attempt + 1))
            return
        if error is not None:
            logger.warning("%s failed: %s", spec.output, error.message)
        result = JobResult(
            spec=spec,
            status=answer["status"],
            result=answer.get("result"),
            error=error,
            attempts=attempt,
            elapsed_s=answer.get("elapsed_s", 0.0),
            worker=answer.get("worker", ""),
        )
        self._results[number] = result
        if self._progress is not None:
            self._progress(len(self._results), len(self._specs), result)

    def _stop(self) -> None:
        """Begin nothing more, and wait for what cannot be cancelled."""
        stop_run(self._id)
        wait([future for future in self._running if not future.cancel()])


def _answer(future: Future[dict[str, Any]]) -> dict[str, Any] | JobError:
    """What the worker answered; an exception is not the job's, for those are data, but that of a lost worker."""
    if future.cancelled():
        return JobError(type="CancelledError", message="the executor cancelled the job", may_pass=True)
    err = future.exception()
    return future.result() if err is None else JobError.of(err, may_pass=True)
