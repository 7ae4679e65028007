"""A decoder process that stays alive and decodes chosen frames of any file with the same stream parameters.

Starting ffmpeg costs more than decoding a frame.  A `Decoder` is started once and is sent coded frames as a fragmented MP4
stream (`ffenc.ffmpeg.mp4.stream`).  How it finds frame k:

- The sample table of the file says where decoding has to start and which bytes to send.
- Every coded frame gets a new timestamp.  That of a wanted frame is odd, and the filter graph lets only those through.
- Each decoded frame comes back with its timestamp and is taken only if that is the one of the next wanted frame.  A frame
  that the decoder leaves out, adds or moves is an error, never another frame.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ffenc.errors import OutputError, ProcessError
from ffenc.ffmpeg.mp4.decoding_start import STARTS, has_long_lengths
from ffenc.ffmpeg.mp4.sample_tables import SampleTable
from ffenc.ffmpeg.mp4.stream import TIMESCALE, fragment_header, stream_header
from ffenc.ffmpeg.nut import NutReader
from ffenc.ffmpeg.process.ffmpeg_process import STALL_TIMEOUT_S, FFmpegProcess
from ffenc.plan.decode import plan_decoder
from ffenc.video.frame_output import FrameOutput
from ffenc.video.undecodable import MADE_UP

Views = Callable[[int], Sequence[memoryview]]
"""Where the bytes of a frame go, by its number: its planes in the order in which ffmpeg writes them."""

_TICKS = TIMESCALE // 30  # between two frames; even, so that one more marks a frame
_READ_AHEAD_BYTES = 64
_CHUNK_BYTES = 1 << 20
_LOOK_S = 0.01  # how soon to look whether the decoder waits for more input
_LOOKS = 2  # in a row, because threads may all be asleep for an instant
_LOOKS_WITHOUT_PROC = 25
_MOST_HELD_BACK = 17  # frames, by the standards of H.264 and HEVC, and the one that is being decoded
_PACKETS_PER_PROCESS = 100_000  # its demuxer remembers every fragment


_SKIPS_LEADING = (b"hvc1", b"hev1")
"""Codecs whose decoder leaves out frames that are stored behind a keyframe and refer to what is before it, so that decoding
can start at every keyframe.  Of others, decoding starts where the stream falls into two parts."""

_END_OF_SEQUENCE = dict.fromkeys(_SKIPS_LEADING, b"\x00\x00\x00\x02H\x01")
"""What goes before a keyframe so that nothing before it is referred to: its length and a NAL unit of type 36.  Frames that
have not come out by then are lost, unless the keyframe is an IDR picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderKey:
    """What a decoder process depends on; it serves every file for which this is equal.

    Attributes:
        ffmpeg: the executable.
        entry: sample entry of the stream, see `SampleTable`.
        display: display matrix and size.
        display_size: (width, height) of decoded frames, any rotation applied.
        output: what it writes.
        stall_timeout_s: longest time without progress before it is killed.
    """

    ffmpeg: Path
    entry: bytes
    display: bytes
    display_size: tuple[int, int]
    output: FrameOutput
    stall_timeout_s: float = STALL_TIMEOUT_S


def can_decode(table: SampleTable) -> bool:
    """Return whether a `Decoder` knows the codec of a file, and how its keyframes are stored."""
    return table.codec in STARTS and has_long_lengths(table.entry) and 0 in table.cut_points[:1]


class Decoder:
    """One process; one thread uses it at a time.

    After any exception it is of no further use: `close` it.

    Args:
        key: what it decodes, and into what.

    Attributes:
        key: as given.
        delay: coded frames that have to follow a frame until it comes out, as far as was seen yet.
    """

    def __init__(self, key: DecoderKey) -> None:
        argv = plan_decoder(
            key.ffmpeg,
            display_size=key.display_size,
            frames=key.output.raw,
            pix_fmt=key.output.pix_fmt,
            timescale=TIMESCALE,
        )
        self.key = key
        self.delay = 0
        self._process = FFmpegProcess.start(
            argv, stdin=True, stdout="data", stall_timeout_s=key.stall_timeout_s, stderr_errors=MADE_UP
        )
        self._nut = NutReader(self._take, timescale=TIMESCALE)
        self._held = b""  # read from the process and not used yet
        self._outgoing = memoryview(stream_header(entry=key.entry, display=key.display))
        self._sender: _Sender | None = None
        self._packets = 0
        self._next_time = 0
        self._was_probed = False

    @property
    def pid(self) -> int:
        """Process ID."""
        return self._process.pid

    @property
    def is_worn(self) -> bool:
        """Whether another process should take its place."""
        return self._packets > _PACKETS_PER_PROCESS or self._was_probed

    def close(self) -> None:
        """Kill the process; safe at any time."""
        self._process.abort()

    def read(self, path: Path, table: SampleTable, numbers: Sequence[int], views: Views) -> None:
        """Decode frames of a file.

        Args:
            path: the file.
            table: its sample table.
            numbers: ascending, without repeats.
            views: where each frame goes.

        Raises:
            OutputError: a frame did not come out, or refers to one that is missing.
            ProcessDiedError: the process ended.
            ProcessTimeoutError: it made no progress for ``stall_timeout_s``.
            OSError: the file cannot be read, or ends before a frame.
        """
        with path.open("rb", buffering=0) as file:
            sender = _Sender(self, path, file.fileno(), table, numbers)
            self._sender = sender
            for number in numbers:
                try:
                    self._read_frame(path, number, sender, views(number))
                except ProcessError as err:
                    what = f"frame {number} of {path} did not come out of the decoder: {err.message}"
                    raise type(err)(
                        what, argv=err.argv, returncode=err.returncode, stderr_tail=err.stderr_tail
                    ) from err
            # What is left pushes nothing out, but has its place in the stream.
            while self._outgoing:
                self._process.write(self._outgoing)
                self._outgoing = sender.next_chunk()
        if self._process.stderr_matches:
            raise OutputError(
                f"frame {numbers[-1]} of {path}, or one close to it, refers to a frame that is missing or damaged; FFmpeg "
                f"says: {self._process.stderr_matches[0].strip()}",
                path=path,
            )

    def stamp(self, samples: int, span: int) -> tuple[int, int]:
        """Reserve numbers and times for a row of coded frames.

        Args:
            samples: number of coded frames.
            span: number of times.

        Returns:
            (number of the first fragment, first time in frames).
        """
        first = self._packets + 1, self._next_time
        self._packets += samples
        self._next_time += span
        return first

    def _read_frame(self, path: Path, number: int, sender: _Sender, views: Sequence[memoryview]) -> None:
        frame = self._nut.next_frame()
        expected = sum(view.nbytes for view in views)
        size = len(frame.prefix) + frame.size_bytes
        if frame.pts != sender.expected.get(number) or size != expected:
            raise OutputError(f"frame {number} of {path} did not come out of the decoder", path=path)
        self._held = frame.prefix + self._held
        for view in views:
            self._receive(view)

    def _take(self, count: int) -> bytes:
        while len(self._held) < count:
            block = bytearray(max(_READ_AHEAD_BYTES, count - len(self._held)))
            self._held += block[: self._receive_some(memoryview(block))]
        taken, self._held = self._held[:count], self._held[count:]
        return taken

    def _receive(self, into: memoryview) -> None:
        held = min(len(into), len(self._held))
        into[:held], self._held = self._held[:held], self._held[held:]
        into = into[held:]
        while into:
            into = into[self._receive_some(into) :]

    def _receive_some(self, into: memoryview) -> int:
        """Read at least one byte; meanwhile send what is to be sent."""
        assert self._sender is not None
        looks = 0
        while True:
            if not self._outgoing:
                self._outgoing = self._sender.next_chunk()
            sent, received = self._process.exchange(self._outgoing, into, wait_s=_LOOK_S)
            self._outgoing = self._outgoing[sent:]
            if received:
                return received
            if sent or self._outgoing:
                continue
            # A decoder that sleeps with nothing left to read holds frames back until more come.
            asleep = self._process.is_asleep
            looks = 0 if asleep is False else looks + 1
            if looks == (_LOOKS_WITHOUT_PROC if asleep is None else _LOOKS):
                self._outgoing = self._pad(self._sender)
                looks = 0

    def _pad(self, sender: _Sender) -> memoryview:
        padding = memoryview(sender.pad())
        self.delay = max(self.delay, sender.padded)
        self._was_probed = self.delay > _MOST_HELD_BACK
        return padding


class _Sender:
    """The coded frames of one request, made when they are sent.

    Args:
        decoder: gives numbers and times, and says how many frames have to follow the last.
        path: of the file.
        descriptor: of the file.
        table: of the file.
        numbers: wanted frames, ascending, without repeats.

    Attributes:
        expected: timestamp of each wanted frame that was sent.
        padded: coded frames that were sent after the last wanted one, to push it out.
    """

    def __init__(
        self, decoder: Decoder, path: Path, descriptor: int, table: SampleTable, numbers: Sequence[int]
    ) -> None:
        self._decoder = decoder
        self._path = path
        self._descriptor = descriptor
        self._table = table
        self._is_start = STARTS[table.codec]
        self._end_of_sequence = _END_OF_SEQUENCE.get(table.codec, b"")
        self.expected: dict[int, int] = {}
        self.padded = 0
        self._wanted = frozenset(numbers)
        self._access_points = table.keyframes if table.codec in _SKIPS_LEADING else table.cut_points
        self._place = -1  # of the access point that was looked at last
        self._first = 0  # sample at which decoding starts for it
        self._chunks = self._make_chunks(numbers)

    def next_chunk(self) -> memoryview:
        """Return the next bytes to send; none if all were sent."""
        return memoryview(next(self._chunks, b""))

    def pad(self) -> bytes:
        """Return one more coded frame to push the last wanted one out.

        After `_MOST_HELD_BACK` of them one is marked: it comes out after the frame that is waited for, or instead of it.
        """
        number = int(self._access_points[0])
        return b"".join(self._padding((number,) if self.padded == _MOST_HELD_BACK else ()))

    def _make_chunks(self, numbers: Sequence[int]) -> Iterator[bytes]:
        # Frames are held back because of the order in which they are stored; more than that is noticed when none comes out.
        held_back = max(self._decoder.delay, self._table.delay)
        segments = self._segments(numbers)
        for place, (first, end) in enumerate(segments):
            yield from self._segment(first, end, self._wanted)
            if self._end_of_sequence or place == len(segments) - 1:
                for _ in range(held_back):
                    yield from self._padding(frozenset())

    def _padding(self, wanted: Container[int]) -> Iterator[bytes]:
        self.padded += 1
        sample = int(self._table.samples[self._access_points[0]])
        return self._segment(sample, sample + 1, wanted)

    def _segments(self, numbers: Sequence[int]) -> list[tuple[int, int]]:
        """Return rows of samples [first, end), each of which starts where decoding can start."""
        segments: list[tuple[int, int]] = []
        places = np.searchsorted(self._access_points, numbers, side="right") - 1
        lasts = self._table.samples[numbers].tolist()
        for place, last in zip(places.tolist(), lasts, strict=True):
            first = self._start(place)
            if segments and first <= segments[-1][1]:
                segments[-1] = (segments[-1][0], max(segments[-1][1], last + 1))
            else:
                segments.append((first, last + 1))
        return segments

    def _start(self, place: int) -> int:
        """Return the sample at which decoding starts: the nearest access point that refers to nothing before it."""
        if place == self._place:
            return self._first
        self._place = place
        while True:
            self._first = int(self._table.samples[self._access_points[place]])
            if self._is_start(self._bytes(*self._table.offsets[self._first : self._first + 2].tolist())):
                return self._first
            if place == 0:
                raise OutputError("no frame can be decoded: the first refers to frames before it", path=self._path)
            place -= 1

    def _segment(self, first: int, end: int, wanted: Container[int]) -> Iterator[bytes]:
        """Yield a row of samples as fragments, some at a time."""
        table = self._table
        frames = table.frames[first:end]
        lowest = int(frames.min())
        # Frames are shown as much later as it takes for none to be shown before it is decoded.
        number, start = self._decoder.stamp(end - first, int(frames.max()) - lowest + 1 + table.delay)
        offsets = table.offsets[first : end + 1]
        shown = (frames + (start + table.delay - lowest)).tolist()
        place = 0
        while place < end - first:
            limit = int(offsets[place]) + _CHUNK_BYTES
            stop = min(end - first, max(place + 1, int(np.searchsorted(offsets, limit))))
            data = memoryview(self._bytes(int(offsets[place]), int(offsets[stop])))
            parts: list[bytes | memoryview] = []
            for at in range(place, stop):
                coded = data[int(offsets[at] - offsets[place]) : int(offsets[at + 1] - offsets[place])]
                prefix = b"" if at else self._end_of_sequence
                frame = int(frames[at])
                pts = shown[at] * _TICKS
                if frame in wanted:
                    pts += 1
                    self.expected[frame] = pts
                header = fragment_header(
                    number=number + at,
                    dts=(start + at) * _TICKS,
                    pts=pts,
                    duration=_TICKS,
                    is_key=at == 0,
                    size_bytes=len(prefix) + len(coded),
                )
                parts += (header, prefix, coded)
            yield b"".join(parts)
            place = stop

    def _bytes(self, start: int, end: int) -> bytes:
        data = os.pread(self._descriptor, end - start, start)
        if len(data) != end - start:
            raise OSError(f"the file ended at byte {start + len(data)}, before byte {end}")
        return data
