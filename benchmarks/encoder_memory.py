"""Section ``memory``: memory of three SVT-AV1 encoders, in children of ffenc or in threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

from control import Footage, ffmpeg_pids, load, run_loop
from measure import Report, in_fresh_process, interleaved, spread
from recorders import OURS, PYAV, Case, Job, clip_for, recorder_of
from settings import Settings

TARGET = 0.75

CHILDREN, SHARED, GROWTH = "children, peak RSS", "children, PSS at the end of the loop", "own growth, peak RSS"


def run(report: Report, settings: Settings) -> None:
    """Measure with the default number of threads, and with one thread per encoder."""
    seconds = settings.seconds or (4 if settings.quick else 20)
    for threads in (None, 1):
        case = Case(cameras=3, encoder="libsvtav1", preset=12, threads=threads)
        works = {method: _work(method, case, seconds, settings) for method in (OURS, PYAV)}
        costs = interleaved(works, settings.few, warm_up=False)
        report.keep_runs(f"memory {case.name}", costs)
        names = list(costs[OURS][0].note)
        rows = [[name, *(spread([run.note[name] for run in runs], 1) for runs in costs.values())] for name in names]
        report.table(f"{case.name}, 640x480, {seconds:g} s at 30 fps, MB", ["", *costs], rows)

        def of(method: str, name: str, costs: Mapping[str, list] = costs) -> list[float]:
            return [run.note[name] for run in costs[method]]

        children, growth, theirs = of(OURS, CHILDREN), of(OURS, GROWTH), of(PYAV, GROWTH)
        everything = [child + own for child, own in zip(children, growth, strict=True)]
        report.ratio("memory", f"{case.name}: children / growth with PyAV", children, theirs, at_most=TARGET)
        report.ratio("memory", f"{case.name}: children and our growth / the same", everything, theirs)


def _work(method: str, case: Case, seconds: float, settings: Settings) -> Callable[[], Mapping[str, float]]:
    job = Job(
        method=method,
        case=case,
        seconds=seconds,
        clip=clip_for(settings),
        directory=settings.scratch / f"memory-{case.threads}",
        binaries=settings.binaries,
        policy="block",
    )
    numbers = count()
    return lambda: in_fresh_process(_peaks, job.fresh(next(numbers)))


def _peaks(job: Job) -> Mapping[str, float]:
    """Run a loop, and return the peak memory of this process and its children."""
    footage = Footage(job.clip, job.case.cameras)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # VmHWM starts anew (proc(5))
    before = _status_mb("self", "VmRSS")
    recorder = recorder_of(job, footage)
    run_loop(lambda step: recorder.feed(footage.at(step)), job.seconds)
    shared = sum(_pss_mb(pid) for pid in ffmpeg_pids(job.binaries.ffmpeg))
    recorder.finish()
    recorder.wait()
    children = 0.0
    if job.method == OURS:
        usages = [camera.result.usage for camera in recorder.recording.cameras.values()]
        children = sum(usage.max_rss_bytes for usage in usages) / 1e6
    growth = _status_mb("self", "VmHWM") - before
    return {CHILDREN: children, SHARED: shared, GROWTH: growth, "drops": recorder.dropped(), "load": load()}


def _status_mb(pid: int | str, field: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024 / 1e6


def _pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6
