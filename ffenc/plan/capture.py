"""Plan a live capture: one command that reads a camera and writes raw frames."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeAlias

from ffenc.errors import CameraFormatError
from ffenc.ffmpeg.media_input import MEDIA_DEMUXERS
from ffenc.frames import LAYOUTS
from ffenc.plan.graph import VIDEO, Filter, Input, Option, ffmpeg_argv, file_url, restart_clock
from ffenc.redaction import redacted

SourceKind: TypeAlias = Literal["device", "lavfi", "file", "network"]

DEVICE_FORMATS = ("v4l2", "video4linux2", "avfoundation", "x11grab", "kmsgrab", "fbdev", "decklink", "libdc1394")
"""FFmpeg's video input devices; size and rate are requested with their own options."""

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_RTSP = re.compile(r"rtsps?://", re.IGNORECASE)
_LONE_FILTER = re.compile(r"[A-Za-z0-9_]+")
_ANY_RATE = Fraction(30)

LOW_DELAY_CODECS = frozenset({"av1", "h264", "hevc", "mjpeg", "rawvideo", "vp8", "vp9"})
"""Codecs whose decoders return frames in order with FFmpeg's ``low_delay``.  MPEG-2 and MPEG-4 with B-frames come out of
order (measured with 4.2 to 9.0)."""

_ONE_THREAD: Option = ("threads", "1")
_LOW_DELAY: Option = ("flags", "low_delay")
"""With one thread, the defaults of live sources: each decoding thread holds back a frame (178 ms on 2 cores, 598 ms on 16
cores, 76 ms with these options)."""

_NETWORK_ANALYSIS: Option = ("analyzeduration", "500000")
"""FFmpeg would analyse an MPEG-TS or FLV stream for 5 s of its time before it gives the first frame: 9.4 s for a stream of
80 kbit/s over HTTP, where 1.7 s are enough; RTSP takes 0.4 s instead of 1.1 s.  A smaller ``probesize`` saved nothing.  It
waits longer for a keyframe if the stream begins without one."""

_FORMAT_PROBE: Option = ("formatprobesize", "32768")
"""FFmpeg recognizes raw MJPEG only when it has read this much, by default 1 MiB: two minutes of small frames."""

_PREFER_TCP: Option = ("rtsp_flags", "prefer_tcp")
"""Over UDP, which FFmpeg tries first, a lost packet damages frames silently.  Cameras without TCP still use UDP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSource:
    """One camera, as FFmpeg opens it.

    Attributes:
        source: a device (``/dev/video0``), a file, a URL (rtsp, http, ...), or a filter graph for ``lavfi``.
        format: FFmpeg's input format; None means ``v4l2`` for paths in ``/dev`` and is detected otherwise.
        width, height: requested size in pixels; None accepts any.
        fps: requested rate; None accepts any.
        loop: start a file again when it ends.
        convert: let FFmpeg scale frames, and repeat or drop some, if the source has another size or rate than requested.
        depth: the frames are depth maps: 16-bit grey, in millimetres.
        options: further options for the input, e.g. ``{"input_format": "mjpeg"}``.  Unless given here, devices and network
            cameras get ``threads: 1`` and, for most codecs, ``flags: low_delay``.  Network cameras get ``analyzeduration:
            500000`` (microseconds) and ``formatprobesize: 32768`` (bytes), and RTSP cameras ``rtsp_flags: prefer_tcp``.
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
            raise self._refused(f"loop is only for files, and this is a {self.kind} source; leave it out")
        if self.convert and self.width is None and self.fps is None:
            raise self._refused("convert needs a target; give width and height, or fps")

    @property
    def kind(self) -> SourceKind:
        """How FFmpeg opens it."""
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
    def is_live(self) -> bool:
        """Whether frames arrive when the camera sends them; files and test patterns are only played in real time."""
        return self.kind in ("device", "network")

    @property
    def size(self) -> tuple[int, int] | None:
        """Requested (width, height)."""
        return None if self.width is None or self.height is None else (self.width, self.height)

    @property
    def layout(self) -> str:
        """Layout of its frames, a key of `ffenc.frames.LAYOUTS`."""
        return "gray16" if self.depth else "rgb"

    @property
    def path(self) -> Path | None:
        """Path on this machine, if it is a file or a device file."""
        if self.kind == "file" or (self.kind == "device" and self.source.startswith("/")):
            return Path(self.source)
        return None

    def __str__(self) -> str:
        source = redacted(self.source)
        return source if self.format is None else f"{source} ({self.format})"

    def __repr__(self) -> str:
        return f"<LiveSource {self}>"  # options can have passwords, too

    def _refused(self, why: str) -> CameraFormatError:
        return CameraFormatError(f"camera {self}: {why}", source=self.source, asked=str(self), came="")


def plan_capture(ffmpeg: Path | str, source: LiveSource, *, low_delay: bool = True) -> tuple[str, ...]:
    """Return the command that writes every frame of a live source once, in real time, to standard output.

    Frames are not scaled or re-timed unless ``source.convert`` is set.  The real size and rate are known only while the
    command runs, from FFmpeg's description of its streams.

    Args:
        ffmpeg: the executable.
        source: the camera.
        low_delay: whether the codec of a live source is in `LOW_DELAY_CODECS`.
    """
    rate = _ANY_RATE
    video: list[Filter] = []
    if source.convert and source.fps is not None:
        rate = source.fps
        if source.is_live:
            # By arrival: FFmpeg assumes 25 frames per second where a stream has no timestamps (MJPEG over HTTP).
            video.append(("setpts", {"expr": "(RTCTIME-RTCSTART)/(TB*1000000)"}))
        video.append(("fps", {"fps": str(rate)}))
    if not source.is_live:
        # Not -re: from FFmpeg 6.1 on it passes the first half second at once.
        video.append(("realtime", {}))
    pix_fmt = LAYOUTS[source.layout].pix_fmt
    scale = {"flags": "bicubic+accurate_rnd+full_chroma_int"}
    if source.convert and source.size is not None:
        scale |= {"w": str(source.width), "h": str(source.height)}
    # Timestamps are replaced by frame numbers: otherwise ffmpeg repeats and drops frames of a camera to make them regular.
    # The rate is only the unit of counting.
    video += [("scale", scale), ("format", {"pix_fmts": pix_fmt}), restart_clock(rate)]
    return ffmpeg_argv(
        ffmpeg,
        inputs=[_input(source, low_delay=low_delay)],
        video=video,
        output="pipe:1",
        # FFmpeg's raw-video encoder, too, holds back a frame for every thread after the first.
        output_options=[
            ("c:v", "rawvideo"),
            _ONE_THREAD,
            ("pix_fmt", f"+{pix_fmt}"),
            ("r", str(rate)),
            ("f", "rawvideo"),
        ],
        loglevel="level+info",
        skip_errors=True,
    )


def plan_mode_listing(ffmpeg: Path | str, device: str) -> tuple[str, ...]:
    """Return the command that lists the formats and frame sizes of a V4L2 device; it ends with status 1."""
    return (str(ffmpeg), "-hide_banner", "-nostdin", "-f", "v4l2", "-list_formats", "all", "-i", device)


def _input(source: LiveSource, *, low_delay: bool) -> Input:
    # A frame of another size is then a warning, which the caller watches for, and scale keeps the first size.
    options: list[Option] = [("reinit_filter", "0"), *_decoding_options(source, low_delay=low_delay)]
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


def _decoding_options(source: LiveSource, *, low_delay: bool) -> list[Option]:
    defaults: list[Option] = []
    if source.is_live:
        defaults += [_ONE_THREAD, _LOW_DELAY] if low_delay else [_ONE_THREAD]
    if source.kind == "network":
        defaults += [_NETWORK_ANALYSIS, _FORMAT_PROBE]
    if _RTSP.match(source.source) and "rtsp_transport" not in source.options:
        defaults.append(_PREFER_TCP)
    return [*(option for option in defaults if option[0] not in source.options), *source.options.items()]


def _sized_graph(source: LiveSource) -> str:
    """Add size and rate to a single source filter; a longer graph has to state them itself."""
    if source.convert or not _LONE_FILTER.fullmatch(source.source):
        return source.source
    arguments = [] if source.size is None else [f"size={source.width}x{source.height}"]
    arguments += [] if source.fps is None else [f"rate={source.fps}"]
    return f"{source.source}={':'.join(arguments)}" if arguments else source.source
