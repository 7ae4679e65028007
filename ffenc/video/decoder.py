"""Decode chosen frames of any file with the same stream parameters in one persistent ffmpeg process.

Starting ffmpeg takes longer than decoding a frame.  A `Decoder` starts once and receives coded frames as a fragmented MP4
stream (`ffenc.ffmpeg.mp4.stream`).  It selects frames as follows:

- The sample table of the file determines where decoding starts and which bytes to send.
- Every coded frame gets a new timestamp.  Wanted frames get odd ones, and the filter graph passes only those.
- Each decoded frame is accepted only if its timestamp is that of the next wanted frame.  If the decoder drops, adds or
  reorders a frame, reading fails instead of returning a wrong frame.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ffenc.errors import OutputError, ProcessError
from ffenc.ffmpeg.mp4.decoding_start import STARTS, has_long_lengths, has_other_headers
from ffenc.ffmpeg.mp4.sample_tables import SampleTable
from ffenc.ffmpeg.mp4.stream import TIMESCALE, fragment_header, stream_header
from ffenc.ffmpeg.nut import NutReader
from ffenc.ffmpeg.process.ffmpeg_process import STALL_TIMEOUT_S, FFmpegProcess
from ffenc.plan.decode import plan_decoder
from ffenc.video.frame_output import FrameOutput
from ffenc.video.undecodable import MADE_UP

Views = Callable[[int], Sequence[memoryview]]
"""Returns the buffers for the frame with this number: its planes in the order in which ffmpeg writes them."""

_TICKS = TIMESCALE // 30  # between two frames; even, so that adding 1 marks a wanted frame
_READ_AHEAD_BYTES = 64
_CHUNK_BYTES = 1 << 20
_POLL_S = 0.01  # interval between checks of whether the decoder waits for more input
_POLLS = 2  # consecutive checks, because all threads may sleep for an instant
_POLLS_WITHOUT_PROC = 25
_MOST_DELAYED = 17  # frames: the limit of H.264 and HEVC, and one that is being decoded
_PACKETS_PER_PROCESS = 100_000  # the demuxer keeps a record of every fragment


_SKIPS_LEADING = (b"hvc1", b"hev1")
"""Codecs whose decoder skips the leading frames of a keyframe, which refer to frames before it.  Decoding can start at every
keyframe.  With other codecs, decoding starts only at cut points (see `SampleTable`)."""

_END_OF_SEQUENCE = dict.fromkeys(_SKIPS_LEADING, b"\x00\x00\x00\x02H\x01")
"""End of sequence for these codecs: a length and a NAL unit of type 36.  Before a keyframe, it prevents references to earlier
frames.  The decoder loses frames that it has not output by then, unless the keyframe is an IDR picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderKey:
    """Parameters of a decoder process, which can read every file with an equal key.

    Attributes:
        ffmpeg: the executable.
        entry: sample entry of the stream, see `SampleTable`.
        display: display matrix and size.
        display_size: (width, height) of decoded frames after rotation.
        output: format of the frames.
        stall_timeout_s: longest time without progress before the process is killed.
    """

    ffmpeg: Path
    entry: bytes
    display: bytes
    display_size: tuple[int, int]
    output: FrameOutput
    stall_timeout_s: float = STALL_TIMEOUT_S


def can_decode(table: SampleTable) -> bool:
    """Return whether a `Decoder` supports the codec of a file and can start at its first frame."""
    return table.codec in STARTS and has_long_lengths(table.entry) and 0 in table.cut_points[:1]


class Decoder:
    """A persistent ffmpeg process that decodes frames on request; only one thread may use it at a time.

    Close it after any exception: it cannot be used again.

    Args:
        key: stream parameters and output format.

    Attributes:
        key: as given.
        delay: largest number of further coded frames that the decoder has needed to output a frame.
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
        self._held = b""  # bytes that were read from the process and not used yet
        self._outgoing = memoryview(stream_header(entry=key.entry, display=key.display))
        self._sender: _Sender | None = None
        self._packets = 0
        self._next_time = 0
        self._was_probed = False
        self._has_other_headers = False

    @property
    def pid(self) -> int:
        """Process ID."""
        return self._process.pid

    @property
    def is_worn(self) -> bool:
        """Whether the process must be replaced."""
        return self._packets > _PACKETS_PER_PROCESS or self._was_probed or self._has_other_headers

    def close(self) -> None:
        """Kill the process; safe at any time."""
        self._process.abort()

    def read(self, path: Path, table: SampleTable, numbers: Sequence[int], views: Views) -> None:
        """Decode frames of a file.

        Args:
            path: the file.
            table: its sample table.
            numbers: frame numbers, ascending and unique.
            views: returns the buffers for each frame.

        Raises:
            OutputError: the decoder did not output a frame, or a frame refers to a missing one.
            ProcessDiedError: the process ended.
            ProcessTimeoutError: the process made no progress for ``stall_timeout_s``.
            OSError: the file cannot be read, or is shorter than its sample table says.
        """
        with path.open("rb", buffering=0) as file:
            sender = _Sender(self, path, file.fileno(), table, numbers)
            self._sender = sender
            for number in numbers:
                try:
                    self._read_frame(path, number, sender, views(number))
                except ProcessError as err:
                    what = f"the decoder did not output frame {number} of {path}: {err.message}"
                    raise type(err)(
                        what, argv=err.argv, returncode=err.returncode, stderr_tail=err.stderr_tail
                    ) from err
            # All frames are read; the rest is sent because the stream must stay complete.
            while self._outgoing:
                self._process.write(self._outgoing)
                self._outgoing = sender.next_chunk()
        if self._process.stderr_matches:
            raise OutputError(
                f"frame {numbers[-1]} of {path}, or a frame near it, refers to a missing or damaged frame; FFmpeg "
                f"says: {self._process.stderr_matches[0].strip()}",
                path=path,
            )

    def inspect(self, codec: bytes, coded: memoryview) -> None:
        """Note whether a frame that will be sent changes how the process decodes other files."""
        self._has_other_headers |= has_other_headers(codec, self.key.entry, coded)

    def stamp(self, samples: int, span: int) -> tuple[int, int]:
        """Reserve fragment numbers and timestamps for a run of coded frames.

        Args:
            samples: number of coded frames.
            span: number of timestamps.

        Returns:
            (number of the first fragment, first timestamp in frames).
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
            raise OutputError(f"the decoder did not output frame {number} of {path}", path=path)
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
        """Read at least one byte, and send coded frames in the meantime."""
        assert self._sender is not None
        polls = 0
        while True:
            if not self._outgoing:
                self._outgoing = self._sender.next_chunk()
            sent, received = self._process.exchange(self._outgoing, into, wait_s=_POLL_S)
            self._outgoing = self._outgoing[sent:]
            if received:
                return received
            if sent or self._outgoing:
                continue
            # A decoder that sleeps after it has read all input waits for more before it outputs the frame.
            asleep = self._process.is_asleep
            polls = 0 if asleep is False else polls + 1
            if polls == (_POLLS_WITHOUT_PROC if asleep is None else _POLLS):
                self._outgoing = self._pad(self._sender)
                polls = 0

    def _pad(self, sender: _Sender) -> memoryview:
        padding = memoryview(sender.pad())
        self.delay = max(self.delay, sender.padded)
        self._was_probed = self.delay > _MOST_DELAYED
        return padding


class _Sender:
    """Generates the coded frames of one request when they are needed.

    Args:
        decoder: reserves numbers and timestamps, and knows the decoder's delay.
        path: path of the file.
        descriptor: descriptor of the open file.
        table: sample table of the file.
        numbers: wanted frames, ascending and unique.

    Attributes:
        expected: timestamp of each wanted frame that was sent.
        padded: number of extra coded frames that were sent to flush the last wanted one.
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
        self._place = -1  # index of the access point of the last `_start`
        self._first = 0  # sample at which decoding starts for it
        self._chunks = self._make_chunks(numbers)

    def next_chunk(self) -> memoryview:
        """Return the next bytes to send; empty if all were sent."""
        return memoryview(next(self._chunks, b""))

    def pad(self) -> bytes:
        """Return one extra coded frame, which makes the decoder output the last wanted one.

        After `_MOST_DELAYED` of them, mark one as wanted.  If the decoder outputs it first, the frame before it is lost.
        """
        number = int(self._access_points[0])
        return b"".join(self._padding((number,) if self.padded == _MOST_DELAYED else ()))

    def _make_chunks(self, numbers: Sequence[int]) -> Iterator[bytes]:
        # The table gives the delay by reordering.  `Decoder` detects a longer delay when it receives no frame.
        delay = max(self._decoder.delay, self._table.delay)
        segments = self._segments(numbers)
        for place, (first, end) in enumerate(segments):
            yield from self._segment(first, end, self._wanted)
            if self._end_of_sequence or place == len(segments) - 1:
                for _ in range(delay):
                    yield from self._padding(frozenset())

    def _padding(self, wanted: Container[int]) -> Iterator[bytes]:
        self.padded += 1
        sample = int(self._table.samples[self._access_points[0]])
        return self._segment(sample, sample + 1, wanted)

    def _segments(self, numbers: Sequence[int]) -> list[tuple[int, int]]:
        """Return runs of samples [first, end), each of which starts where decoding can start."""
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
                raise OutputError("no frame can be decoded: the first frame refers to earlier frames", path=self._path)
            place -= 1

    def _segment(self, first: int, end: int, wanted: Container[int]) -> Iterator[bytes]:
        """Yield a run of samples as chunks of fragments."""
        table = self._table
        frames = table.frames[first:end]
        lowest = int(frames.min())
        # Presentation times are delayed so that no frame is presented before it is decoded.
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
                self._decoder.inspect(table.codec, coded)
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
            raise OSError(f"the file ends at byte {start + len(data)}, before byte {end}")
        return data
