"""Read the value of ``--cameras``, and open the cameras."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from types import TracebackType
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, TypeAdapter, ValidationError

from ffenc.cli.commands.record.reopening import Reopening
from ffenc.cli.parsing.arguments import UsageError
from ffenc.config import FrameRateValue
from ffenc.dataset.recording.live_recording import wait_for
from ffenc.errors import CameraError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.frame_rate import parse_frame_rate
from ffenc.plan.capture import LiveSource
from ffenc.video.capture import CameraSource
from ffenc.video.live_camera import LiveCamera

FEATURE_PREFIX = "observation.images."
"""Prefix of the feature of a camera in LeRobot."""

_MEASURED_WITHIN_S = 2.5  # a rate is known after a second of frames

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_Pixels: TypeAlias = Annotated[StrictInt, Field(ge=1, le=16384)]


class _Settings(BaseModel):
    """Settings of all cameras."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: _Pixels | None = None
    height: _Pixels | None = None
    fps: FrameRateValue | None = None
    encoder: dict[str, Any] = Field(default_factory=dict)

    @property
    def rate(self) -> Fraction | None:
        """The requested frame rate."""
        return None if self.fps is None else parse_frame_rate(self.fps)


class FFmpegCamera(_Settings):
    """A camera that an ffmpeg process reads, see `ffenc.plan.capture.LiveSource`."""

    type: Literal["ffmpeg"]
    source: StrictStr = Field(repr=False)  # it can have a password, as can the options
    format: StrictStr | None = None
    loop: StrictBool = False
    convert: StrictBool = False
    depth: StrictBool = False
    options: dict[str, StrictStr | StrictInt] = Field(default_factory=dict, repr=False)

    def live_source(self) -> LiveSource:
        """Return the source for `CameraSource`.

        Raises:
            CameraFormatError: settings that contradict each other.
        """
        return LiveSource(
            source=self.source,
            format=self.format,
            width=self.width,
            height=self.height,
            fps=self.rate,
            loop=self.loop,
            convert=self.convert,
            depth=self.depth,
            options={name: str(value) for name, value in self.options.items()},
        )

    @property
    def is_live(self) -> bool:
        """Whether it may come back after an error."""
        return self.live_source().is_live

    def camera(self, binaries: Binaries) -> LiveCamera:
        """Return the camera, not opened yet."""
        return CameraSource(self.live_source(), binaries=binaries)


class OpenCVCameraSettings(_Settings):
    """A camera that OpenCV reads, named as in LeRobot's ``OpenCVCameraConfig``."""

    type: Literal["opencv"]
    index_or_path: StrictInt | StrictStr = Field(repr=False)
    depth: Literal[False] = False

    @property
    def is_live(self) -> bool:
        """Whether it may come back after an error."""
        return True

    def camera(self, binaries: Binaries) -> LiveCamera:
        """Return the camera, not opened yet.

        Raises:
            DependencyError: OpenCV is not installed.
        """
        del binaries  # OpenCV does not use them
        from ffenc.video.opencv_camera import OpenCVCamera  # needs OpenCV, as no other camera does

        return OpenCVCamera(self.index_or_path, width=self.width, height=self.height, fps=self.rate)


CameraSettings: TypeAlias = FFmpegCamera | OpenCVCameraSettings

_MODEL: TypeAdapter[CameraSettings] = TypeAdapter(Annotated[CameraSettings, Field(discriminator="type")])
_EXAMPLE = "'{laptop: {type: ffmpeg, source: /dev/video0, width: 640, height: 480, fps: 30}}'"


def parse_cameras(value: object) -> dict[str, CameraSettings]:
    """Read the value of ``--cameras``.

    Raises:
        UsageError: no camera, an invalid name, or an unknown setting.
    """
    if not isinstance(value, Mapping) or not value:
        raise UsageError(f"--cameras needs a name and settings for each camera, e.g. {_EXAMPLE}")
    cameras = {}
    for name, settings in value.items():
        check_camera_name(name)
        if not isinstance(settings, Mapping):
            raise UsageError(f"--cameras: {name} was given {settings!r}; it needs settings, e.g. {_EXAMPLE}")
        cameras[name] = _parsed(name, settings)
    return cameras


def check_camera_name(name: object) -> str:
    """Return the name of a camera; raise `UsageError` if it cannot be part of the name of a feature."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a camera; use letters, digits, _ and -")
    return name


class OpenCameras(Mapping[str, LiveCamera]):
    """The cameras of a recording by feature name, open while this context manager is entered.

    Args:
        settings: settings by camera name.
        binaries: the executables.
        note: called from any thread with what a camera waits for while it opens, and when it failed or came back.
    """

    def __init__(
        self,
        settings: Mapping[str, CameraSettings],
        binaries: Binaries,
        *,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._settings = {FEATURE_PREFIX + name: each for name, each in settings.items()}
        self._binaries = binaries
        self._note = note
        self._cameras: dict[str, LiveCamera] = {}
        self._reopenings: dict[str, Reopening] = {}

    def __enter__(self) -> OpenCameras:
        """Open all cameras side by side.

        Raises:
            CameraError: a camera cannot be opened as requested. The others are closed.
        """
        try:
            for name in self._settings:
                self._cameras[name] = self._made(name)
                self._cameras[name].begin()
            for camera in self._cameras.values():
                camera.wait_until_open(on_wait=partial(self._tell_awaited, camera.name))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all cameras."""
        for reopening in self._reopenings.values():
            reopening.end()
        for camera in self._cameras.values():
            camera.close()

    def rates(self) -> dict[str, float]:
        """Wait until the rates of live cameras are measured, and return the known rates, in frames per second.

        FFmpeg plays files and filters at the rate that it states.
        """
        live = [camera for name, camera in self._cameras.items() if self._settings[name].is_live]
        wait_for(_MEASURED_WITHIN_S, lambda: all(camera.rate is not None for camera in live))
        known = {name: camera.rate if camera in live else camera.stated_rate for name, camera in self._cameras.items()}
        return {name: rate for name, rate in known.items() if rate is not None}

    def reopen(self, name: str, *, is_reported: bool = False) -> bool:
        """Open a camera that failed again, in the background; call it until the camera delivers frames.

        Args:
            name: its feature name.
            is_reported: whether the user was told why it failed.

        Returns:
            False if the camera cannot come back, as a file that has ended.

        Raises:
            CameraError: it came back with another frame size.
        """
        if not self._settings[name].is_live:
            return False
        if name not in self._reopenings:
            camera = self._cameras[name]
            reopening = Reopening(camera, partial(self._made, name), self._note, is_reported=is_reported)
            self._reopenings[name] = reopening
            reopening.begin()
        self._take_reopened(name)
        return True

    def is_lost(self, name: str) -> bool:
        """Return whether a camera is still being opened again.

        Raises:
            CameraError: it came back with another frame size.
        """
        return name in self._reopenings and not self._take_reopened(name)

    def why_lost(self, name: str) -> CameraError | None:
        """Return the error of the last attempt to open a camera again."""
        reopening = self._reopenings.get(name)
        return None if reopening is None else reopening.last_error

    def _take_reopened(self, name: str) -> bool:
        camera = self._reopenings[name].result()
        if camera is None:
            return False
        self._cameras[name] = camera
        del self._reopenings[name]
        return True

    def _made(self, name: str) -> LiveCamera:
        camera = self._settings[name].camera(self._binaries)
        camera.name = name.removeprefix(FEATURE_PREFIX)  # so that messages show the name and not the URL
        return camera

    def _tell_awaited(self, name: str, awaited: str) -> None:
        self._note(f"camera {name} is not open yet; it waits for {awaited}")

    def __getitem__(self, name: str) -> LiveCamera:
        return self._cameras[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._cameras)

    def __len__(self) -> int:
        return len(self._cameras)


def _parsed(name: str, settings: Mapping[str, Any]) -> CameraSettings:
    try:
        parsed = _MODEL.validate_python(dict(settings))
        if isinstance(parsed, FFmpegCamera):
            parsed.live_source()
        _ = parsed.rate
    except ValidationError as err:
        raise UsageError(f"--cameras: {_problems(name, err)}") from err
    except ValueError as err:  # an invalid rate, or a CameraFormatError: settings that contradict each other
        raise UsageError(f"--cameras: {name}: {err}") from err
    return parsed


def _problems(name: str, err: ValidationError) -> str:
    problems = []
    for error in err.errors(include_url=False):
        kind, *place = error["loc"] or ("",)
        where = ".".join(str(part) for part in (name, *place))
        if error["type"] == "extra_forbidden":
            model = FFmpegCamera if kind == "ffmpeg" else OpenCVCameraSettings
            problems.append(
                f"{where} is not a setting of cameras of type {kind}; expected {', '.join(model.model_fields)}"
            )
        elif error["type"].startswith("union_tag"):
            given = f"; {error['ctx']['tag']!r} is not one of them" if "tag" in error.get("ctx", {}) else ""
            problems.append(
                f"{name} needs type: ffmpeg (any device, file or URL that FFmpeg opens) or type: opencv{given}"
            )
        elif error["type"] == "missing":
            problems.append(f"{where} is missing")
        elif isinstance(error["input"], int | float):  # a text may contain a password
            problems.append(f"{where}: {error['msg']}, but got {error['input']}")
        else:
            problems.append(f"{where}: {error['msg'].removeprefix('Value error, ')}")
    return "; ".join(dict.fromkeys(problems))
