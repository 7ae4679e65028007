"""A dataset of numbers only, whose statistics LeRobot has computed: ``tests/data/lerobot/recomputed-0.6.1.json``.

``python -m tests.rows_without_cameras ROOT`` records it.  In an environment with LeRobot, ``recompute_stats`` then gives the
recorded values.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from ffenc import Binaries, DatasetRecorder, find_binaries

LENGTHS = (1, 40, 300)
JOINTS = ["shoulder", "Gripper.pos", "wrist"]
FEATURES: dict[str, Any] = {
    "action": {"dtype": "float32", "shape": (3,), "names": JOINTS},
    "observation.state": {"dtype": "float32", "shape": (4,), "names": [*JOINTS, "battery"]},
    "count": {"dtype": "int64", "shape": (1,), "names": None},
    "done": {"dtype": "bool", "shape": (1,), "names": None},
    "far": {"dtype": "float64", "shape": (2,), "names": None},
}


def record(root: Path, binaries: Binaries) -> Path:
    """Record the dataset."""
    recorder = DatasetRecorder.create(root, "me/rows", 30, FEATURES, binaries=binaries)
    for episode, length in enumerate(LENGTHS):
        for number in range(length):
            t = number / 30
            action = np.array([np.sin(t + episode), 50 + 50 * np.cos(3 * t), episode - t], np.float32)
            state = np.append(action * np.float32(0.9) + np.float32(0.05), 12 - t / 100).astype(np.float32)
            done, far = number == length - 1, np.array([1e6 + t, -1e-6 * number**2])
            recorder.add_frame(
                {"action": action, "observation.state": state, "count": np.array([number**2 - 7]),
                 "done": np.array([done]), "far": far, "task": "move"}
            )  # fmt: skip
        recorder.save_episode(wait=True)
    recorder.finalize()
    return root


if __name__ == "__main__":
    record(Path(sys.argv[1]), find_binaries())
