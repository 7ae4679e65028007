"""The errors that end a recording, in the words of the user."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from ffenc.cli.commands.record.failures import camera_failure, encoder_failure
from ffenc.cli.commands.record.session import SessionResult
from ffenc.errors import CameraEndedError, ErrorGroup, FFencError, ProcessDiedError, RecordingError

FULL = f"av_write_frame(): {os.strerror(errno.ENOSPC)}"


def encoder_error(name: str, kept: Path | None, *, returncode: int, printed: str = "") -> RecordingError:
    cause = ProcessDiedError(
        "ffmpeg ended early", argv=("ffmpeg", "-i", "x"), returncode=returncode, stderr_tail=printed
    )
    error = RecordingError(f"camera {name!r} failed. {cause}", camera=f"observation.images.{name}", frames=9, kept=kept)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("returncode", "printed", "says", "advises"),
    [
        (-signal.SIGKILL, "", "after 9 frames: ffmpeg was killed by SIGKILL\n", "next: ffenc salvage"),
        (-signal.SIGXFSZ, "", "because a file reached the limit of this shell (ulimit -f)\n", "next: ffenc salvage"),
        (
            1,
            "device lost\nbye",
            "after 9 frames: ffmpeg ended early\nffmpeg printed:\n  device lost\n  bye\n",
            "next: ffenc",
        ),
        (228, FULL, "after 9 frames: the disk is full\n", "next: make room on the disk, then run ffenc salvage"),
    ],
)
def test_encoder(returncode: int, printed: str, says: str, advises: str, tmp_path: Path) -> None:
    directory = tmp_path / "meta/ffenc/kept/000000-ab"
    error = encoder_error("wrist", directory / ".x.recording.mp4", returncode=returncode, printed=printed)
    text = str(encoder_failure(error, tmp_path))
    assert text.startswith("the encoder of camera wrist failed after 9 frames: ")
    assert says in text
    assert (
        f"kept: the frames of this episode that were encoded, in {directory}\nsaved: no episode yet\n{advises}" in text
    )
    assert "command:" not in text


def test_several_encoders(tmp_path: Path) -> None:
    errors = [encoder_error(name, None, returncode=-9) for name in ("wrist", "top")]
    text = str(encoder_failure(ErrorGroup("two failed", errors), tmp_path))
    assert text.count("the encoder of camera") == 2
    assert "kept:" not in text
    other = ErrorGroup("others failed", [FFencError("else")])
    assert encoder_failure(other, tmp_path) is other


def test_camera_before_the_first_episode() -> None:
    failure = CameraEndedError("camera a ended after 3 frames", source="a", frames_read=3, printed="tcp: reset")
    result = SessionResult(episodes=(), discarded=False, failure=failure)
    text = str(camera_failure(failure, result, Path("set"), "me/set"))
    assert text == ("camera a ended after 3 frames; no episode was saved in set\nffmpeg printed:\n  tcp: reset")
