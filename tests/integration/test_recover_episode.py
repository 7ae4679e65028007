"""Recovery of episodes whose videos are in several parts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ffenc import Binaries, VideoEncoderConfig, encode_frames

pytest.importorskip("pyarrow")
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.recording.episode_directory import EpisodeDirectory
from ffenc.dataset.recording.recover_episode import find_interrupted, restore
from ffenc.dataset.recording.rows import Row, RowLog, row_line
from ffenc.streaming.parts import part_path
from ffenc.streaming.spool import SpoolTarget

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

FIRST, SECOND = "observation.images.a", "observation.images.b"
CONFIG = VideoEncoderConfig(vcodec="h264", preset="ultrafast")
CAMERA: dict[str, Any] = {"dtype": "video", "shape": (48, 64, 3), "names": ["height", "width", "channels"]}


def frames(first: int, count: int) -> list[np.ndarray]:
    return [np.full((48, 64, 3), 20 * number, np.uint8) for number in range(first, first + count)]


def test_parts_of_one_camera_do_not_hide_those_of_another(tmp_path: Path, binaries: Binaries) -> None:
    """The first camera has two parts, the second one raw frames; all rows have frames of both."""
    info = DatasetInfo.create(30, {FIRST: CAMERA, SECOND: CAMERA})
    (tmp_path / "meta").mkdir()
    directory = EpisodeDirectory.create(tmp_path, 0, {FIRST: CONFIG, SECOND: CONFIG})
    log, end = RowLog(directory.rows), 0
    for number in range(10):
        end = log.write(row_line(number, Row(task="t", values={})), at=end)
    log.close(at=end)
    for first in (0, 5):
        path = part_path(directory.new_video(FIRST, ".mp4"), first)
        encode_frames(frames(first, 5), path, fps=30, config=CONFIG, binaries=binaries)
    video: Any = SimpleNamespace(abort=lambda: None)
    spool = SpoolTarget(
        directory.new_video(SECOND, ".mp4"), video, shape=(48, 64, 3), dtype=np.dtype("uint8"), quantizer=None
    )
    for frame in frames(0, 10):
        spool.write(frame)
    spool.fail()
    (interrupted,) = find_interrupted(tmp_path, info)
    _, rows, recording = restore(interrupted, info, configs={}, binaries=binaries)
    assert len(rows) == 10
    assert recording is not None
    assert {name: camera.frames for name, camera in recording.cameras.items()} == {FIRST: 10, SECOND: 10}
