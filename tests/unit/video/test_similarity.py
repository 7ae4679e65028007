"""Which decoded frames count as the frames that were sent."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ffenc.frames import LAYOUTS, FrameFormat
from ffenc.video.similarity import find_wrong_frame, psnr_db
from ffenc.video.trial import TrialScene

SIZE = FrameFormat(width=160, height=128)
SENT = [TrialScene(SIZE).frame(number) for number in range(5)]


def fault(shown: np.ndarray, *, number: int = 2, lowest_db: float = 5.0, is_key_frame: bool = True) -> str | None:
    return find_wrong_frame(SENT, shown, number, largest=255, lowest_db=lowest_db, is_key_frame=is_key_frame)


def test_psnr_of_equal_frames_is_infinite_and_of_a_known_error_exact() -> None:
    assert psnr_db(SENT[0], SENT[0], largest=255) == math.inf
    assert psnr_db(np.zeros((8, 8), np.uint8), np.full((8, 8), 255, np.uint8), largest=255) == 0
    assert psnr_db(np.zeros((8, 8), np.uint16), np.full((8, 8), 409.5, np.float32), largest=4095) == pytest.approx(20)


def test_the_right_frame_passes_with_noise() -> None:
    noise = np.random.default_rng(1).normal(0, 25, SENT[2].shape)
    assert fault((SENT[2] + noise).clip(0, 255).astype(np.uint8)) is None


@pytest.mark.parametrize(
    ("shown", "what"),
    [
        (SENT[1], "frame 1"),
        (SENT[3], "frame 3"),
        (np.roll(SENT[2], 1, axis=0), "a shifted frame"),
        (np.roll(SENT[2], 8, axis=0), "a shifted frame"),
        (np.roll(SENT[2], -2, axis=1), "a shifted frame"),
        (np.full_like(SENT[2], 128), "a single colour"),
        (np.full_like(SENT[2], (0, 135, 0)), "a single colour"),
    ],
    ids=["previous", "next", "1 down", "8 down", "2 left", "grey", "green"],
)
def test_wrong_frame_is_named_even_at_low_quality(shown: np.ndarray, what: str) -> None:
    wrong = fault(shown)
    assert wrong is not None
    assert f"frame 2 shows {what}" in wrong


@pytest.mark.parametrize(
    "shown",
    [np.ascontiguousarray(SENT[2][::-1]), np.ascontiguousarray(SENT[2][:, ::-1]), SENT[2][..., ::-1], 255 - SENT[2]],
    ids=["upside down", "mirrored", "red and blue swapped", "negative"],
)
def test_rotated_or_recoloured_frame_is_below_the_lowest_psnr(shown: np.ndarray) -> None:
    assert fault(shown, lowest_db=21.0) is not None


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(2, 2), (16, 64), (64, 64), (641, 481)])
def test_the_scene_moves_in_every_format_and_size(layout: str, size: tuple[int, int]) -> None:
    form = FrameFormat(width=size[0], height=size[1], layout=layout)
    scene = TrialScene(form)
    frames = [scene.frame(number) for number in range(3)]
    for frame in frames:
        form.bytes_of(frame)
    if min(size) >= 16:
        assert psnr_db(frames[0], frames[1], largest=form.largest_sample) < 20
