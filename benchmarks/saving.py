"""Section ``save``: the call that ends an episode, on the control thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import count

from control import Footage, load, run_loop
from measure import Report, in_fresh_process, interleaved, spread
from recorders import OURS, PYAV, Case, Job, clip_for, measure_loop
from robot import create, row
from settings import Settings

DATASET = "ffenc, DatasetRecorder"
SAVE_MS = 5.0
CASE = Case(cameras=2, encoder="libsvtav1", preset=12)
SHOWN = (
    ("call", 2),
    ("files complete after", 0),
    ("feed p50", 3),
    ("feed p99", 3),
    ("jitter p99", 2),
    ("drops", 0),
    ("load", 1),
)


def run(report: Report, settings: Settings) -> None:
    """Measure ``save_episode`` and ``finish_episode`` for 60 s of two cameras, and LeRobot's design for the latter."""
    seconds = settings.seconds or (4 if settings.quick else 60)
    works = {method: _work(method, seconds, settings) for method in (DATASET, OURS, PYAV)}
    runs = interleaved(works, settings.few, warm_up=False)
    report.keep_runs("save", runs)
    rows = [
        [name, *(spread([run.note[name] for run in each], digits) for each in runs.values())] for name, digits in SHOWN
    ]
    steps = round(30 * seconds)
    report.table(
        f"{CASE.name}, 640x480: the end of an episode of {steps} steps, n={settings.few}, ms", ["", *runs], rows
    )
    for method, call in ((DATASET, "save_episode"), (OURS, "finish_episode")):
        values = [run.note["call"] for run in runs[method]]
        report.figure("save", f"{call}, {steps} steps", values, unit="ms", at_most=SAVE_MS)


def _work(method: str, seconds: float, settings: Settings) -> Callable[[], Mapping[str, float]]:
    job = Job(
        method=method,
        case=CASE,
        seconds=seconds,
        clip=clip_for(settings),
        directory=settings.scratch / "save",
        binaries=settings.binaries,
        policy="block",
        patience_s=settings.patience,
    )
    numbers = count()

    def work() -> Mapping[str, float]:
        if method == DATASET:
            return in_fresh_process(_save, job.fresh(next(numbers)))
        note, _ = in_fresh_process(measure_loop, job.fresh(next(numbers)))
        return note | {"call": note["finish_episode"]}

    return work


def _save(job: Job) -> Mapping[str, float]:
    footage = Footage(job.clip, job.case.cameras)
    cameras = dict.fromkeys(footage.names, (footage.height, footage.width))
    with create(job.directory / "dataset", cameras, job.case.config, job.binaries) as recorder:
        note = run_loop(
            lambda step: recorder.add_frame(row(footage.at(step), episode=0, step=step)), job.seconds
        ).note()
        before = time.perf_counter()
        handle = recorder.save_episode()
        note["call"] = 1000 * (time.perf_counter() - before)
        summary = handle.wait()
        note["files complete after"] = 1000 * (time.perf_counter() - before)
    return note | {"drops": summary.dropped, "load": load()}
