"""Load batches for training through `DatasetReader` and through LeRobot's dataset, each in PyTorch's ``DataLoader``.

Usage: python -m benchmarks.loading CLIP [--workers 2] [--batch 32] [--batches 12] [--rounds 3] [--json FILE]

Records a dataset of two cameras (640x480, LeRobot's default encoder) from the clip.  An item has two times of each camera.
Each loader runs in turn; the first batch, which starts the workers, is not counted.  Needs torch, torchcodec and LeRobot;
without LeRobot it measures only `DatasetReader`.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import sys
import tempfile
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ffenc import DatasetReader, DatasetRecorder, VideoReader

CAMERAS = ("observation.images.front", "observation.images.wrist")
FPS = 30
EPISODES, LENGTH = 8, 120
SIZE = (224, 224)
DELTAS = {key: [-1 / FPS, 0.0] for key in CAMERAS}
TARGETS = {"whole": 1.0, "224x224": 1.5}


def record(root: Path, clip: Path) -> Path:
    """Record the frames of a clip over and over."""
    frames = VideoReader(clip, size=(480, 640))[:LENGTH]
    image = {"dtype": "video", "shape": (480, 640, 3), "names": ["height", "width", "channels"]}
    features: dict[str, Any] = dict.fromkeys(CAMERAS, image)
    features["action"] = {"dtype": "float32", "shape": (6,), "names": None}
    with DatasetRecorder.create(root, "test/test", FPS, features) as recorder:
        for episode in range(EPISODES):
            for step in range(LENGTH):
                shown = {key: frames[(step + 7 * number) % len(frames)] for number, key in enumerate(CAMERAS)}
                recorder.add_frame({**shown, "action": np.full(6, step, np.float32), "task": f"task {episode % 2}"})
            recorder.save_episode()
    return root


def theirs(root: Path, size: tuple[int, int] | None) -> Any:
    """Open a dataset with LeRobot, which resizes in torch."""
    opened = import_module("lerobot.datasets.lerobot_dataset").LeRobotDataset
    resize = None
    if size is not None:
        interpolate = import_module("torch").nn.functional.interpolate

        def resize(images: Any) -> Any:
            flat = images.reshape(-1, *images.shape[-3:])
            return interpolate(flat, size, mode="bilinear", antialias=True).reshape(*images.shape[:-2], *size)

    return opened("test/test", root=root, delta_timestamps=DELTAS, video_backend="torchcodec", image_transforms=resize)


def one_thread(_worker: int) -> None:
    """Set up a worker as the loaders of torch do."""
    import_module("torch").set_num_threads(1)


def samples_per_s(dataset: Any, arguments: argparse.Namespace, seed: int) -> float:
    """Return the rate of a loader after its first batch."""
    torch = import_module("torch")
    loader = torch.utils.data.DataLoader(
        dataset,
        batch_size=arguments.batch,
        shuffle=True,
        drop_last=True,
        num_workers=arguments.workers,
        worker_init_fn=one_thread,
        generator=torch.Generator().manual_seed(seed),
    )
    batches = iter(loader)
    next(batches)
    start, count = time.perf_counter(), 0
    for batch in batches:
        assert batch[CAMERAS[0]].shape[:3] == (arguments.batch, 2, 3)
        count += 1
        if count == arguments.batches:
            break
    return count * arguments.batch / (time.perf_counter() - start)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--batches", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    has_lerobot = find_spec("lerobot") is not None
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        root = record(Path(name) / "d", arguments.clip)
        for what, size in (("whole", None), ("224x224", SIZE)):
            loaders = {"ffenc": functools.partial(DatasetReader, root, delta_timestamps=DELTAS, size=size)}
            if has_lerobot:
                loaders["LeRobot, torchcodec"] = functools.partial(theirs, root, size)
            rates: dict[str, list[float]] = {reader: [] for reader in loaders}
            for seed in range(arguments.rounds):
                for reader, opens in loaders.items():
                    rates[reader].append(samples_per_s(opens(), arguments, seed))
            for reader, values in rates.items():
                rows.append({"what": what, "reader": reader, "samples_per_s": values})
                shown = f"{min(values):.1f} to {max(values):.1f}"
                sys.stdout.write(f"{what:8} {reader:20} {statistics.median(values):7.1f} samples/s ({shown})\n")
            if has_lerobot:
                ours, peer = (statistics.median(values) for values in rates.values())
                verdict = "met" if ours >= TARGETS[what] * peer else "not met"
                sys.stdout.write(f"{what:8} {ours / peer:.2f} times as many (target {TARGETS[what]}: {verdict})\n")
            sys.stdout.flush()
    sys.stdout.write(f"load at the end: {os.getloadavg()}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
