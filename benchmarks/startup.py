"""What ffenc costs before and beside its work: import, first probe, memory."""

from __future__ import annotations

import gc
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from measure import Report, in_fresh_process, interleaved, run_silently
from settings import Settings

from ffenc import Binaries, VideoEncoderConfig, VideoWriter, probe_capabilities

IMPORT_TARGET = 1.2
PROBE_TARGET_MS = 5.0

_IMPORTS = {
    "import numpy, pydantic": "import numpy, pydantic",
    "import ffenc": "import ffenc",
    "writer and config": "from ffenc import VideoWriter, VideoEncoderConfig",
}


def imports(report: Report, settings: Settings) -> None:
    """Whole processes that only import."""
    works = {name: (lambda code=code: run_silently([sys.executable, "-c", code])) for name, code in _IMPORTS.items()}
    costs = interleaved(works, settings.repeats * 3)
    rows = [
        [
            name,
            f"{1000 * statistics.median(run.wall_s for run in runs):.0f}",
            f"{1000 * statistics.median(run.child_cpu_s for run in runs):.0f}",
        ]
        for name, runs in costs.items()
    ]
    report.table("Import, a whole process", ["", "wall ms", "CPU ms"], rows)
    base, *others = costs
    for name in others:
        wall = [run.wall_s for run in costs[base]], [run.wall_s for run in costs[name]]
        cpu = [run.child_cpu_s for run in costs[base]], [run.child_cpu_s for run in costs[name]]
        report.ratio("import", f"{name} / numpy, pydantic, wall", wall[1], wall[0], at_most=IMPORT_TARGET)
        report.ratio("import", f"{name} / numpy, pydantic, CPU", cpu[1], cpu[0], at_most=IMPORT_TARGET)


def probe(report: Report, settings: Settings) -> None:
    """The answers of FFmpeg, from the disk cache and without it; and the time to the first frame."""
    os.environ["FFENC_CACHE_DIR"] = str(settings.scratch / "cache")
    try:
        first = in_fresh_process(_start_up, settings.binaries, settings.scratch)
        later = [in_fresh_process(_start_up, settings.binaries, settings.scratch) for _ in range(settings.repeats)]
    finally:
        del os.environ["FFENC_CACHE_DIR"]
    report.figure("probe", "nothing remembered", [first[0]], unit="ms")
    report.figure("probe", "remembered on disk", [each[0] for each in later], unit="ms", at_most=PROBE_TARGET_MS)
    report.figure("probe", "asked again in the same process", [each[1] for each in later], unit="ms")
    report.figure("probe", "writer entered and first frame taken", [each[2] for each in later], unit="ms")


def _start_up(binaries: Binaries, scratch: Path) -> tuple[float, float, float]:
    """Milliseconds of a first probe, of a second one, and to the first frame written."""
    clock = time.perf_counter()
    probe_capabilities(binaries.ffmpeg, encoders=["libsvtav1"])
    first = time.perf_counter() - clock
    clock = time.perf_counter()
    probe_capabilities(binaries.ffmpeg, encoders=["libsvtav1"])
    second = time.perf_counter() - clock
    clock = time.perf_counter()
    frame = np.zeros((480, 640, 3), np.uint8)
    writer = VideoWriter(scratch / "first.mp4", fps=30, config=VideoEncoderConfig(), binaries=binaries)
    writer.write(frame)
    third = time.perf_counter() - clock
    writer.abort()
    return 1000 * first, 1000 * second, 1000 * third


def memory(report: Report, settings: Settings) -> None:
    """Resident memory of the parent while 10,000 frames pass through."""
    marks = (100, 1000, 2000) if settings.quick else (1000, 5000, 10000)
    sizes = in_fresh_process(_write_many, marks, settings.binaries, settings.scratch / "long.mp4")
    rows = [[str(mark), f"{size / 1e6:.2f}"] for mark, size in zip((*marks, "closed"), sizes, strict=True)]
    report.table("Memory of the parent, frames of 160x120", ["frames", "resident MB"], rows)
    report.figure(
        "memory", f"growth from frame {marks[0]} to {marks[-1]}", [(sizes[-2] - sizes[0]) / 1e6], unit="MB", at_most=1
    )


def _write_many(marks: tuple[int, ...], binaries: Binaries, path: Path) -> list[int]:
    sizes = []
    frames = np.random.default_rng(1).integers(0, 256, (16, 120, 160, 3), np.uint8)
    config = VideoEncoderConfig(vcodec="libx264", preset="ultrafast")
    with VideoWriter(path, fps=30, config=config, size=(160, 120), binaries=binaries) as writer:
        for number in range(1, marks[-1] + 1):
            writer.write(frames[number % 16])
            if number in marks:
                gc.collect()
                sizes.append(_resident_bytes())
    return [*sizes, _resident_bytes()]


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
