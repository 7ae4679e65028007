"""Cameras through OpenCV; a stand-in replaces the module if it is not installed, with frames in BGR as OpenCV returns them."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from ffenc.errors import CameraEndedError, CameraFormatError, CameraUnavailableError, DependencyError

MODULE = "ffenc.video.opencv_camera"
BLUE_IN_BGR = (200, 20, 10)


class StandIn:
    """One camera of 64x48 at 30 per second, number 0, with three frames; it takes no other setting."""

    def __init__(self, where: object) -> None:
        self.frames = 3 if where == 0 else 0
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802  OpenCV calls it so
        return self.frames > 0

    def set(self, key: int, value: float) -> bool:
        return False

    def get(self, key: int) -> float:
        return {3: 64.0, 4: 48.0, 5: 30.0}[key]

    def read(self) -> tuple[bool, Any]:
        assert not self.released
        self.frames -= 1
        if self.frames < 0:
            return False, None
        return True, np.full((48, 64, 3), BLUE_IN_BGR, np.uint8)

    def release(self) -> None:
        self.released = True


@pytest.fixture
def camera_class(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    stand_in = types.ModuleType("cv2")
    values = {"CAP_PROP_FRAME_WIDTH": 3, "CAP_PROP_FRAME_HEIGHT": 4, "CAP_PROP_FPS": 5, "VideoCapture": StandIn}
    for name, value in values.items():
        setattr(stand_in, name, value)
    monkeypatch.setitem(sys.modules, "cv2", stand_in)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    yield importlib.import_module(MODULE).OpenCVCamera
    sys.modules.pop(MODULE, None)


def test_frames_are_rgb_and_the_end_is_an_error(camera_class: Any) -> None:
    camera = camera_class(0, width=64, height=48, fps=Fraction(30))
    with pytest.raises(CameraEndedError, match="after 3 frames"), camera:
        assert camera.format.shape == (48, 64, 3)
        while True:
            frame = camera.read().frame
            assert tuple(frame[0, 0]) == BLUE_IN_BGR[::-1]
            assert frame.flags.c_contiguous


def test_another_size_is_refused(camera_class: Any) -> None:
    with pytest.raises(CameraFormatError, match="asked for width 640, but it gives 64"):
        camera_class(0, width=640).start()


def test_missing_camera_is_unavailable(camera_class: Any) -> None:
    with pytest.raises(CameraUnavailableError, match="camera 7 cannot be opened"):
        camera_class(7).start()


def test_without_opencv_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    with pytest.raises(DependencyError, match=r"ffenc-video\[opencv\].*type: ffmpeg"):
        importlib.import_module(MODULE)


def test_nothing_is_printed_beside_the_error(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cv2")
    url = "http://user:hunter2@127.0.0.1:9/"
    camera = importlib.import_module(MODULE).OpenCVCamera(url)
    camera.name = "phone"
    with pytest.raises(CameraUnavailableError, match="camera phone cannot be opened by OpenCV; check the address"):
        camera.start()
    assert capfd.readouterr() == ("", "")
