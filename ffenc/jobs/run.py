"""Run many jobs on an executor, retry failures, and collect the results."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ffenc.errors import FFencError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.jobs.executors import NoWorkerLeftError, SelectiveExecutor, selective
from ffenc.jobs.perform import (
    ALLOW_MIXED,
    BuildMismatchError,
    JobError,
    JobStatus,
    perform_job,
    worker_build,
)
from ffenc.jobs.record import read_record
from ffenc.jobs.spec import JobSpec, check_independent
from ffenc.jobs.stopping import stop_run
from ffenc.json_text import as_json
from ffenc.threads import ThreadPool

logger = logging.getLogger(__name__)

_IN_FLIGHT_AT_LEAST = 64

_SET_ASIDE_AFTER = 2
"""Failures of a worker's environment after which it gets no more jobs."""

_WORKERS_TRIED = 5
"""Workers that a job is tried on before the job itself is considered the cause of its failures."""

_VISIBLE_WITHIN_S = 5.0
"""How long to wait until an output is visible here: network file systems cache for seconds that a file is missing."""

_LOOK_FOR_OUTPUTS_S = 0.2
"""How often to look for such outputs."""

_LOOK_AGAIN_S = 10.0
"""How often to look for jobs whose workers are lost, while no job ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """Outcome of one job.

    Attributes:
        spec: the job.
        status: ``"done"``, ``"skipped"`` (done before) or ``"failed"``.
        result: the returned value as JSON (``frames``, ``size_bytes``, ``stream``, ...); None if the job failed.
        error: reason of a failure.
        attempts: number of attempts.
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
        """Return the outcome as plain JSON values."""
        document: dict[str, Any] = as_json(self)
        return document


JobProgress = Callable[[int, int, JobResult], None]
"""Called in the driver's thread with (jobs ended, number of jobs, the job that just ended)."""


def usable_cores() -> int:
    """Return the number of cores that this process may use, which a batch system or ``taskset`` may limit."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def jobs_at_once(specs: Sequence[JobSpec], *, cores: int | None = None) -> int:
    """Return how many of these jobs keep the cores busy, given the threads of each.

    At least two: one encodes while the other starts its processes or reads its file back.

    Args:
        specs: the jobs; the one with the most threads counts.
        cores: number of cores to use; None means `usable_cores`.
    """
    largest = max((spec.cores for spec in specs), default=1)
    return max(2, -(-(cores or usable_cores()) // largest))


def run_jobs(
    specs: Sequence[JobSpec],
    *,
    executor: Executor | None = None,
    max_in_flight: int | None = None,
    retries: int = 1,
    allow_mixed_builds: bool = False,
    progress: JobProgress | None = None,
    set_aside: Callable[[str, str], None] | None = None,
    binaries: Binaries | None = None,
) -> list[JobResult]:
    """Run jobs and report the outcome of each.

    A job whose output exists already is skipped (`ffenc.jobs.record.job_state`), so a stopped run can be continued.  A failed
    job does not stop the others.  A job counts as done only when this process sees its output.  The executor gets a
    module-level function with arguments that can be pickled, so threads, processes and Dask's ``Client.get_executor()`` work.

    On a Dask cluster, a job that fails because of its worker's environment (no ffmpeg, no shared folder, another build) is
    tried on up to four others.  A worker with two such failures gets no more jobs, unless the same jobs fail everywhere; a
    warning names it.

    Args:
        specs: independent of each other; they run in any order.
        executor: any executor, which is left open; None uses `jobs_at_once` threads.
        max_in_flight: number of jobs submitted at a time; None means 4 per core of this machine, at least 64, which keeps
            small clusters busy; or one per thread without an executor.
        retries: further attempts after a failure that may pass: ffmpeg died or hung, or a worker was lost.  Refused jobs
            are not tried again.
        allow_mixed_builds: accept outputs of different FFmpeg builds in one run.
        progress: see `JobProgress`.
        set_aside: called with the name of a worker that gets no more jobs, and the reason.
        binaries: the executables; None means those that each worker finds.

    Returns:
        One result for each spec, in their order.

    Raises:
        ValueError: jobs that depend on each other; a number below its range.
        BuildMismatchError: the workers have different FFmpeg builds.
        KeyboardInterrupt: no more jobs were started, and those in threads of this process were stopped.
    """
    specs = list(specs)
    check_independent(specs)
    if retries < 0 or (max_in_flight is not None and max_in_flight < 1):
        raise ValueError(f"retries={retries} must be at least 0, and max_in_flight={max_in_flight} at least 1")
    if not specs:
        return []
    if executor is not None:
        in_flight = max_in_flight or max(_IN_FLIGHT_AT_LEAST, 4 * usable_cores())
        run = _Run(specs, selective(executor), in_flight, retries, progress, set_aside, binaries)
        return run.to_the_end(allow_mixed_builds=allow_mixed_builds)
    workers = jobs_at_once(specs)
    with ThreadPool(workers, thread_name_prefix="ffenc-job") as threads:
        run = _Run(specs, threads, max_in_flight or workers, retries, progress, set_aside, binaries)
        return run.to_the_end(allow_mixed_builds=allow_mixed_builds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unseen:
    """A job whose worker reports an output that is not visible here yet.

    Attributes:
        number: index of the job.
        attempt: from 1.
        answer: answer of the worker.
        until_s: when to give up, on the clock of ``time.monotonic``.
    """

    number: int
    attempt: int
    answer: Mapping[str, Any]
    until_s: float


class _Run:
    """State of one call of `run_jobs`."""

    def __init__(
        self,
        specs: Sequence[JobSpec],
        executor: Executor,
        max_in_flight: int,
        retries: int,
        progress: JobProgress | None,
        set_aside: Callable[[str, str], None] | None,
        binaries: Binaries | None,
    ) -> None:
        self._specs = specs
        self._executor = executor
        self._max_in_flight = max_in_flight
        self._retries = retries
        self._progress = progress
        self._report_set_aside = set_aside
        self._binaries = binaries
        self._id = uuid.uuid4().hex
        self._build: str | None = None
        self._waiting = deque((number, 1) for number in range(len(specs)))
        self._running: dict[Future[dict[str, Any]], tuple[int, int]] = {}
        self._results: dict[int, JobResult] = {}
        self._avoided: dict[int, set[str]] = {}  # for each job, the workers whose environment failed it
        self._last_error: dict[int, JobError] = {}
        self._failures: Counter[str] = Counter()
        self._announced: set[str] = set()  # workers whose setting aside was reported
        self._unseen: list[_Unseen] = []

    def to_the_end(self, *, allow_mixed_builds: bool) -> list[JobResult]:
        """Run until every job has ended."""
        try:
            if not allow_mixed_builds:
                self._build = self._common_build()
            while self._waiting or self._running or self._unseen:
                self._submit()
                settled = self._await_some()
                for future in settled:
                    self._settle(*self._running.pop(future), _answer(future))
                self._look_for_outputs()
                if not settled and isinstance(self._executor, SelectiveExecutor):
                    self._executor.release_stranded()
        except BaseException:
            self._stop()
            raise
        return [self._results[number] for number in range(len(self._specs))]

    def _await_some(self) -> set[Future[dict[str, Any]]]:
        """Wait until a job ends, or until it is time to look for outputs or lost workers."""
        timeout_s = _LOOK_FOR_OUTPUTS_S if self._unseen else _LOOK_AGAIN_S
        if not self._running:
            time.sleep(_LOOK_FOR_OUTPUTS_S if self._unseen else 0)
        return wait(self._running, timeout=timeout_s, return_when=FIRST_COMPLETED).done

    def _look_for_outputs(self) -> None:
        """Finish the jobs whose outputs are visible now, and fail those whose outputs are overdue."""
        waiting, self._unseen = self._unseen, []
        for each in waiting:
            reason = _not_visible(self._specs[each.number])
            if reason is None:
                self._finish(each.number, each.attempt, each.answer)
            elif time.monotonic() < each.until_s:
                self._unseen.append(each)
            else:
                worker = each.answer["worker"]
                message = f"worker {worker} made it, but {reason}; the folder must be the same one on every machine"
                error = JobError(type="OutputError", message=message, environment=True)
                self._settle(each.number, each.attempt, {**each.answer, "error": asdict(error)})

    def _common_build(self) -> str | None:
        """Return the FFmpeg build of all workers; None if no worker has an ffmpeg."""
        if not isinstance(self._executor, SelectiveExecutor):
            try:
                return self._executor.submit(worker_build, self._binaries).result()
            except Exception as err:  # the first job will report it
                logger.warning("the FFmpeg build of the workers is unknown, so mixed builds are not detected: %s", err)
                return None
        workers: dict[str, list[str]] = {}
        for name, build in self._executor.on_each(worker_build, self._binaries).items():
            if build is not None:
                workers.setdefault(build, []).append(name)
        if len(workers) > 1:
            builds = "; ".join(f"{build} on {', '.join(sorted(names))}" for build, names in sorted(workers.items()))
            raise BuildMismatchError(
                f"the workers have different FFmpeg builds, so their outputs would differ: {builds}. Install the same one "
                f"everywhere, or {ALLOW_MIXED}"
            )
        return next(iter(workers), None)

    def _set_aside(self) -> set[str]:
        return {worker for worker, failures in self._failures.items() if failures >= _SET_ASIDE_AFTER}

    def _submit(self) -> None:
        while self._waiting and len(self._running) < self._max_in_flight:
            number, attempt = self._waiting.popleft()
            document = self._specs[number].model_dump(mode="json")
            arguments = (document, self._id, attempt, self._binaries, self._build)
            try:
                future = self._hand_out(number, *arguments)
            except NoWorkerLeftError as err:
                self._finish(number, attempt, {"error": asdict(self._last_error.get(number) or JobError.of(err))})
            except Exception as err:  # for example a broken pool or a lost scheduler, not the job
                self._settle(number, attempt, JobError.of(err, may_pass=True))
            else:
                self._running[future] = number, attempt

    def _hand_out(self, number: int, *arguments: Any) -> Future[dict[str, Any]]:
        avoided = self._avoided.get(number, set())
        if not isinstance(self._executor, SelectiveExecutor) or not (avoided or self._set_aside()):
            return self._executor.submit(perform_job, *arguments)
        try:
            return self._executor.submit_avoiding(avoided | self._set_aside(), perform_job, *arguments)
        except NoWorkerLeftError:
            # A worker that was set aside is better than none: other jobs may have caused its failures.
            return self._executor.submit_avoiding(avoided, perform_job, *arguments)

    def _settle(self, number: int, attempt: int, answer: Mapping[str, Any] | JobError) -> None:
        """Finish a job after its answer, or submit it again: to another worker, or as a new attempt."""
        spec = self._specs[number]
        if isinstance(answer, JobError):
            answer = {"error": asdict(answer)}
        elif "error" not in answer and _not_visible(spec):
            until_s = time.monotonic() + _VISIBLE_WITHIN_S
            self._unseen.append(_Unseen(number=number, attempt=attempt, answer=answer, until_s=until_s))
            return
        error = JobError(**answer["error"]) if "error" in answer else None
        if error is not None and _is_of_job(spec, error):
            self._finish(number, attempt, answer)
        elif error is not None and error.environment and isinstance(self._executor, SelectiveExecutor):
            self._avoid(number, answer["worker"], error)
            if len(self._avoided[number]) < _WORKERS_TRIED:
                self._waiting.append((number, attempt + 1))
            else:
                self._finish(number, attempt, answer)
        elif error is not None and error.may_pass and attempt <= self._retries:
            logger.warning("attempt %d of %s failed and is repeated: %s", attempt, spec.output, error.message)
            self._waiting.append((number, attempt + 1))
        else:
            self._finish(number, attempt, answer)

    def _avoid(self, number: int, worker: str, error: JobError) -> None:
        self._avoided.setdefault(number, set()).add(worker)
        self._last_error[number] = error
        self._failures[worker] += 1
        if self._failures[worker] == _SET_ASIDE_AFTER and worker not in self._announced:
            self._announced.add(worker)
            logger.warning(
                "worker %s gets no more jobs, because its environment failed %d of them: %s",
                worker,
                _SET_ASIDE_AFTER,
                error.message,
            )
            if self._report_set_aside is not None:
                self._report_set_aside(worker, error.message)

    def _finish(self, number: int, attempt: int, answer: Mapping[str, Any]) -> None:
        spec = self._specs[number]
        error = JobError(**answer["error"]) if "error" in answer else None
        if error is not None:
            logger.warning("%s failed: %s", spec.output, error.message)
            # It failed on every worker that tried it, so none of them is the cause.
            self._failures.subtract(self._avoided.get(number, ()))
        result = JobResult(
            spec=spec,
            status="failed" if error is not None else answer["status"],
            result=None if error is not None else answer["result"],
            error=error,
            attempts=attempt,
            elapsed_s=answer.get("elapsed_s", 0.0),
            worker=answer.get("worker", ""),
        )
        self._results[number] = result
        if self._progress is not None:
            self._progress(len(self._results), len(self._specs), result)

    def _stop(self) -> None:
        """Start no more jobs, and wait for those that cannot be cancelled."""
        stop_run(self._id)
        wait([future for future in self._running if not future.cancel()])


def _not_visible(spec: JobSpec) -> str | None:
    """Return why this process does not see an output that a worker reported, or None."""
    output = Path(spec.output)
    try:
        os.listdir(output.parent)  # noqa: PTH208  makes a network file system update its cache
        record, size_bytes = read_record(output), output.stat().st_size
    except (OSError, FFencError) as err:
        return f"{output} is not visible on this machine ({getattr(err, 'strerror', None) or err})"
    if record is not None and record.size_bytes == size_bytes:
        return None
    return f"{output} here is another file"


def _is_of_job(spec: JobSpec, error: JobError) -> bool:
    """Return whether an input is missing here too, so that no other worker has it either."""
    return error.environment and any(path in error.message and not os.path.lexists(path) for path in spec.inputs)


def _answer(future: Future[dict[str, Any]]) -> dict[str, Any] | JobError:
    """Return the worker's answer; an exception means that the worker was lost, because errors of jobs are answers."""
    if future.cancelled():
        return JobError(type="CancelledError", message="the executor cancelled the job", may_pass=True)
    err = future.exception()
    return future.result() if err is None else JobError.of(err, may_pass=True)
