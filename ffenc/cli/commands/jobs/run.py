"""``ffenc jobs run``: the jobs of a list, on this machine or on a cluster."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from jsonargparse import Namespace
from rich.text import Text

from ffenc.cli.output.results import columns_table, count_text
from ffenc.cli.output.screen import Screen, visible
from ffenc.cli.parsing.arguments import binaries_of, call
from ffenc.errors import FFencError
from ffenc.jobs.executors import Workers, executor_from
from ffenc.jobs.perform import JobStatus
from ffenc.jobs.run import JobProgress, JobResult, jobs_at_once, run_jobs
from ffenc.jobs.spec import JobSpec, read_specs, take_shard

_STATUSES: tuple[JobStatus, ...] = ("done", "skipped", "failed")


def run(arguments: Namespace, screen: Screen) -> None:
    """Run the jobs, and print their outcomes.

    Raises:
        FFencError: some jobs failed. Raised after the outcomes are printed.
    """
    specs = read_specs(arguments.file)
    if arguments.shard is not None:
        specs = take_shard(specs, *arguments.shard)
    binaries = binaries_of(arguments) if arguments.ffmpeg or arguments.ffprobe else None
    began = time.monotonic()
    set_aside: dict[str, str] = {}
    with job_workers(arguments.executor, specs, screen, unit="jobs") as (workers, progress):
        results = call(
            run_jobs,
            arguments,
            specs=specs,
            executor=workers.executor,
            max_in_flight=arguments.max_in_flight or workers.in_flight,
            progress=progress,
            set_aside=set_aside.__setitem__,
            binaries=binaries,
        )
    _show(screen, results, elapsed_s=time.monotonic() - began, executor=arguments.executor, set_aside=set_aside)


@contextmanager
def job_workers(
    executor: str, specs: Sequence[JobSpec], screen: Screen, *, unit: str
) -> Iterator[tuple[Workers, JobProgress | None]]:
    """Start the workers that ``--executor`` names, and show a progress bar of their jobs."""
    with executor_from(executor, at_once=jobs_at_once(specs)) as workers:
        if workers.dashboard is not None:
            screen.note(f"Dask's dashboard: {workers.dashboard}")
        with screen.progress("encoding", unit=unit) as report:
            yield workers, None if report is None else lambda done, total, _result: report(done, total)


def _show(
    screen: Screen, results: Sequence[JobResult], *, elapsed_s: float, executor: str, set_aside: Mapping[str, str]
) -> None:
    numbers = Counter(result.status for result in results)
    document: dict[str, object] = {
        "jobs": len(results),
        **{str(status): numbers[status] for status in _STATUSES},
        "elapsed_s": round(elapsed_s, 3),
        "executor": executor,
        "workers_set_aside": dict(set_aside),
        "results": [result.to_json() for result in results],
    }
    counts = ", ".join(f"{numbers[status]} {status}" for status in _STATUSES)
    title = f"{count_text(len(results), 'job')} in {elapsed_s:.1f} s: {counts}"
    table = columns_table("status", ">frames", ">time", "output", title=title, lines=False)
    for result in results:
        frames = "" if result.result is None else str(result.result["frames"])
        taken = "" if result.status == "skipped" else f"{result.elapsed_s:.2f} s"
        table.add_row(result.status, frames, taken, Text(visible(result.spec.output)))
    notes = [Text(f"worker {visible(name)} was set aside: {visible(why)}") for name, why in set_aside.items()]
    screen.result(document, table, *notes)
    if numbers["failed"]:
        raise FFencError(
            f"{numbers['failed']} of {len(results)} jobs failed for the reasons above (--json shows all details); run the "
            "same command again to repeat them"
        )
