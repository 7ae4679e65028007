"""Cameras of type ``ffmpeg`` for LeRobot; with ``FFENC_LEROBOT=1``, ffenc as its video encoder as well.

LeRobot imports this module from its own commands, and only logs an exception.  So a failure to install ffenc ends the
program here: it would record with PyAV otherwise, which nobody asked for.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any

from lerobot.cameras import Camera, CameraConfig
from lerobot.utils.errors import DeviceNotConnectedError
from numpy.typing import NDArray

import ffenc.lerobot
from ffenc.errors import CameraStalledError, FFencError
from ffenc.frame_rate import parse_frame_rate
from ffenc.plan.capture import LiveSource
from ffenc.video.capture import CameraSource

_SWITCH = "FFENC_LEROBOT"


def _install() -> None:
    try:
        ffenc.lerobot.install()
    except FFencError as err:
        raise SystemExit(f"ffenc cannot encode for LeRobot: {err}") from err


if (wanted := os.environ.get(_SWITCH, "0")) != "0":
    if wanted != "1":
        raise SystemExit(f"{_SWITCH}={wanted!r} is not known; use 1 to let ffenc encode, or 0")
    _install()


@CameraConfig.register_subclass("ffmpeg")
@dataclass(kw_only=True)
class FFmpegCameraConfig(CameraConfig):
    """Anything that FFmpeg opens; see `ffenc.plan.capture.LiveSource`.

    Attributes:
        source: device, file, URL, or filter graph of ``lavfi``.
        format: FFmpeg's input format; None takes ``v4l2`` for what is in ``/dev``.
        loop: start a file again at its end.
        convert: let FFmpeg scale frames, and repeat or leave some out, if they come otherwise than asked for.
        options: further options of the input.
        install_ffenc: let ffenc encode LeRobot's videos, too.
    """

    source: str
    format: str | None = None
    loop: bool = False
    convert: bool = False
    options: dict[str, str] = field(default_factory=dict)
    install_ffenc: bool = False

    def __post_init__(self) -> None:
        if self.install_ffenc:
            _install()


class FFmpegCamera(Camera):
    """A camera that an ffmpeg process reads; only the newest frame counts."""

    def __init__(self, config: FFmpegCameraConfig) -> None:
        super().__init__(config)
        self.config = config
        self._camera: CameraSource | None = None

    @property
    def is_connected(self) -> bool:
        """Whether the source is open."""
        return self._camera is not None

    @staticmethod
    def find_cameras() -> list[dict[str, Any]]:
        """Return nothing: what FFmpeg can open cannot be listed."""
        return []

    def connect(self, warmup: bool = True) -> None:
        """Open the source and wait for its first frame."""
        config = self.config
        camera = CameraSource(
            LiveSource(
                source=config.source,
                format=config.format,
                width=config.width,
                height=config.height,
                fps=None if config.fps is None else parse_frame_rate(config.fps),
                loop=config.loop,
                convert=config.convert,
                options={name: str(value) for name, value in config.options.items()},
            )
        )
        self._camera = camera.start()
        self.width, self.height = camera.format.width, camera.format.height

    def read(self) -> NDArray[Any]:
        """Return the next frame that was not taken before, ``(height, width, 3)`` uint8 RGB."""
        return self.async_read(timeout_ms=1000)

    def async_read(self, timeout_ms: float = 200) -> NDArray[Any]:
        """Return the newest frame, after waiting for one that was not taken before."""
        try:
            return self._open_camera().read(timeout_s=timeout_ms / 1000).frame.copy()
        except CameraStalledError as err:
            raise TimeoutError(str(err)) from err

    def read_latest(self, max_age_ms: int = 500) -> NDArray[Any]:
        """Return the newest frame at once."""
        captured = self._open_camera().latest()
        age_ms = (time.monotonic() - captured.time_s) * 1000
        if age_ms > max_age_ms:
            raise TimeoutError(
                f"the newest frame of {self.config.source} is {age_ms:.0f} ms old, more than {max_age_ms} ms"
            )
        return captured.frame.copy()

    def disconnect(self) -> None:
        """Let go of the source."""
        camera, self._camera = self._open_camera(), None
        camera.close()

    def _open_camera(self) -> CameraSource:
        if self._camera is None:
            raise DeviceNotConnectedError(f"the camera {self.config.source} is not connected")
        return self._camera
