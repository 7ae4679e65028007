"""Small datasets in which each frame shows its number, and each row has it, so that a row and a frame can be compared."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ffenc import Binaries, VideoEncoderConfig, VideoReader, verify_dataset
from ffenc.dataset.format.dataset_tables import load_episodes, load_tasks
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.depth import dequantize_depth
from tests.datasets import rows_of
from tests.footage import number_of, numbered_frame

LEFT, RIGHT, STILL = "observation.images.left", "observation.images.right", "observation.images.still"
DEPTH = "observation.images.depth"
WIDTH, HEIGHT = 128, 96
NUMBERS = 256
_CAMERA = {"shape": (HEIGHT, WIDTH, 3), "names": ["height", "width", "channels"]}
FEATURES: dict[str, Any] = {
    "observation.state": {"dtype": "float32", "shape": (2,), "names": None},
    "number": {"dtype": "int64", "shape": (1,), "names": None},
    LEFT: {"dtype": "video", **_CAMERA},
    RIGHT: {"dtype": "video", **_CAMERA},
    STILL: {"dtype": "image", **_CAMERA},
    DEPTH: {"dtype": "video", "shape": (HEIGHT, WIDTH, 1), "names": _CAMERA["names"], "info": {"is_depth_map": True}},
}
# At crf 30, and in frames of 64x48, the mean colour of a single frame can differ by more than `verify` accepts.
B_FRAMES = VideoEncoderConfig(vcodec="h264", preset="veryfast", g=6, crf=20, extra_options={"sc_threshold": 0})
IN_ORDER = VideoEncoderConfig(vcodec="h264", preset="ultrafast", g=6, crf=20)
CONFIGS = {LEFT: B_FRAMES, RIGHT: IN_ORDER, STILL: IN_ORDER}
_RAMP = np.arange(WIDTH, dtype=np.uint16)[np.newaxis, :, np.newaxis] + np.zeros((HEIGHT, 1, 1), np.uint16)


def task_of(number: int) -> str:
    """Return the task of a frame; it changes within an episode."""
    return f"task {number // 8 % 3}"


def depth_frame(number: int) -> npt.NDArray[np.uint16]:
    """Return a depth map, in millimetres, that shows a number."""
    return 1000 + 10 * number + _RAMP


def depth_number(codes: npt.NDArray[Any]) -> int:
    """Return the number that a decoded depth map of codes shows."""
    depth = dequantize_depth(codes, depth_min=0.01, depth_max=10.0, shift=3.5, use_log=True, unit="mm")
    return round((float(depth.mean()) - 1000 - float(_RAMP.mean())) / 10)


def still_number(image: bytes) -> int:
    """Return the number that a stored image shows."""
    return number_of(np.asarray(Image.open(io.BytesIO(image))))


def record_episode(
    recorder: DatasetRecorder,
    numbers: Iterable[int],
    *,
    cameras: Iterable[str] = (LEFT, RIGHT, STILL),
    columns: Iterable[str] = (),
) -> None:
    """Record an episode with these frames; ``columns`` are further numbers, of which each is that of the frame."""
    for number in numbers:
        frame = numbered_frame(number, width=WIDTH, height=HEIGHT)
        shown = {LEFT: frame, RIGHT: 255 - frame, STILL: frame + 25, DEPTH: depth_frame(number)}
        row = {"observation.state": np.array([number, -number], np.float32), "number": np.array([number])}
        row |= {name: np.array([number]) for name in columns}
        recorder.add_frame({**row, **{name: shown[name] for name in cameras}, "task": task_of(number)})
    recorder.save_episode(wait=True)


def record(
    root: Path, episodes: Sequence[Sequence[int]], binaries: Binaries, *, cameras: Sequence[str] = (LEFT, RIGHT, STILL)
) -> Path:
    """Record a dataset with these frame numbers."""
    features = {
        name: each for name, each in FEATURES.items() if name in cameras or not name.startswith("observation.im")
    }
    configs = {name: config for name, config in CONFIGS.items() if name in cameras and name != STILL}
    with DatasetRecorder.create(root, "me/set", 30, features, camera_encoder=configs, binaries=binaries) as recorder:
        for numbers in episodes:
            record_episode(recorder, numbers, cameras=cameras)
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
                frames = VideoReader(path, layout="gray12" if key == DEPTH else "rgb", binaries=binaries)
                readers[path] = [_shown(key, frame) for frame in frames]
            assert readers[path][span.from_frame : span.to_frame] == list(numbers), (key, episode.episode_index)
        start += episode.length
    for name, feature in info.columns.items():
        if feature.dtype == "image":
            assert [still_number(row[name]["bytes"]) for row in rows] == [row["number"] for row in rows]
    report = verify_dataset(root, level, binaries=binaries)
    # A note says that recompute-stats and later episodes combine quantiles in two ways, as LeRobot's versions do.
    assert [finding for finding in report.findings if finding.severity != "note"] == [], report.findings


def _shown(key: str, frame: npt.NDArray[Any]) -> int:
    if key == DEPTH:
        return depth_number(frame)
    return number_of(255 - frame if key == RIGHT else frame)
