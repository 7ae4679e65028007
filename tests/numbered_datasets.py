"""Small datasets in which each frame shows its number, and each row has it, so that a row and a frame can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ffenc import Binaries, VideoEncoderConfig, VideoReader, verify_dataset
from ffenc.dataset.format.dataset_tables import load_episodes, load_tasks
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.recording.recorder import DatasetRecorder
from tests.datasets import rows_of
from tests.footage import number_of, numbered_frame

LEFT, RIGHT, STILL = "observation.images.left", "observation.images.right", "observation.images.still"
WIDTH, HEIGHT = 128, 96
NUMBERS = 256
_CAMERA = {"shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]}
FEATURES: dict[str, Any] = {
    "observation.state": {"dtype": "float32", "shape": (2,), "names": None},
    "number": {"dtype": "int64", "shape": (1,), "names": None},
    LEFT: {"dtype": "video", **_CAMERA},
    RIGHT: {"dtype": "video", **_CAMERA},
    STILL: {"dtype": "image", **_CAMERA},
}
# At crf 30, and in frames of 64x48, the mean colour of a single frame can differ by more than `verify` accepts.
B_FRAMES = VideoEncoderConfig(vcodec="h264", preset="veryfast", g=6, crf=20, extra_options={"sc_threshold": 0})
IN_ORDER = VideoEncoderConfig(vcodec="h264", preset="ultrafast", g=6, crf=20)
CONFIGS = {LEFT: B_FRAMES, RIGHT: IN_ORDER}


def task_of(number: int) -> str:
    """Return the task of a frame; it changes within an episode."""
    return f"task {number // 8 % 3}"


def record_episode(recorder: DatasetRecorder, numbers: Iterable[int], *, images: bool = True) -> None:
    """Record an episode with these frames."""
    for number in numbers:
        frame = numbered_frame(number, width=WIDTH, height=HEIGHT)
        cameras = {LEFT: frame, RIGHT: 255 - frame, **({STILL: frame} if images else {})}
        state = {"observation.state": np.array([number, -number], np.float32), "number": np.array([number])}
        recorder.add_frame({**state, **cameras, "task": task_of(number)})
    recorder.save_episode(wait=True)


def record(root: Path, episodes: Sequence[Sequence[int]], binaries: Binaries, *, images: bool = True) -> Path:
    """Record a dataset with these frame numbers."""
    features = {name: each for name, each in FEATURES.items() if images or name != STILL}
    with DatasetRecorder.create(root, "me/set", 30, features, camera_encoder=CONFIGS, binaries=binaries) as recorder:
        for numbers in episodes:
            record_episode(recorder, numbers, images=images)
    return root


def check(root: Path, episodes: Sequence[Sequence[int]], binaries: Binaries, *, level: str = "decode") -> None:
    """Fail unless the dataset consists of these frames, every frame is that of its row, and `verify` has no finding."""
    info = load_info(root)
    layout, rows, tasks = DatasetLayout.of(root, info), rows_of(root), load_tasks(root)
    readers: dict[Path, list[int]] = {}
    assert [row["number"] for row in rows] == [number for numbers in episodes for number in numbers]
    fps, start = info.fps, 0
    loaded = load_episodes(root, info)
    assert [episode.length for episode in loaded] == [len(numbers) for numbers in episodes]
    for episode, numbers in zip(loaded, episodes, strict=True):
        own = rows[start : start + episode.length]
        assert [row["frame_index"] for row in own] == list(range(episode.length))
        assert [row["timestamp"] for row in own] == [float(np.float32(k / fps)) for k in range(episode.length)]
        assert [tasks[row["task_index"]] for row in own] == [task_of(number) for number in numbers]
        assert set(episode.tasks) == {task_of(number) for number in numbers}
        for key, span in episode.videos.items():
            path = layout.video(key, span.file)
            if path not in readers:
                frames = VideoReader(path, binaries=binaries)
                readers[path] = [number_of(255 - frame if key == RIGHT else frame) for frame in frames]
            assert readers[path][span.from_frame : span.to_frame] == list(numbers), (key, episode.episode_index)
        start += episode.length
    report = verify_dataset(root, level, binaries=binaries)
    # A note says that recompute-stats and later episodes combine quantiles in two ways, as LeRobot's versions do.
    assert [finding for finding in report.findings if finding.severity != "note"] == [], report.findings
