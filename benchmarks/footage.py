"""Frames to encode: from a clip that was given, or made up with what makes real footage hard to compress."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ffenc import VideoReader

Frames = npt.NDArray[np.uint8]
"""``(count, height, width, 3)`` RGB."""


def frames_of(source: Path | None, count: int, width: int, height: int) -> Frames:
    """Frames of a clip, scaled and played to and fro until there are enough; synthetic ones without a clip."""
    return _synthetic(count, width, height) if source is None else _from_clip(source, count, width, height)


def write_pngs(frames: Frames, directory: Path) -> None:
    """Write ``frame-000000.png`` and so on, compressed as little as LeRobot does (level 1)."""
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


def _synthetic(count: int, width: int, height: int) -> Frames:
    """A textured table under a swaying camera, three textured things that move over it, and sensor noise.

    The noise matters most: without it an encoder has nothing to do for most blocks.
    """
    random = np.random.default_rng(7)
    margin = 64
    table = _texture(random, height + 2 * margin, width + 2 * margin)
    things = [_texture(random, height // part, width // part) for part in (4, 5, 7)]
    noise = [random.normal(0, 2.5, (height, width, 3)).astype(np.int16) for _ in range(4)]
    frames = np.empty((count, height, width, 3), np.uint8)
    for number in range(count):
        top, left = (int(margin + margin * 0.9 * np.sin(number / 23 + phase)) for phase in (0.0, 1.3))
        picture = table[top : top + height, left : left + width].astype(np.int16)
        for which, thing in enumerate(things):
            picture = _put(picture, thing, number, which)
        picture += np.roll(noise[number % 4], tuple(random.integers(0, height, 2)), axis=(0, 1))
        picture += int(2 * np.sin(number / 9))  # the flicker of a lamp
        frames[number] = picture.clip(0, 255)
    return frames


def _put(picture: npt.NDArray[np.int16], thing: Frames, number: int, which: int) -> npt.NDArray[np.int16]:
    height, width = thing.shape[:2]
    room_y, room_x = picture.shape[0] - height, picture.shape[1] - width
    y = int(room_y * (0.5 + 0.5 * np.sin(number / (11 + 7 * which) + which)))
    x = int(room_x * (0.5 + 0.5 * np.cos(number / (17 + 5 * which))))
    picture[y : y + height, x : x + width] = thing
    return picture


def _texture(random: np.random.Generator, height: int, width: int) -> Frames:
    """Random detail at every scale, weaker the finer it is."""
    total = np.zeros((height, width, 3), np.float32)
    for cells, strength in _octaves():
        coarse = random.integers(0, 256, (cells * height // width + 1, cells, 3), np.uint8)
        scaled = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        total += strength * np.asarray(scaled, np.float32)
    low, high = total.min(), total.max()
    scaled_up: Frames = ((total - low) * (235 / (high - low)) + 10).astype(np.uint8)
    return scaled_up


def _octaves() -> Sequence[tuple[int, float]]:
    return [(4, 1.0), (12, 0.6), (40, 0.3), (130, 0.12), (400, 0.05)]
