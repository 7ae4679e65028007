"""LeRobot with and without ffenc: recording, deleting an episode, merging.

    python benchmarks/lerobot.py [--seconds=60] [--cameras=2,4] [--rounds=1] [--episodes=50]

Each measurement runs in a process of its own, the two sides alternating.  The recording is LeRobot's loop: every 1/30 s one
frame of each camera and one row go to ``add_frame``; then ``save_episode``.  It needs LeRobot, with PyAV, and ffenc in one
environment.  Say beside the figures what else the machine did: the load average is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

FPS = 30
SIDES = ("LeRobot", "ffenc")


def record(root: Path, *, cameras: int, seconds: float, size: tuple[int, int]) -> dict[str, float]:
    """Record one episode as ``lerobot-record`` does; what it cost."""
    import numpy as np  # noqa: PLC0415
    from lerobot.datasets.lerobot_dataset import LeRobotDataset  # noqa: PLC0415

    width, height = size
    names = [f"observation.images.camera{number}" for number in range(cameras)]
    camera = {"dtype": "video", "shape": (height, width, 3), "names": ["height", "width", "channels"]}
    features: dict[str, Any] = dict.fromkeys(names, camera)
    features["action"] = {"dtype": "float32", "shape": (6,), "names": list("abcdef")}
    dataset = LeRobotDataset.create("me/bench", FPS, features, root=root / "d", streaming_encoding=True)
    scene = _scene(width, height)
    steps = int(seconds * FPS)
    starts, cpu_before = [], _cpu_s()
    for step in range(steps):
        began = time.perf_counter()
        starts.append(began)
        view = scene[:, step % width : step % width + width]
        row = dict.fromkeys(names, view)
        dataset.add_frame({**row, "action": np.full(6, step, np.float32), "task": "bench"})
        time.sleep(max(0.0, 1 / FPS - (time.perf_counter() - began)))
    began = time.perf_counter()
    dataset.save_episode()
    saved_s = time.perf_counter() - began
    dataset.finalize()
    rows = dataset.meta.total_frames
    periods = [after - before for before, after in pairwise(starts)]
    return {
        "period p99 ms": 1000 * statistics.quantiles(periods, n=100)[-1],
        "missed ticks": sum(period > 1.5 / FPS for period in periods),
        "frames dropped": steps - min(_frames(path) for path in (root / "d").glob("videos/*/*/*.mp4")),
        "rows without frame": rows - min(_frames(path) for path in (root / "d").glob("videos/*/*/*.mp4")),
        "save_episode ms": 1000 * saved_s,
        "cpu s": _cpu_s() - cpu_before,
    }


def make(root: Path, *, episodes: int, seconds: float) -> None:
    """Record episodes of two small cameras as fast as they come."""
    import numpy as np  # noqa: PLC0415
    from lerobot.configs import RGBEncoderConfig  # noqa: PLC0415
    from lerobot.datasets.lerobot_dataset import LeRobotDataset  # noqa: PLC0415

    camera = {"dtype": "video", "shape": (240, 320, 3), "names": ["height", "width", "channels"]}
    features = {"observation.images.a": camera, "observation.images.b": camera}
    vector = {"dtype": "float32", "shape": (2,), "names": ["x", "y"]}
    dataset = LeRobotDataset.create(
        "me/bench", FPS, {**features, "action": vector}, root=root, streaming_encoding=True,
        rgb_encoder=RGBEncoderConfig(vcodec="h264"), encoder_queue_maxsize=1000,
    )  # fmt: skip
    scene = _scene(320, 240)
    for _ in range(episodes):
        for step in range(int(seconds * FPS)):
            view = scene[:, step % 320 : step % 320 + 320]
            row = dict.fromkeys(features, view)
            dataset.add_frame({**row, "action": np.full(2, step, np.float32), "task": "bench"})
        dataset.save_episode()
    dataset.finalize()


def delete(source: Path, root: Path) -> dict[str, float]:
    """Delete one episode."""
    from lerobot.datasets import LeRobotDataset, delete_episodes  # noqa: PLC0415

    dataset = LeRobotDataset("me/bench", root=source)
    began = time.perf_counter()
    delete_episodes(dataset, [1], output_dir=root / "d", repo_id="me/less")
    return {"delete s": time.perf_counter() - began}


def merge(source: Path, root: Path) -> dict[str, float]:
    """Merge a dataset with itself."""
    from lerobot.datasets import LeRobotDataset, merge_datasets  # noqa: PLC0415

    datasets = [LeRobotDataset("me/bench", root=source), LeRobotDataset("me/bench", root=source)]
    began = time.perf_counter()
    merge_datasets(datasets, output_repo_id="me/both", output_dir=root / "d")
    return {"merge s": time.perf_counter() - began}


def _scene(width: int, height: int) -> Any:
    """Return an image of twice the width, to move across, with some noise, which is what a camera gives."""
    import numpy as np  # noqa: PLC0415

    noise = np.random.default_rng(0).integers(0, 24, (height, width * 2, 3), np.uint8)
    return noise + np.linspace(0, 200, width * 2, dtype=np.uint8)[None, :, None]


def _frames(path: Path) -> int:
    import av  # noqa: PLC0415

    with av.open(str(path)) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def child(job: dict[str, Any]) -> None:
    """Do one measurement in this process, and print it."""
    if job["side"] == "ffenc":
        import ffenc.lerobot  # noqa: PLC0415

        # As ``ffenc lerobot record`` does.
        ffenc.lerobot.install(save_in_background=job["work"] == "record")
    if job["work"] == "make":
        make(Path(job["source"]), episodes=job["episodes"], seconds=5)
        measured: dict[str, float] = {}
    else:
        with tempfile.TemporaryDirectory() as folder:
            if job["work"] == "record":
                measured = record(Path(folder), cameras=job["cameras"], seconds=job["seconds"], size=(640, 480))
            else:
                work = {"delete": delete, "merge": merge}[job["work"]]
                measured = work(Path(job["source"]), Path(folder))
    print(json.dumps(measured))


def measure(job: dict[str, Any]) -> dict[str, float]:
    """Run `child` in a process."""
    # -P: this file has the name of LeRobot's package, and must not be found in its place.
    command = [sys.executable, "-P", __file__, "--child", json.dumps(job)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(ran.stderr[-3000:])
    measured: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return measured


def show(title: str, jobs: dict[str, dict[str, Any]], rounds: int) -> None:
    """Run the sides in turn and print the median of each figure."""
    seen: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for _ in range(rounds):
        for side, job in jobs.items():
            seen[side].append(measure(job))
    print(f"\n{title} (median of {rounds}; load average now {os.getloadavg()[0]:.1f})")
    print(f"{'':>20} {SIDES[0]:>10} {SIDES[1]:>10}")
    for name in seen[SIDES[0]][0]:
        values = [statistics.median(each[name] for each in seen[side]) for side in SIDES]
        print(f"{name:>20} {values[0]:>10.2f} {values[1]:>10.2f}")


def main() -> None:
    """Read the command line and run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--cameras", default="2,4")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument("--child", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child)
        return
    for cameras in filter(None, given.cameras.split(",")):
        job = {"work": "record", "cameras": int(cameras), "seconds": given.seconds}
        show(
            f"record {cameras} cameras, {given.seconds:g} s",
            {side: {**job, "side": side} for side in SIDES},
            given.rounds,
        )
    if given.episodes:
        with tempfile.TemporaryDirectory() as folder:
            sources = {side: str(Path(folder) / side) for side in SIDES}
            for side in SIDES:
                measure({"work": "make", "side": side, "source": sources[side], "episodes": given.episodes})
            for work in ("delete", "merge"):
                jobs = {side: {"work": work, "side": side, "source": sources[side]} for side in SIDES}
                show(f"{work}, {given.episodes} episodes of 5 s", jobs, given.rounds)


if __name__ == "__main__":
    main()
