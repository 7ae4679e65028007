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
"""``"decoder"`` reads through a persistent process; ``"process"`` starts a process for each request."""

LEROBOT_TOLERANCE_S = 1e-4
"""Largest distance of a frame from its requested time; LeRobot's own default."""


class VideoReader:
    """Reads frames of a constant-rate clip, in order or at random.

    Every frame is checked by its timestamp.  Single frames of plain MP4 files (H.264, HEVC, AV1 or VP9) are read through a
    persistent decoder process.  All readers of files with the same stream parameters share it.  Other files, and iteration,
    start a process for each call; see `method`.  MPEG-TS and other files without an index are decoded from the start for
    every call; remux them into MP4 to read single frames quickly.

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
        stream: properties from the header of the file.
        format: format of the raw frames that ffmpeg writes; `shape` and `dtype` are those of the returned arrays.
        keyframes: numbers of the keyframes.
        method: how single frames are read; changes to ``"process"`` if the decoder cannot read a frame.
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
            layout: layout of the arrays: a key of `ffenc.frames.LAYOUTS` such as ``"rgb"``, ``"bgr"``, ``"gray"`` or
                ``"gray12"`` (depth codes); ``"rgb_chw"`` for planes in ``(3, H, W)`` arrays; ``"depth_mm"`` for uint16
                millimetres or ``"depth_m"`` for float32 metres.
            size: (height, width) to scale frames to, with bicubic filtering; depth takes the nearest sample.  None
                keeps the size of the file.
            depth: how depth is stored, for the two depth layouts; LeRobot's defaults if None.
            method: ``"process"`` never uses a persistent decoder.
            clip: result of `measure_clip`; None measures the file.
            binaries: the executables; found by `find_binaries` if None.
            stall_timeout_s: longest time without a frame before the decoder is killed.

        Raises:
            ProbeError: the file is not a video.
            InputError: the file is damaged or empty, has a variable frame rate, or does not store depth as in ``depth``.
            ValueError: the layout is unknown, or the size is below 1 pixel.
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
    def clip(self) -> MeasuredClip:
        """Header and packets of the file, as measured."""
        return self._clip

    @property
    def width(self) -> int:
        """Width of the returned frames in pixels."""
        return self._output.size[1]

    @property
    def height(self) -> int:
        """Height of the returned frames in pixels."""
        return self._output.size[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array of one frame."""
        return self._output.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type of the arrays."""
        return self._output.dtype

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: a reader holds no resources, and all readers share the decoder processes."""

    @overload
    def __getitem__(self, item: int) -> npt.NDArray[Any]: ...
    @overload
    def __getitem__(self, item: slice) -> npt.NDArray[Any]: ...
    def __getitem__(self, item: int | slice) -> npt.NDArray[Any]:
        """Return one frame, or the frames of a slice with an additional first axis; negative numbers count from the end.

        Raises:
            IndexError: the frame does not exist.
        """
        if isinstance(item, slice):
            return self.frames(range(len(self))[item])
        number = operator.index(item)
        if not -len(self) <= number < len(self):
            raise IndexError(f"{self.path} has no frame {number}; it has {len(self)}")
        frame: npt.NDArray[Any] = self.frames([number % len(self)])[0]
        return frame

    def __len__(self) -> int:
        """Return the number of frames in the file, which is counted and not taken from its header."""
        return self._clip.packets.count

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        """Yield all frames in order, each as a new array.

        Raises:
            InputError: a frame cannot be decoded, or has another size than the first; the message names the frame.
            OutputError: a frame is missing for another reason.
            ProcessError: the decoder failed, died or hung.
        """
        return self.read_range(0, len(self))

    def read_range(self, start: int, end: int) -> Iterator[npt.NDArray[Any]]:
        """Yield frames ``[start, end)`` in order, each as a new array, from a new process that decodes on several cores.

        For a few frames, a slice ``reader[start:end]`` is faster.

        Raises:
            InputError: the range is not within the file.
        """
        if not 0 <= start < end <= len(self):
            raise InputError(
                f"frames [{start}, {end}) are not within {self.path}, which has [0, {len(self)})", path=self.path
            )
        return self._finished(self._decode([self._clip.select([(start, end - start)])]))

    def iterate(self, numbers: Sequence[int]) -> Iterator[npt.NDArray[Any]]:
        """Yield frames by ascending number, each as a new array, with one in memory at a time.

        Processes decode them: one for many frames that are near each other.

        Raises:
            InputError: a number is not in the file, or a frame cannot be decoded.
        """
        if not numbers:
            return iter(())
        if not 0 <= numbers[0] <= numbers[-1] < len(self):
            raise InputError(
                f"frames {numbers[0]} to {numbers[-1]} are not all within [0, {len(self)})", path=self.path
            )
        return self._finished(chain.from_iterable(self._decode(some) for some in self._parts(numbers)))

    def frames_at(
        self,
        timestamps_s: Sequence[float | Fraction],
        *,
        tolerance_s: float = LEROBOT_TOLERANCE_S,
        out: npt.NDArray[Any] | None = None,
    ) -> npt.NDArray[Any]:
        """Return the frames at the given times, in the order of the request.

        Args:
            timestamps_s: seconds from the first frame; times may repeat.
            tolerance_s: largest distance of the nearest frame from a requested time.
            out: see `frames`.

        Returns:
            ``(len(timestamps_s), *shape)`` array.

        Raises:
            InputError: no frame is within the tolerance of a requested time.
        """
        return self.frames([self._frame_near(time_s, tolerance_s) for time_s in timestamps_s], out=out)

    def frames(self, numbers: Sequence[int], *, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Return frames by number, in the order of the request.

        Args:
            numbers: frame numbers from 0 to ``len(reader) - 1``; they may repeat.
            out: C-contiguous array of the returned shape and dtype to write into; None creates one.

        Returns:
            ``(len(numbers), *shape)`` array; ``out`` if it was given.

        Raises:
            TypeError: a number is not an integer.
            InputError: a number is not in the file, a frame cannot be decoded, or the file was changed.
            FrameError: ``out`` has a wrong shape, dtype or memory layout.
            ProcessDiedError: two decoder processes in a row were killed or crashed; the message names file and frame.
            ProcessTimeoutError: a decoder hung and was killed; the message names file and frame.
        """
        numbers = [operator.index(number) for number in numbers]
        wanted = sorted(set(numbers))
        if wanted and not 0 <= wanted[0] <= wanted[-1] < len(self):
            raise InputError(f"frames {wanted[0]} to {wanted[-1]} are not all within [0, {len(self)})", path=self.path)
        result = self._result(len(numbers), out)
        first = {number: index for index, number in reversed(list(enumerate(numbers)))}
        is_read, failure = not wanted, None
        if wanted and self.method == "decoder":
            try:
                is_read = self._read_kept(wanted, first, result)
            except (OutputError, ProcessDiedError) as err:
                if _was_killed(err):
                    raise
                failure, self.method = err, "process"
        if not is_read:
            for number, frame in zip(wanted, self.iterate(wanted), strict=True):
                result[first[number]] = frame
        if failure is not None:  # not before, because a frame that no process can read has an error
            logger.warning("each further request for %s starts a process: %s", self.path, failure)
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
        """Read frames through a persistent decoder; return False if it cannot read them.

        Args:
            wanted: frame numbers, ascending and unique.
            first: index of each frame in ``result``.
            result: array to write into.
        """
        try:
            version, table = SAMPLE_TABLES.get(self.stream.path)
        except OSError as err:
            raise InputError(f"{self.path} can no longer be read: {err.strerror}", path=self.path) from err
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
        for number, frame in raw.items():
            output.finish(frame, result[first[number]])
        return True

    def _finished(self, frames: Iterator[npt.NDArray[Any]]) -> Iterator[npt.NDArray[Any]]:
        return map(self._output.from_interleaved, frames)

    def _frame_near(self, time_s: float | Fraction, tolerance_s: float) -> int:
        first = self._clip.packets.pts_s(0)
        # Round, because the float 0.1 s can be slightly less than the time of frame 3 at 30 fps.
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
            # Decoding on to a nearby frame costs less than another seek.
            is_near = seeks and max(seeks[-1][-1], self._clip.access_point(number)) - seeks[-1][-1] <= _FRAMES_PER_SEEK
            if is_near and len(seeks[-1]) < MOST_RUNS:
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
        """Run one command; if decoding after a seek fails, run it again from the start of the file."""
        taken = 0
        try:
            for frame in self._run(parts):
                yield frame
                taken += 1
        except (InputError, OutputError, ProcessError) as err:
            if isinstance(err, InputError) and taken:
                raise  # an earlier frame may be one that the decoder made up
            if _was_killed(err):
                raise
            found = why_undecodable(self._clip, binaries=self._binaries)
            if found is not None:
                raise found from err
            if all(part.seek_s is None for part in parts):
                raise
            logger.warning(
                "decoding %s after a seek failed; each further request decodes it from the start: %s", self.path, err
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
                        f"the decoder did not output frame {number} of {self.path}",
                        path=self.path,
                        frames_expected=plan.count,
                    )
                yield frame
            process.finish()
            self._check_references(process, parts[-1].last)

    def _check_references(self, process: FFmpegProcess, number: int) -> None:
        if process.stderr_matches:
            raise InputError(
                f"frame {number} of {self.path}, or a frame near it, refers to a missing or damaged frame; FFmpeg "
                f"says: {process.stderr_matches[0].strip()}",
                path=self.path,
            )

    def __repr__(self) -> str:
        return f"<VideoReader {self.path}: {len(self)} frames of {self.format} at {self.fps}/s>"


def _was_killed(error: Exception) -> bool:
    """Return whether a signal ended the process, which says nothing about the file."""
    return isinstance(error, ProcessDiedError) and (error.returncode or 0) < 0


_FRAMES_PER_SEEK = 12
"""Longest distance in frames to decode through instead of seeking; it costs about as much as opening the file again."""

_SEEKS_PER_COMMAND = 32
"""Most seeks in a command; each is an input with its own decoder."""
