"""Record a day of episodes as fast as possible, and report what grows: memory, descriptors, threads, child processes, time.

Usage: python benchmarks/recording_soak.py DIRECTORY [--live] [--seconds 17.28] [--episodes 5000] [--minutes 20] [--nice 10]

An episode has 17.3 seconds of two tiny cameras, so 5000 episodes are 24 hours.  The first tenth warms up and does not count.
With --live the cameras are test patterns that FFmpeg generates in real time.  They are closed and opened again at each sample.
A loop takes their newest frames at its own rate, and reports how often a camera had no new frame since the step before.
After the last episode the dataset is verified, and timestamps and lengths of all rows are compared with k/fps.  Status 1: a
finding, a wrong timestamp, or growth above the limits.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from machine import child_pids

from ffenc import VideoEncoderConfig
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.dataset.verify.verify import verify_dataset
from ffenc.plan.capture import LiveSource
from ffenc.video.capture import CameraSource

FPS, SECONDS, SIZE = 30, 17.28, 32
CAMERAS = ("observation.images.top", "observation.images.wrist")
SAMPLES = 50  # samples of the process over a run
LIMITS = {"memory, MB": 5.0, "descriptors": 0.5, "threads": 0.5, "children": 0.5}
"""Most growth per 1000 episodes."""


def features() -> dict[str, dict[str, object]]:
    """Features of the dataset."""
    camera = {"dtype": "video", "shape": (SIZE, SIZE, 3), "names": ["height", "width", "channels"]}
    return {
        "observation.state": {"dtype": "float32", "shape": (6,), "names": None},
        **{name: dict(camera) for name in CAMERAS},
    }


class Generated:
    """The same random frames in every episode, as fast as they are taken."""

    def __init__(self, steps: int) -> None:
        self._frames = np.random.default_rng(0).integers(0, 256, (steps, SIZE, SIZE, 3), np.uint8)

    def step(self, number: int) -> dict[str, Any]:
        """Return the frames of a step of an episode."""
        return dict.fromkeys(CAMERAS, self._frames[number])

    def renew(self) -> dict[str, float]:
        """Return figures of the last sample; there are none."""
        return {}


class Live:
    """Cameras in real time, and a loop at their rate."""

    def __init__(self) -> None:
        self._cameras: dict[str, CameraSource] = {}
        self._open()

    def step(self, _: int) -> dict[str, Any]:
        """Wait until the step is due, and return the newest frame of each camera."""
        self._due_s += 1 / FPS
        now = time.monotonic()
        self._late_s = max(self._late_s, now - self._due_s)
        self._due_s = max(self._due_s, now - 1)  # after a pause
        time.sleep(max(0.0, self._due_s - now))
        self._steps += 1
        frames = {}
        for name, camera in self._cameras.items():
            captured = camera.latest()
            self._repeats += captured.number == self._last.get(name)
            self._last[name] = captured.number
            frames[name] = captured.frame
        return frames

    def renew(self) -> dict[str, float]:
        """Close the cameras and open them again; return figures since they were opened."""
        passed_s = time.monotonic() - self._opened_s
        ahead = max(
            abs(camera.frames_read - self._read_before[name] - FPS * passed_s) for name, camera in self._cameras.items()
        )
        figures = {
            "repeats, %": 100 * self._repeats / (2 * self._steps),
            "drift, frames": ahead,
            "late, ms": 1000 * self._late_s,
        }
        self.close()
        self._open()
        return figures

    def close(self) -> None:
        """Close the cameras."""
        for camera in self._cameras.values():
            camera.close()

    def _open(self) -> None:
        for number, name in enumerate(CAMERAS):
            graph = f"testsrc2=size={SIZE}x{SIZE}:rate={FPS},hue=h={90 * number}"
            source = LiveSource(source=graph, format="lavfi", width=SIZE, height=SIZE, fps=Fraction(FPS))
            self._cameras[name] = CameraSource(source).start()
        self._opened_s = self._due_s = time.monotonic()
        self._read_before = {name: camera.frames_read for name, camera in self._cameras.items()}
        self._last: dict[str, int] = {}
        self._steps, self._repeats, self._late_s = 0, 0, 0.0


def state_of_process(recorder: DatasetRecorder) -> dict[str, float]:
    """Return what may grow, while no episode is open or being completed."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "episode": recorder.num_episodes,
        "memory, MB": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        "threads": len(os.listdir("/proc/self/task")),  # noqa: PTH208
        "children": len(child_pids()),
    }


def record(root: Path, cameras: Generated | Live, steps: int, episodes: int, minutes: float) -> list[dict[str, float]]:
    """Record until one of the limits is reached; return the samples."""
    config = VideoEncoderConfig(vcodec="h264", preset="ultrafast")
    samples = []
    end = time.monotonic() + 60 * minutes
    with DatasetRecorder.create(root, "me/soak", FPS, features(), camera_encoder=config, encoder_threads=1) as recorder:
        number, before = 0, time.perf_counter()
        every = max(1, episodes // SAMPLES)
        while number < episodes and time.monotonic() < end:
            for step in range(steps):
                state = np.full(6, number + step / FPS, np.float32)
                recorder.add_frame({"observation.state": state, "task": "soak", **cameras.step(step)})
            number += 1
            is_sampled = number % every == 0
            recorder.save_episode(wait=is_sampled)
            if is_sampled:
                recorder.clear_episode()  # the one that was started ahead
                sample = state_of_process(recorder) | cameras.renew()
                took, before = time.perf_counter() - before, time.perf_counter()
                samples.append({**sample, "ms per episode": 1000 * took / every})
                print("  ".join(f"{name} {value:.1f}" for name, value in samples[-1].items()), flush=True)
        started = time.perf_counter()
        recorder.finalize()
        print(f"finalize() took {time.perf_counter() - started:.1f} s")
    return samples


def growth(samples: list[dict[str, float]]) -> dict[str, float]:
    """Return the growth of each figure per 1000 episodes, by least squares, without the first tenth."""
    kept = samples[len(samples) // 10 :]
    if len(kept) < 3:
        return {}
    episodes = [sample["episode"] for sample in kept]
    return {
        name: 1000 * float(np.polyfit(episodes, [sample[name] for sample in kept], 1)[0])
        for name in kept[0]
        if name != "episode"
    }


def faults(root: Path, episodes: int, steps: int) -> list[str]:
    """Verify the dataset, and check that no timestamp drifts."""
    found = [f"{finding.code}: {finding.message}" for finding in verify_dataset(root).findings]
    lengths = 0
    for path in sorted((root / "data").rglob("*.parquet")):
        table = pq.read_table(path, columns=["timestamp", "frame_index"])
        times, numbers = table["timestamp"].to_numpy(), table["frame_index"].to_numpy()
        lengths += len(numbers)
        if not np.array_equal(times, (numbers / FPS).astype(np.float32)):
            found.append(f"{path} has a timestamp that is not k/{FPS}")
    if lengths != episodes * steps:
        found.append(f"{lengths} rows; expected {episodes * steps}")
    return found


def main() -> int:
    """Run the soak."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, help="new directory of the dataset")
    parser.add_argument("--live", action="store_true", help="cameras in real time")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of an episode")
    parser.add_argument("--episodes", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--nice", type=int, default=10)
    arguments = parser.parse_args()
    os.nice(arguments.nice)
    steps = round(FPS * arguments.seconds)
    cameras = Live() if arguments.live else Generated(steps)
    samples = record(arguments.directory, cameras, steps, arguments.episodes, arguments.minutes)
    if isinstance(cameras, Live):
        cameras.close()
    grown = growth(samples)
    for name, value in grown.items():
        print(f"growth per 1000 episodes: {name} {value:+.2f}")
    found = faults(arguments.directory, pq.read_table(arguments.directory / "meta" / "episodes").num_rows, steps)
    print(*found or ["the dataset is clean"], sep="\n")
    return int(bool(found) or any(grown.get(name, 0) > limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
