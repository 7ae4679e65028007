"""Define the array shape and dtype of frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.errors import FrameError


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The samples of a pixel in an array.

    Attributes:
        pix_fmt: FFmpeg's raw pixel format.
        channels: samples per pixel; with 1, the array has no channel axis.
        dtype: numpy dtype name, little-endian.
        largest: largest sample; None if it is that of the dtype.
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
"""Layouts by name.  ``rgb`` is the default, ``bgr`` is OpenCV's order, and ``gray12`` holds the codes of `ffenc.depth`."""

_DTYPES: Mapping[str, np.dtype[Any]] = {
    name: np.dtype(layout.dtype).newbyteorder("<") for name, layout in LAYOUTS.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFormat:
    """The shape and dtype of all frames of a video.

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
            raise _unknown_layout(self.layout)
        for side, value in (("width", self.width), ("height", self.height)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{side} must be a whole number of at least 1 pixel, got {value!r}")

    @property
    def pix_fmt(self) -> str:
        """FFmpeg's raw pixel format."""
        return LAYOUTS[self.layout].pix_fmt

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of every frame, little-endian."""
        return _DTYPES[self.layout]

    @property
    def shape(self) -> tuple[int, ...]:
        """``(height, width)`` or ``(height, width, channels)``."""
        channels = LAYOUTS[self.layout].channels
        return (self.height, self.width) if channels == 1 else (self.height, self.width, channels)

    @property
    def largest_sample(self) -> int:
        """The largest value of a sample."""
        return LAYOUTS[self.layout].largest or int(np.iinfo(self.dtype).max)

    @property
    def frame_size_bytes(self) -> int:
        """Size of a raw frame in bytes."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.shape} {self.dtype.name} ({self.layout})"

    @classmethod
    def of(cls, frame: npt.NDArray[Any], layout: str = "rgb") -> FrameFormat:
        """Return the format of a first frame in a declared layout.

        Args:
            frame: ``(H, W)`` or ``(H, W, C)`` array, depending on ``layout``.
            layout: a key of `LAYOUTS`; it is never guessed.

        Raises:
            FrameError: the array is not a frame of this layout.
        """
        if layout not in LAYOUTS:
            raise _unknown_layout(layout)
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
        """Return the bytes for FFmpeg, without a copy if the array is C-contiguous.

        Nothing is guessed or converted: ffmpeg would silently encode garbage from a transposed, CHW or float array.

        Args:
            frame: an array of `shape` and `dtype`; one that is not C-contiguous is copied.
            number: number of the frame from 0, for the message.

        Raises:
            FrameError: the shape or dtype is wrong, or a sample is too large for the layout.
        """
        if not isinstance(frame, np.ndarray) or frame.shape != self.shape or frame.dtype != self.dtype:
            hint = "" if number else _first_frame_hint(frame, self.layout)
            hint = hint or mismatch_hint(frame, self.shape, self.dtype, earlier=bool(number), number=number)
            raise _frame_error(frame, str(self), self.layout, hint, number=number)
        if LAYOUTS[self.layout].largest is not None and frame.max() > self.largest_sample:
            raise FrameError(
                f"this is not a {self.layout!r} frame: it has a sample of {frame.max()}, but the maximum is "
                f"{self.largest_sample}; convert depth in millimetres with ffenc.quantize_depth first",
                expected=f"{self} of at most {self.largest_sample}",
                seen=f"a sample of {frame.max()}",
            )
        return np.ascontiguousarray(frame).data.cast("B")


def describe_array(frame: object) -> str:
    """Return the shape and dtype of an array, or the type of another object, for messages."""
    return f"{frame.shape} {frame.dtype.name}" if isinstance(frame, np.ndarray) else f"a {type(frame).__name__}"


def mismatch_hint(
    frame: object, shape: tuple[int, ...], dtype: np.dtype[Any], *, earlier: bool, number: int | None = None
) -> str:
    """Return a sentence that explains a known mistake and its fix, or an empty string.

    Args:
        frame: the wrong frame.
        shape, dtype: the expected shape and dtype.
        earlier: the expectation comes from earlier frames and not from a declaration.
        number: number of the frame from 0, if known.
    """
    if not isinstance(frame, np.ndarray) or frame.shape == (1, *shape):
        return _BATCH if isinstance(frame, np.ndarray) else _NO_ARRAY
    if frame.dtype != dtype:
        return _dtype_hint(frame, dtype)
    name = "It" if number is None else f"Frame {number}"
    known = "the earlier ones are" if earlier else "the declared size is"
    if len(shape) == frame.ndim == 3 and frame.shape[0] == shape[2] != frame.shape[2]:
        _, height, width = frame.shape
        other = "" if (height, width) == shape[:2] else f" ({width}x{height}; {known} {shape[1]}x{shape[0]})"
        return f" {name} looks like channels first{other}: frame.transpose(1, 2, 0)."
    if frame.shape[2:] != shape[2:] or frame.ndim < 2:
        return _channels_hint(frame.shape, shape, name) if earlier else ""
    found = f"{name} is {frame.shape[1]}x{frame.shape[0]}, {known} {shape[1]}x{shape[0]}"
    if frame.shape[:2] == shape[1::-1]:
        return f" {found}: it looks transposed; use frame.swapaxes(0, 1)."
    return f" {found}; all frames of a video have one size, so scale or crop it first."


_NO_ARRAY = " Pass a numpy array (torch: tensor.numpy())."
_BATCH = " It has a batch axis: frame[0]."


def _channels_hint(seen: tuple[int, ...], shape: tuple[int, ...], name: str) -> str:
    def axes(shape: tuple[int, ...]) -> str:
        return {2: "no channel axis", 3: f"{shape[-1]} channels"}.get(len(shape), f"{len(shape)} axes")

    return f" {name} has {axes(seen)}, the earlier ones have {axes(shape)}; all frames of a video need the same shape."


def _dtype_hint(frame: npt.NDArray[Any], dtype: np.dtype[Any]) -> str:
    if frame.dtype == dtype:
        return ""
    if frame.dtype.kind == "f" and dtype.itemsize == 1:
        return " Scale floats first: (frame.clip(0, 1) * 255).round().astype(np.uint8)."
    if frame.dtype.kind == "b" and dtype.itemsize == 1:
        return " Scale booleans first: frame.astype(np.uint8) * 255."
    return f" Convert it to {dtype.name} first; ffenc does not scale or clip values."


def _frame_error(frame: object, expected: str, layout: str, hint: str = "", *, number: int | None = None) -> FrameError:
    seen = describe_array(frame)
    what = "this" if number is None else f"frame {number}"
    return FrameError(
        f"{what} is not a {layout!r} frame: expected {expected}, got {seen}.{hint}", expected=expected, seen=seen
    )


def _unknown_layout(layout: str) -> ValueError:
    return ValueError(f"unknown layout {layout!r}; expected {', '.join(LAYOUTS)}")


def _first_frame_hint(frame: object, layout: str) -> str:
    """Return a sentence on the likely mistake if a first frame does not have the declared layout."""
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
            return f" If this is a {name!r} frame, pass layout={name!r}."
    return _dtype_hint(frame, _DTYPES[layout])
