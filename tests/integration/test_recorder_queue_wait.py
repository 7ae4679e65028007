"""A recorder with a bounded wait drops no step while the encoder catches up."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.ffmpeg.binaries import Binaries
from tests.recordings_of_robots import CAMERAS, FEATURES, FPS, H264, frame_of, numbers_shown

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

STEPS = 60


def recorder(root: Path, binaries: Binaries, wait_s: float) -> DatasetRecorder:
    return DatasetRecorder.create(
        root,
        "me/set",
        FPS,
        FEATURES,
        camera_encoder=H264,
        queue_policy="drop",
        encoder_queue_maxsize=1,
        wait_s=wait_s,
        binaries=binaries,
    )


@pytest.mark.parametrize("wait_s", [0.0, 60.0])
def test_full_queue_drops_steps_only_after_the_wait(tmp_path: Path, binaries: Binaries, wait_s: float) -> None:
    """The frames come as fast as the loop runs, so a queue of one frame is full at once."""
    root = tmp_path / "set"
    with recorder(root, binaries, wait_s) as recording:
        kept = [number for number in range(STEPS) if recording.add_frame(frame_of(number))]
        summary = recording.save_episode(wait=True).wait()
    assert (summary.dropped == 0) is (wait_s > 0)
    assert summary.dropped == STEPS - len(kept)
    assert numbers_shown(root, CAMERAS[0], binaries=binaries) == kept


def test_invalid_wait_leaves_no_dataset(tmp_path: Path, binaries: Binaries) -> None:
    with pytest.raises(ValueError, match="wait_s must be a number of seconds from 0 on, got -1"):
        recorder(tmp_path / "set", binaries, -1)
    assert not (tmp_path / "set").exists()
