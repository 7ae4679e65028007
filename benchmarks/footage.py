"""Frames to encode: from a clip, or synthetic frames with noise and motion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ffenc import VideoReader
from ffenc.bench.synthetic import moving_texture

Frames = npt.NDArray[np.uint8]
"""``(count, height, width, 3)`` RGB."""


def frames_of(source: Path | None, count: int, width: int, height: int) -> Frames:
    """Return frames of a clip, scaled and played back and forth; synthetic frames without a clip."""
    if source is not None:
        return _from_clip(source, count, width, height)
    return np.stack(list(moving_texture(count, width, height)))


def write_pngs(frames: Frames, directory: Path) -> None:
    """Write ``frame-000000.png`` and so on, with LeRobot's compression level 1."""
    directory.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(directory / f"frame-{number:06d}.png", compress_level=1)


def _from_clip(source: Path, count: int, width: int, height: int) -> Frames:
    reader = VideoReader(source)
    taken: list[npt.NDArray[np.uint8]] = []
    for frame in reader.read_range(0, min(count, len(reader))):
        picture = Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC)
        taken.append(np.asarray(picture))
    to_and_fro = [*range(len(taken)), *range(len(taken) - 2, 0, -1)]
    return np.stack([taken[to_and_fro[number % len(to_and_fro)]] for number in range(count)])
