"""The capture times and the repeated frames of an episode survive a crash."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ffenc import Binaries, DatasetRecorder, VideoEncoderConfig
from ffenc.dataset.format.provenance import repeated_rows
from ffenc.errors import FrameError

pytest.importorskip("pyarrow")
pytestmark = [pytest.mark.integration, pytest.mark.one_build]

A, B = "observation.images.a", "observation.images.b"
CAMERA = {"dtype": "video", "shape": (48, 64, 3), "names": ["height", "width", "channels"]}
FRAME = {A: np.zeros((48, 64, 3), np.uint8), B: np.zeros((48, 64, 3), np.uint8), "task": "look"}
COUNT = 12


def record(root: Path, binaries: Binaries, *, captures: bool, crashes: bool) -> None:
    """Record an episode in which camera b repeats every second frame."""
    recorder = DatasetRecorder.create(
        root,
        "me/test",
        30,
        {A: CAMERA, B: CAMERA},
        camera_encoder=VideoEncoderConfig(vcodec="h264", preset="ultrafast"),
        binaries=binaries,
    )
    with recorder:
        for step in range(COUNT):
            if captures:
                times_ms = {A: 33 * step, B: 33 * (step - step % 2)}
                recorder.add_frame(FRAME, captured_ms=times_ms, repeated=[B] * (step % 2))
            else:
                recorder.add_frame(FRAME)
        if crashes:
            raise KeyboardInterrupt
        recorder.save_episode()


@pytest.mark.parametrize("crashes", [False, True], ids=["saved", "recovered"])
def test_captures_are_kept(crashes: bool, tmp_path: Path, binaries: Binaries) -> None:
    root = tmp_path / "set"
    if crashes:
        with pytest.raises(KeyboardInterrupt):
            record(root, binaries, captures=True, crashes=True)
        with DatasetRecorder.resume(root, binaries=binaries) as recorder:
            recorder.recover(recorder.interrupted[0])
    else:
        record(root, binaries, captures=True, crashes=False)
    document = json.loads((root / "meta/ffenc/episodes.jsonl").read_text())
    rows = range(document["frames"])
    assert len(rows) == COUNT
    assert document["captured_ms"] == {A: [33 * row for row in rows], B: [33 * (row - row % 2) for row in rows]}
    assert repeated_rows(document, A) == set()
    assert repeated_rows(document, B) == {row for row in rows if row % 2}


def test_episode_without_captures_has_none(tmp_path: Path, binaries: Binaries) -> None:
    record(tmp_path / "set", binaries, captures=False, crashes=False)
    document = json.loads((tmp_path / "set/meta/ffenc/episodes.jsonl").read_text())
    assert document["repeats"] == []
    assert "captured_ms" not in document


@pytest.mark.parametrize(("times_ms", "repeated"), [({A: 1}, []), ({A: 1, B: 2}, ["c"]), (None, [A])])
def test_capture_of_other_cameras_is_refused(
    times_ms: dict[str, int] | None, repeated: list[str], tmp_path: Path, binaries: Binaries
) -> None:
    with DatasetRecorder.create(tmp_path / "set", "me/test", 30, {A: CAMERA, B: CAMERA}, binaries=binaries) as recorder:
        with pytest.raises(FrameError, match="captured_ms needs each camera of the dataset"):
            recorder.add_frame(FRAME, captured_ms=times_ms, repeated=repeated)
        assert recorder.frames_open == 0
