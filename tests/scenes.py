"""Generate frames with gradients, texture and motion to encode, the same in every run."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def moving_scene(count: int, *, width: int = 128, height: int = 96, seed: int = 1) -> list[npt.NDArray[np.uint8]]:
    """``count`` frames ``(height, width, 3)`` of a coloured gradient under a grey texture that moves, with a little noise.

    Colours change slowly, so that what shared chroma samples lose does not hide what an encoder loses.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([x * 180 / width + 30, y * 180 / height + 30, (x + y) * 90 / (width + height) + 60], axis=-1)
    coarse = rng.normal(0, 28, (height // 4 + 1, width // 4 + 1, 1)).repeat(4, 0).repeat(4, 1)[:height, :width]
    frames = []
    for number in range(count):
        moved = np.roll(coarse, (number, 3 * number), axis=(0, 1))
        frame = base + moved + rng.normal(0, 2, (height, width, 1))
        frames.append(frame.clip(0, 255).astype(np.uint8))
    return frames
