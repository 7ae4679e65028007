"""Costs before and beside the work: imports, the command line, the first probe, memory."""

from __future__ import annotations

import gc
import os
import sys
from functools import partial
from pathlib import Path

import numpy as np
from measure import Cost, Report, cost_of, in_fresh_process, interleaved, run_silently, spread
from settings import Settings

from ffenc import Binaries, VideoEncoderConfig, VideoWriter, probe_capabilities

IMPORT_TARGET = 1.2
COMMAND_TARGETS_S = {"--version": 0.15, "--help": 0.35, "encode --help": 0.35}
"""CPU time of the program until it has printed this."""
PROBE_TARGET_MS = 5.0

_BASE = "import numpy, pydantic"
_USED = "numpy and one pydantic model"
_IMPORTS = {
    _BASE: "import numpy, pydantic",
    # pydantic loads most of itself when its first model is made, which every user of it does.
    _USED: "import numpy\nfrom pydantic import BaseModel\nclass Model(BaseModel): a: int = 1",
    "import ffenc": "import ffenc",
    "VideoEncoderConfig": "from ffenc import VideoEncoderConfig",
    "VideoWriter, VideoEncoderConfig": "from ffenc import VideoWriter, VideoEncoderConfig",
}


def imports(report: Report, settings: Settings) -> None:
    """Measure processes that only import."""
    works = {name: partial(run_silently, [sys.executable, "-c", code]) for name, code in _IMPORTS.items()}
    costs = interleaved(works, settings.repeats * 2)
    rows = [
        [name, spread([1000 * run.wall_s for run in runs], 0), spread([1000 * run.child_cpu_s for run in runs], 0)]
        for name, runs in costs.items()
    ]
    report.table("Import, a whole process", ["", "wall ms", "CPU ms"], rows)
    for name, base in (
        ("import ffenc", _BASE),
        ("VideoEncoderConfig", _USED),
        ("VideoWriter, VideoEncoderConfig", _BASE),
        ("VideoWriter, VideoEncoderConfig", _USED),
    ):
        ours, theirs = costs[name], costs[base]
        label = f"{name} / {base}"
        wall = [run.wall_s for run in ours], [run.wall_s for run in theirs]
        cpu = [run.child_cpu_s for run in ours], [run.child_cpu_s for run in theirs]
        report.ratio("import wall", label, *wall, at_most=IMPORT_TARGET)
        report.ratio("import CPU", label, *cpu, at_most=IMPORT_TARGET)


def command_line(report: Report, settings: Settings) -> None:
    """Measure the program until it has printed its version or help."""
    works = {
        words: partial(run_silently, [sys.executable, "-m", "ffenc", *words.split()]) for words in COMMAND_TARGETS_S
    }
    costs = interleaved(works, settings.repeats * 2)
    for words, runs in costs.items():
        cpu_s = [run.child_cpu_s for run in runs]
        report.figure("command line", f"ffenc {words}, CPU", cpu_s, unit="s", at_most=COMMAND_TARGETS_S[words])


def probe(report: Report, settings: Settings) -> None:
    """Measure the capability probe, with and without the disk cache, and the time to the first frame."""
    os.environ["FFENC_CACHE_DIR"] = str(settings.scratch / "cache")
    try:
        first = in_fresh_process(_start_up, settings.binaries, settings.scratch)
        later = [in_fresh_process(_start_up, settings.binaries, settings.scratch) for _ in range(settings.repeats)]
    finally:
        del os.environ["FFENC_CACHE_DIR"]
    report.figure("probe", "nothing remembered, wall", [first[0].wall_s * 1000], unit="ms")
    remembered, again, frame = ([each[number] for each in later] for number in range(3))
    report.figure(
        "probe", "remembered on disk, wall", [1000 * c.wall_s for c in remembered], unit="ms", at_most=PROBE_TARGET_MS
    )
    report.figure(
        "probe", "remembered on disk, CPU", [1000 * c.cpu_s for c in remembered], unit="ms", at_most=PROBE_TARGET_MS
    )
    report.figure("probe", "asked again in one process, wall", [1000 * c.wall_s for c in again], unit="ms")
    report.figure("probe", "first frame taken, wall", [1000 * c.wall_s for c in frame], unit="ms")


def _start_up(binaries: Binaries, scratch: Path) -> tuple[Cost, Cost, Cost]:
    """Measure a first probe, a second one, and a writer up to its first frame; imports are done before."""
    writer = VideoWriter(scratch / "first.mp4", fps=30, config=VideoEncoderConfig(), binaries=binaries)
    frame = np.zeros((480, 640, 3), np.uint8)
    costs = (
        cost_of(partial(_probe, binaries)),
        cost_of(partial(_probe, binaries)),
        cost_of(partial(writer.write, frame)),
    )
    writer.abort()
    return costs


def _probe(binaries: Binaries) -> None:
    probe_capabilities(binaries.ffmpeg, encoders=["libsvtav1"])


def memory(report: Report, settings: Settings) -> None:
    """Measure the resident memory of this process while 10,000 frames pass through it."""
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
