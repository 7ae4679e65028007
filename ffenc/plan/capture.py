"""The plan of a live capture: what a person calls a camera, as one command that writes raw frames."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeAlias

from ffenc.errors import CameraFormatError
from ffenc.ffmpeg.media_input import MEDIA_DEMUXERS
from ffenc.frames import LAYOUTS
from ffenc.plan.graph import VIDEO, Filter, Input, Option, ffmpeg_argv, file_url, restart_clock

SourceKind: TypeAlias = Literal["device", "lavfi", "file", "network"]

DEVICE_FORMATS = ("v4l2", "video4linux2", "avfoundation", "x11grab", "kmsgrab", "fbdev", "decklink", "libdc1394")
"""FFmpeg's input devices that give pictures; they are asked for size and rate with options of their own."""

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_LONE_FILTER = re.compile(r"[A-Za-z0-9_]+")
_ANY_RATE = Fraction(30)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSource:
    """One camera, as FFmpeg opens it.

    Attributes:
        source: a device (``/dev/video0``), a file, a URL (rtsp, http, ...), or a filter graph for ``lavfi``.
        format: FFmpeg's input format; None takes ``v4l2`` for what lies in ``/dev`` and lets FFmpeg tell otherwise.
        width, height: size asked for, in pixels; None takes what comes.
        fps: rate asked for; None takes what comes.
        loop: begin a file again when it is over.
        convert: let FFmpeg scale the pictures and repeat or leave out some, where they come otherwise than asked for.
        depth: the pictures are depth maps: 16-bit grey, in millimetres.
        options: further options for the input, e.g. ``{"input_format": "mjpeg"}``.
    """

    source: str
    format: str | None = None
    width: int | None = None
    height: int | None = None
    fps: Fraction | None = None
    loop: bool = False
    convert: bool = False
    depth: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.width is None) != (self.height is None):
            raise self._refused("give width and height, or neither")
        if self.loop and self.kind != "file":
            raise self._refused(f"loop is for files, and this is a {self.kind} source; leave it out")
        if self.convert and self.width is None and self.fps is None:
            raise self._refused("convert needs something to convert to: width and height, or fps")

    @property
    def kind(self) -> SourceKind:
        """What FFmpeg takes it for."""
        if self.format == "lavfi":
            return "lavfi"
        if self.format in DEVICE_FORMATS:
            return "device"
        if _URL.match(self.source):
            return "network"
        if self.format is None and self.source.startswith("/dev/"):
            return "device"
        return "file"

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) asked for."""
        return None if self.width is None or self.height is None else (self.width, self.height)

    @property
    def layout(self) -> str:
        """What its frames are, a key of `ffenc.frames.LAYOUTS`."""
        return "gray16" if self.depth else "rgb"

    @property
    def path(self) -> Path | None:
        """Where it lies on this machine, if it is a file or a device that is one."""
        if self.kind == "file" or (self.kind == "device" and self.source.startswith("/")):
            return Path(self.source)
        return None

    def __str__(self) -> str:
        return self.source if self.format is None else f"{self.source} ({self.format})"

    def _refused(self, why: str) -> CameraFormatError:
        return CameraFormatError(f"camera {self}: {why}", source=self.source, asked=str(self), came="")


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturePlan:
    """One command that writes raw frames to its standard output for as long as its source gives some.

    Attributes:
        argv: the command.
        source: what it reads.
    """

    argv: tuple[str, ...]
    source: LiveSource

    def __str__(self) -> str:
        """The command as one would type it into a shell."""
        return shlex.join(self.argv)


def plan_capture(ffmpeg: Path | str, source: LiveSource) -> CapturePlan:
    """Plan to read a live source in real time, every picture of it once.  Pure: nothing is opened.

    What comes is not scaled or re-timed unless ``source.convert`` says so; size and rate can only be judged when it
    runs, from what FFmpeg then says of its streams.

    Args:
        ffmpeg: the executable.
        source: the camera.
    """
    rate = _ANY_RATE
    video: list[Filter] = []
    if source.convert and source.fps is not None:
        rate = source.fps
        video.append(("fps", {"fps": str(rate)}))
    if source.kind in ("lavfi", "file"):
        # Not -re, which from FFmpeg 6.1 on lets the first half second through at once.
        video.append(("realtime", {}))
    pix_fmt = LAYOUTS[source.layout].pix_fmt
    scale = {"flags": "bicubic+accurate_rnd+full_chroma_int"}
    if source.convert and source.size is not None:
        scale |= {"w": str(source.width), "h": str(source.height)}
    # Counted again, picture by picture, because for raw output ffmpeg would even out the timestamps of a camera with
    # copies and omissions; the rate is only the unit in which it counts.
    video += [("scale", scale), ("format", {"pix_fmts": pix_fmt}), restart_clock(rate)]
    argv = ffmpeg_argv(
        ffmpeg,
        inputs=[_input(source)],
        video=video,
        output="pipe:1",
        output_options=[("c:v", "rawvideo"), ("pix_fmt", f"+{pix_fmt}"), ("r", str(rate)), ("f", "rawvideo")],
        loglevel="info",
        skip_errors=True,
    )
    return CapturePlan(argv=argv, source=source)


def _input(source: LiveSource) -> Input:
    # A picture of another size in the middle then stays a warning, which is watched for, and scale keeps the first size.
    options: list[Option] = [("reinit_filter", "0"), *source.options.items()]
    if source.kind == "lavfi":
        return Input(url=_sized_graph(source), options=(*options, ("f", "lavfi")))
    if source.kind == "device":
        options.append(("f", source.format or "v4l2"))
        if source.size is not None and not source.convert:
            options.append(("video_size", f"{source.width}x{source.height}"))
        if source.fps is not None and not source.convert:
            options.append(("framerate", str(source.fps)))
        return Input(url=source.source, options=tuple(options))
    if source.format is not None:
        options.append(("f", source.format))
    if source.kind == "network":
        return Input(url=source.source, options=tuple(options), stream=VIDEO)
    options.append(("protocol_whitelist", "file"))
    if source.format is None:
        options.append(("format_whitelist", ",".join(MEDIA_DEMUXERS)))
    if source.loop:
        options.append(("stream_loop", "-1"))
    return Input(url=file_url(source.source), options=tuple(options), stream=VIDEO)


def _sized_graph(source: LiveSource) -> str:
    """A filter that stands alone is told size and rate; a whole graph says them itself."""
    if source.convert or not _LONE_FILTER.fullmatch(source.source):
        return source.source
    arguments = [] if source.size is None else [f"size={source.width}x{source.height}"]
    arguments += [] if source.fps is None else [f"rate={source.fps}"]
    return f"{source.source}={':'.join(arguments)}" if arguments else source.source
