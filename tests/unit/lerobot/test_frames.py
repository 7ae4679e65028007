"""Test the conversion of LeRobot's frames to ffenc's, and the refusal of ambiguous shapes."""

from __future__ import annotations

import numpy as np
import pytest

from ffenc.errors import FrameError
from ffenc.lerobot.streaming import depth_frame, rgb_frame

RGB = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


@pytest.mark.parametrize(
    "image",
    [
        RGB,
        RGB.transpose(2, 0, 1),
        RGB / 255,
        (RGB / 255).astype(np.float32).transpose(2, 0, 1),
        (RGB / np.float16(255)),
    ],
    ids=["hwc", "chw", "float64", "float32 chw", "float16"],
)
def test_rgb_frame_is_converted(image: np.ndarray) -> None:
    assert np.array_equal(rgb_frame(image, "a"), RGB)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (RGB / 60, "with values from 0 to"),
        (RGB / 255 - 0.1, "with values from -0.1"),
        (np.full((4, 6, 3), np.nan), "floats from 0 to 1"),
        (RGB.astype(np.int64), "uint8, or floats"),
        (np.zeros((3, 6, 3), np.uint8), "this shape fits both"),
        (np.zeros((4, 6), np.uint8), r"\(H, W, C\) or"),
        ([[1]], "a list"),
    ],
)
def test_invalid_rgb_frame_is_refused(image: object, message: str) -> None:
    with pytest.raises(FrameError, match=f"camera 'a' got .*{message}"):
        rgb_frame(image, "a")  # type: ignore[arg-type]


DEPTH = np.arange(24, dtype=np.uint16).reshape(4, 6)


@pytest.mark.parametrize(
    "image", [DEPTH, DEPTH[:, :, None], DEPTH[None], DEPTH.astype(np.int32), DEPTH.astype(np.uint8)]
)
def test_depth_in_millimetres(image: np.ndarray) -> None:
    seen = depth_frame(image, "a")
    assert seen.dtype == np.uint16
    assert np.array_equal(seen, DEPTH)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_depth_in_metres(dtype: type) -> None:
    seen = depth_frame((DEPTH / 8).astype(dtype)[None], "a")
    assert seen.dtype == np.float32
    assert np.array_equal(seen, DEPTH / 8)


@pytest.mark.parametrize(
    "image", [np.full((4, 6), -1), np.full((4, 6), 65536), np.zeros((4, 6), bool), np.zeros((4, 6, 3), np.uint16)]
)
def test_invalid_depth_frame_is_refused(image: np.ndarray) -> None:
    with pytest.raises(FrameError, match="camera 'a' got"):
        depth_frame(image, "a")
