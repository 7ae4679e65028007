"""Simulate a robot's control loop and measure its delays."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from machine import child_pids

FPS = 30

Cameras = Mapping[str, npt.NDArray[np.uint8]]
"""One frame of each camera, by name."""

Seconds = npt.NDArray[np.float64]


class Footage:
    """Frames of all cameras: the same clip, shifted by one second per camera.

    Args:
        path: ``(count, height, width, 3)`` uint8 in a ``.npy`` file.
        cameras: how many.
    """

    def __init__(self, path: Path, cameras: int) -> None:
        self._frames = np.load(path)
        self.names = [f"camera{number}" for number in range(cameras)]
        self.height, self.width = self._frames.shape[1:3]

    def at(self, step: int) -> Cameras:
        """Return the frames of a time step."""
        count = len(self._frames)
        return {name: self._frames[(step + FPS * which) % count] for which, name in enumerate(self.names)}


@dataclass(frozen=True, kw_only=True)
class LoopTimes:
    """One run of the loop.

    Attributes:
        late_s: for each tick, how long after its time it began.
        feed_s: for each tick, how long the recording kept it.
        free_s: for each tick, how long after its time the loop was done with it.
        wall_s: all of it.
    """

    late_s: Seconds
    feed_s: Seconds
    free_s: Seconds
    wall_s: float

    def note(self) -> dict[str, float]:
        """Return the figures of this run, in ms."""
        return {
            "jitter p50": _ms(self.late_s, 50),
            "jitter p99": _ms(self.late_s, 99),
            "jitter max": _ms(self.late_s, 100),
            "feed p50": _ms(self.feed_s, 50),
            "feed p99": _ms(self.feed_s, 99),
            "feed max": _ms(self.feed_s, 100),
            "free again p99": _ms(self.free_s, 99),
            "loop fps": len(self.late_s) / self.wall_s,
        }


def run_loop(feed: Callable[[int], object], seconds: float) -> LoopTimes:
    """Run the loop: sleep until the next tick, compute, hand over the frames.

    A tick that comes more than a period late shifts all that follow: a robot does not catch up on the past.

    Args:
        feed: is given the number of the time step.
        seconds: how long, if every tick is punctual; a slow loop has as many ticks and takes longer.
    """
    count, period = round(seconds * FPS), 1 / FPS
    late, fed, free = np.zeros(count), np.zeros(count), np.zeros(count)
    state = np.linspace(0, 1, 20_000)
    start = tick = time.perf_counter()
    for step in range(count):
        tick += period
        time.sleep(max(0.0, tick - time.perf_counter()))
        late[step] = time.perf_counter() - tick
        state = np.tanh(state + 0.01)  # the control law; not a matrix product, whose threads would be measured as well
        before = time.perf_counter()
        feed(step)
        after = time.perf_counter()
        fed[step], free[step] = after - before, after - tick
        if late[step] > period:
            tick += late[step]
    return LoopTimes(late_s=late, feed_s=fed, free_s=free, wall_s=time.perf_counter() - start)


def ffmpeg_pids(ffmpeg: Path) -> list[int]:
    """Return the running children of this executable."""
    return [pid for pid in child_pids() if runs(pid, ffmpeg)]


def runs(pid: int, executable: Path) -> bool:
    """Return whether a process runs this executable."""
    try:
        return Path(f"/proc/{pid}/exe").readlink() == executable.resolve()
    except OSError:  # it has ended, or is none of ours
        return False


def load() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]


def _ms(seconds: Seconds, percentile: float) -> float:
    return 1000 * float(np.percentile(seconds, percentile))
