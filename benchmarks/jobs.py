"""Section ``jobs``: re-encode many clips as jobs, here and on a Dask cluster, compared with FFmpeg one clip at a time."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import Executor

from files import clips_of
from measure import Report, interleaved, run_silently, spread
from settings import Settings

from ffenc import VideoEncoderConfig
from ffenc.jobs.executors import executor_from
from ffenc.jobs.run import jobs_at_once, run_jobs
from ffenc.jobs.spec import JobSpec
from ffenc.video.reencode import plan_reencode

CLIPS = 32
ONE_BY_ONE = "limit: ffmpeg with its own threads, one by one"
THREADS, DASK = "ffenc: run_jobs on threads", "ffenc: the same on Dask, workers on this machine"
# Throughput is the reciprocal: at least 0.95 of it is a wall time of at most 1.053.
THREADS_TARGET, DASK_TARGET = 1 / 0.95, 1.1


def run(report: Report, settings: Settings) -> None:
    """Run one job per clip; the start of the cluster is not measured, because it serves many jobs."""
    count = 8 if settings.quick else CLIPS
    clips = clips_of(settings, count)
    config = VideoEncoderConfig(preset=12, crf=35)
    encoded = settings.scratch / "encoded"
    outputs = [encoded / clip.name for clip in clips]
    specs = [JobSpec.of("reencode", [clip], path, config=config) for clip, path in zip(clips, outputs, strict=True)]
    commands = [
        plan_reencode(clip, path, config=config, binaries=settings.binaries).argv
        for clip, path in zip(clips, outputs, strict=True)
    ]

    def empty() -> None:
        shutil.rmtree(encoded, ignore_errors=True)
        encoded.mkdir()

    def one_by_one() -> None:
        empty()
        for argv in commands:
            run_silently(argv)

    def ours(executor: Executor | None = None) -> None:
        empty()
        results = run_jobs(specs, executor=executor, binaries=settings.binaries)
        assert all(result.status == "done" for result in results)

    with executor_from("dask", at_once=jobs_at_once(specs)) as workers:
        works: dict[str, Callable[[], None]] = {
            ONE_BY_ONE: one_by_one,
            THREADS: ours,
            DASK: lambda: ours(workers.executor),
        }
        costs = interleaved(works, settings.repeats)
    walls = {name: [run.wall_s for run in runs] for name, runs in costs.items()}
    report.table(
        f"{count} clips of 640x480 encoded anew, libsvtav1 preset 12",
        ["method", "wall s"],
        [[name, spread(values)] for name, values in walls.items()],
    )
    report.ratio("jobs", "wall, threads / one by one", walls[THREADS], walls[ONE_BY_ONE], at_most=THREADS_TARGET)
    report.ratio("jobs", "wall, Dask / threads", walls[DASK], walls[THREADS], at_most=DASK_TARGET)
