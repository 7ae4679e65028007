"""One shape and dtype per video; nothing is guessed, nothing converted."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from ffenc.errors import FrameError
from ffenc.frame_rate import parse_frame_rate, plain_frame_rate, whole_frame_rate
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


def test_every_layout_is_in_the_table_of_this_test():
    assert set(LAYOUT_TABLE) == set(LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUT_TABLE)
def test_a_layout_is_one_shape_one_dtype_and_one_raw_format(layout):
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


def test_a_sample_that_is_no_12_bit_code_is_refused():
    form = FrameFormat(width=2, height=1, layout="gray12")
    assert form.largest_sample == 4095
    form.bytes_of(np.array([[0, 4095]], np.uint16))
    with pytest.raises(FrameError, match="a sample of 4096") as caught:
        form.bytes_of(np.array([[0, 4096]], np.uint16))
    assert "quantize_depth" in str(caught.value)


def test_a_contiguous_frame_is_handed_on_without_a_copy():
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
def test_a_view_is_sent_as_what_it_shows(view):
    shown = view(np.arange(4 * 12 * 3, dtype=np.uint8).reshape(4, 12, 3))
    data = FrameFormat(width=6, height=4).bytes_of(shown)
    assert bytes(data) == bytes(shown.flatten())


def test_a_read_only_frame_is_accepted():
    frame = np.zeros((4, 6, 3), np.uint8)
    frame.flags.writeable = False
    assert len(FrameFormat(width=6, height=4).bytes_of(frame)) == 72


def test_sixteen_bits_go_out_in_little_endian_order():
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
def test_a_frame_that_is_not_the_declared_one_is_refused_with_a_way_out(name):
    frame, advice = WRONG[name]
    with pytest.raises(FrameError) as caught:
        FrameFormat(width=6, height=4).bytes_of(frame)
    assert caught.value.expected == "(4, 6, 3) uint8 (rgb)"
    assert caught.value.seen in str(caught.value)
    assert advice in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("name", sorted(WRONG.keys() - {"height and width swapped"}))
def test_a_first_frame_of_another_kind_does_not_decide_the_format(name):
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
def test_a_format_that_cannot_be_is_refused(values, said):
    with pytest.raises(ValueError, match=said):
        FrameFormat(**values)


def test_an_unknown_layout_of_a_first_frame_is_refused():
    with pytest.raises(ValueError, match="rgb, bgr"):
        FrameFormat.of(np.zeros((4, 6, 3), np.uint8), "yuv")


@pytest.mark.parametrize(
    ("given", "exact"),
    [
        (30, Fraction(30)),
        ("30", Fraction(30)),
        (Fraction(30000, 1001), Fraction(30000, 1001)),
        ("30000/1001", Fraction(30000, 1001)),
        ("30000:1001", Fraction(30000, 1001)),
        ("1/3", Fraction(1, 3)),
        (1000, Fraction(1000)),
        (np.int64(15), Fraction(15)),
        (np.uint8(15), Fraction(15)),
        (15.0, Fraction(15)),
        (np.float32(30), Fraction(30)),
        (np.float64(30), Fraction(30)),
        (Decimal("15.0"), Fraction(15)),
        ("15.0", Fraction(15)),
        ("15.", Fraction(15)),
        (" 15 ", Fraction(15)),
    ],
    ids=repr,
)
def test_a_frame_rate_is_exact(given, exact):
    rate = parse_frame_rate(given)
    assert rate == exact
    assert type(rate) is Fraction


@pytest.mark.parametrize(
    "given",
    [
        29.97, 7.5, Decimal("29.97"), np.float32(29.97), float("nan"), float("inf"), -30.0, 1e9, 0.0, True, np.True_, "29.97", "30.0.0",
        Decimal("NaN"), Decimal("Infinity"), 30j, "3e1", "3E1", "", " ", "thirty", "1/0", "30/1/1", "ntsc",
        None, [30], 0, -30, "0", "-30", "0/1", 1001, "1001", Fraction(1_000_001, 1000), "inf", "nan", "30\n-y",
    ],
    ids=repr,
)  # fmt: skip
def test_a_frame_rate_that_is_not_exact_or_not_possible_is_refused(given):
    with pytest.raises(ValueError, match="frame rate"):
        parse_frame_rate(given)


@pytest.mark.parametrize(
    ("given", "suggested"),
    [
        (29.97, "30000/1001"),
        (30000 / 1001, "30000/1001"),
        (np.float32(29.97), "30000/1001"),
        ("29.97", "30000/1001"),
        (Decimal("29.97"), "30000/1001"),
        (23.976, "24000/1001"),
        (23.98, "24000/1001"),
        (59.94, "60000/1001"),
        (119.88, "120000/1001"),
        (12.5, "25/2"),
        (7.5, "15/2"),
        (1 / 3, "1/3"),
        (14.99, "15000/1001"),
    ],
)
def test_an_inexact_decimal_is_refused_with_the_fraction_that_may_be_meant(given, suggested):
    with pytest.raises(ValueError, match=f"use '{suggested}' if that is the intended rate"):
        parse_frame_rate(given)
    assert parse_frame_rate(suggested)


@pytest.mark.parametrize("given", [30, 30.0, "30", np.float32(30), Fraction(30)], ids=repr)
def test_the_rate_of_a_dataset_is_whole(given):
    assert whole_frame_rate(given) == 30
    assert type(whole_frame_rate(given)) is int


def test_a_fraction_cannot_be_the_rate_of_a_dataset():
    with pytest.raises(ValueError, match="must be a whole number here, for example 30"):
        whole_frame_rate("30000/1001")


@pytest.mark.parametrize(
    ("given", "stored"), [(30, 30), (30.0, 30), ("30", "30"), ("30000/1001", "30000/1001"), (Fraction(25, 2), "25/2")]
)
def test_the_rate_in_a_document(given, stored):
    assert plain_frame_rate(given) == stored


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
def test_a_later_frame_that_differs_is_told_how(name):
    shape, dtype, message = LATER[name]
    with pytest.raises(FrameError) as caught:
        FrameFormat(width=6, height=4).bytes_of(np.zeros(shape, dtype), number=17)
    assert message in str(caught.value)
    assert "layout='" not in str(caught.value)


def test_a_first_frame_is_compared_with_the_declared_size():
    with pytest.raises(FrameError, match="Frame 0 is 4x6, the declared size is 6x4: it looks transposed"):
        FrameFormat(width=6, height=4).bytes_of(np.zeros((6, 4, 3), np.uint8), number=0)
