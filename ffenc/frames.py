"""What a frame is: the one place where array shape and dtype meet FFmpeg's raw pixel formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ffenc.errors import FrameError

FrameRate: TypeAlias = int | Fraction | str
"""A frame rate as people give it: ``30``, ``Fraction(30000, 1001)`` or ``"30000/1001"``.  Never a float:
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
        if not isinstance(frame, np.ndarray) or frame.ndim != axes or 0 in frame.shape:
            raise _frame_error(frame, expected, layout)
        form = cls(width=frame.shape[1], height=frame.shape[0], layout=layout)
        form.bytes_of(frame)
        return form

    def bytes_of(self, frame: npt.NDArray[Any]) -> memoryview:
        """The bytes FFmpeg will read, without a copy where the array is C-contiguous.

        Shape and dtype must be exact.  ffmpeg only sees a stream of bytes: a transposed, BGR, CHW or float
        array would become garbage without any error, so nothing is guessed and nothing is converted here.

        Args:
            frame: an array of `shape` and `dtype`; views and other strides are copied once.

        Raises:
            FrameError: wrong shape or dtype, or a sample above the layout's largest.
        """
        if not isinstance(frame, np.ndarray) or frame.shape != self.shape or frame.dtype != self.dtype:
            raise _frame_error(frame, str(self), self.layout)
        if LAYOUTS[self.layout].largest is not None and frame.max() > self.largest_sample:
            raise FrameError(
                f"this is no {self.layout!r} frame: it has a sample of {frame.max()}, and {self.largest_sample} is the "
                "largest; depth in millimetres goes through ffenc.quantize_depth first",
                expected=f"{self} of at most {self.largest_sample}",
                seen=f"a sample of {frame.max()}",
            )
        return np.ascontiguousarray(frame).data.cast("B")


def _frame_error(frame: object, expected: str, layout: str) -> FrameError:
    seen = f"{frame.shape} {frame.dtype.name}" if isinstance(frame, np.ndarray) else f"a {type(frame).__name__}"
    return FrameError(
        f"this is no {layout!r} frame: expected {expected}, got {seen}.{_frame_hint(frame, layout)}",
        expected=expected,
        seen=seen,
    )


def _frame_hint(frame: object, layout: str) -> str:
    """One sentence for the mistakes that are made most often; empty if none of them fits."""
    if not isinstance(frame, np.ndarray):
        return " Pass a numpy array (torch: tensor.numpy())."
    if frame.dtype.kind == "f":
        return " Scale floats yourself: (frame.clip(0, 1) * 255).round().astype(np.uint8)."
    if frame.ndim == 3 and frame.shape[0] in (1, 3, 4) and frame.shape[2] not in (1, 3, 4):
        return " It looks like channels first: frame.transpose(1, 2, 0)."
    for name, other in LAYOUTS.items():
        axes = 2 if other.channels == 1 else 3
        fits = frame.ndim == axes and (axes == 2 or frame.shape[2] == other.channels)
        if name != layout and fits and frame.dtype.name == other.dtype and other.largest is None:
            return f" If that is what it is, declare layout={name!r}."
    return ""


def parse_frame_rate(fps: FrameRate) -> Fraction:
    """A frame rate as an exact fraction of frames per second.

    Args:
        fps: whole number, Fraction, or text such as ``"30"`` or ``"30000/1001"``.

    Raises:
        ValueError: a float, zero, negative, not a number, or above `MAX_FRAME_RATE`.
    """
    if isinstance(fps, bool) or not isinstance(fps, str | Rational):
        raise ValueError(f"frame rate {fps!r}: give a whole number, a Fraction or text such as '30000/1001'")
    try:
        # numpy's integers are rational numbers too, but of limited size.
        rate = _fraction_text(fps) if isinstance(fps, str) else Fraction(int(fps.numerator), int(fps.denominator))
    except (ValueError, ZeroDivisionError) as err:
        raise ValueError(f"frame rate {fps!r} is not a number; give 30, Fraction(30000, 1001) or '30000/1001'") from err
    if not 0 < rate <= MAX_FRAME_RATE:
        raise ValueError(f"frame rate {fps!r} must be above 0 and at most {MAX_FRAME_RATE} frames per second")
    return rate


def _fraction_text(text: str) -> Fraction:
    if "." in text or "e" in text.lower():
        raise ValueError("decimal frame rates are not exact")
    return Fraction(text.replace(":", "/"))
