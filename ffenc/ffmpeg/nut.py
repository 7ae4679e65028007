"""Read frames and their timestamps from a NUT stream of raw video, as ffmpeg writes it to a pipe.

Of the containers that FFmpeg writes without delay and without seeking, NUT is the one that gives raw frames a timestamp.
Its specification is ``nut.txt`` by the MPlayer and FFmpeg developers; versions 3 and 4 are read, with one video stream.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ffenc.errors import OutputError

_FILE_ID = b"nut/multimedia container\0"
_STARTCODE_BYTES = 8
_MAIN, _STREAM, _SYNCPOINT = b"NMzV\x1f_\x04\xad", b"NS\x11@[\xf2\xf9\xdb", b"NK\xe4\xad\xee\xcaEi"
_CODED_PTS, _STREAM_ID, _SIZE_MSB, _CHECKSUM, _RESERVED = 8, 16, 32, 64, 128
_SIDE_DATA, _HEADER_IDX, _MATCH_TIME, _CODED, _INVALID = 256, 1024, 2048, 4096, 8192
_LARGE_PACKET_BYTES = 4096  # larger frames never leave out their first bytes
_LONG_HEADER_BYTES = 4096  # a header that is longer has a checksum in front


class NutFrame(NamedTuple):
    """The header of one frame.

    Attributes:
        pts: presentation time in ticks.
        size_bytes: bytes that follow in the stream.
        prefix: first bytes of the frame, which are not in the stream.
    """

    pts: int
    size_bytes: int
    prefix: bytes


class _FrameCode(NamedTuple):
    flags: int
    pts_delta: int
    size_mul: int
    size_lsb: int
    reserved: int
    header_idx: int


class NutReader:
    """Parse the stream; the caller reads it.

    Args:
        take: returns exactly as many bytes of the stream as it is asked for.
        timescale: ticks per second that the stream must have.
    """

    def __init__(self, take: Callable[[int], bytes], *, timescale: int) -> None:
        self._take = take
        self._timescale = timescale
        self._codes: list[_FrameCode] = []
        self._elided: list[bytes] = [b""]
        self._pts_shift = 0
        self._last_pts = 0
        self._has_begun = False

    def next_frame(self) -> NutFrame:
        """Read up to the bytes of the next frame, which the caller takes then.

        Raises:
            OutputError: this is not a stream that ffmpeg writes for one video of raw frames.
        """
        if not self._has_begun:
            self._require(self._take(len(_FILE_ID)) == _FILE_ID, "it does not begin with the file's name")
            self._has_begun = True
        while (code := self._take(1)[0]) == _MAIN[0]:
            self._packet(b"N" + self._take(_STARTCODE_BYTES - 1))
        return self._frame(code)

    def _frame(self, code: int) -> NutFrame:
        self._require(len(self._codes) > code, "a frame comes before the header")
        flags, pts_delta, size_mul, size_lsb, reserved, header_idx = self._codes[code]
        if flags & _CODED:
            flags ^= self._number()
        self._require(not flags & (_INVALID | _SIDE_DATA), f"a frame has the flags {flags}")
        if flags & _STREAM_ID:
            self._require(self._number() == 0, "it has more than one stream")
        pts = self._pts(self._number()) if flags & _CODED_PTS else self._last_pts + pts_delta
        size = size_lsb + (size_mul * self._number() if flags & _SIZE_MSB else 0)
        if flags & _MATCH_TIME:
            self._number()
        if flags & _HEADER_IDX:
            header_idx = self._number()
        for _ in range(self._number() if flags & _RESERVED else reserved):
            self._number()
        if flags & _CHECKSUM:
            self._take(4)
        prefix = b"" if size > _LARGE_PACKET_BYTES else self._elided[header_idx]
        self._last_pts = pts
        return NutFrame(pts, size - len(prefix), prefix)

    def _pts(self, coded: int) -> int:
        full = 1 << self._pts_shift
        if coded >= full:
            return coded - full
        # Only the low bits are there; the others are those of the nearest time.
        mask = full - 1
        start = self._last_pts - mask // 2
        return ((coded - start) & mask) + start

    def _number(self) -> int:
        value = 0
        while (byte := self._take(1)[0]) & 0x80:
            value = value << 7 | byte & 0x7F
        return value << 7 | byte

    def _packet(self, startcode: bytes) -> None:
        length = self._number()
        if length > _LONG_HEADER_BYTES:
            self._take(4)
        fields = _Fields(self._take(length))
        if startcode == _MAIN:
            self._main_header(fields)
        elif startcode == _STREAM:
            self._stream_header(fields)
        elif startcode == _SYNCPOINT:
            self._last_pts = fields.number()

    def _main_header(self, fields: _Fields) -> None:
        version = fields.number()
        self._require(version in (3, 4), f"it has version {version}")
        if version > 3:
            fields.number()
        self._require(fields.number() == 1, "it has more than one stream")
        fields.number()  # distance between syncpoints
        bases = [(fields.number(), fields.number()) for _ in range(fields.number())]
        self._require(bases == [(1, self._timescale)], f"its time bases are {bases}, not 1/{self._timescale}")
        self._codes = _frame_codes(fields)
        self._elided = [b"", *(fields.text() for _ in range(fields.number()))]

    def _stream_header(self, fields: _Fields) -> None:
        for _ in range(2):  # number and kind of the stream
            fields.number()
        fields.text()  # pixel format
        fields.number()  # time base
        self._pts_shift = fields.number()

    @staticmethod
    def _require(condition: bool, otherwise: str) -> None:
        if not condition:
            raise OutputError(f"ffmpeg wrote a NUT stream that cannot be read: {otherwise}", path=Path("pipe:1"))


class _Fields:
    """The contents of a header, read from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self) -> int:
        value = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value

    def signed(self) -> int:
        value = self.number() + 1
        return -(value >> 1) if value & 1 else value >> 1

    def text(self) -> bytes:
        length = self.number()
        self._at += length
        return self._data[self._at - length : self._at]


def _frame_codes(fields: _Fields) -> list[_FrameCode]:
    """Read the table that says what each of 256 first bytes means; runs of it are stored as one row."""
    codes: list[_FrameCode] = []
    pts_delta, size_mul = 0, 1
    while len(codes) < 256:
        flags, count = fields.number(), fields.number()
        # Further fields keep their value from the row before, or are 0: pts_delta, size_mul, stream, size_lsb, reserved, run,
        # match time, elided header.
        given = [fields.signed() if place in (0, 6) else fields.number() for place in range(count)]
        pts_delta, size_mul, _, size_lsb, reserved, run, _, header_idx = (
            *given[:8],
            *(pts_delta, size_mul, 0, 0, 0, -1, 0, 0)[len(given) :],
        )
        run = size_mul - size_lsb if run < 0 else run
        for step in range(run):
            if len(codes) == _MAIN[0]:  # the first byte of a header is never that of a frame
                codes.append(_FrameCode(_INVALID, 0, 1, 0, 0, 0))
            codes.append(_FrameCode(flags, pts_delta, size_mul, size_lsb + step, reserved, header_idx))
    return codes
