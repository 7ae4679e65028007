"""What the recorder says after an interrupt or a failure, while the next episode already starts beside the loop."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.errors import EpisodeError, RecordingError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.streaming.camera import CameraEncoder
from ffenc.streaming.target import VideoTarget
from tests.recordings_of_robots import CAMERAS, FEATURES, FPS, H264, frame_of, numbers_shown

pytestmark = [pytest.mark.integration, pytest.mark.one_build]


def recorder(root: Path, binaries: Binaries) -> DatasetRecorder:
    return DatasetRecorder.create(root, "me/set", FPS, FEATURES, camera_encoder=H264, binaries=binaries)


def test_step_that_was_decided_before_an_interrupt_counts_at_once(
    tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "set"

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with recorder(root, binaries) as recording:
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(CameraEncoder, "publish", interrupted)
            recording.add_frame(frame_of(0))
        assert recording.frames_open == 1
        recording.save_episode()
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(CameraEncoder, "publish", interrupted)
            recording.add_frame(frame_of(1))
        assert recording.save_episode(wait=True).wait().frames == 1  # also without a look at frames_open before
    assert numbers_shown(root, CAMERAS[0], binaries=binaries) == [0, 1]


def test_failure_that_was_raised_does_not_cost_a_step_of_the_next_episode(
    tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next episode starts beside the loop, and must not find the failed one before the queue of episodes does."""
    root = tmp_path / "set"

    def fails(_: VideoTarget) -> None:
        raise RecordingError("no encoder", camera="x", frames=0)

    with recorder(root, binaries) as recording:
        for number in range(5):
            with monkeypatch.context() as patched:
                patched.setattr(VideoTarget, "start", fails)
                recording.add_frame(frame_of(number))
                time.sleep(0.1)  # until the cameras have failed
                with pytest.raises(EpisodeError, match="no encoder"):
                    recording.save_episode(wait=True)
            recording.add_frame(frame_of(10 + number))
            recording.save_episode(wait=True)
    assert numbers_shown(root, CAMERAS[0], binaries=binaries) == [10, 11, 12, 13, 14]
