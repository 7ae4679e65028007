"""Decode a video file into numpy frames."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.errors import InputError, OutputError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.process import FFmpegProcess
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.frames import FrameFormat
from ffenc.plan.decode import DecodePlan, DecodeRange, plan_decode
from ffenc.video.clip import MeasuredClip, measure_clip
from ffenc.video.writer import STALL_TIMEOUT_S

LEROBOT_TOLERANCE_S = 1e-4
"""How far a frame may be from the time asked for; LeRobot's own default."""


class VideoReader:
    """Read frames of a constant-rate clip, in order or at given times.

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
        keyframes: numbers of the frames at which decoding can start.
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
            OutputError: the decoder gave another number of frames than the file holds.
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
        return self._decode([self._range(start, range(start, end))])

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
        """Frames by number, in the order asked for, from one ffmpeg process.

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
            for index, frame in enumerate(self._decode(self._ranges(wanted))):
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

    def _ranges(self, wanted: Sequence[int]) -> list[DecodeRange]:
        """One seek for every key frame from which frames are wanted."""
        groups: dict[int, list[int]] = {}
        for number in wanted:
            groups.setdefault(bisect.bisect_right(self.keyframes, number), []).append(number)
        # Neighbouring GOPs are read in one go; a new seek costs more than decoding a few frames on.
        merged: list[list[int]] = []
        for numbers in groups.values():
            if merged and numbers[0] - merged[-1][-1] <= _FRAMES_PER_SEEK:
                merged[-1] += numbers
            else:
                merged.append(numbers)
        return [self._range(numbers[0], numbers) for numbers in merged]

    def _range(self, first: int, numbers: Sequence[int]) -> DecodeRange:
        key_frame = self._clip.key_frame_before(first)
        seek_s = self._clip.seek_point_s(key_frame)
        return DecodeRange(seek_s=seek_s, offsets=tuple(number - key_frame for number in numbers))

    def _decode(self, ranges: Sequence[DecodeRange]) -> Iterator[npt.NDArray[Any]]:
        plan: DecodePlan = plan_decode(
            self._binaries.ffmpeg,
            self.path,
            demuxer=self._clip.demuxer,
            ranges=ranges,
            frames=self.format,
            fps=self.fps,
        )
        with FFmpegProcess.start(plan.argv, stdout="data", stall_timeout_s=self._stall_timeout_s) as process:
            for done in range(plan.count):
                frame = np.empty(self.format.shape, self.format.dtype)
                if process.read_into(frame.data.cast("B")) != self.format.frame_size_bytes:
                    process.finish()
                    raise OutputError(
                        f"{self.path} holds {len(self)} frames, but decoding {plan.count} of them ended after {done}",
                        path=self.path,
                        frames_expected=plan.count,
                        packets_counted=done,
                    )
                yield frame
            process.finish()

    def __repr__(self) -> str:
        return f"<VideoReader {self.path}: {len(self)} frames of {self.format} at {self.fps}/s>"


_FRAMES_PER_SEEK = 12
"""Frames that are decoded on rather than sought for: about the cost of opening the file once more."""
