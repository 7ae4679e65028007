"""Record a day of episodes as fast as possible, and report what grows: memory, descriptors, threads, child processes, time.

Usage: python benchmarks/recording_soak.py DIRECTORY [--episodes 5000] [--minutes 20] [--nice 10]

An episode has 17.3 seconds of two tiny cameras, so 5000 episodes are 24 hours.  The first tenth warms up and does not count.
After the last episode the dataset is verified, and timestamps and lengths of all rows are compared with k/fps.  Status 1: a
finding, a wrong timestamp, or growth above the limits.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from machine import child_pids

from ffenc import VideoEncoderConfig
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.dataset.verify.verify import verify_dataset

FPS, SECONDS, SIZE = 30, 17.28, 32
STEPS = round(FPS * SECONDS)
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


def record(root: Path, episodes: int, minutes: float) -> list[dict[str, float]]:
    """Record until one of the limits is reached; return the samples."""
    frames = np.random.default_rng(0).integers(0, 256, (STEPS, SIZE, SIZE, 3), np.uint8)
    config = VideoEncoderConfig(vcodec="h264", preset="ultrafast")
    samples = []
    end = time.monotonic() + 60 * minutes
    with DatasetRecorder.create(root, "me/soak", FPS, features(), camera_encoder=config, encoder_threads=1) as recorder:
        number, before = 0, time.perf_counter()
        every = max(1, episodes // SAMPLES)
        while number < episodes and time.monotonic() < end:
            for step in range(STEPS):
                state = np.full(6, number + step / FPS, np.float32)
                recorder.add_frame({"observation.state": state, "task": "soak", **dict.fromkeys(CAMERAS, frames[step])})
            number += 1
            is_sampled = number % every == 0
            recorder.save_episode(wait=is_sampled)
            if is_sampled:
                recorder.clear_episode()  # the one that was started ahead
                sample = state_of_process(recorder)
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


def faults(root: Path, episodes: int) -> list[str]:
    """Verify the dataset, and check that no timestamp drifts."""
    found = [f"{finding.code}: {finding.message}" for finding in verify_dataset(root).findings]
    lengths = 0
    for path in sorted((root / "data").rglob("*.parquet")):
        table = pq.read_table(path, columns=["timestamp", "frame_index"])
        times, numbers = table["timestamp"].to_numpy(), table["frame_index"].to_numpy()
        lengths += len(numbers)
        if not np.array_equal(times, (numbers / FPS).astype(np.float32)):
            found.append(f"{path} has a timestamp that is not k/{FPS}")
    if lengths != episodes * STEPS:
        found.append(f"{lengths} rows; expected {episodes * STEPS}")
    return found


def main() -> int:
    """Run the soak."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, help="new directory of the dataset")
    parser.add_argument("--episodes", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--nice", type=int, default=10)
    arguments = parser.parse_args()
    os.nice(arguments.nice)
    samples = record(arguments.directory, arguments.episodes, arguments.minutes)
    grown = growth(samples)
    for name, value in grown.items():
        print(f"growth per 1000 episodes: {name} {value:+.2f}")
    found = faults(arguments.directory, pq.read_table(arguments.directory / "meta" / "episodes").num_rows)
    print(*found or ["the dataset is clean"], sep="\n")
    return int(bool(found) or any(grown.get(name, 0) > limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
