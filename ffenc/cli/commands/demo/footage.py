"""What the demo records: two cameras and a state, made with numpy or, for one camera, taken from a clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.cli.commands.demo.synthetic_frames import ball, picture
from ffenc.video.reader import VideoReader

LAPTOP, WRIST, STATE = "observation.images.laptop", "observation.images.wrist", "observation.state"
_MADE_SIZE, _WRIST_SIZE = (640, 480), (320, 240)

SAMPLES = 5
"""Frames of each camera that are decoded again and compared with what went in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """Steps to record, numbered over all episodes; a few pictures are kept while they pass, to be compared later.

    Attributes:
        lengths: frames of each episode.
        fps: whole frames per second.
        clip: what the laptop's camera shows instead of the made picture.
        kept: pictures by camera and step.
    """

    lengths: tuple[int, ...]
    fps: int
    clip: VideoReader | None
    kept: dict[tuple[str, int], npt.NDArray[Any]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Steps in all."""
        return sum(self.lengths)

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """(width, height) of each camera."""
        form = None if self.clip is None else self.clip.format
        return {LAPTOP: _MADE_SIZE if form is None else (form.width, form.height), WRIST: _WRIST_SIZE}

    @property
    def features(self) -> dict[str, dict[str, Any]]:
        """What one step holds, as `DatasetRecorder.create` takes it."""
        cameras = {
            name: {"dtype": "video", "shape": (height, width, 3), "names": ["height", "width", "channels"]}
            for name, (width, height) in self.sizes.items()
        }
        return {STATE: {"dtype": "float32", "shape": (2,), "names": ["x", "y"]}, **cameras}

    def is_numbered(self, camera: str) -> bool:
        """Whether its pictures say which step they are of."""
        return camera == WRIST or self.clip is None

    def episodes(self) -> Iterator[Iterator[Mapping[str, npt.NDArray[Any]]]]:
        """The steps of each episode."""
        first = 0
        for length in self.lengths:
            yield self._steps(first, first + length)
            first += length

    def _steps(self, start: int, end: int) -> Iterator[Mapping[str, npt.NDArray[Any]]]:
        wanted = sample_numbers(self.count)
        sizes = self.sizes
        laptop = self._made(LAPTOP, start, end) if self.clip is None else self.clip.read_range(start, end)
        for number, *frames in zip(range(start, end), laptop, self._made(WRIST, start, end), strict=True):
            pictures = dict(zip((LAPTOP, WRIST), frames, strict=True))
            if number in wanted:
                self.kept.update({(camera, number): frame for camera, frame in pictures.items()})
            width, height = sizes[WRIST]
            state = np.array(ball(number, width=width, height=height), np.float32)
            yield {STATE: state, **pictures}

    def _made(self, camera: str, start: int, end: int) -> Iterator[npt.NDArray[Any]]:
        width, height = self.sizes[camera]
        return (picture(number, width=width, height=height) for number in range(start, end))


def sample_numbers(count: int) -> tuple[int, ...]:
    """`SAMPLES` frame numbers from the first to the last, evenly spaced."""
    return tuple(sorted({round(part * (count - 1) / (SAMPLES - 1)) for part in range(SAMPLES)}))
