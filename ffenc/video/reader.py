"""Decode a video file into numpy frames."""

from __future__ import annotations

import logging
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from ffenc.config import DepthEncoderConfig
from ffenc.errors import FrameError, InputError, OutputError, ProcessDiedError, ProcessError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.mp4.sample_tables import SampleTable, read_mp4_index
from ffenc.ffmpeg.process.ffmpeg_process import STALL_TIMEOUT_S, FFmpegProcess
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.frames import FrameFormat, describe_array
from ffenc.plan.clip_frames import MOST_RUNS, ClipFrames, ranges_of
from ffenc.plan.decode import DecodePlan, plan_decode
from ffenc.regular_files import file_path
from ffenc.video.clip import MeasuredClip, measure_with_table
from ffenc.video.decoder import DecoderKey, can_decode
from ffenc.video.decoder_pool import DECODERS, SAMPLE_TABLES, FileVersion
from ffenc.video.frame_output import FrameOutput, frame_output
from ffenc.video.undecodable import MADE_UP, why_undecodable

logger = logging.getLogger(__name__)

Method = Literal["decoder", "process"]
"""``"decoder"``: a process that is kept for the next request.  ``"process"``: one that is started for each request."""

LEROBOT_TOLERANCE_S = 1e-4
"""How far a frame may be from the time asked for; LeRobot's own default."""


class VideoReader:
    """Read frames of a constant-rate clip, in order or at random.

    Every frame is checked by its timestamp.  Single frames of plain MP4 files (H.264, HEVC, AV1 or VP9) come from a decoder
    process that is kept for the next request and shared by all readers of files with the same stream parameters.  Other
    files, and frames that are iterated over, are read by a process for each call; `method` says which.  MPEG-TS and other files
    without an index are decoded from the start for every call; remux them into MP4 to read single frames quickly.

    Threads may share a reader.  It can be pickled, and used in forked and spawned processes, which start their own decoders.

    Example::

        reader = VideoReader("laptop.mp4")
        frame = reader[-1]  # (480, 640, 3) uint8
        frames = reader[10:20:2]  # (5, 480, 640, 3)
        frames = reader.frames_at([0.0, 1.5, 2.0])  # (3, 480, 640, 3)
        for frame in reader:
            ...

    Attributes:
        path: the file.
        fps: exact frame rate.
        stream: what its header says.
        format: raw frames as ffmpeg writes them; `shape` and `dtype` say what is handed out.
        keyframes: numbers of the keyframes.
        method: how single frames are read; becomes ``"process"`` if a decoder cannot give a frame.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        layout: str = "rgb",
        size: tuple[int, int] | None = None,
        depth: DepthEncoderConfig | None = None,
        method: Method = "decoder",
        clip: MeasuredClip | None = None,
        binaries: Binaries | None = None,
        stall_timeout_s: float = STALL_TIMEOUT_S,
    ) -> None:
        """Measure the clip; nothing is decoded yet.

        Args:
            path: a video file.
            layout: what the arrays hold: a key of `ffenc.frames.LAYOUTS` such as ``"rgb"``, ``"bgr"``, ``"gray"`` or
                ``"gray12"`` (depth codes); ``"rgb_chw"`` for planes in ``(3, H, W)`` arrays; ``"depth_mm"`` for uint16
                millimetres or ``"depth_m"`` for float32 metres.
            size: (height, width) to scale frames to, with bicubic filtering; depth takes the nearest sample.  None
                keeps the size of the file.
            depth: how depth is stored, for the two layouts of depth; LeRobot's defaults if None.
            method: ``"process"`` never uses a decoder that is kept.
            clip: what `measure_clip` said of it; None measures it.
            binaries: the executables; found by `find_binaries` if None.
            stall_timeout_s: longest time without a frame before the decoder is killed.

        Raises:
            ProbeError: not a video.
            InputError: damaged, empty, of variable frame rate, or not depth that is stored as ``depth`` says.
            ValueError: unknown layout, or a size below 1 pixel.
        """
        self._binaries = binaries or find_binaries()
        self._stall_timeout_s = stall_timeout_s
        self.path = file_path(path)
        self._version = FileVersion.of(self.path) if self.path.exists() else None
        table: SampleTable | None = None
        if clip is None:
            clip, table = measure_with_table(self.path, binaries=self._binaries)
        elif method == "decoder" and (index := read_mp4_index(self.path)) and index.packets == clip.packets:
            table = index.table
        self._clip = clip
        self.stream: VideoStreamInfo = clip.stream
        self.fps: Fraction = self.stream.fps
        self._output: FrameOutput = frame_output(
            layout, size, display_size=clip.display_size, stream=self.stream, depth=depth
        )
        self.format: FrameFormat = self._output.raw
        self.keyframes = clip.packets.keyframes
        self.method: Method = "decoder" if method == "decoder" and table and can_decode(table) else "process"
        self._display = table.display if table else b""
        self._entry = table.entry if table else b""

    @property
    def width(self) -> int:
        """Pixels per row of a frame that is handed out."""
        return self._output.size[1]

    @property
    def height(self) -> int:
        """Rows of a frame that is handed out."""
        return self._output.size[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a frame that is handed out."""
        return self._output.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its elements."""
        return self._output.dtype

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: a reader keeps nothing open; decoder processes belong to all readers."""

    @overload
    def __getitem__(self, item: int) -> npt.NDArray[Any]: ...
    @overload
    def __getitem__(self, item: slice) -> npt.NDArray[Any]: ...
    def __getitem__(self, item: int | slice) -> npt.NDArray[Any]:
        """One frame, counted from the end if negative; or the frames of a slice, with an axis for them in front.

        Raises:
            IndexError: no such frame.
        """
        if isinstance(item, slice):
            return self.frames(range(len(self))[item])
        number = operator.index(item)
        if not -len(self) <= number < len(self):
            raise IndexError(f"{self.path} has no frame {number}; it has {len(self)}")
        frame: npt.NDArray[Any] = self.frames([number % len(self)])[0]
        return frame

    def __len__(self) -> int:
        """Frames in the file, counted and not taken from its header."""
        return self._clip.packets.count

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        """All frames in order, each a new array.

        Raises:
            InputError: a frame cannot be decoded, or has another size than the first; the message names it.
            OutputError: a frame is missing for another reason.
            ProcessError: the decoder failed, died or hung.
        """
        return self.read_range(0, len(self))

    def read_range(self, start: int, end: int) -> Iterator[npt.NDArray[Any]]:
        """Frames ``[start, end)`` in order, each a new array, from a process of its own that decodes on several cores.

        A few frames come sooner from a slice, ``reader[start:end]``.

        Raises:
            InputError: not within the file.
        """
        if not 0 <= start < end <= len(self):
            raise InputError(
                f"frames [{start}, {end}) are not within {self.path}, which has [0, {len(self)})", path=self.path
            )
        return self._finished(self._decode([self._clip.select([(start, end - start)])]))

    def frames_at(
        self,
        timestamps_s: Sequence[float | Fraction],
        *,
        tolerance_s: float = LEROBOT_TOLERANCE_S,
        out: npt.NDArray[Any] | None = None,
    ) -> npt.NDArray[Any]:
        """Frames at many times, in the order asked for.

        Args:
            timestamps_s: seconds from the first frame; the same time may be asked for more than once.
            tolerance_s: how far the nearest frame may be from the time asked for.
            out: see `frames`.

        Returns:
            ``(len(timestamps_s), *shape)`` array.

        Raises:
            InputError: a time with no frame within the tolerance.
        """
        return self.frames([self._frame_near(time_s, tolerance_s) for time_s in timestamps_s], out=out)

    def frames(self, numbers: Sequence[int], *, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Return frames by number, in the order asked for.

        Args:
            numbers: from 0 to ``len(reader) - 1``; the same one may be asked for more than once.
            out: C-contiguous array to write into, of the shape and dtype that are returned; None makes a new one.

        Returns:
            ``(len(numbers), *shape)`` array; ``out`` if it was given.

        Raises:
            InputError: a number outside of the file, a frame that cannot be decoded, or the file was changed.
            FrameError: ``out`` has another shape or dtype.
            ProcessDiedError: two decoder processes in a row were killed or crashed; names file and frame.
            ProcessTimeoutError: a decoder hung and was killed; names file and frame.
        """
        wanted = sorted(set(numbers))
        if wanted and not 0 <= wanted[0] <= wanted[-1] < len(self):
            raise InputError(f"frames {wanted[0]} to {wanted[-1]} are not all within [0, {len(self)})", path=self.path)
        result = self._result(len(numbers), out)
        first = {number: index for index, number in reversed(list(enumerate(numbers)))}
        if wanted and not (self.method == "decoder" and self._read_kept(wanted, first, result)):
            frames = chain.from_iterable(self._decode(some) for some in self._parts(wanted))
            for number, frame in zip(wanted, self._finished(frames), strict=True):
                result[first[number]] = frame
        for index, number in enumerate(numbers):
            if first[number] != index:
                result[index] = result[first[number]]
        return result

    def _result(self, count: int, out: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
        shape = (count, *self.shape)
        if out is None:
            return np.empty(shape, self.dtype)
        is_right = isinstance(out, np.ndarray) and out.shape == shape and out.dtype == self.dtype
        if not is_right or not out.flags.c_contiguous or not out.flags.writeable:
            expected = f"a writable C-contiguous {shape} {self.dtype.name} array"
            seen = describe_array(out)
            raise FrameError(f"out: expected {expected}, got {seen}", expected=expected, seen=seen)
        return out

    def _read_kept(self, wanted: Sequence[int], first: Mapping[int, int], result: npt.NDArray[Any]) -> bool:
        """Read frames through a decoder that is kept; return False if it cannot give them.

        Args:
            wanted: ascending, without repeats.
            first: place of each of them in ``result``.
            result: where they go.
        """
        try:
            version, table = SAMPLE_TABLES.get(self.stream.path)
        except OSError as err:
            raise InputError(f"{self.path} cannot be read any more: {err.strerror}", path=self.path) from err
        if version != self._version:
            raise InputError(f"{self.path} was changed after it was opened; open it again", path=self.path)
        if table is None:
            return False
        output = self._output
        raw = {} if output.is_raw else {number: output.empty() for number in wanted}
        key = DecoderKey(
            ffmpeg=self._binaries.ffmpeg,
            entry=self._entry,
            display=self._display,
            display_size=self._clip.display_size,
            output=output,
            stall_timeout_s=self._stall_timeout_s,
        )
        try:
            DECODERS.read(
                key, self.stream.path, table, wanted, lambda n: output.views(raw[n] if raw else result[first[n]])
            )
        except OSError as err:
            raise InputError(f"{self.path} cannot be read: {err}", path=self.path) from err
        except (OutputError, ProcessDiedError) as err:
            if isinstance(err, ProcessDiedError) and (err.returncode or 0) < 0:
                raise
            logger.warning("from now on %s is read by a process for each request: %s", self.path, err)
            self.method = "process"
            return False
        for number, frame in raw.items():
            output.finish(frame, result[first[number]])
        return True

    def _finished(self, frames: Iterator[npt.NDArray[Any]]) -> Iterator[npt.NDArray[Any]]:
        return map(self._output.from_interleaved, frames)

    def _frame_near(self, time_s: float | Fraction, tolerance_s: float) -> int:
        first = self._clip.packets.pts_s(0)
        # Rounding and not truncation: 0.1 s is a little less than frame 3 of 30 a second.
        number = min(max(round(Fraction(time_s) * self.fps), 0), len(self) - 1)
        off_s = abs(float(self._clip.packets.pts_s(number) - first - Fraction(time_s)))
        if off_s > tolerance_s:
            raise InputError(
                f"{self.path} has no frame within {tolerance_s} s of {float(time_s)} s; the nearest is frame {number}, "
                f"{off_s:.6f} s away",
                path=self.path,
            )
        return number

    def _parts(self, wanted: Sequence[int]) -> Iterator[list[ClipFrames]]:
        """Divide ascending frames into commands, and each command into seeks."""
        seeks: list[list[int]] = []
        for number in wanted:
            # What is near is decoded on the way; a new seek costs more.
            on_the_way = (
                seeks and max(seeks[-1][-1], self._clip.access_point(number)) - seeks[-1][-1] <= _FRAMES_PER_SEEK
            )
            if on_the_way and len(seeks[-1]) < MOST_RUNS:
                seeks[-1].append(number)
            else:
                seeks.append([number])
        command: list[ClipFrames] = []
        for numbers in seeks:
            part = self._clip.select(ranges_of(numbers))
            if command and (
                len(command) == _SEEKS_PER_COMMAND or sum(len(p.runs) for p in (*command, part)) > MOST_RUNS
            ):
                yield command
                command = []
            command.append(part)
        yield command

    def _decode(self, parts: Sequence[ClipFrames]) -> Iterator[npt.NDArray[Any]]:
        """Run one command; once more from the start of the file, if no good frame comes after a seek."""
        taken = 0
        try:
            for frame in self._run(parts):
                yield frame
                taken += 1
        except (InputError, OutputError, ProcessError) as err:
            if isinstance(err, InputError) and taken:
                raise  # a frame that was given may be the one that the decoder made up
            found = why_undecodable(self._clip, binaries=self._binaries)
            if found is not None:
                raise found from err
            if all(part.seek_s is None for part in parts):
                raise
            logger.warning(
                "decoding %s after a seek failed; from now on it is decoded from its start: %s", self.path, err
            )
        else:
            return
        self._clip = replace(self._clip, is_seekable=False)
        numbers = [number for part in parts for number in part.numbers()]
        yield from self._run([self._clip.select(ranges_of(numbers[taken:]))])

    def _run(self, parts: Sequence[ClipFrames]) -> Iterator[npt.NDArray[Any]]:
        plan: DecodePlan = plan_decode(self._binaries.ffmpeg, parts, self.format, self.fps)
        with FFmpegProcess.start(
            plan.argv, stdout="data", stall_timeout_s=self._stall_timeout_s, stderr_errors=MADE_UP
        ) as process:
            for number in (number for part in parts for number in part.numbers()):
                frame = np.empty(self.format.shape, self.format.dtype)
                count = process.read_into(frame.data.cast("B"))
                self._check_references(process, number)
                if count != self.format.frame_size_bytes:
                    process.finish()
                    self._check_references(process, number)
                    raise OutputError(
                        f"frame {number} of {self.path} did not come out of the decoder",
                        path=self.path,
                        frames_expected=plan.count,
                    )
                yield frame
            process.finish()
            self._check_references(process, parts[-1].last)

    def _check_references(self, process: FFmpegProcess, number: int) -> None:
        if process.stderr_matches:
            raise InputError(
                f"frame {number} of {self.path}, or one close to it, refers to a frame that is missing or damaged; FFmpeg "
                f"says: {process.stderr_matches[0].strip()}",
                path=self.path,
            )

    def __repr__(self) -> str:
        return f"<VideoReader {self.path}: {len(self)} frames of {self.format} at {self.fps}/s>"


_FRAMES_PER_SEEK = 12
"""Frames that are decoded on rather than sought for: about the cost of opening the file once more."""

_SEEKS_PER_COMMAND = 32
"""Each is an input with a decoder of its own."""
