"""Read a camera through OpenCV, by number or device."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.errors import CameraEndedError, CameraFormatError, CameraUnavailableError, DependencyError
from ffenc.video.live_camera import CAMERA_STALL_TIMEOUT_S, FIRST_FRAME_TIMEOUT_S, LiveCamera

try:
    import cv2
except ImportError as err:
    raise DependencyError(
        "a camera of type opencv needs OpenCV: pip install 'ffenc-video[opencv]'. Without it, name the device instead: "
        "{type: ffmpeg, source: /dev/video0}"
    ) from err

_RATE_TOLERANCE = 1e-3  # as LeRobot: cameras/opencv/camera_opencv.py


class OpenCVCamera(LiveCamera):
    """The newest frame of a camera that OpenCV opens, as RGB.

    Args:
        index_or_path: the number of a camera, a device, or a URL; a file would be read as fast as it can be decoded.
        width, height: requested size in pixels; None accepts any.
        fps: requested rate; None accepts any.
        first_frame_timeout_s: longest wait for the camera to open.
        stall_timeout_s: longest time between two frames.
    """

    def __init__(
        self,
        index_or_path: int | str | Path,
        *,
        width: int | None = None,
        height: int | None = None,
        fps: Fraction | None = None,
        first_frame_timeout_s: float = FIRST_FRAME_TIMEOUT_S,
        stall_timeout_s: float = CAMERA_STALL_TIMEOUT_S,
    ) -> None:
        super().__init__(
            str(index_or_path),
            first_frame_timeout_s=first_frame_timeout_s,
            stall_timeout_s=stall_timeout_s,
            has_backlog=True,
        )
        self._index_or_path = index_or_path
        self._wanted = {
            cv2.CAP_PROP_FRAME_WIDTH: width,
            cv2.CAP_PROP_FRAME_HEIGHT: height,
            cv2.CAP_PROP_FPS: fps,
        }
        self._capture: Any = None

    def _open(self) -> None:
        where = self._index_or_path
        _silence()
        self._capture = cv2.VideoCapture(where if isinstance(where, int) else str(where))
        if not self._capture.isOpened():
            remedy = "ffenc cameras lists the connected cameras"
            if "://" in str(where):
                remedy = (
                    "check the address, and whether the camera is on; for the reason, use type: ffmpeg, source: URL"
                )
            raise self._error_of(CameraUnavailableError, f"cannot be opened by OpenCV; {remedy}")
        for key, value in self._wanted.items():
            if value is None:
                continue
            self._capture.set(key, float(value))
            came = float(self._capture.get(key))
            if abs(came - float(value)) > _RATE_TOLERANCE * float(value):
                what = {cv2.CAP_PROP_FRAME_WIDTH: "width", cv2.CAP_PROP_FRAME_HEIGHT: "height"}.get(key, "fps")
                raise CameraFormatError(
                    f"camera {self.name} was asked for {what} {value}, but it gives {came:g}; ask for that, or leave it out",
                    source=self.name,
                    asked=f"{what} {value}",
                    came=f"{came:g}",
                )

    def _next(self) -> npt.NDArray[Any]:
        was_read, frame = self._capture.read()
        if not was_read or frame is None:
            where = self._index_or_path
            is_file = not isinstance(where, int) and Path(where).is_file()
            remedy = f"; OpenCV does not play files in real time; use type: ffmpeg, source: {where}" if is_file else ""
            raise self._error_of(CameraEndedError, f"ended after {self.frames_read} frames{remedy}")
        return np.ascontiguousarray(frame[:, :, ::-1])

    def _shut(self) -> None:
        # OpenCV must not release a device while it reads it, so only the thread that reads does.
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def _silence() -> None:
    """Keep OpenCV and its FFmpeg from printing: their messages break the live view and quote URLs with passwords."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet; read when the first camera is opened
    owner = getattr(getattr(cv2, "utils", None), "logging", cv2)  # OpenCV 5 has no cv2.setLogLevel
    if hasattr(owner, "setLogLevel"):
        owner.setLogLevel(0)  # LOG_LEVEL_SILENT
