"""Frame formats and frame rates: exact, or refused."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ffenc.errors import FrameError
from ffenc.frame_rate import MAX_FRAME_RATE, parse_frame_rate
from ffenc.frames import LAYOUTS, FrameFormat
from tests.strategies import FORMATS, RATES


@given(FORMATS, st.data())
def test_a_frame_that_fits_goes_out_byte_by_byte(form: FrameFormat, data: st.DataObject) -> None:
    samples = st.integers(0, form.largest_sample)
    frame = data.draw(arrays.arrays(form.dtype, form.shape, elements=samples))
    sent = form.bytes_of(frame)
    assert len(sent) == form.frame_size_bytes
    assert bytes(sent) == frame.tobytes()
    assert FrameFormat.of(frame, form.layout) == form


@given(
    FORMATS,
    arrays.arrays(
        st.sampled_from(["u1", "<u2", ">u2", "i1", "i8", "f4", "f8", "?"]),
        arrays.array_shapes(min_dims=0, max_dims=4, max_side=6),
    ),
)
def test_any_other_array_is_refused(form: FrameFormat, frame: np.ndarray) -> None:
    if frame.shape == form.shape and frame.dtype == form.dtype and frame.max() <= form.largest_sample:
        assert len(form.bytes_of(frame)) == form.frame_size_bytes
    else:
        with pytest.raises(FrameError):
            form.bytes_of(frame)


@given(
    arrays.arrays(st.sampled_from(["u1", "<u2", "f4"]), arrays.array_shapes(max_dims=4, max_side=6)),
    st.sampled_from(sorted(LAYOUTS)),
)
def test_a_first_frame_is_a_frame_of_its_format_or_refused(frame: np.ndarray, layout: str) -> None:
    try:
        form = FrameFormat.of(frame, layout)
    except FrameError:
        return
    assert form.shape == frame.shape
    assert form.layout == layout


@given(RATES)
def test_a_rate_comes_back_from_every_way_to_write_it(rate: Fraction) -> None:
    assert parse_frame_rate(rate) == rate
    assert parse_frame_rate(f"{rate.numerator}/{rate.denominator}") == rate
    assert parse_frame_rate(f"{rate.numerator}:{rate.denominator}") == rate
    assert parse_frame_rate(str(rate)) == rate


@given(st.floats() | st.decimals() | st.complex_numbers() | st.text(max_size=12) | st.binary(max_size=4) | st.none())
def test_anything_else_is_a_value_error_or_an_exact_rate(given_rate: object) -> None:
    try:
        rate = parse_frame_rate(given_rate)  # type: ignore[arg-type]
    except ValueError:
        return
    assert not isinstance(given_rate, float)
    assert type(rate) is Fraction
    assert 0 < rate <= MAX_FRAME_RATE
