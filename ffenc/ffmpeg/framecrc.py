"""Read the packets that ffmpeg's ``framecrc`` muxer lists, and derive durations and rates from them.

A line is ``stream, dts, pts, duration, size, checksum[, F=0xFLAGS][, side data]``.  The flags are omitted if "keyframe" is
the only one, so a P-frame has ``F=0x0`` (measured with 4.2.2 to 9.0.2).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

_TIME_BASE = re.compile(r"^#tb 0: (\d+)/(\d+)$", re.MULTILINE)
_EXTRADATA = re.compile(r"^#extradata 0: +(\d+), 0x([0-9a-f]{8})$", re.MULTILINE)

_NO_TIME = -(2**63)
_KEY, _DISCARD = 1, 4  # AV_PKT_FLAG_* of libavcodec
_ADLER_MODULUS = 65521
_PRINTED_TO = Fraction(5, 1000)
"""Largest error of a frame rate printed with two decimals."""


class CopiedPacket(NamedTuple):
    """One packet as ffmpeg copied it, in the order of the file; times in ticks, None if the file has none."""

    dts: int | None
    pts: int | None
    duration: int
    size_bytes: int
    is_key: bool
    is_hidden: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedPackets:
    """The listing of one stream by framecrc.

    Attributes:
        time_base: seconds per tick.
        extradata_hash: ``"adler32:<hex>"``, as ffprobe prints it; None if the codec has no out-of-band headers.
        packets: in the order of the file.
        shown: (presentation time, duration) in ticks of the packets that are not hidden by an edit list, ascending.
    """

    time_base: Fraction
    extradata_hash: str | None
    packets: tuple[CopiedPacket, ...]
    shown: tuple[tuple[int, int], ...]

    def span_s(self) -> Fraction | None:
        """Return the seconds from the start of the first shown frame to the end of the last, or None."""
        if not self.shown:
            return None
        last, duration = self.shown[-1]
        if duration == 0 and len(self.shown) > 1:  # 4.2 gives the last packet of some files none
            duration = last - self.shown[-2][0]
        return (last + duration - self.shown[0][0]) * self.time_base

    def reorder_depth(self) -> int:
        """Return the reordering delay in frames, which ffprobe calls ``has_b_frames``.

        It is the time between decoding and presentation of the first packet.  For a file of one frame, MP4 has no delay
        and this is 0, while ffprobe reads the codec's headers.
        """
        if not self.packets or self.packets[0].pts is None or self.packets[0].dts is None:
            return 0
        delay = self.packets[0].pts - self.packets[0].dts
        times = sorted(p.pts for p in self.packets if p.pts is not None)
        later = times[0] + delay
        if later > times[-1]:
            step = max(1, self.packets[-1].duration)
            return len(times) - 1 + round(Fraction(later - times[-1], step))
        at = bisect_left(times, later)
        # Matroska rounds both times to milliseconds separately.
        return at - 1 if at > 0 and later - times[at - 1] < times[at] - later else at

    def exact_rate(self, printed: Fraction) -> Fraction:
        """Return the exact frame rate that ffmpeg printed with two decimals, such as 30000/1001 for 29.97."""
        steps = {later[0] - earlier[0] for earlier, later in pairwise(self.shown)} or {ticks for _, ticks in self.shown}
        candidates = [1 / (step * self.time_base) for step in steps if step > 0] if len(steps) == 1 else []
        if printed.denominator != 1:
            candidates.append(Fraction(round(printed * Fraction(1001, 1000)) * 1000, 1001))
        return next((rate for rate in candidates if abs(rate - printed) <= _PRINTED_TO), printed)

    def average_rate(self, printed: Fraction) -> Fraction:
        """Return frames over duration, if ffmpeg printed that value with two decimals."""
        span_s = self.span_s()
        if not span_s:
            return printed
        average = len(self.shown) / span_s
        return average if abs(average - printed) <= _PRINTED_TO else printed


def parse_framecrc(text: str) -> CopiedPackets | None:
    """Parse the output of ``-f framecrc`` for one stream; None if it has no time base."""
    time_base = _TIME_BASE.search(text)
    if time_base is None:
        return None
    extradata = _EXTRADATA.search(text)
    packets = tuple(_packet(line) for line in text.splitlines() if line.startswith("0,"))
    return CopiedPackets(
        time_base=Fraction(int(time_base[1]), int(time_base[2])),
        extradata_hash=None if extradata is None else _adler32(int(extradata[1]), int(extradata[2], 16)),
        packets=packets,
        shown=tuple(sorted((p.pts, p.duration) for p in packets if p.pts is not None and not p.is_hidden)),
    )


def _packet(line: str) -> CopiedPacket:
    fields = line.split(",")
    dts, pts, duration, size_bytes = (int(field) for field in fields[1:5])
    flags = next((int(field[3:], 16) for field in fields[6:] if field.startswith(" F=")), _KEY)
    return CopiedPacket(
        dts=None if dts == _NO_TIME else dts,
        pts=None if pts == _NO_TIME else pts,
        duration=duration,
        size_bytes=size_bytes,
        is_key=bool(flags & _KEY),
        is_hidden=bool(flags & _DISCARD),
    )


def _adler32(size_bytes: int, started_at_zero: int) -> str:
    """Return the standard Adler-32, whose first sum starts at one; framecrc starts it at zero."""
    second, first = divmod(started_at_zero, 65536)
    first, second = (first + 1) % _ADLER_MODULUS, (second + size_bytes) % _ADLER_MODULUS
    return f"adler32:{second:04x}{first:04x}"
