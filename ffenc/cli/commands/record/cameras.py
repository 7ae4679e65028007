"""``--cameras``: what a person writes about cameras, and the cameras themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, TypeAdapter, ValidationError

from ffenc.cli.parsing.arguments import UsageError
from ffenc.config import FrameRateValue
from ffenc.ffmpeg.binaries import Binaries
from ffenc.frame_rate import parse_frame_rate
from ffenc.plan.capture import LiveSource
from ffenc.video.capture import CameraSource
from ffenc.video.live_camera import LiveCamera

FEATURE_PREFIX = "observation.images."
"""What LeRobot puts before the name of a camera."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_Pixels: TypeAlias = Annotated[StrictInt, Field(ge=1, le=16384)]


class _Settings(BaseModel):
    """What all cameras have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: _Pixels | None = None
    height: _Pixels | None = None
    fps: FrameRateValue | None = None

    @property
    def rate(self) -> Fraction | None:
        """The rate asked for."""
        return None if self.fps is None else parse_frame_rate(self.fps)


class FFmpegCamera(_Settings):
    """A camera that an ffmpeg process reads, see `ffenc.plan.capture.LiveSource`."""

    type: Literal["ffmpeg"]
    source: StrictStr
    format: StrictStr | None = None
    loop: StrictBool = False
    convert: StrictBool = False
    depth: StrictBool = False
    options: dict[str, StrictStr | StrictInt] = Field(default_factory=dict)

    def live_source(self) -> LiveSource:
        """What the library calls it.

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

    def camera(self, binaries: Binaries) -> LiveCamera:
        """The camera, not opened yet."""
        return CameraSource(self.live_source(), binaries=binaries)


class OpenCVCameraSettings(_Settings):
    """A camera that OpenCV reads, named as in LeRobot's ``OpenCVCameraConfig``."""

    type: Literal["opencv"]
    index_or_path: StrictInt | StrictStr
    depth: Literal[False] = False

    def camera(self, binaries: Binaries) -> LiveCamera:
        """The camera, not opened yet.

        Raises:
            DependencyError: OpenCV is not installed.
        """
        del binaries  # OpenCV brings its own
        # Not at the top: the module cannot be imported without OpenCV, which only this type of camera needs.
        camera_class = import_module("ffenc.video.opencv_camera").OpenCVCamera
        where = self.index_or_path if isinstance(self.index_or_path, int) else Path(self.index_or_path)
        camera: LiveCamera = camera_class(where, width=self.width, height=self.height, fps=self.rate)
        return camera


CameraSettings: TypeAlias = FFmpegCamera | OpenCVCameraSettings

_MODEL: TypeAdapter[CameraSettings] = TypeAdapter(Annotated[CameraSettings, Field(discriminator="type")])
_EXAMPLE = "'{laptop: {type: ffmpeg, source: /dev/video0, width: 640, height: 480, fps: 30}}'"


def parse_cameras(value: object) -> dict[str, CameraSettings]:
    """Read the value of ``--cameras``.

    Raises:
        UsageError: no camera, a name that cannot be one of a feature, or a setting that no camera has.
    """
    if not isinstance(value, Mapping) or not value:
        raise UsageError(f"--cameras holds a name and settings for each camera, e.g. {_EXAMPLE}")
    cameras = {}
    for name, settings in value.items():
        check_camera_name(name)
        if not isinstance(settings, Mapping):
            raise UsageError(f"--cameras: {name} was given {settings!r}; it holds settings, e.g. {_EXAMPLE}")
        cameras[name] = _parsed(name, settings)
    return cameras


def check_camera_name(name: object) -> str:
    """The name, if it can be part of the name of a feature.

    Raises:
        UsageError: it cannot.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a camera; use letters, digits, _ and -")
    return name


@contextmanager
def opened(cameras: Mapping[str, CameraSettings], binaries: Binaries) -> Iterator[dict[str, LiveCamera]]:
    """All cameras, each with its first frame there, by the name of their feature; closed at the end.

    Raises:
        CameraError: one of them cannot be had as it was asked for; the others are closed then.
    """
    with ExitStack() as stack:
        live = {}
        for name, settings in cameras.items():
            camera = settings.camera(binaries)
            camera.name = name  # as the person who reads a message calls it, and not by a URL
            live[FEATURE_PREFIX + name] = stack.enter_context(camera)
        yield live


def _parsed(name: str, settings: Mapping[str, Any]) -> CameraSettings:
    try:
        parsed = _MODEL.validate_python(dict(settings))
        if isinstance(parsed, FFmpegCamera):
            parsed.live_source()
        _ = parsed.rate
    except ValidationError as err:
        raise UsageError(f"--cameras: {_said(name, err)}") from err
    except ValueError as err:  # a rate that is none, or a CameraFormatError: settings that contradict each other
        raise UsageError(f"--cameras: {name}: {err}") from err
    return parsed


def _said(name: str, err: ValidationError) -> str:
    problems = []
    for error in err.errors(include_url=False):
        kind, *place = error["loc"] or ("",)
        where = ".".join(str(part) for part in (name, *place))
        if error["type"] == "extra_forbidden":
            model = FFmpegCamera if kind == "ffmpeg" else OpenCVCameraSettings
            problems.append(
                f"{where} is not a setting of a camera of type {kind}; there are {', '.join(model.model_fields)}"
            )
        elif error["type"].startswith("union_tag"):
            problems.append(f"{name} needs type: ffmpeg (any device, file or URL that FFmpeg opens) or type: opencv")
        else:
            problems.append(f"{where}: {error['msg']}")
    return "; ".join(dict.fromkeys(problems))
