from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from ffenc.bench.images import scaled
from ffenc.bench.synthetic import SYNTHETIC, _scaled
from ffenc.frames import FrameFormat


@pytest.mark.parametrize("name", SYNTHETIC)
def test_footage_is_the_same_every_time_and_moves(name):
    layout, make = SYNTHETIC[name]
    first, again = (np.stack(list(make(3, 64, 48))) for _ in range(2))
    assert np.array_equal(first, again)
    form = FrameFormat.of(first[0], layout)
    assert (form.width, form.height) == (64, 48)
    assert all(np.any(a != b) for a, b in pairwise(first))


def test_depth_is_in_millimetres_of_a_room():
    (depth,) = SYNTHETIC["depth_ramp"][1](1, 64, 48)
    assert depth.min() > 250
    assert depth.max() < 7000


@pytest.mark.parametrize(("width", "height"), [(64, 48), (768, 608)])
@pytest.mark.parametrize("cells", [4, 40, 400])
def test_texture_is_scaled_as_pillow_does(width, height, cells):
    shape = (cells * height // width + 1, cells, 3)
    coarse = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert np.array_equal(_scaled(coarse, width, height), scaled(coarse, (width, height)))
