"""Measure random reads as training does them, from a file that is open or has to be opened.

The patterns and their names are those of LeRobot's video benchmark (``benchmarks/video`` in its history): the drawn frame is
the last of the pattern, and the others precede it.  There are two differences.  Frame numbers are rounded; LeRobot truncated
``time * fps`` and sometimes read a neighbour.  Every returned frame is compared with the same file read sequentially, which
detects readers that return a wrong frame.
"""

from __future__ import annotations

import functools
import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ffenc.errors import OutputError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.video.decoder_pool import DECODERS
from ffenc.video.reader import VideoReader

Frames = npt.NDArray[np.uint8]
"""``(count, height, width, 3)`` RGB."""

PATTERNS: Mapping[str, tuple[int, ...]] = {
    "1_frame": (0,),
    "2_frames": (-1, 0),
    "2_frames_4_space": (-5, 0),
    "6_frames": (-5, -4, -3, -2, -1, 0),
}
"""LeRobot's access patterns: offsets in frames from the drawn frame."""

RANDOM_FILES = "random_files"
"""The pattern of one frame from a file that must be opened first, as in datasets with more files than are kept open."""

_STEP = 4  # compare every n-th pixel
_NOISE = 0.5  # levels; decoders convert colours slightly differently
_SEED = 1337


class Opened(Protocol):
    """An open video file."""

    def frames(self, numbers: Sequence[int], /) -> Frames:
        """Return frames by number, in the given order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """Cost of reading one pattern with one reader.

    Attributes:
        times_ms: time of each request, for all its frames.
        frames_per_request: frames of a request.
        decoded_per_wanted: frames that must be decoded, from the keyframe on, per requested frame.
        wrong: number of wrong frames.
    """

    times_ms: tuple[float, ...]
    frames_per_request: int
    decoded_per_wanted: float
    wrong: int

    def to_json(self) -> dict[str, Any]:
        """Return the values for a row."""
        return {
            "times_ms": [round(time_ms, 3) for time_ms in self.times_ms],
            "frames_per_request": self.frames_per_request,
            "decoded_per_wanted": round(self.decoded_per_wanted, 3),
            "wrong": self.wrong,
        }


class _PyAV:
    """Reads with PyAV: seek to the keyframe, decode up to the last requested frame."""

    def __init__(self, path: Path, fps: Fraction) -> None:
        self._container = import_module("av").open(str(path))
        self._stream = self._container.streams.video[0]
        self._fps = fps

    def frames(self, numbers: Sequence[int], /) -> Frames:
        wanted = set(numbers)
        base = self._stream.time_base
        self._container.seek(int(min(numbers) / (self._fps * base)), stream=self._stream)
        found = {}
        for frame in self._container.decode(self._stream):
            number = round(frame.pts * base * self._fps)
            if number in wanted:
                found[number] = frame.to_ndarray(format="rgb24")
            if number >= max(wanted):
                break
        return np.stack([found[number] for number in numbers])


class _TorchCodec:
    """Reads with torchcodec, opened as LeRobot does: without scanning the file first."""

    def __init__(self, path: Path, fps: Fraction) -> None:
        decoders = import_module("torchcodec.decoders")
        self._decoder = decoders.VideoDecoder(str(path), seek_mode="approximate", dimension_order="NHWC")

    def frames(self, numbers: Sequence[int], /) -> Frames:
        frames: Frames = self._decoder.get_frames_at(list(numbers)).data.numpy()
        return frames


def readers(binaries: Binaries) -> dict[str, Callable[[Path, Fraction], Opened]]:
    """Return the available readers by name: ffmpeg, and PyAV and torchcodec if they are installed."""
    always: dict[str, Callable[[Path, Fraction], Opened]] = {
        "ffmpeg": lambda path, _: VideoReader(path, binaries=binaries)
    }
    optional = (("pyav", "av", _PyAV), ("torchcodec", "torchcodec", _TorchCodec))
    return always | {name: kind for name, package, kind in optional if importlib.util.find_spec(package) is not None}


def measure_reading(
    path: Path,
    *,
    binaries: Binaries,
    requests: int,
    round_number: int = 0,
    windows: Mapping[str, Sequence[float]] | None = None,
) -> dict[str, dict[str, Reads]]:
    """Read a file with every pattern and every reader.

    Args:
        path: the video.
        binaries: the executables.
        requests: number of requests per pattern. All readers and settings get the same frames.
        round_number: selects the frames of this round.
        windows: further patterns: seconds from the drawn frame by name, as LeRobot's ``delta_timestamps``.

    Returns:
        The reads by reader and pattern, without patterns that are longer than the file.
    """
    reference = VideoReader(path, binaries=binaries)
    small = np.stack([frame[::_STEP, ::_STEP] for frame in reference]).astype(np.int16)
    patterns = dict(PATTERNS)
    for name, seconds in (windows or {}).items():
        patterns[name] = tuple(round(Fraction(second) * reference.fps) for second in seconds)
    found: dict[str, dict[str, Reads]] = {}
    for name, opens in readers(binaries).items():
        opened = opens(path, reference.fps)
        opened.frames([0])  # the first request also loads libraries
        found[name] = {}
        for pattern, offsets in patterns.items():
            wanted = list(_requests(len(reference), offsets, requests, round_number))
            if wanted:
                found[name][pattern] = _timed(opened.frames, wanted, reference, small)
        wanted = list(_requests(len(reference), (0,), requests, round_number))
        found[name][RANDOM_FILES] = _timed(
            functools.partial(_open_and_read, opens, reference), wanted, reference, small
        )
    DECODERS.close()  # nothing but the encoder runs while it is timed
    return found


def random_frame_ms(path: Path, *, binaries: Binaries, requests: int) -> float:
    """Return the median time in which `VideoReader` reads one random frame of an open file, in milliseconds.

    Raises:
        InputError, ProcessError: the file cannot be decoded by this FFmpeg.
    """
    reader = VideoReader(path, binaries=binaries)
    reader.frames([0])  # starts the decoder
    times_ms = []
    for numbers in _requests(len(reader), (0,), requests, 0):
        clock = time.perf_counter()
        reader.frames(numbers)
        times_ms.append(1000 * (time.perf_counter() - clock))
    DECODERS.close()
    return float(np.median(times_ms))


def _open_and_read(opens: Callable[[Path, Fraction], Opened], reference: VideoReader, numbers: Sequence[int]) -> Frames:
    return opens(reference.path, reference.fps).frames(numbers)


def _requests(count: int, offsets: Sequence[int], requests: int, round_number: int) -> Iterator[list[int]]:
    first, last = max(0, -min(offsets)), count - 1 - max(0, *offsets)
    if last < first:
        return
    random = np.random.default_rng([_SEED, round_number])
    for drawn in random.integers(first, last + 1, requests):
        yield [int(drawn) + offset for offset in offsets]


def _timed(
    read: Callable[[Sequence[int]], Frames],
    requests: Sequence[Sequence[int]],
    reference: VideoReader,
    small: npt.NDArray[np.int16],
) -> Reads:
    times_ms, decoded, wrong = [], 0, 0
    for numbers in requests:
        clock = time.perf_counter()
        frames = read(numbers)
        times_ms.append(1000 * (time.perf_counter() - clock))
        if len(frames) != len(numbers):
            raise OutputError(f"the reader returned {len(frames)} of {len(numbers)} frames", path=reference.path)
        wrong += sum(not _is_frame(frame, number, small) for frame, number in zip(frames, numbers, strict=True))
        decoded += _frames_decoded(numbers, reference.keyframes)
    wanted = sum(len(numbers) for numbers in requests)
    return Reads(
        times_ms=tuple(times_ms),
        frames_per_request=len(requests[0]),
        decoded_per_wanted=decoded / wanted,
        wrong=wrong,
    )


def _is_frame(frame: Frames, number: int, small: npt.NDArray[np.int16]) -> bool:
    """Return whether a frame is the requested one rather than one of its neighbours."""
    seen = frame[::_STEP, ::_STEP].astype(np.int16)
    neighbours = [other for other in (number - 1, number + 1) if 0 <= other < len(small)]
    own, *others = (float(np.abs(seen - small[other]).mean()) for other in (number, *neighbours))
    return own <= min(others, default=own) + _NOISE


def _frames_decoded(numbers: Sequence[int], keyframes: Sequence[int]) -> int:
    """Return the number of frames to decode for these frames, each from its keyframe on, counted once."""
    needed: set[int] = set()
    for number in numbers:
        key = max((frame for frame in keyframes if frame <= number), default=0)
        needed.update(range(key, number + 1))
    return len(needed)
