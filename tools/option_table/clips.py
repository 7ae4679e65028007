"""Short deterministic raw clips, each with the content that some options need to act."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A raw rgb24 clip.

    Attributes:
        width, height: in pixels.
        count: number of frames.
        draw: function that yields the frames.
    """

    width: int
    height: int
    count: int
    draw: Callable[[Clip], Iterator[Frame]]

    def save(self, path: Path) -> None:
        """Write all frames to a raw file."""
        with path.open("wb") as file:
            for frame in self.draw(self):
                file.write(frame.tobytes())


def _camera(clip: Clip) -> Iterator[Frame]:
    """Draw a texture that moves over a gradient, with a still corner, noise, fades, and a scene cut in the middle."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0 : clip.height, 0 : clip.width]
    base = np.stack([x * 180 / clip.width + 30, y * 180 / clip.height + 30, (x + y) * 0.4 + 60], axis=-1)
    shape = (clip.height // 4 + 1, clip.width // 4 + 1, 1)
    textures = [rng.normal(0, 28, shape).repeat(4, 0).repeat(4, 1)[: clip.height, : clip.width] for _ in range(2)]
    for number in range(clip.count):
        second = number >= clip.count // 2
        moved = np.roll(textures[second], (number, 3 * number), axis=(0, 1))
        moved[: clip.height // 3, : clip.width // 3] = 0
        light = 1 - 0.04 * (number % 6)
        frame = (255 - base if second else base) * light + moved + rng.normal(0, 2, (clip.height, clip.width, 1))
        yield frame.clip(0, 255).astype(np.uint8)


def _screen(clip: Clip) -> Iterator[Frame]:
    """Draw scrolling sharp glyphs in two colours on a flat background, as on a screen."""
    rng = np.random.default_rng(2)
    glyphs = rng.integers(0, 2, (clip.height // 2, clip.width // 2, 1)).repeat(2, 0).repeat(2, 1)
    glyphs[:, : clip.width // 4] = 0
    glyphs[::8] = 0
    colours = np.array([[250, 250, 245], [20, 20, 40]])
    for number in range(clip.count):
        yield colours[np.roll(glyphs, 2 * number, axis=0)[:, :, 0]].astype(np.uint8)


CLIPS = {
    "camera": Clip(width=96, height=64, count=14, draw=_camera),
    "long": Clip(width=64, height=64, count=40, draw=_camera),
    "screen": Clip(width=96, height=64, count=8, draw=_screen),
    "large": Clip(width=544, height=272, count=3, draw=_camera),
    "hd": Clip(width=1280, height=720, count=2, draw=_camera),
    "tall": Clip(width=128, height=544, count=3, draw=_camera),
}
"""Clips by the name that contexts use."""
