"""Sections ``verify`` and ``metadata``: verify many episode files, and a folder with only ``meta/``."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import peers
from files import clips_of
from made_datasets import make_dataset, make_metadata
from measure import Report, interleaved, spread
from settings import Settings

from ffenc import Binaries, find_binaries, verify_dataset

FILES = 1000
MS_TARGET = 2.0

EPISODES = 10_000
S_TARGET = 1.0
_FRAMES, _EPISODES_PER_VIDEO = 300, 300


def run(report: Report, settings: Settings) -> None:
    """Measure level ``packets`` with one file per episode."""
    count = 100 if settings.quick else FILES
    clips = clips_of(settings, 5)
    root = make_dataset(
        settings.scratch / "dataset",
        [clips[number % len(clips)] for number in range(count)],
        fps=peers.FPS,
        binaries=settings.binaries,
    )

    def check(binaries: Binaries) -> None:
        found = verify_dataset(root, "packets", binaries=binaries).findings
        assert all(each.code.endswith("missing") and "stats" in each.code for each in found)  # pictures have none here

    without = find_binaries(settings.binaries.ffmpeg, "none")
    works: dict[str, Callable[[], None]] = {"without ffprobe": lambda: check(without)}
    if settings.binaries.ffprobe is not None:
        works["with ffprobe"] = lambda: check(settings.binaries)
    each_ms = {
        name: [run.wall_s / count * 1000 for run in runs] for name, runs in interleaved(works, settings.repeats).items()
    }
    report.table(
        f"{count} episode files verified, level packets",
        ["", "ms per file"],
        [[name, spread(values)] for name, values in each_ms.items()],
    )
    for name, values in each_ms.items():
        report.figure("verify", name, values, unit="ms per file", at_most=MS_TARGET)


def metadata(report: Report, settings: Settings) -> None:
    """Measure level ``metadata`` on the tables of many episodes with two cameras, as a command and as a function."""
    count = EPISODES // 10 if settings.quick else EPISODES
    root = make_metadata(settings.scratch / "dataset", episodes=count, frames=_FRAMES, per_video=_EPISODES_PER_VIDEO)

    def check() -> None:
        assert set(verify_dataset(root).counts) == {"meta-only"}

    def command() -> None:
        subprocess.run(
            [sys.executable, "-m", "ffenc", "verify", root, "--level=metadata"], check=True, stdout=subprocess.DEVNULL
        )

    for name, runs in interleaved({"function": check, "command": command}, settings.repeats).items():
        report.figure("metadata", f"{count} episodes, {name}", [run.wall_s for run in runs], unit="s", at_most=S_TARGET)
