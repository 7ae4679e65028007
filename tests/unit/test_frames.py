"""Frames must have the declared shape and dtype."""

from __future__ import annotations

import numpy as np
import pytest

from ffenc.errors import FrameError
from ffenc.frames import LAYOUTS, FrameFormat

LAYOUT_TABLE = {
    "rgb": ("rgb24", (4, 6, 3), "u1", 72),
    "bgr": ("bgr24", (4, 6, 3), "u1", 72),
    "rgba": ("rgba", (4, 6, 4), "u1", 96),
    "bgra": ("bgra", (4, 6, 4), "u1", 96),
    "gray": ("gray", (4, 6), "u1", 24),
    "gray12": ("gray12le", (4, 6), "<u2", 48),
    "gray16": ("gray16le", (4, 6), "<u2", 48),
}


def test_table_lists_every_layout():
    assert set(LAYOUT_TABLE) == set(LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUT_TABLE)
def test_layout_defines_shape_dtype_and_pixel_format(layout):
    pix_fmt, shape, dtype, size_bytes = LAYOUT_TABLE[layout]
    form = FrameFormat(width=6, height=4, layout=layout)
    assert (form.pix_fmt, form.shape, form.dtype, form.frame_size_bytes) == (
        pix_fmt,
        shape,
        np.dtype(dtype),
        size_bytes,
    )
    frame = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    assert bytes(form.bytes_of(frame)) == frame.tobytes()
    assert FrameFormat.of(frame, layout) == form


def test_sample_above_12_bits_is_refused():
    form = FrameFormat(width=2, height=1, layout="gray12")
    assert form.largest_sample == 4095
    form.bytes_of(np.array([[0, 4095]], np.uint16))
    with pytest.raises(FrameError, match="a sample of 4096") as caught:
        form.bytes_of(np.array([[0, 4096]], np.uint16))
    assert "quantize_depth" in str(caught.value)


def test_contiguous_frame_is_not_copied():
    frame = np.zeros((4, 6, 3), np.uint8)
    data = FrameFormat(width=6, height=4).bytes_of(frame)
    frame[0, 0, 0] = 7
    assert data[0] == 7
    assert data.format == "B"
    assert data.ndim == 1


@pytest.mark.parametrize(
    "view",
    [
        lambda wide: wide[:, ::2],
        lambda wide: wide[:, :6],
        lambda wide: wide[::-1, :6],
        lambda wide: np.asfortranarray(wide[:, :6]),
        lambda wide: wide[:, :6, ::-1],
    ],
    ids=["every other column", "cropped", "upside down", "Fortran order", "channels reversed"],
)
def test_bytes_of_a_view_are_its_visible_values(view):
    shown = view(np.arange(4 * 12 * 3, dtype=np.uint8).reshape(4, 12, 3))
    data = FrameFormat(width=6, height=4).bytes_of(shown)
    assert bytes(data) == bytes(shown.flatten())


def test_read_only_frame_is_accepted():
    frame = np.zeros((4, 6, 3), np.uint8)
    frame.flags.writeable = False
    assert len(FrameFormat(width=6, height=4).bytes_of(frame)) == 72


def test_16_bit_samples_are_little_endian():
    form = FrameFormat(width=2, height=1, layout="gray16")
    assert bytes(form.bytes_of(np.array([[1, 0x0203]], "<u2"))) == b"\x01\x00\x03\x02"
    with pytest.raises(FrameError):
        form.bytes_of(np.array([[1, 0x0203]], ">u2"))


WRONG = {
    "height and width swapped": (np.zeros((6, 4, 3), np.uint8), ""),
    "channels first": (np.zeros((3, 4, 6), np.uint8), "transpose(1, 2, 0)"),
    "no channels": (np.zeros((4, 6), np.uint8), "layout='gray'"),
    "with alpha": (np.zeros((4, 6, 4), np.uint8), "layout='rgba'"),
    "sixteen-bit gray": (np.zeros((4, 6), np.uint16), "layout='gray16'"),
    "floats": (np.zeros((4, 6, 3), np.float32), ".astype(np.uint8)"),
    "floats, channels first": (np.zeros((3, 4, 6), np.float64), ".astype(np.uint8)"),
    "signed": (np.zeros((4, 6, 3), np.int8), ""),
    "booleans": (np.zeros((4, 6, 3), bool), ""),
    "wider integers": (np.zeros((4, 6, 3), np.int64), ""),
    "a batch": (np.zeros((1, 4, 6, 3), np.uint8), ""),
    "empty": (np.zeros((0, 6, 3), np.uint8), ""),
    "a list": ([[[0, 0, 0]] * 6] * 4, "numpy array"),
    "bytes": (b"\0" * 72, "numpy array"),
    "nothing": (None, "numpy array"),
}


@pytest.mark.parametrize("name", WRONG)
def test_error_for_a_wrong_frame_suggests_a_fix(name):
    frame, advice = WRONG[name]
    with pytest.raises(FrameError) as caught:
        FrameFormat(width=6, height=4).bytes_of(frame)
    assert caught.value.expected == "(4, 6, 3) uint8 (rgb)"
    assert caught.value.seen in str(caught.value)
    assert advice in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("name", sorted(WRONG.keys() - {"height and width swapped"}))
def test_first_frame_of_the_wrong_kind_is_refused(name):
    with pytest.raises(FrameError, match="expected"):
        FrameFormat.of(WRONG[name][0])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"width": 0, "height": 4}, "width"),
        ({"width": 6, "height": -4}, "height"),
        ({"width": 6.0, "height": 4}, "width"),
        ({"width": True, "height": 4}, "width"),
        ({"width": "6", "height": 4}, "width"),
        ({"width": 6, "height": 4, "layout": "chw"}, "rgb, bgr"),
        ({"width": 6, "height": 4, "layout": "rgb24"}, "rgb, bgr"),
    ],
)
def test_invalid_format_is_refused(values, said):
    with pytest.raises(ValueError, match=said):
        FrameFormat(**values)


def test_unknown_layout_of_a_first_frame_is_refused():
    with pytest.raises(ValueError, match="rgb, bgr"):
        FrameFormat.of(np.zeros((4, 6, 3), np.uint8), "yuv")


LATER = {
    "transposed": ((6, 4, 3), "u1", "Frame 17 is 4x6, the earlier ones are 6x4: it looks transposed"),
    "larger": ((8, 12, 3), "u1", "Frame 17 is 12x8, the earlier ones are 6x4; all frames of a video have one size"),
    "square": ((4, 4, 3), "u1", "Frame 17 is 4x4, the earlier ones are 6x4; all frames of a video have one size"),
    "channels first": ((3, 4, 6), "u1", "Frame 17 looks like channels first: frame.transpose(1, 2, 0)"),
    "channels first, larger": ((3, 8, 12), "u1", "looks like channels first (12x8; the earlier ones are 6x4)"),
    "grey": ((4, 6), "u1", "Frame 17 has no channel axis, the earlier ones have 3 channels"),
    "alpha": ((4, 6, 4), "u1", "Frame 17 has 4 channels, the earlier ones have 3 channels"),
    "batch": ((1, 4, 6, 3), "u1", "batch axis: frame[0]"),
    "two of a batch": ((2, 4, 6, 3), "u1", "Frame 17 has 4 axes"),
    "floats": ((4, 6, 3), "f4", "Scale floats first"),
    "truth values": ((4, 6, 3), "?", "Scale booleans first"),
    "sixteen bits": ((4, 6, 3), "u2", "Convert it to uint8 first"),
}


@pytest.mark.parametrize("name", LATER)
def test_error_for_a_later_frame_explains_the_difference(name):
    shape, dtype, message = LATER[name]
    with pytest.raises(FrameError) as caught:
        FrameFormat(width=6, height=4).bytes_of(np.zeros(shape, dtype), number=17)
    assert message in str(caught.value)
    assert "layout='" not in str(caught.value)


def test_first_frame_is_compared_with_the_declared_size():
    with pytest.raises(FrameError, match="Frame 0 is 4x6, the declared size is 6x4: it looks transposed"):
        FrameFormat(width=6, height=4).bytes_of(np.zeros((6, 4, 3), np.uint8), number=0)
