"""Decode a video file into numpy frames."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.errors import InputError, OutputError, ProcessError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.process.ffmpeg_process import STALL_TIMEOUT_S, FFmpegProcess
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.frames import FrameFormat
from ffenc.plan.clip_frames import MOST_RUNS, ClipFrames, ranges_of
from ffenc.plan.decode import DecodePlan, plan_decode
from ffenc.video.clip import MeasuredClip, measure_clip
from ffenc.video.undecodable import MADE_UP, why_undecodable

logger = logging.getLogger(__name__)

LEROBOT_TOLERANCE_S = 1e-4
"""How far a frame may be from the time asked for; LeRobot's own default."""


class VideoReader:
    """Read frames of a constant-rate clip, in order or at given times.

    Every frame is checked by its timestamp.  MPEG-TS and other files without an index are decoded from the start for every
    call; remux them into MP4 to read single frames quickly.

    Example::

        reader = VideoReader("laptop.mp4")
        for frame in reader:  # (480, 640, 3) uint8
            ...
        frames = reader.frames_at([0.0, 1.5, 2.0])  # (3, 480, 640, 3) uint8, one ffmpeg process

    Attributes:
        path: the file.
        fps: exact frame rate.
        stream: what its header says.
        format: shape and dtype of every frame.
        keyframes: numbers of the keyframes.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        layout: str = "rgb",
        clip: MeasuredClip | None = None,
        binaries: Binaries | None = None,
        stall_timeout_s: float = STALL_TIMEOUT_S,
    ) -> None:
        """Measure the clip; nothing is decoded yet.

        Args:
            path: a video file.
            layout: what the arrays shall hold, a key of `ffenc.frames.LAYOUTS`.
            clip: what `measure_clip` said of it; None measures it.
            binaries: the executables; found by `find_binaries` if None.
            stall_timeout_s: longest time without a frame before the decoder is killed.

        Raises:
            ProbeError: not a video.
            InputError: damaged, empty, or of variable frame rate.
        """
        self._binaries = binaries or find_binaries()
        self._stall_timeout_s = stall_timeout_s
        self._clip: MeasuredClip = clip or measure_clip(path, binaries=self._binaries)
        self.path = Path(path)
        self.stream: VideoStreamInfo = self._clip.stream
        self.fps: Fraction = self.stream.fps
        width, height = self._clip.display_size
        self.format = FrameFormat(width=width, height=height, layout=layout)
        self.keyframes = self._clip.packets.keyframes

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
        """Frames ``[start, end)`` in order, each a new array.

        Raises:
            InputError: not within the file.
        """
        if not 0 <= start < end <= len(self):
            raise InputError(
                f"frames [{start}, {end}) are not within {self.path}, which has [0, {len(self)})", path=self.path
            )
        return self._decode([self._clip.select([(start, end - start)])])

    def frames_at(
        self, timestamps_s: Sequence[float | Fraction], *, tolerance_s: float = LEROBOT_TOLERANCE_S
    ) -> npt.NDArray[Any]:
        """Frames at many times, in the order asked for, from one ffmpeg process.

        Args:
            timestamps_s: seconds from the first frame; the same time may be asked for more than once.
            tolerance_s: how far the nearest frame may be from the time asked for.

        Returns:
            ``(len(timestamps_s), height, width, ...)`` array of the layout's dtype.

        Raises:
            InputError: a time with no frame within the tolerance.
        """
        return self.frames([self._frame_near(time_s, tolerance_s) for time_s in timestamps_s])

    def frames(self, numbers: Sequence[int]) -> npt.NDArray[Any]:
        """Return frames by number, in the order asked for, from one ffmpeg process for every 32 places in the file.

        Args:
            numbers: from 0 to ``len(reader) - 1``; the same one may be asked for more than once.

        Returns:
            ``(len(numbers), height, width, ...)`` array of the layout's dtype.

        Raises:
            InputError: a number outside of the file.
        """
        wanted = sorted(set(numbers))
        if wanted and not 0 <= wanted[0] <= wanted[-1] < len(self):
            raise InputError(f"frames {wanted[0]} to {wanted[-1]} are not all within [0, {len(self)})", path=self.path)
        place = {number: index for index, number in enumerate(wanted)}
        decoded = np.empty((len(wanted), *self.format.shape), self.format.dtype)
        if wanted:
            parts = self._parts(wanted)
            for index, frame in enumerate(chain.from_iterable(self._decode(some) for some in parts)):
                decoded[index] = frame
        return decoded[[place[number] for number in numbers]]

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
