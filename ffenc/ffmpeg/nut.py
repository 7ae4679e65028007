"""Parse the NUT stream of raw video frames with timestamps that ffmpeg writes to a pipe.

NUT is the only container with timestamps for raw frames that FFmpeg writes without delay and without seeking.  The
specification is ``nut.txt`` by the MPlayer and FFmpeg developers.  The reader supports versions 3 and 4 with one video stream.
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
_LARGE_PACKET_BYTES = 4096  # larger frames are stored with all their bytes
_LONG_HEADER_BYTES = 4096  # a checksum precedes a longer header


class NutFrame(NamedTuple):
    """The header of one frame.

    Attributes:
        pts: presentation time in ticks.
        size_bytes: number of bytes that follow in the stream.
        prefix: first bytes of the frame, which the stream omits (elision header).
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
    """Parses the headers of a stream; the caller reads the frames.

    Args:
        take: returns exactly the requested number of bytes from the stream.
        timescale: required ticks per second of the stream.
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
        """Parse up to the next frame; the caller must read its bytes before the next call.

        Raises:
            OutputError: the stream is not NUT with one video stream of raw frames.
        """
        if not self._has_begun:
            self._require(self._take(len(_FILE_ID)) == _FILE_ID, "it does not begin with the signature of NUT")
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
        # The stream has only the low bits; the high bits are those that give the time nearest to the last one.
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
        for _ in range(2):  # index and type of the stream
            fields.number()
        fields.text()  # pixel format
        fields.number()  # time base
        self._pts_shift = fields.number()

    @staticmethod
    def _require(condition: bool, otherwise: str) -> None:
        if not condition:
            raise OutputError(f"cannot read the NUT stream that ffmpeg wrote: {otherwise}", path=Path("pipe:1"))


class _Fields:
    """Reads the fields of a header in order."""

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
    """Read the table of 256 frame codes, the first bytes of frame headers; one row describes a run of codes."""
    codes: list[_FrameCode] = []
    pts_delta, size_mul = 0, 1
    while len(codes) < 256:
        flags, count = fields.number(), fields.number()
        # A row has up to eight fields: pts_delta, size_mul, stream, size_lsb, reserved, run, match time, elided header.
        # Missing ones keep the value of the previous row (the first two), follow from the others (run), or are 0.
        given = [fields.signed() if place in (0, 6) else fields.number() for place in range(count)]
        pts_delta, size_mul, _, size_lsb, reserved, run, _, header_idx = (
            *given[:8],
            *(pts_delta, size_mul, 0, 0, 0, -1, 0, 0)[len(given) :],
        )
        run = size_mul - size_lsb if run < 0 else run
        for step in range(run):
            if len(codes) == _MAIN[0]:  # no frame code may equal the first byte of a header
                codes.append(_FrameCode(_INVALID, 0, 1, 0, 0, 0))
            codes.append(_FrameCode(flags, pts_delta, size_mul, size_lsb + step, reserved, header_idx))
    return codes
