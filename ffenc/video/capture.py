"""Read a camera through ffmpeg: devices, network cameras, files and test patterns in real time."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.errors import (
    CameraEndedError,
    CameraError,
    CameraFormatError,
    CameraUnavailableError,
    ProcessDiedError,
    ProcessError,
    ProcessStartError,
    describe_returncode,
)
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess
from ffenc.frames import FrameFormat
from ffenc.plan.capture import LOW_DELAY_CODECS, LiveSource, plan_capture
from ffenc.redaction import redacted
from ffenc.video.camera_complaints import advice, complaints
from ffenc.video.live_camera import CAMERA_STALL_TIMEOUT_S, FIRST_FRAME_TIMEOUT_S, LiveCamera

_INPUT = re.compile(r"^(?:\[info\] )?Input #0")
_OUTPUT = re.compile(r"^(?:\[info\] )?Output #0")
_STREAM = re.compile(r"Stream #0:\d+.*: Video: ")
_CHANGED = re.compile(r"Changing video frame properties on the fly")
_SIZE = re.compile(r", (\d{1,5})x(\d{1,5})[ ,\n]|, (\d{1,5})x(\d{1,5})$")
_RATE = re.compile(r", (\d+(?:\.\d+)?) (?:fps|tbr)\b")
_CODEC = re.compile(r"Video: (\w+)")
_PIX_FMT = re.compile(r"Video: [^,]*(?:\([^)]*\))*, ([a-z0-9]+)")
_DEEP_GREY = ("gray16le", "gray16be")

# FFmpeg prints rates with two decimals (29.97), and cameras report 30.01 for 30.
_RATE_TOLERANCE = 2e-3
_AROUND_S = 0.5  # what ffmpeg prints this long before the last frame belongs to the failure after it
# A network camera's stated rate may be a guess of FFmpeg, so its measured rate counts.
_MEASURED_TOLERANCE = 0.1
# Another thread reads standard error; lines from before the first frame arrive at once or soon.
_STREAMS_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Streams:
    """The stream that ffmpeg reports: size as written, the rest as read."""

    size: tuple[int, int]
    rate: float | None
    codec: str
    pix_fmt: str


class CameraSource(LiveCamera):
    """The newest frame of one live source, read by its own ffmpeg process.

    Example::

        source = LiveSource(source="/dev/video0", width=640, height=480, fps=Fraction(30))
        with CameraSource(source) as camera:
            captured = camera.read()  # .frame is (480, 640, 3) uint8

    Attributes:
        source: what it reads.
    """

    def __init__(
        self,
        source: LiveSource,
        *,
        binaries: Binaries | None = None,
        stall_timeout_s: float = CAMERA_STALL_TIMEOUT_S,
        first_frame_timeout_s: float = FIRST_FRAME_TIMEOUT_S,
    ) -> None:
        """Prepare to read; nothing is opened yet.

        Args:
            source: the camera.
            binaries: the executables; found by `find_binaries` if None.
            stall_timeout_s: longest time between two frames.
            first_frame_timeout_s: longest time from the start to the first frame.
        """
        super().__init__(
            str(source),
            first_frame_timeout_s=first_frame_timeout_s,
            stall_timeout_s=stall_timeout_s,
            has_backlog=source.is_live,
            measures_rate=source.kind == "network" and source.fps is not None and not source.convert,
        )
        self.source = source
        self._binaries = binaries
        self._streams: _Streams | None = None
        self._form: FrameFormat | None = None
        self._process: FFmpegProcess | None = None

    def _open(self) -> None:
        path = self.source.path
        if path is not None and not path.exists():
            hint = "; ffenc cameras lists the connected cameras" if self.source.kind == "device" else ""
            if self.source.kind == "file" and not path.suffix:
                hint = "; if it is a filter of FFmpeg, add format: lavfi"
            raise self._error_of(CameraUnavailableError, f"cannot be opened: {path} does not exist{hint}")
        self._launch(low_delay=True)

    def _launch(self, *, low_delay: bool) -> FFmpegProcess:
        process = self._process = FFmpegProcess.start(
            plan_capture((self._binaries or find_binaries()).ffmpeg, self.source, low_delay=low_delay),
            stdout="data",
            stall_timeout_s=math.inf,  # `LiveCamera` has its own limits
            ends_with_us=True,
            stderr_errors=(_INPUT, _OUTPUT, _STREAM, _CHANGED),
        )
        if self._closing:  # `close` may have come before the process existed
            process.abort()
        return process

    def _next(self) -> npt.NDArray[Any]:
        process = self._process
        assert process is not None
        try:
            form, head = (self._form, b"") if self._form else self._first(process)
            process = self._process or process  # `_first` may have started another one
            frame = np.empty(form.shape, form.dtype)
            buffer = frame.data.cast("B")
            buffer[: len(head)] = head
            if process.read_into(buffer[len(head) :]) != len(buffer) - len(head):
                raise self._ended(process)
        except ProcessError as err:
            raise self._explained(err) from err
        if any(_CHANGED.search(line) for line in process.stderr_matches):
            raise CameraFormatError(
                f"camera {self.name} changed its size or pixel format after {self.frames_read} frames",
                source=self.name,
                asked=str(form),
                came="another size or pixel format",
                frames_read=self.frames_read,
            )
        self._form = form
        return frame

    def _shut(self) -> None:
        self._interrupt()

    def _interrupt(self) -> None:
        if self._process is not None:
            self._process.abort()

    @property
    def _awaited_first(self) -> str:
        process = self._process
        if process is not None and any(_INPUT.search(line) for line in process.stderr_matches):
            return "a frame that can be decoded, which begins with a keyframe"
        return (
            "a connection, or a stream that FFmpeg recognizes" if self.source.kind == "network" else "its first frame"
        )

    def _no_frame(self) -> CameraError:
        others = "whether it sends video" if self.source.kind == "network" else "whether another program uses it"
        what = f"sent no frame within {self._first_frame_timeout_s:g} s: it waited for {self._awaited_first}; check {others}"
        return self._failed(CameraUnavailableError, what)

    @property
    def stated_rate(self) -> float | None:
        """Frames per second that FFmpeg states for the source; None before it is open."""
        return None if self._streams is None else self._streams.rate

    def _check_open(self) -> None:
        wanted, stated, measured = self.source.fps, self.stated_rate, self.rate
        if not self._measures_rate or wanted is None:
            return
        if measured is None:
            raise self._differs(
                f"{wanted} frames per second",
                "too few frames to measure its rate",
                "leave out fps to accept any rate, or add convert: true to have frames repeated",
            )
        if stated is not None and abs(stated - measured) <= _MEASURED_TOLERANCE * measured:
            came, tolerance = stated, _RATE_TOLERANCE
        else:
            came, tolerance = round(measured, 1), _MEASURED_TOLERANCE
        self._check_rate(wanted, came, tolerance)

    def _first(self, process: FFmpegProcess) -> tuple[FrameFormat, bytes]:
        """Wait for the first byte: by then ffmpeg has printed its streams."""
        head = bytes(process.read_exactly(1))
        if not head:
            raise self._ended(process)
        streams = self._printed_streams(process)
        if self._streams is None and self.source.is_live and streams.codec not in LOW_DELAY_CODECS:
            self._streams = streams
            process.abort()
            return self._first(self._launch(low_delay=False))
        self._streams = streams
        self._check(streams)
        width, height = streams.size
        return FrameFormat(width=width, height=height, layout=self.source.layout), head

    def _printed_streams(self, process: FFmpegProcess) -> _Streams:
        deadline = time.monotonic() + _STREAMS_TIMEOUT_S
        while time.monotonic() < deadline:
            lines = process.stderr_matches
            output = next((index for index, line in enumerate(lines) if _OUTPUT.search(line)), None)
            written = [] if output is None else [line for line in lines[output + 1 :] if _STREAM.search(line)]
            size = _SIZE.search(written[0]) if written else None
            if size is not None:
                read = next((line for line in lines[:output] if _STREAM.search(line)), written[0])
                rate, codec, pix_fmt = _RATE.search(read), _CODEC.search(read), _PIX_FMT.search(read)
                width, height = (int(part) for part in size.groups() if part is not None)
                return _Streams(
                    size=(width, height),
                    rate=float(rate[1]) if rate else None,
                    codec=codec[1] if codec else "unknown",
                    pix_fmt=pix_fmt[1] if pix_fmt else "unknown",
                )
            time.sleep(0.01)
        raise self._error_of(CameraUnavailableError, "cannot be opened: ffmpeg did not print its streams")

    def _check(self, streams: _Streams) -> None:
        source = self.source
        if source.depth and streams.pix_fmt not in _DEEP_GREY:
            raise self._differs("depth as 16-bit grey", streams.pix_fmt, "leave out depth for a colour camera")
        if source.convert:
            return
        if source.size is not None and source.size != streams.size:
            width, height = streams.size
            raise self._differs(
                f"{source.width}x{source.height}",
                f"{width}x{height}",
                f"ask for width: {width}, height: {height}, or add convert: true to have it scaled",
            )
        if source.fps is not None and streams.rate is not None and not self._measures_rate:
            self._check_rate(source.fps, streams.rate, _RATE_TOLERANCE)

    def _check_rate(self, asked: Fraction, came: float, tolerance: float) -> None:
        if abs(came - float(asked)) > tolerance * float(asked):
            raise self._differs(
                f"{asked} frames per second",
                f"{came:g}",
                "leave out fps to accept any rate, or add convert: true to have frames repeated or dropped",
            )

    def _differs(self, asked: str, came: str, remedy: str) -> CameraFormatError:
        return CameraFormatError(
            f"camera {self.name} was asked for {asked}, but it gives {came}; {remedy}",
            source=self.name,
            asked=asked,
            came=came,
        )

    def _ended(self, process: FFmpegProcess) -> CameraError:
        process.finish()  # raises a more specific error, if there is one
        if not self.frames_read:
            return self._failed(CameraUnavailableError, "ended before its first frame")
        again = "; a file is played once, unless it has loop: true" if self.source.kind == "file" else ""
        return self._failed(CameraEndedError, f"ended after {self.frames_read} frames{again}")

    def _explained(self, err: ProcessError) -> CameraError:
        if isinstance(err, ProcessStartError):
            return self._error_of(CameraUnavailableError, f"cannot be opened: {err.message}")
        is_signal = err.returncode is not None and err.returncode < 0
        status = f": ffmpeg was {describe_returncode(err.returncode)}" if err.returncode and is_signal else ""
        if isinstance(err, ProcessDiedError) and self.frames_read:
            return self._failed(CameraEndedError, f"failed after {self.frames_read} frames{status}")
        return self._failed(CameraUnavailableError, f"cannot be opened{status}")

    def _failed(self, kind: type[CameraError], what: str) -> CameraError:
        """Return an error with what ffmpeg printed since shortly before the last frame, and advice."""
        newest = self._newest
        since = -math.inf if newest is None else newest.time_s - _AROUND_S
        printed = "" if self._process is None else complaints(self._process.stderr_since(since))
        is_unexplained = not printed and ":" not in what and not what.startswith("ended")
        ended = "; ffmpeg ended without a message" if is_unexplained else ""
        remedy = f"; {advice(printed)}" if advice(printed) else ""
        error = self._error_of(kind, what + ended + remedy)
        error.printed = redacted(printed)
        return error
