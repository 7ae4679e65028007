"""Synthetic footage: the same frames in every run and on every machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
"""``(height, width, 3)`` RGB, or several frames on a first axis."""

_SEED = 7
_ONE = 1 << 22  # weights of pixels are multiples of 1/_ONE


def moving_texture(count: int, width: int, height: int) -> Iterator[Frames]:
    """Yield a textured table under a swaying camera, three moving textured objects, and sensor noise.

    The noise matters most: without it most blocks cost an encoder nothing.
    """
    random = np.random.default_rng(_SEED)
    margin = 64
    table = _texture(random, height + 2 * margin, width + 2 * margin)
    objects = [_texture(random, max(1, height // part), max(1, width // part)) for part in (4, 5, 7)]
    noise = [random.normal(0, 2.5, (height, width, 3)).astype(np.int16) for _ in range(4)]
    for number in range(count):
        top, left = (int(margin + margin * 0.9 * np.sin(number / 23 + phase)) for phase in (0.0, 1.3))
        frame = table[top : top + height, left : left + width].astype(np.int16)
        for which, obj in enumerate(objects):
            _put(frame, obj, number, which)
        frame += np.roll(noise[number % 4], tuple(random.integers(0, height, 2)), axis=(0, 1))
        frame += int(2 * np.sin(number / 9))  # flicker of a lamp
        yield frame.clip(0, 255).astype(np.uint8)


def sensor_noise(count: int, width: int, height: int) -> Iterator[Frames]:
    """Yield a grey wall in weak light under a static camera: only the noise changes."""
    random = np.random.default_rng(_SEED)
    wall = np.linspace(40, 90, width, dtype=np.float32)[None, :, None]
    for _ in range(count):
        yield (wall + random.normal(0, 6, (height, width, 3)).astype(np.float32)).clip(0, 255).astype(np.uint8)


def pattern(count: int, width: int, height: int) -> Iterator[Frames]:
    """Yield colour bars over a ramp with a moving bright square: sharp edges, strong colours, no noise."""
    colours = np.array(
        [(235, 235, 235), (235, 235, 16), (16, 235, 235), (16, 235, 16), (235, 16, 235), (235, 16, 16), (16, 16, 235)],
        np.uint8,
    )
    bars = colours[np.arange(width) * len(colours) // width]
    ramp = np.linspace(0, 255, width).astype(np.uint8)[:, None].repeat(3, axis=1)
    still = np.empty((height, width, 3), np.uint8)
    still[: height * 2 // 3], still[height * 2 // 3 :] = bars, ramp
    side = max(1, height // 6)
    for number in range(count):
        frame = still.copy()
        x = number * 5 % max(1, width - side)
        y = int((height - side) * (0.5 + 0.5 * np.sin(number / 15)))
        frame[y : y + side, x : x + side] = 255 - frame[y : y + side, x : x + side]
        yield frame


def depth_ramp(count: int, width: int, height: int) -> Iterator[npt.NDArray[np.uint16]]:
    """Yield depth in millimetres: a floor from 0.3 m to 6 m, a moving box, and noise that grows with distance."""
    random = np.random.default_rng(_SEED)
    floor = np.linspace(6000, 300, height)[:, None].repeat(width, axis=1)
    for number in range(count):
        depth = floor.copy()
        distance = 700 + 400 * np.sin(number / 20)
        depth[height // 3 : height * 2 // 3, width // 3 : width * 2 // 3] = distance
        depth += random.normal(0, 1, depth.shape) * depth * 0.002
        yield depth.clip(1, 65535).round().astype(np.uint16)


SYNTHETIC: Mapping[str, tuple[str, Callable[[int, int, int], Iterator[npt.NDArray[Any]]]]] = {
    "test_pattern": ("rgb", pattern),
    "moving_texture": ("rgb", moving_texture),
    "sensor_noise": ("rgb", sensor_noise),
    "depth_ramp": ("gray16", depth_ramp),
}
"""Sources by name: their layout, and a function of (count, width, height)."""


def _put(frame: npt.NDArray[np.int16], obj: Frames, number: int, which: int) -> None:
    height, width = obj.shape[:2]
    room_y, room_x = frame.shape[0] - height, frame.shape[1] - width
    y = int(room_y * (0.5 + 0.5 * np.sin(number / (11 + 7 * which) + which)))
    x = int(room_x * (0.5 + 0.5 * np.cos(number / (17 + 5 * which))))
    frame[y : y + height, x : x + width] = obj


def _texture(random: np.random.Generator, height: int, width: int) -> Frames:
    """Return random detail at several scales, weaker at finer scales."""
    total = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((4, 1.0), (12, 0.6), (40, 0.3), (130, 0.12), (400, 0.05)):
        coarse = random.integers(0, 256, (cells * height // width + 1, cells, 3), np.uint8)
        total += strength * _scaled(coarse, width, height)
    low, high = total.min(), total.max()
    scaled_up: Frames = ((total - low) * (235 / (high - low)) + 10).astype(np.uint8)
    return scaled_up


def _scaled(frame: Frames, width: int, height: int) -> npt.NDArray[np.float32]:
    """Scale a frame with a cubic kernel, as Pillow does to the bit; the core packages include no Pillow."""
    wide = np.einsum("xc,rcs->rxs", _cubic_weights(frame.shape[1], width), frame.astype(float), optimize=True)
    full = np.einsum("yr,rxs->yxs", _cubic_weights(frame.shape[0], height), _pixels(wide), optimize=True)
    return _pixels(full).astype(np.float32)


def _pixels(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.floor(sums / _ONE + 0.5).clip(0, 255)


def _cubic_weights(size: int, new_size: int) -> npt.NDArray[np.float64]:
    """Return the matrix that scales one axis, in whole multiples of 1/`_ONE`: sums of them are exact in any order."""
    scale = size / new_size
    far = np.abs(np.arange(size) + 0.5 - (np.arange(new_size)[:, None] + 0.5) * scale) / max(scale, 1)
    inner, outer = (1.5 * far - 2.5) * far**2 + 1, ((2.5 - 0.5 * far) * far - 4) * far + 2
    weights = np.where(far < 1, inner, np.where(far < 2, outer, 0))
    multiples: npt.NDArray[np.float64] = np.rint(weights / weights.sum(axis=1, keepdims=True) * _ONE)
    return multiples
