"""A camera that failed is opened again until it works; another frame size ends the attempts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ffenc.cli.commands.record import reopening
from ffenc.cli.commands.record.reopening import Reopening
from ffenc.errors import CameraEndedError, CameraFormatError, CameraUnavailableError
from ffenc.video.live_camera import LiveCamera


class Camera(LiveCamera):
    """Sends frames until it ends, or cannot be opened."""

    def __init__(self, *, opens: bool = True, frames: int = 10**9, width: int = 4) -> None:
        super().__init__("wrist")
        self.opens, self.left, self.width = opens, frames, width

    def _open(self) -> None:
        if not self.opens:
            raise self._error_of(CameraUnavailableError, "cannot be opened")

    def _next(self) -> npt.NDArray[Any]:
        time.sleep(0.002)
        self.left -= 1
        if self.left < 0:
            raise self._error_of(CameraEndedError, "ended")
        return np.zeros((4, self.width, 3), np.uint8)

    def _shut(self) -> None: ...


@pytest.fixture
def failed() -> Iterator[Camera]:
    camera = Camera(frames=3)
    camera.start()
    yield camera
    camera.close()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reopening, "_PAUSE_S", 0.01)


def wait_for_result(attempts: Reopening) -> LiveCamera:
    deadline = time.monotonic() + 10
    while (camera := attempts.result()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return camera


def test_attempts_continue_until_one_succeeds(failed: Camera) -> None:
    made = iter([Camera(opens=False), Camera(opens=False), Camera()])
    notes: list[str] = []
    time.sleep(0.1)
    attempts = Reopening(failed, lambda: next(made), notes.append)
    attempts.begin()
    camera = wait_for_result(attempts)
    assert camera.latest().frame.shape == (4, 4, 3)
    assert str(attempts.last_error) == "camera wrist cannot be opened"
    assert notes[0] == "camera wrist ended; opening it again"
    assert notes[1].startswith("camera wrist delivers frames again, after ")
    attempts.end()
    camera.close()


def test_another_size_ends_the_attempts(failed: Camera) -> None:
    attempts = Reopening(failed, lambda: Camera(width=8), lambda _: None)
    attempts.begin()
    with pytest.raises(CameraFormatError, match=r"camera wrist came back with .*; set width and height of the camera"):
        wait_for_result(attempts)
    attempts.end()


@pytest.mark.parametrize("opens", [False, True])
def test_end_closes_everything(failed: Camera, opens: bool) -> None:
    attempts = Reopening(failed, lambda: Camera(opens=opens), lambda _: None)
    attempts.begin()
    time.sleep(0.05)
    attempts.end()
    assert not [thread for thread in threading.enumerate() if "wrist" in thread.name]
