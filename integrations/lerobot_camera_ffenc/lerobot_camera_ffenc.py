"""Add cameras of type ``ffmpeg`` to LeRobot; with ``FFENC_LEROBOT=1``, also encode its videos with ffenc.

LeRobot's commands import this module, and only log exceptions.  Therefore a failure to install ffenc exits the program;
otherwise LeRobot would record with PyAV.
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
from ffenc.redaction import redacted
from ffenc.video.capture import CameraSource

_SWITCH = "FFENC_LEROBOT"


def _install() -> None:
    try:
        ffenc.lerobot.install()
    except FFencError as err:
        raise SystemExit(f"ffenc cannot encode for LeRobot: {err}") from err


if (wanted := os.environ.get(_SWITCH, "0")) != "0":
    if wanted != "1":
        raise SystemExit(f"unknown {_SWITCH}={wanted!r}; expected 1 to encode with ffenc, or 0")
    _install()


class _Source(str):
    """A URL whose password LeRobot does not log with its settings."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(redacted(str(self)))


@CameraConfig.register_subclass("ffmpeg")
@dataclass(kw_only=True)
class FFmpegCameraConfig(CameraConfig):
    """Any source that FFmpeg can open; see `ffenc.plan.capture.LiveSource`.

    Attributes:
        source: device, file, URL, or filter graph of ``lavfi``.
        format: FFmpeg's input format; None uses ``v4l2`` for paths in ``/dev``.
        loop: restart a file at its end.
        convert: let FFmpeg scale, repeat and drop frames if the source has another size or rate.
        options: further input options.
        install_ffenc: also encode LeRobot's videos with ffenc.
    """

    source: str
    format: str | None = None
    loop: bool = False
    convert: bool = False
    options: dict[str, str] = field(default_factory=dict)
    install_ffenc: bool = False

    def __post_init__(self) -> None:
        self.source = _Source(self.source)
        if self.install_ffenc:
            _install()


class FFmpegCamera(Camera):
    """A camera that an ffmpeg process reads; it returns only the newest frame."""

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
        """Return an empty list: FFmpeg's sources cannot be enumerated."""
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
        """Wait for a new frame and return it, ``(height, width, 3)`` uint8 RGB."""
        return self.async_read(timeout_ms=1000)

    def async_read(self, timeout_ms: float = 200) -> NDArray[Any]:
        """Return the newest frame; wait if it was already read."""
        try:
            return self._open_camera().read(timeout_s=timeout_ms / 1000).frame.copy()
        except CameraStalledError as err:
            raise TimeoutError(str(err)) from err

    def read_latest(self, max_age_ms: int = 500) -> NDArray[Any]:
        """Return the newest frame without waiting."""
        captured = self._open_camera().latest()
        age_ms = (time.monotonic() - captured.time_s) * 1000
        if age_ms > max_age_ms:
            raise TimeoutError(
                f"the newest frame of {redacted(self.config.source)} is {age_ms:.0f} ms old, more than {max_age_ms} ms"
            )
        return captured.frame.copy()

    def disconnect(self) -> None:
        """Close the source."""
        camera, self._camera = self._open_camera(), None
        camera.close()

    def _open_camera(self) -> CameraSource:
        if self._camera is None:
            raise DeviceNotConnectedError(f"the camera {redacted(self.config.source)} is not connected")
        return self._camera
