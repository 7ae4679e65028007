"""Rows and frames of a dataset keep the same numbers through interrupts, kills and full disks."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc.dataset.format.frame_ties import small_grid
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.dataset.verify.verify import verify_dataset
from ffenc.errors import EpisodeError, FFencError, OutputError
from ffenc.ffmpeg.binaries import Binaries
from tests.footage import numbered_frame
from tests.interruptions import Interruption
from tests.lerobot_reader import LeRobotView
from tests.recordings_of_robots import CAMERA, CAMERAS, FPS, H264, HEIGHT, WIDTH, numbers_shown

pytestmark = [
    pytest.mark.net,
    pytest.mark.integration,
    pytest.mark.one_build,
    pytest.mark.skipif(sys.platform == "win32", reason="it forks and kills"),
]

FEATURES: dict[str, Any] = {
    "observation.state": {"dtype": "float32", "shape": (1,), "names": None},
    **dict.fromkeys(CAMERAS, CAMERA),
}
MODULES = (
    "ffenc.dataset.recording.recorder",
    "ffenc.dataset.recording.append_queue",
    "ffenc.dataset.recording.open_episode",
    "ffenc.dataset.recording.rows",
    "ffenc.streaming.encoder",
    "ffenc.streaming.episode",
    "ffenc.streaming.camera",
    "ffenc.streaming.queueing",
    "ffenc.video.recording",
)


def create(root: Path, binaries: Binaries, **options: Any) -> DatasetRecorder:
    return DatasetRecorder.create(root, "me/set", FPS, FEATURES, camera_encoder=H264, binaries=binaries, **options)


def step(number: int) -> dict[str, Any]:
    frame = numbered_frame(number % 256, width=WIDTH, height=HEIGHT)
    return {"observation.state": np.array([number], np.float32), **dict.fromkeys(CAMERAS, frame), "task": "count"}


def check_aligned(root: Path, binaries: Binaries) -> list[int]:
    """Check that every row belongs to its frames; return the numbers of all rows."""
    view = LeRobotView(root)
    view.check()
    rows = [int(np.ravel(item.row["observation.state"])[0]) for item in view]
    for camera in CAMERAS:
        assert numbers_shown(root, camera, binaries=binaries) == [number % 256 for number in rows]
    # A row without an encoded frame stays in the interrupted episode, which verify reports.  Both cameras get equal frames.
    assert {finding.code for finding in verify_dataset(root, "decode", binaries=binaries).findings} <= {
        "leftover-recording",
        "cameras-equal",
    }
    return rows


def salvage(root: Path, binaries: Binaries) -> None:
    with DatasetRecorder.resume(root, binaries=binaries) as recorder:
        for interrupted in recorder.interrupted:
            recorder.recover(interrupted)
        recorder.finalize(pack=False)


def test_interrupts_in_every_call_of_a_recording(tmp_path: Path, binaries: Binaries) -> None:
    """Each episode is interrupted at other instructions of its steps, its saving or its clearing."""
    root = tmp_path / "set"
    places = random.Random(5)  # noqa: S311
    sure: list[int] = []
    number = 0
    with create(root, binaries) as recorder:
        for episode in range(12):
            mine = []
            for _ in range(6):
                at = places.randrange(3000)
                with contextlib.suppress(KeyboardInterrupt):
                    Interruption(at, MODULES).during(lambda n=number: recorder.add_frame(step(n)))
                    mine.append(number)
                number += 1
            cleared = episode % 6 == 5
            end: Callable[[], object] = recorder.clear_episode if cleared else recorder.save_episode
            while recorder.frames_open:
                with contextlib.suppress(KeyboardInterrupt):
                    Interruption(places.randrange(400), MODULES).during(end)
            sure += [] if cleared else mine
        recorder.finalize(pack=False)
    rows = check_aligned(root, binaries)
    assert set(sure) <= set(rows)
    assert rows == sorted(rows)


@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "spooled"])
def test_recording_killed_at_any_moment(tmp_path: Path, binaries: Binaries, streaming: bool) -> None:
    moments = random.Random(f"{streaming}")  # noqa: S311
    for attempt in range(2):
        root = tmp_path / str(attempt)
        ready, started = os.pipe()
        child = os.fork()
        if child == 0:
            recorder = create(root, binaries, queue_policy="drop", streaming_encoding=streaming)
            for number in range(100_000):
                recorder.add_frame(step(number))
                time.sleep(0.01)
                if number == 10:
                    os.write(started, b"!")
                if number % 60 == 59:
                    recorder.save_episode()
        os.read(ready, 1)
        time.sleep(moments.uniform(0, 0.6))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(started)
        with contextlib.suppress(EpisodeError):  # killed before its first frame was written
            salvage(root, binaries)
        with DatasetRecorder.resume(root, binaries=binaries) as recorder:
            frames = recorder.num_frames
        if frames:
            rows = check_aligned(root, binaries)
            assert rows == sorted(rows)


def test_encoder_killed_during_recording(tmp_path: Path, binaries: Binaries) -> None:
    root = tmp_path / "set"
    recorder = create(root, binaries)
    for number in range(40):
        recorder.add_frame(step(number))
    while not all(camera.size_bytes for camera in recorder.status().cameras.values()):
        time.sleep(0.01)
    process = recorder._encoder._episode.cameras[CAMERAS[1]].target._writer._process  # type: ignore[union-attr]
    os.kill(process._managed.child.pid, signal.SIGKILL)
    with pytest.raises(FFencError):
        for number in range(40, 4000):
            recorder.add_frame(step(number))
    with pytest.raises(EpisodeError, match=r"an episode of \d+ frames was not appended to .*ffenc salvage"):
        recorder.save_episode(wait=True)
    recorder.finalize(pack=False)
    salvage(root, binaries)
    rows = check_aligned(root, binaries)
    assert rows == list(range(len(rows)))
    assert rows


def test_rows_on_a_full_disk(tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "set"
    recorder = create(root, binaries)
    write, taken = os.pwrite, []

    def full(descriptor: int, data: Any, offset: int) -> int:
        raise OSError(28, "No space left on device")

    for number in range(40):
        monkeypatch.setattr("ffenc.video.recording.os.pwrite", full if number % 5 == 3 else write)
        try:
            recorder.add_frame(step(number))
            taken.append(number)
        except OutputError as err:
            assert "No space left" in str(err)
    recorder.save_episode(wait=True)
    recorder.finalize(pack=False)
    assert check_aligned(root, binaries) == taken == [number for number in range(40) if number % 5 != 3]


def test_shifted_frames_are_reported(tmp_path: Path, binaries: Binaries) -> None:
    root = tmp_path / "set"
    with create(root, binaries) as recorder:
        for number in range(40):
            recorder.add_frame({**step(number), CAMERAS[1]: step(number + (number >= 30))[CAMERAS[1]]})
        # As if the row of step 30 were lost: from there on, rows and frames do not match.
        steps = recorder._open_episode._steps  # type: ignore[union-attr]
        shown = dict(steps[32].row.shown or {})  # type: ignore[union-attr]
        shown[CAMERAS[1]] = [*recorder_grid(32)]
        object.__setattr__(steps[32].row, "shown", shown)
        recorder.save_episode(wait=True)
        recorder.finalize(pack=False)
    (finding,) = verify_dataset(root, "decode", binaries=binaries).findings
    assert (finding.code, finding.camera, finding.frame) == ("pictures-misaligned", CAMERAS[1], 32)
    assert "the image recorded with row 32 is now in frame 31" in finding.message


def recorder_grid(number: int) -> list[int]:
    return small_grid(step(number)[CAMERAS[1]]).tolist()
