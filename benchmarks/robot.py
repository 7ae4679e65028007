"""The dataset of the benchmarks' robot, and parts of a recorder that several sections use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from control import FPS

from ffenc import Binaries, VideoEncoderConfig
from ffenc.dataset.recording.recorder import DatasetRecorder

JOINTS = 14
TASK = "put the things on the table"


def features(cameras: Mapping[str, tuple[int, int]]) -> dict[str, dict[str, Any]]:
    """Two vectors, and a video for each camera.

    Args:
        cameras: (height, width) by name.
    """
    names = [f"joint{number}" for number in range(JOINTS)]
    vector = {"dtype": "float32", "shape": (JOINTS,), "names": names}
    videos = {
        key_of(name): {"dtype": "video", "shape": (*size, 3), "names": ["height", "width", "channels"]}
        for name, size in cameras.items()
    }
    return {"observation.state": vector, "action": vector, **videos}


def key_of(camera: str) -> str:
    """Return the feature of a camera."""
    return f"observation.images.{camera}"


def row(frames: Mapping[str, Any], *, episode: int, step: int) -> dict[str, Any]:
    """Return a time step whose state shows its position."""
    state = np.zeros(JOINTS, np.float32)
    state[:2] = episode, step
    pictures = {key_of(name): frame for name, frame in frames.items()}
    return {"observation.state": state, "action": np.sin(state + step / FPS), **pictures, "task": TASK}


def create(
    root: Path,
    cameras: Mapping[str, tuple[int, int]],
    config: VideoEncoderConfig,
    binaries: Binaries,
    **options: Any,
) -> DatasetRecorder:
    """Create a dataset at 30 fps."""
    return DatasetRecorder.create(
        root,
        "bench/robot",
        FPS,
        features(cameras),
        robot_type="bench",
        camera_encoder=config,
        binaries=binaries,
        **options,
    )
