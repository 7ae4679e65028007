"""Section ``starts``: how long the first step and the saving of an episode keep the control thread."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from control import FPS
from measure import Report, in_fresh_process, spread
from robot import create, row
from settings import Settings

from ffenc import Binaries, VideoEncoderConfig

AT_MOST_MS = 5.0
CAMERAS = (1, 2, 4)
WIDTH, HEIGHT = 640, 480
PAUSE_S = 0.5  # to reset the scene

Runs = dict[str, list[float]]


def run(report: Report, settings: Settings) -> None:
    """Measure both for each number of cameras, in processes that take turns."""
    seen: dict[tuple[int, bool], Runs] = {}
    for repeat in range(settings.repeats):
        for case in [(cameras, warm) for cameras in CAMERAS for warm in (False, True)]:
            root = settings.scratch / f"starts-{repeat}-{case[0]}-{case[1]}"
            runs = in_fresh_process(_measure, root, *case, 3 if settings.quick else 8, settings.binaries)
            for name, values in runs.items():
                seen.setdefault(case, {}).setdefault(name, []).extend(values)
    names = list(next(iter(seen.values())))
    report.table(
        f"Start and end of an episode on the control thread, 640x480, x264 ultrafast, {PAUSE_S:g} s between episodes, ms",
        ["cameras", "warm_start", *names],
        [[str(cameras), str(warm), *(spread(runs[name]) for name in names)] for (cameras, warm), runs in seen.items()],
    )
    for (cameras, warm), runs in seen.items():
        for name, values in runs.items():
            label = f"{name}, {cameras} cameras{', warm' * warm}"
            report.figure("starts", label, values, unit="ms", at_most=AT_MOST_MS)


def _measure(root: Path, cameras: int, warm: bool, episodes: int, binaries: Binaries) -> Runs:
    names = [f"camera{number}" for number in range(cameras)]
    slope = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH))
    frames = [np.repeat((slope + 5 * step).astype(np.uint8)[..., None], 3, axis=2) for step in range(FPS)]
    config = VideoEncoderConfig(vcodec="libx264", preset="ultrafast")
    sizes = dict.fromkeys(names, (HEIGHT, WIDTH))
    runs: Runs = {"first add_frame": [], "save_episode": []}
    with create(root, sizes, config, binaries, queue_policy="drop", warm_start=warm) as recorder:
        for episode in range(episodes):
            for step in range(FPS):
                before = time.perf_counter()
                recorder.add_frame(row(dict.fromkeys(names, frames[step]), episode=episode, step=step))
                took = time.perf_counter() - before
                if step == 0:
                    runs["first add_frame"].append(1000 * took)
                time.sleep(max(0, 1 / FPS - took))
            before = time.perf_counter()
            recorder.save_episode()
            runs["save_episode"].append(1000 * (time.perf_counter() - before))
            time.sleep(PAUSE_S)
    return runs
