"""What a frame is: the one place where array shape and dtype meet FFmpeg's raw pixel formats."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from numbers import Rational, Real
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ffenc.errors import FrameError

FrameRate: TypeAlias = int | float | Fraction | Decimal | str
"""A frame rate as people give it: ``30``, ``30.0``, ``Fraction(30000, 1001)`` or ``"30000/1001"``.  A decimal must be whole:
29.97 is 2997/100 and not the 30000/1001 that was meant."""

MAX_FRAME_RATE = 1000
"""Frames per second; MP4 time bases beyond this are not exact in every FFmpeg build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the samples of one pixel lie in an array.

    Attributes:
        pix_fmt: FFmpeg's name for these bytes.
        channels: samples per pixel; 1 means the array has no channel axis.
        dtype: numpy dtype name, little-endian.
        largest: largest sample, where that is less than the dtype can hold.
    """

    pix_fmt: str
    channels: int
    dtype: str
    largest: int | None = None


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "rgb": Layout(pix_fmt="rgb24", channels=3, dtype="uint8"),
        "bgr": Layout(pix_fmt="bgr24", channels=3, dtype="uint8"),
        "rgba": Layout(pix_fmt="rgba", channels=4, dtype="uint8"),
        "bgra": Layout(pix_fmt="bgra", channels=4, dtype="uint8"),
        "gray": Layout(pix_fmt="gray", channels=1, dtype="uint8"),
        "gray12": Layout(pix_fmt="gray12le", channels=1, dtype="uint16", largest=4095),
        "gray16": Layout(pix_fmt="gray16le", channels=1, dtype="uint16"),
    }
)
"""Declared layouts by name.  ``rgb`` is the default everywhere; ``bgr`` is what OpenCV hands out; ``gray12`` holds the
codes of `ffenc.depth`."""

_DTYPES: Mapping[str, np.dtype[Any]] = {
    name: np.dtype(layout.dtype).newbyteorder("<") for name, layout in LAYOUTS.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFormat:
    """The one shape and dtype every frame of a video has.

    Attributes:
        width: pixels per row.
        height: rows.
        layout: a key of `LAYOUTS`.
    """

    width: int
    height: int
    layout: str = "rgb"

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout {self.layout!r} is not known; use one of {', '.join(LAYOUTS)}")
        for side, value in (("width", self.width), ("height", self.height)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{side} must be a whole number of at least 1 pixel, got {value!r}")

    @property
    def pix_fmt(self) -> str:
        """FFmpeg's name of the raw pixel format."""
        return LAYOUTS[self.layout].pix_fmt

    @property
    def dtype(self) -> np.dtype[Any]:
        """dtype of every frame, in little-endian byte order."""
        return _DTYPES[self.layout]

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)`` or ``(height, width, channels)``."""
        channels = LAYOUTS[self.layout].channels
        return (self.height, self.width) if channels == 1 else (self.height, self.width, channels)

    @property
    def largest_sample(self) -> int:
        """The largest value a sample can have."""
        return LAYOUTS[self.layout].largest or int(np.iinfo(self.dtype).max)

    @property
    def frame_size_bytes(self) -> int:
        """Bytes of one raw frame."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.shape} {self.dtype.name} ({self.layout})"

    @classmethod
    def of(cls, frame: npt.NDArray[Any], layout: str = "rgb") -> FrameFormat:
        """Take the size from a first frame; the layout is declared, never guessed.

        Args:
            frame: ``(H, W)`` or ``(H, W, C)`` array, as ``layout`` says.
            layout: a key of `LAYOUTS`.

        Raises:
            FrameError: the array cannot be a frame of this layout.
        """
        if layout not in LAYOUTS:
            raise ValueError(f"layout {layout!r} is not known; use one of {', '.join(LAYOUTS)}")
        wanted = LAYOUTS[layout]
        axes = 2 if wanted.channels == 1 else 3
        expected = ("(H, W)" if axes == 2 else f"(H, W, {wanted.channels})") + f" {wanted.dtype}"
        dtype = _DTYPES[layout]
        fits = isinstance(frame, np.ndarray) and frame.ndim == axes and frame.shape[2:] in ((), (wanted.channels,))
        if not fits or frame.dtype != dtype or 0 in frame.shape:
            raise _frame_error(frame, expected, layout, _first_frame_hint(frame, layout))
        form = cls(width=frame.shape[1], height=frame.shape[0], layout=layout)
        form.bytes_of(frame)
        return form

    def bytes_of(self, frame: npt.NDArray[Any], *, number: int | None = None) -> memoryview:
        """Return the bytes FFmpeg will read, without a copy where the array is C-contiguous.

        Shape and dtype must be exact.  ffmpeg only sees a stream of bytes: a transposed, BGR, CHW or float
        array would become garbage without any error, so nothing is guessed and nothing is converted here.

        Args:
            frame: an array of `shape` and `dtype`; views and other strides are copied once.
            number: of the frame, counted from 0, for the message.

        Raises:
            FrameError: wrong shape or dtype, or a sample above the layout's largest.
        """
        if not isinstance(frame, np.ndarray) or frame.shape != self.shape or frame.dtype != self.dtype:
            hint = "" if number else _first_frame_hint(frame, self.layout)
            hint = hint or mismatch_hint(frame, self.shape, self.dtype, earlier=bool(number), number=number)
            raise _frame_error(frame, str(self), self.layout, hint, number=number)
        if LAYOUTS[self.layout].largest is not None and frame.max() > self.largest_sample:
            raise FrameError(
                f"this is not a {self.layout!r} frame: it has a sample of {frame.max()}, and {self.largest_sample} is the "
                "largest; depth in millimetres goes through ffenc.quantize_depth first",
                expected=f"{self} of at most {self.largest_sample}",
                seen=f"a sample of {frame.max()}",
            )
        return np.ascontiguousarray(frame).data.cast("B")


def describe_array(frame: object) -> str:
    """Return shape and dtype of what was given, for messages."""
    return f"{frame.shape} {frame.dtype.name}" if isinstance(frame, np.ndarray) else f"a {type(frame).__name__}"


def mismatch_hint(
    frame: object, shape: tuple[int, ...], dtype: np.dtype[Any], *, earlier: bool, number: int | None = None
) -> str:
    """Return a sentence on why a frame differs and how to fix it; empty if it is not a known mistake.

    Args:
        frame: what was given.
        shape, dtype: what was expected.
        earlier: the expectation comes from earlier frames, not from a declaration.
        number: of the frame, counted from 0, if it is known.
    """
    if not isinstance(frame, np.ndarray) or frame.shape == (1, *shape):
        return _BATCH if isinstance(frame, np.ndarray) else _NO_ARRAY
    if frame.dtype != dtype:
        return _dtype_hint(frame, dtype)
    named = "It" if number is None else f"Frame {number}"
    known = "the earlier ones are" if earlier else "the declared size is"
    if len(shape) == frame.ndim == 3 and frame.shape[0] == shape[2] != frame.shape[2]:
        _, height, width = frame.shape
        other = "" if (height, width) == shape[:2] else f" ({width}x{height}; {known} {shape[1]}x{shape[0]})"
        return f" {named} looks like channels first{other}: frame.transpose(1, 2, 0)."
    if frame.shape[2:] != shape[2:] or frame.ndim < 2:
        return _channels_hint(frame.shape, shape, named) if earlier else ""
    found = f"{named} is {frame.shape[1]}x{frame.shape[0]}, {known} {shape[1]}x{shape[0]}"
    if frame.shape[:2] == shape[1::-1]:
        return f" {found}: it looks transposed; frame.swapaxes(0, 1) corrects it."
    return f" {found}; a video has one size, so scale or crop it yourself."


_NO_ARRAY = " Pass a numpy array (torch: tensor.numpy())."
_BATCH = " It has a batch axis: frame[0]."


def _channels_hint(seen: tuple[int, ...], shape: tuple[int, ...], named: str) -> str:
    def said(axes: tuple[int, ...]) -> str:
        return (
            "no axis of channels"
            if len(axes) == 2
            else f"{axes[2]} channels"
            if len(axes) == 3
            else f"{len(axes)} axes"
        )

    return f" {named} has {said(seen)}, the earlier ones have {said(shape)}; all frames of a video must be alike."


def _dtype_hint(frame: npt.NDArray[Any], dtype: np.dtype[Any]) -> str:
    if frame.dtype == dtype:
        return ""
    if frame.dtype.kind == "f" and dtype.itemsize == 1:
        return " Scale floats yourself: (frame.clip(0, 1) * 255).round().astype(np.uint8)."
    if frame.dtype.kind == "b" and dtype.itemsize == 1:
        return " Scale truth values yourself: frame.astype(np.uint8) * 255."
    return f" Convert it to {dtype.name} yourself; nothing is scaled or cut here."


def _frame_error(frame: object, expected: str, layout: str, hint: str = "", *, number: int | None = None) -> FrameError:
    seen = describe_array(frame)
    what = "this" if number is None else f"frame {number}"
    return FrameError(
        f"{what} is not a {layout!r} frame: expected {expected}, got {seen}.{hint}", expected=expected, seen=seen
    )


def _first_frame_hint(frame: object, layout: str) -> str:
    """Return a sentence on what a first frame may be instead of what was declared."""
    wanted = LAYOUTS[layout]
    if not isinstance(frame, np.ndarray) or (frame.ndim == 4 and len(frame) == 1):
        return _BATCH if isinstance(frame, np.ndarray) else _NO_ARRAY
    if frame.dtype.kind in "fb":
        return _dtype_hint(frame, _DTYPES[layout])
    if frame.ndim == 3 and frame.shape[0] in (1, 3, 4) and frame.shape[2] not in (1, 3, 4):
        return " It looks like channels first: frame.transpose(1, 2, 0)."
    for name, other in LAYOUTS.items():
        axes = 2 if other.channels == 1 else 3
        fits = frame.ndim == axes and (axes == 2 or frame.shape[2] == other.channels)
        alike = (other.channels, other.dtype) == (wanted.channels, wanted.dtype)
        if fits and not alike and frame.dtype.name == other.dtype and other.largest is None:
            return f" If that is what it is, declare layout={name!r}."
    return _dtype_hint(frame, _DTYPES[layout])


def parse_frame_rate(fps: FrameRate) -> Fraction:
    """A frame rate as an exact fraction of frames per second.

    Args:
        fps: whole number, Fraction, text such as ``"30"`` or ``"30000/1001"``, or a decimal that is whole: ``15.0`` is what
            OpenCV's ``CAP_PROP_FPS`` returns.

    Raises:
        ValueError: a decimal that is not whole, zero, negative, not a number, or above `MAX_FRAME_RATE`.
    """
    rate = _possible_rate(fps)
    if rate.denominator > 1 and not _is_fraction(fps):
        raise ValueError(f"frame rate {fps!r} is not exact; give {str(_exact_rate(rate))!r} if that is meant")
    return rate


def whole_frame_rate(fps: FrameRate) -> int:
    """Return a frame rate that must be a whole number, as those of datasets are.

    Raises:
        ValueError: as `parse_frame_rate`, or it is not whole.
    """
    rate = _possible_rate(fps)
    if rate.denominator > 1:
        raise ValueError(f"frame rate {fps!r} must be a whole number here, for example {max(1, round(rate))}")
    return int(rate)


def plain_frame_rate(fps: FrameRate) -> int | str:
    """Return a frame rate for a document: text and whole numbers as they are, everything else as one of them.

    Raises:
        ValueError: as `parse_frame_rate`.
    """
    rate = parse_frame_rate(fps)
    if isinstance(fps, str):
        return fps
    return int(rate) if rate.denominator == 1 else str(rate)


def _possible_rate(fps: FrameRate) -> Fraction:
    rate = None if isinstance(fps, bool) else _rate_of(fps)
    if rate is None:
        raise ValueError(f"frame rate {fps!r} is not a number; give 30, Fraction(30000, 1001) or '30000/1001'")
    if not 0 < rate <= MAX_FRAME_RATE:
        raise ValueError(f"frame rate {fps!r} must be above 0 and at most {MAX_FRAME_RATE} frames per second")
    return rate


def _rate_of(fps: Any) -> Fraction | None:
    """Return the number that was given, exactly as it was given; None if it is not a number."""
    try:
        if isinstance(fps, str) and (match := _RATE_TEXT.fullmatch(fps.strip())):
            return Fraction(match[1]) / int(match[2] or 1)
        if isinstance(fps, Rational):  # numpy's integers too, but those are of limited size
            return Fraction(int(fps.numerator), int(fps.denominator))
        if isinstance(fps, Decimal):
            return Fraction(fps)
        return Fraction(float(fps)) if isinstance(fps, Real) else None
    except (ValueError, ZeroDivisionError, OverflowError):  # 1/0, not a number, infinite
        return None


def _is_fraction(fps: FrameRate) -> bool:
    return isinstance(fps, Rational) or (isinstance(fps, str) and re.search("[/:]", fps) is not None)


def _exact_rate(rate: Fraction) -> Fraction:
    """Return the rate that a rounded decimal stands for."""
    broadcast = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    return broadcast if abs(broadcast - rate) < Fraction(1, 200) else rate.limit_denominator(1001)


_RATE_TEXT = re.compile(r"([+-]?[0-9]{1,18}(?:\.[0-9]{0,18})?)(?:[/:]([0-9]{1,18}))?")
