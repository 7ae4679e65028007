"""A camera that falls silent does not delay the loop that asks for its newest frame."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ffenc.errors import CameraStalledError
from ffenc.video.live_camera import LiveCamera

STALL_S = 0.5


class Camera(LiveCamera):
    """Sends a frame, and others when the test lets it."""

    def __init__(self) -> None:
        super().__init__("wrist", stall_timeout_s=STALL_S)
        self.sends = threading.Event()
        self.sends.set()

    def _open(self) -> None: ...

    def _next(self) -> npt.NDArray[Any]:
        self.sends.wait()
        self.sends.clear()
        return np.zeros((4, 4, 3), np.uint8)

    def _interrupt(self) -> None:
        self.sends.set()

    def _shut(self) -> None: ...


def test_stall_does_not_delay_a_loop() -> None:
    delays_s = []
    says = r"camera wrist sent nothing for 0\.5 s after 1 frames"
    with Camera() as camera, pytest.raises(CameraStalledError, match=says):
        while True:
            time.sleep(0.03)
            before = time.monotonic()
            try:
                camera.latest()
            finally:
                delays_s.append(time.monotonic() - before)
    assert max(delays_s) < 0.2


def test_frames_of_a_pause_of_the_process_are_fetched() -> None:
    with Camera() as camera:
        camera.latest()
        time.sleep(STALL_S + 0.1)
        threading.Timer(0.05, camera.sends.set).start()
        assert camera.latest().number == 1
