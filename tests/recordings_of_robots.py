"""Small recordings whose every frame says which one it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ffenc.config import VideoEncoderConfig
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.ffmpeg.binaries import Binaries
from ffenc.video.reader import VideoReader
from tests.footage import number_of, numbered_frame
from tests.lerobot_reader import LeRobotView

FPS = 30
CAMERAS = ("observation.images.laptop", "observation.images.wrist")
TASKS = ("pick the cube", "place it")
WIDTH, HEIGHT = 128, 96

CAMERA = {"dtype": "video", "shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]}
FEATURES: dict[str, Any] = {
    "observation.state": {"dtype": "float32", "shape": (6,), "names": [f"joint{n}" for n in range(6)]},
    "next.done": {"dtype": "bool", "shape": (1,), "names": None},
    **dict.fromkeys(CAMERAS, CAMERA),
}

H264 = VideoEncoderConfig(vcodec="h264", preset="ultrafast")


def frame_of(number: int, *, task: str = TASKS[0]) -> dict[str, Any]:
    """Frame ``number`` (0 to 127); the second camera shows 128 more."""
    return {
        "observation.state": np.sin(np.arange(6) + number / 10).astype(np.float32),
        "next.done": np.array([number % 7 == 6]),
        CAMERAS[0]: numbered_frame(number, width=WIDTH, height=HEIGHT),
        CAMERAS[1]: numbered_frame(number + 128, width=WIDTH, height=HEIGHT),
        "task": task,
    }


def record(root: Path, lengths: list[int], *, binaries: Binaries, pack: bool = False, **options: Any) -> None:
    """A dataset of episodes of these lengths; its frames are numbered through, from 0."""
    options = {"camera_encoder": H264, **options}
    recorder = DatasetRecorder.create(root, "me/set", FPS, FEATURES, binaries=binaries, **options)
    number = 0
    for episode, length in enumerate(lengths):
        for _ in range(length):
            recorder.add_frame(frame_of(number, task=TASKS[episode % 2]))
            number += 1
        recorder.save_episode()
    recorder.finalize(pack=pack)


def numbers_shown(root: Path, camera: str, *, binaries: Binaries) -> list[int]:
    """What the camera shows at each of the dataset's frames, found as LeRobot finds it: by time, in the file of the episode."""
    wanted: dict[Path, list[float]] = {}
    for item in LeRobotView(root):
        path, time_s = item.videos[camera]
        wanted.setdefault(path, []).append(time_s)
    return [
        number_of(frame)
        for path, times in wanted.items()
        for frame in VideoReader(path, binaries=binaries).frames_at(times)
    ]


def check_numbered(root: Path, frames: int, *, binaries: Binaries, first: int = 0) -> None:
    """The dataset is whole, and frame i shows number i in its first camera and i + 128 in its second."""
    view = LeRobotView(root)
    view.check()
    assert len(view) == frames
    for camera, offset in zip(CAMERAS, (0, 128), strict=True):
        shown = numbers_shown(root, camera, binaries=binaries)
        assert shown == [(first + number + offset) % 256 for number in range(frames)]
    for item in view:
        assert item.row["observation.state"] == frame_of(first + item.index)["observation.state"].tolist()
