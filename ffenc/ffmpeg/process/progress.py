"""Read the reports of ``ffmpeg -progress``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# A line of a report has less than 50 bytes.
_LINE_BYTES = 4096
# Before the first packet 4.2 and 5.1 print 0, 7.0 to 9.0 print N/A (measured), and 6.0 its "no timestamp" constant,
# -2**63 + 1 (from public reports).
_NO_TIME_US = -(2**62)
_KEYS = ("frame", "fps", "total_size", "out_time_us", "out_time_ms", "speed", "progress")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One report of ``-progress`` (FFmpeg ``print_report`` in fftools/ffmpeg.c, 4.2 to 9.0)."""

    frame: int
    """Frames encoded so far; 0 if ffmpeg prints none."""

    fps: float | None
    """Frames per second since the start."""

    size_bytes: int | None
    """Bytes written by the muxer so far; None if unknown."""

    out_time_s: float | None
    """Presentation time reached in the output, in seconds; 0 or None before the first packet."""

    speed: float | None
    """Seconds of output per second of wall time; None if unknown."""

    done: bool
    """Whether this is the last report, written after the encoders were flushed."""


class ProgressReader:
    """Turn the bytes of ``-progress pipe:1`` into `Progress` values.

    Args:
        on_progress: called by `feed` with each report.
    """

    def __init__(self, on_progress: Callable[[Progress], None] | None = None) -> None:
        self._on_progress = on_progress
        self._unfinished = b""
        self._fields: dict[str, str] = {}
        self.latest: Progress | None = None

    @property
    def work_done(self) -> tuple[object, ...]:
        """A value that changes only with progress: fps and speed are left out, because they change with time."""
        if self.latest is None:
            return ()
        return self.latest.frame, self.latest.size_bytes, self.latest.out_time_s, self.latest.done

    def feed(self, chunk: bytes) -> None:
        """Receive the next bytes, which may end anywhere."""
        *complete, unfinished = (self._unfinished + chunk).split(b"\n")
        self._unfinished = unfinished[:_LINE_BYTES]
        for line in complete:
            key, _, value = line.decode(errors="replace").partition("=")
            if key in _KEYS:
                self._fields[key] = value.strip()
            if key == "progress":
                self._report(self._fields)
                self._fields = {}

    def end(self) -> None:
        """Receive the end of the data; an incomplete report is dropped."""

    def _report(self, fields: dict[str, str]) -> None:
        # out_time_ms is in microseconds too, in every version; out_time_us exists since 4.0.
        time_us = _number(fields.get("out_time_us", fields.get("out_time_ms", "")))
        size_bytes = _number(fields.get("total_size", ""))
        self.latest = Progress(
            frame=int(_number(fields.get("frame", "")) or 0),
            fps=_number(fields.get("fps", "")),
            size_bytes=None if size_bytes is None else int(size_bytes),
            out_time_s=None if time_us is None or time_us < _NO_TIME_US else time_us / 1e6,
            speed=_number(fields.get("speed", "").rstrip("x")),
            done=fields["progress"] == "end",
        )
        if self._on_progress is not None:
            self._on_progress(self.latest)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:  # "N/A", or a key that this version does not print
        return None
