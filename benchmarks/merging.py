"""Sections ``merge`` and ``episodes``: merge many files, and very many small ones."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import peers
from files import clips_of
from footage import frames_of
from made_datasets import CAMERA, make_dataset
from measure import Report, in_fresh_process, interleaved, spread
from settings import Settings

from ffenc import Binaries, VideoEncoderConfig, encode_frames, merge_datasets, probe_packets

OURS, PYAV = "ffenc: a whole dataset", "PyAV remux of its videos"
MERGE_TARGET = 1.0
SOURCES = 4

TINY = (64, 64)
TINY_LENGTHS = (2, 3, 4)
FLAT, GROWTH_MB = 1.1, 5.0


def files(report: Report, settings: Settings) -> None:
    """Merge 200 episode files of four datasets, compared with a remux without checks."""
    count = 40 if settings.quick else 200
    clips = clips_of(settings, count)
    size_mb = sum(clip.stat().st_size for clip in clips) / 1e6
    per_source = count // SOURCES
    sources = [
        make_dataset(
            settings.scratch / f"source-{number}",
            clips[number * per_source : (number + 1) * per_source],
            fps=peers.FPS,
            binaries=settings.binaries,
        )
        for number in range(SOURCES)
    ]
    output, joined = settings.scratch / "merged", settings.scratch / "joined.mp4"

    def ours() -> None:
        shutil.rmtree(output, ignore_errors=True)
        merge_datasets(sources, output, binaries=settings.binaries)

    works: dict[str, Callable[[], None]] = {OURS: ours}
    if "av" in peers.installed():
        works[PYAV] = lambda: peers.pyav_concat(clips, joined)
    costs = interleaved(works, settings.repeats)
    rows = [
        [name, spread([run.wall_s for run in runs]), spread([run.cpu_s for run in runs])]
        for name, runs in costs.items()
    ]
    report.table(f"{count} episode files, {size_mb:.0f} MB, merged", ["method", "wall s", "CPU s"], rows)
    if PYAV in costs:
        walls = {name: [run.wall_s for run in runs] for name, runs in costs.items()}
        report.ratio("merge", "wall / PyAV", walls[OURS], walls[PYAV], at_most=MERGE_TARGET)
    report.figure("merge", "last frame off by", [_last_off_us(output, settings.binaries)], unit="us", at_most=0)


def _last_off_us(root: Path, binaries: Binaries) -> float:
    """Return the worst of all files of a camera."""
    worst = Fraction(0)
    for path in sorted((root / "videos" / CAMERA).rglob("*.mp4")):
        packets = probe_packets(path, binaries=binaries)
        off = packets.pts_s(packets.count - 1) - Fraction(packets.count - 1, peers.FPS)
        worst = max(worst, abs(off))
    return float(worst * 1_000_000)


def episodes(report: Report, settings: Settings) -> None:
    """Merge small episodes with a file each, and compare the cost of one among 1,000 and 10,000."""
    counts = (50, 100, 200) if settings.quick else (1_000, 2_500, 5_000, 10_000)
    clips = []
    for length in TINY_LENGTHS:
        clip = settings.scratch / f"tiny-{length}.mp4"
        config = VideoEncoderConfig(vcodec="libx264", preset="ultrafast")
        encode_frames(frames_of(None, length, *TINY), clip, fps=peers.FPS, config=config, binaries=settings.binaries)
        clips.append(clip)
    rows, each_ms, peaks = [], [], []
    for count in counts:
        half = [clips[number % len(clips)] for number in range(count // 2)]
        sources = [
            make_dataset(settings.scratch / f"tiny-{count}-{side}", half, fps=peers.FPS, binaries=settings.binaries)
            for side in range(2)
        ]
        output = settings.scratch / f"merged-{count}"
        wall_s, peak_mb = in_fresh_process(_merge, sources, output, settings.binaries)
        off_us = _last_off_us(output, settings.binaries)
        each_ms.append(wall_s / count * 1000)
        peaks.append(peak_mb)
        rows.append([f"{count}", f"{wall_s:.1f}", f"{each_ms[-1]:.2f}", f"{peak_mb:.0f}", f"{off_us:g}"])
        for path in (*sources, output):
            shutil.rmtree(path)
        report.figure("episodes", f"last frame off by, of {count}", [off_us], unit="us", at_most=0)
    columns = ["episodes", "wall s", "ms per episode", "peak RSS MB", "last frame off by us"]
    report.table("tiny episodes merged, each a file of its own", columns, rows)
    report.figure("episodes", "ms per episode, last / first", [each_ms[-1] / each_ms[0]], at_most=FLAT)
    report.figure("episodes", "peak RSS, last - first", [peaks[-1] - peaks[0]], unit="MB", at_most=GROWTH_MB)


def _merge(sources: list[Path], output: Path, binaries: Binaries) -> tuple[float, float]:
    started = time.perf_counter()
    merge_datasets(sources, output, binaries=binaries)
    wall_s = time.perf_counter() - started
    # Not getrusage: its peak is also that of the process that this one was forked from.
    peak_kb = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return wall_s, int(peak_kb[1]) / 1024 if peak_kb else float("nan")
