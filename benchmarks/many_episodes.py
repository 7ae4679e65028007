"""Section ``episodes``: record very many short episodes, and check that their cost stays constant."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from checking import check_dataset
from control import load
from measure import Report, in_fresh_process
from robot import create, row
from settings import Settings

from ffenc import Binaries, VideoEncoderConfig
from ffenc.dataset.recording.recorder import DatasetRecorder

COUNT = 10_000
SIZE = (64, 64)
STEPS = 2
GROWTH_MB, SLOWER = 5.0, 1.1

Block = dict[str, Any]


def run(report: Report, settings: Settings) -> None:
    """Record, or continue, until the requested number of episodes exists; then open the dataset."""
    wanted = settings.count or (60 if settings.quick else COUNT)
    home = settings.keep or settings.scratch / "episodes"
    home.mkdir(parents=True, exist_ok=True)
    root, log = home / "dataset", home / "blocks.jsonl"
    in_fresh_process(_record, root, log, wanted, max(10, wanted // 20), settings.binaries)
    blocks = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    _tabulate(report, blocks)
    started = time.perf_counter()
    found = check_dataset(root, decode=range(0, wanted, max(1, wanted // 50)), binaries=settings.binaries)
    took = time.perf_counter() - started
    assert len(found) == wanted, f"{len(found)} of {wanted} episodes"
    assert all(episode.length == STEPS for episode in found)
    report.remark(
        f"the dataset opens: {wanted} episodes, {wanted * STEPS} rows, offsets without a gap ({took:.1f} s to check)"
    )
    files = sum(path.is_file() for path in root.rglob("*"))
    report.remark(f"it has {files} files")
    _plot(blocks, home / "episodes.png")
    report.remark(f"plot: {home / 'episodes.png'}")
    _figures(report, blocks)


def _record(root: Path, log: Path, wanted: int, block: int, binaries: Binaries) -> None:
    """Record the missing episodes in one process, with a log line per block."""
    config = VideoEncoderConfig(vcodec="libx264", preset="ultrafast")
    options = {"encoder_threads": 1}
    if root.exists():
        recorder = DatasetRecorder.resume(root, camera_encoder=config, binaries=binaries, **options)
    else:
        recorder = create(root, {"camera": SIZE}, config, binaries, **options)
    frames = np.random.default_rng(1).integers(0, 256, (16, *SIZE, 3), np.uint8)
    with recorder:
        while (first := recorder.num_episodes) < wanted:
            count = min(block, wanted - first)
            took = [_episode(recorder, frames, first + number) for number in range(count - 1)]
            before = time.perf_counter()
            _add(recorder, frames, first + count - 1)
            recorder.save_episode(wait=True)  # so that a block ends with all of its episodes complete
            took.append(time.perf_counter() - before)
            _write_line(log, first, took)
        before = time.perf_counter()
        recorder.finalize()
        finalized_s = time.perf_counter() - before
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"finalize_s": finalized_s, "process": os.getpid(), "episodes": wanted}) + "\n")


def _episode(recorder: DatasetRecorder, frames: Any, number: int) -> float:
    before = time.perf_counter()
    _add(recorder, frames, number)
    recorder.save_episode()
    return time.perf_counter() - before


def _add(recorder: DatasetRecorder, frames: Any, number: int) -> None:
    for step in range(STEPS):
        recorder.add_frame(row({"camera": frames[(number + step) % 16]}, episode=number, step=step))


def _write_line(log: Path, first: int, took: Sequence[float]) -> None:
    line = {
        "process": os.getpid(),
        "first": first,
        "episodes": len(took),
        "mean_ms": 1000 * statistics.fmean(took),
        "median_ms": 1000 * statistics.median(took),
        "p99_ms": 1000 * float(np.percentile(took, 99)),
        "rss_mb": _resident_mb(),
        "threads": len(os.listdir("/proc/self/task")),  # noqa: PTH208
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        "load": load(),
    }
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _full(blocks: Sequence[Block]) -> list[Block]:
    return [block for block in blocks if "rss_mb" in block]


def _tabulate(report: Report, blocks: Sequence[Block]) -> None:
    names = ("mean_ms", "median_ms", "p99_ms", "rss_mb", "threads", "descriptors", "load")
    rows = [
        [f"{block['first']}..", str(block["process"]), *(f"{block[name]:.1f}" for name in names)]
        for block in _full(blocks)
    ]
    report.table(f"Episodes of {STEPS} frames, 64x64, x264 ultrafast, one thread", ["episode", "process", *names], rows)
    for block in blocks:
        if "finalize_s" in block:
            report.remark(f"finalize() of {block['episodes']} episodes took {block['finalize_s']:.1f} s")


def _figures(report: Report, blocks: Sequence[Block]) -> None:
    """Return the blocks of the process that recorded most, without its first block."""
    processes = [block["process"] for block in _full(blocks)]
    longest = [block for block in _full(blocks) if block["process"] == statistics.mode(processes)]
    if len(longest) < 3:
        report.remark("too few blocks in one process to say whether anything grows")
        return
    _, second, *_, last = longest
    report.figure("episodes", "time per episode", [block["mean_ms"] for block in longest], unit="ms")
    report.figure(
        "episodes", "time of the last block / the second", [last["mean_ms"] / second["mean_ms"]], at_most=SLOWER
    )
    grown = last["rss_mb"] - second["rss_mb"]
    report.figure("episodes", "resident memory, growth since the second block", [grown], unit="MB", at_most=GROWTH_MB)


def _plot(blocks: Sequence[Block], path: Path) -> None:
    import matplotlib  # noqa: PLC0415  # nothing else here needs it

    matplotlib.use("Agg")
    from matplotlib import pyplot as plot  # noqa: PLC0415

    full = _full(blocks)
    ends = [block["first"] + block["episodes"] for block in full]
    figure, (above, below) = plot.subplots(2, 1, sharex=True, figsize=(8, 6))
    for name in ("median_ms", "mean_ms", "p99_ms"):
        above.plot(ends, [block[name] for block in full], marker=".", label=name.removesuffix("_ms"))
    above.set(ylabel="ms per episode", ylim=(0, None))
    above.legend()
    below.plot(ends, [block["rss_mb"] for block in full], marker=".", color="tab:red")
    below.set(xlabel="episodes", ylabel="resident memory, MB", ylim=(0, None))
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plot.close(figure)
