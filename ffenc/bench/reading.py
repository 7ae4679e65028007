"""Reading frames as training does: few of them, anywhere, from a file that is open already or is not.

The patterns and their names are those of LeRobot's video benchmark (``benchmarks/video`` in its history): the frame drawn
is the last of the pattern, and the others are before it.  Two things are done otherwise.  Frames are asked for by numbers
that were rounded, where LeRobot truncated ``time * fps`` and so looked at a neighbour now and then; and what comes back is
compared with the same file read from start to end, so that a reader that gives another frame is found.
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
from ffenc.video.reader import VideoReader

Pictures = npt.NDArray[np.uint8]
"""``(count, height, width, 3)`` RGB."""

PATTERNS: Mapping[str, tuple[int, ...]] = {
    "1_frame": (0,),
    "2_frames": (-1, 0),
    "2_frames_4_space": (-5, 0),
    "6_frames": (-5, -4, -3, -2, -1, 0),
}
"""LeRobot's access patterns: offsets in frames from the frame that was drawn."""

RANDOM_FILES = "random_files"
"""The pattern of one frame from a file that has to be opened first, as when a dataset has more files than are kept open."""

_STEP = 4  # pixels between those that are compared
_NOISE = 0.5  # levels: two decoders convert colours a little differently
_SEED = 1337


class Opened(Protocol):
    """A video file that frames are taken from."""

    def frames(self, numbers: Sequence[int], /) -> Pictures:
        """Frames by number, in the order asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """What reading one pattern through one reader took.

    Attributes:
        times_ms: of every request, all its frames together.
        frames_per_request: frames of one.
        decoded_per_wanted: frames that have to be decoded, from the keyframe on, for each that is wanted.
        wrong: frames that were not the one asked for.
    """

    times_ms: tuple[float, ...]
    frames_per_request: int
    decoded_per_wanted: float
    wrong: int

    def to_json(self) -> dict[str, Any]:
        """For a row."""
        return {
            "times_ms": [round(time_ms, 3) for time_ms in self.times_ms],
            "frames_per_request": self.frames_per_request,
            "decoded_per_wanted": round(self.decoded_per_wanted, 3),
            "wrong": self.wrong,
        }


class _PyAV:
    """PyAV: seek to the keyframe, decode until the last frame wanted."""

    def __init__(self, path: Path, fps: Fraction) -> None:
        self._container = import_module("av").open(str(path))
        self._stream = self._container.streams.video[0]
        self._fps = fps

    def frames(self, numbers: Sequence[int], /) -> Pictures:
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
    """torchcodec, as LeRobot opens it: without scanning the file first."""

    def __init__(self, path: Path, fps: Fraction) -> None:
        decoders = import_module("torchcodec.decoders")
        self._decoder = decoders.VideoDecoder(str(path), seek_mode="approximate", dimension_order="NHWC")

    def frames(self, numbers: Sequence[int], /) -> Pictures:
        pictures: Pictures = self._decoder.get_frames_at(list(numbers)).data.numpy()
        return pictures


def readers(binaries: Binaries) -> dict[str, Callable[[Path, Fraction], Opened]]:
    """The readers that can be used here, by name: ffmpeg's pipe always, and what is installed beside it."""
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
    """Read a file by every pattern, through every reader.

    Args:
        path: the video.
        binaries: the executables.
        requests: of each pattern; the frames that they are for are the same for all readers and settings.
        round_number: draws other frames in every round.
        windows: further patterns: name -> seconds from the frame that was drawn, as LeRobot's ``delta_timestamps``.

    Returns:
        By reader and pattern; patterns that are longer than the file are left out.
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
        found[name][RANDOM_FILES] = _timed(functools.partial(_read_anew, opens, reference), wanted, reference, small)
    return found


def _read_anew(opens: Callable[[Path, Fraction], Opened], reference: VideoReader, numbers: Sequence[int]) -> Pictures:
    return opens(reference.path, reference.fps).frames(numbers)


def _requests(count: int, offsets: Sequence[int], requests: int, round_number: int) -> Iterator[list[int]]:
    first, last = max(0, -min(offsets)), count - 1 - max(0, *offsets)
    if last < first:
        return
    random = np.random.default_rng([_SEED, round_number])
    for drawn in random.integers(first, last + 1, requests):
        yield [int(drawn) + offset for offset in offsets]


def _timed(
    read: Callable[[Sequence[int]], Pictures],
    requests: Sequence[Sequence[int]],
    reference: VideoReader,
    small: npt.NDArray[np.int16],
) -> Reads:
    times_ms, decoded, wrong = [], 0, 0
    for numbers in requests:
        clock = time.perf_counter()
        pictures = read(numbers)
        times_ms.append(1000 * (time.perf_counter() - clock))
        if len(pictures) != len(numbers):
            raise OutputError(f"{len(pictures)} frames came where {len(numbers)} were asked for", path=reference.path)
        wrong += sum(not _is_frame(picture, number, small) for picture, number in zip(pictures, numbers, strict=True))
        decoded += _frames_decoded(numbers, reference.keyframes)
    wanted = sum(len(numbers) for numbers in requests)
    return Reads(
        times_ms=tuple(times_ms),
        frames_per_request=len(requests[0]),
        decoded_per_wanted=decoded / wanted,
        wrong=wrong,
    )


def _is_frame(picture: Pictures, number: int, small: npt.NDArray[np.int16]) -> bool:
    """Whether a picture is this frame rather than one of its neighbours."""
    seen = picture[::_STEP, ::_STEP].astype(np.int16)
    neighbours = [other for other in (number - 1, number + 1) if 0 <= other < len(small)]
    own, *others = (float(np.abs(seen - small[other]).mean()) for other in (number, *neighbours))
    return own <= min(others, default=own) + _NOISE


def _frames_decoded(numbers: Sequence[int], keyframes: Sequence[int]) -> int:
    """Frames from the keyframe before each one wanted up to it, each counted once."""
    needed: set[int] = set()
    for number in numbers:
        key = max((frame for frame in keyframes if frame <= number), default=0)
        needed.update(range(key, number + 1))
    return len(needed)
