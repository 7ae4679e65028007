"""Sections ``tools`` and ``growth``: operations on datasets, against LeRobot's own tools and with more episodes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from footage import frames_of
from made_datasets import CAMERAS, FPS, make_dataset, make_version_21
from measure import Report, in_fresh_process, spread
from settings import Settings

from ffenc import (
    Binaries,
    VideoEncoderConfig,
    delete_episodes,
    encode_frames,
    merge_datasets,
    recompute_stats,
    split_dataset,
    upgrade_dataset,
    verify_dataset,
)
from ffenc.bench.timing import round_order
from ffenc.dataset.format.dataset_tables import iterate_episodes
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.transform.pack import pack_dataset
from ffenc.dataset.transform.trim import trim_episodes

TARGET = 0.8
SIZE = (64, 64)
LENGTHS = (20, 30, 40)
SOURCES = 4
GROWTH_LENGTHS = (4, 5, 6)
SLOWER, GROWTH_MB = 1.1, 5.0

WORKS = ("merge", "delete", "trim", "split", "pack", "upgrade", "recompute-stats", "verify")
COMPARED = ("merge", "delete", "split", "upgrade", "recompute-stats")
"""The operations for which LeRobot has a tool."""

IN_PLACE = ("pack", "upgrade", "recompute-stats")
"""The operations that change their dataset, so they work on a copy."""


@dataclass(frozen=True, kw_only=True)
class Datasets:
    """The same episodes in every form that an operation starts from.

    Attributes:
        parts: four datasets, with one video per camera.
        whole: one dataset with one video per camera.
        single: one dataset with one video per episode and camera.
        old: ``single`` in format 2.1.
    """

    parts: tuple[Path, ...]
    whole: Path
    single: Path
    old: Path

    def of(self, work: str, scratch: Path) -> tuple[Path, ...]:
        """Return what an operation reads; a copy, in ``scratch``, of what it changes in place."""
        sources = {"merge": self.parts, "pack": (self.single,), "upgrade": (self.old,)}.get(work, (self.whole,))
        if work not in IN_PLACE:
            return sources
        return (shutil.copytree(sources[0], scratch / "copy" / work),)


def tools(report: Report, settings: Settings) -> None:
    """Run the operations on 200 episodes of two cameras, in turn with LeRobot's tool for the same job."""
    count = 20 if settings.quick else settings.count or 200
    made = _make(settings, count, LENGTHS)
    ours: dict[str, list[float]] = {work: [] for work in WORKS}
    theirs: dict[str, list[float]] = {work: [] for work in COMPARED}
    sides = (True, False) if settings.lerobot is not None else (True,)
    with _lerobot(settings.lerobot) as ask:
        for number in range(settings.repeats):
            for work in WORKS:
                for mine in round_order(sides, number):
                    if not mine and work not in COMPARED:
                        continue
                    sources, output = made.of(work, settings.scratch), settings.scratch / "output"
                    if mine:
                        ours[work].append(in_fresh_process(perform, work, sources, output, settings.binaries)[0])
                    else:
                        theirs[work].append(ask(work, sources, output))
                    shutil.rmtree(output, ignore_errors=True)
                    shutil.rmtree(settings.scratch / "copy", ignore_errors=True)
    report.table(
        f"{count} episodes of {len(CAMERAS)} cameras",
        ["", "ffenc, wall s", "LeRobot, wall s"],
        [[work, spread(ours[work]), spread(theirs[work]) if theirs.get(work) else "-"] for work in WORKS],
    )
    for work, values in theirs.items():
        if values:
            report.ratio("tools", f"{work}, wall / LeRobot", ours[work], values, at_most=TARGET)


def growth(report: Report, settings: Settings) -> None:
    """Run each operation once on 100, 1,000 and 10,000 tiny episodes, and compare time per episode and peak memory."""
    most = settings.count or (200 if settings.quick else 10_000)
    counts = [count for count in (100, 1_000, 10_000) if count < most] + [most]
    seen: dict[str, list[tuple[float, float]]] = {work: [] for work in WORKS}
    for count in counts:
        rows = []
        made = _make(settings, count, GROWTH_LENGTHS)
        for work in WORKS:
            sources, output = made.of(work, settings.scratch), settings.scratch / "output"
            wall_s, peak_mb = in_fresh_process(perform, work, sources, output, settings.binaries)
            seen[work].append((wall_s / count * 1000, peak_mb))
            rows.append([work, f"{wall_s:.1f}", f"{seen[work][-1][0]:.2f}", f"{peak_mb:.0f}"])
            shutil.rmtree(output, ignore_errors=True)
            shutil.rmtree(settings.scratch / "copy", ignore_errors=True)
        shutil.rmtree(settings.scratch / "made")
        columns = ["", "wall s", "ms per episode", "peak RSS MB"]
        report.table(f"{count} tiny episodes of {len(CAMERAS)} cameras", columns, rows)
    for work, ((first_ms, first_mb), *_, (last_ms, last_mb)) in seen.items():
        report.figure("growth", f"{work}, ms per episode, last / first", [last_ms / first_ms], at_most=SLOWER)
        report.figure("growth", f"{work}, peak RSS, last - first", [last_mb - first_mb], unit="MB", at_most=GROWTH_MB)


def perform(work: str, sources: Sequence[Path], output: Path, binaries: Binaries) -> tuple[float, float]:
    """Run an operation in this process; return its seconds and the peak of resident memory in MB."""
    ranges = (
        {row.episode_index: (2, row.length - 1) for row in iterate_episodes(sources[0], load_info(sources[0]))}
        if work == "trim"
        else {}
    )
    started = time.perf_counter()
    if work == "merge":
        merge_datasets(sources, output, binaries=binaries)
    elif work == "delete":
        assert not delete_episodes(sources[0], [1], output, binaries=binaries).reencoded
    elif work == "trim":
        trim_episodes(sources[0], ranges, output, binaries=binaries)
    elif work == "split":
        split_dataset(sources[0], {"train": 0.5, "val": 0.5}, output, binaries=binaries)
    elif work == "pack":
        assert pack_dataset(sources[0], binaries=binaries)
    elif work == "recompute-stats":
        recompute_stats(sources[0])
    elif work == "verify":
        verify_dataset(sources[0], "packets", binaries=binaries)
    else:
        upgrade_dataset(sources[0], output, binaries=binaries)
    wall_s = time.perf_counter() - started
    # Not getrusage: its peak is also that of the process that this one was forked from.
    peak_kb = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return wall_s, int(peak_kb[1]) / 1024 if peak_kb else float("nan")


def _make(settings: Settings, count: int, lengths: Sequence[int]) -> Datasets:
    """Write the datasets of an operation: every third episode has the same clip, with a keyframe every 2 frames."""
    home = settings.scratch / "made"
    home.mkdir()
    config = VideoEncoderConfig(vcodec="libx264", preset="ultrafast", g=2)
    clips = []
    for length in lengths:
        clips.append(home / f"{length}.mp4")
        encode_frames(frames_of(None, length, *SIZE), clips[-1], fps=FPS, config=config, binaries=settings.binaries)
    episodes = [clips[number % len(clips)] for number in range(count)]

    def made(name: str, some: Sequence[Path], per_video: int) -> Path:
        return make_dataset(
            home / name, some, fps=FPS, binaries=settings.binaries, cameras=CAMERAS, per_video=per_video
        )

    each = count // SOURCES
    single = made("single", episodes, 1)
    return Datasets(
        parts=tuple(
            made(f"part-{number}", episodes[number * each : (number + 1) * each], each) for number in range(SOURCES)
        ),
        whole=made("whole", episodes, count),
        single=single,
        old=make_version_21(single, home / "old"),
    )


@contextmanager
def _lerobot(python: Path | None) -> Iterator[Callable[[str, Sequence[Path], Path], float]]:
    """Give a function that runs a job in one process with LeRobot, and returns its seconds."""
    if python is None:
        yield lambda *_: float("nan")
        return
    # -P: this directory has a file with the name of LeRobot's package.
    command = [str(python), "-P", str(Path(__file__).with_name("lerobot_tools.py"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asking, answers = process.stdin, process.stdout

        def ask(work: str, sources: Sequence[Path], output: Path) -> float:
            job = {"work": work, "sources": [str(each) for each in sources], "output": str(output)}
            print(json.dumps(job), file=asking, flush=True)
            return float(answers.readline())

        yield ask
        asking.close()
