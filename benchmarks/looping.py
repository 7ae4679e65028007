"""Section ``loop``: a control loop at 30 fps with and without recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count

from measure import Cost, Report, in_fresh_process, interleaved, spread
from recorders import COPY, EMPTY, METHODS, OURS, PYAV, Case, Job, clip_for, measure_loop
from settings import Settings

CASES = (Case(cameras=1, encoder="libsvtav1", preset=12), Case(cameras=3, encoder="libx264"))
"""LeRobot's default for one camera, and settings for three cameras that two cores keep up with."""

JITTER_OF_EMPTY, JITTER_OF_PYAV = 1.3, 0.5
FEED_MS, FEED_OF_COPY = 0.25, 2.0

DISTURBED, TRIES = 10.0, 3
"""With ``--patience``, a run is repeated while other programs use more than this percentage of a processor. The least disturbed
run counts."""

SHOWN = (
    ("jitter p50", "ms", 2),
    ("jitter p99", "ms", 2),
    ("jitter max", "ms", 1),
    ("feed p50", "ms", 3),
    ("feed p99", "ms", 3),
    ("feed max", "ms", 2),
    ("free again p99", "ms", 2),
    ("loop fps", "", 1),
    ("drops", "", 0),
    ("CPU", "s", 1),
    ("start_episode", "ms", 1),
    ("finish_episode", "ms", 1),
    ("files complete after", "ms", 0),
    ("others' CPU", "% of one", 0),
)
"""Figures of a run: name, unit, digits."""


def run(report: Report, settings: Settings) -> None:
    """Measure both cases."""
    seconds = settings.seconds or (4 if settings.quick else 20)
    for case in CASES:
        seen: dict[str, str] = {}
        works = {method: _work(method, case, seconds, settings, seen) for method in METHODS}
        costs = interleaved(works, settings.repeats, warm_up=False)
        report.keep_runs(case.name, costs)
        rows = [
            [
                f"{name}, {unit}".rstrip(", "),
                *(spread([run.note[name] for run in runs], digits) for runs in costs.values()),
            ]
            for name, unit, digits in SHOWN
        ]
        report.table(
            f"{case.name}, 640x480: {seconds:g} s at 30 fps, n={settings.repeats}; feed: one time step",
            ["", *costs],
            rows,
        )
        for method, policies in seen.items():
            report.remark(f"{case.name}, {method}: threads at the end of a loop: {policies}")
        _figures(report, case, costs)


def _work(
    method: str, case: Case, seconds: float, settings: Settings, seen: dict[str, str]
) -> Callable[[], Mapping[str, float]]:
    job = Job(
        method=method,
        case=case,
        seconds=seconds,
        clip=clip_for(settings),
        directory=settings.scratch / case.name.replace(" ", ""),
        binaries=settings.binaries,
        patience_s=settings.patience,
    )
    numbers = count()

    def work() -> Mapping[str, float]:
        notes = []
        for _ in range(TRIES if settings.patience else 1):
            note, seen[method] = in_fresh_process(measure_loop, job.fresh(next(numbers)))
            notes.append(note)
            if note["others' CPU"] < DISTURBED:
                break
        return min(notes, key=lambda note: note["others' CPU"])

    return work


def _figures(report: Report, case: Case, costs: Mapping[str, list[Cost]]) -> None:
    section = f"loop {case.name}"

    def of(method: str, name: str) -> list[float]:
        return [run.note[name] for run in costs[method]]

    jitter = of(OURS, "jitter p99")
    report.ratio(section, "jitter p99 / empty loop", jitter, of(EMPTY, "jitter p99"), at_most=JITTER_OF_EMPTY)
    report.ratio(section, "jitter p99 / PyAV threads", jitter, of(PYAV, "jitter p99"), at_most=JITTER_OF_PYAV)
    a_frame = [each / case.cameras for each in of(OURS, "feed p50")]
    report.figure(section, "feed p50, a frame", a_frame, unit="ms", at_most=FEED_MS)
    report.ratio(section, "feed p99 / bare copy", of(OURS, "feed p99"), of(COPY, "feed p99"), at_most=FEED_OF_COPY)
    report.figure(section, "time steps dropped", of(OURS, "drops"), unit="steps", at_most=0)
    report.ratio(section, "CPU / PyAV threads", of(OURS, "CPU"), of(PYAV, "CPU"))
