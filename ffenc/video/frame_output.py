"""Convert raw frames to the arrays that a reader returns: layout, size, planes, unit of depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.config import DepthEncoderConfig
from ffenc.depth import DepthQuantizer, DepthUnit
from ffenc.errors import InputError
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.frames import LAYOUTS, FrameFormat
from ffenc.plan.decode import PLANES

PLANAR = "rgb_chw"
"""Layout of ``(3, height, width)`` arrays."""

DEPTH_UNITS: dict[str, DepthUnit] = {"depth_mm": "mm", "depth_m": "m"}
"""Unit of each depth layout."""

READER_LAYOUTS = (*LAYOUTS, PLANAR, *DEPTH_UNITS)
"""Every layout of a reader."""

_DEPTH_SAMPLES = ("gray12", "gray16")
_PLANE_ORDER = (1, 2, 0)  # ffmpeg writes green, blue, red
_MM_PER_M = np.float32(1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameOutput:
    """Format of the raw frames that ffmpeg writes, and their conversion to the arrays of a reader.

    Attributes:
        raw: format of the raw frames.
        planar: True if ffmpeg writes red, green and blue as planes.
        unit: unit of depth; None returns the raw samples.
        quantizer: converts codes to depth; None if the samples are millimetres.
        nearest: (height, width) to scale depth to with the nearest sample, because interpolation would invent surfaces;
            None keeps the size.
    """

    raw: FrameFormat
    planar: bool = False
    unit: DepthUnit | None = None
    quantizer: DepthQuantizer | None = None
    nearest: tuple[int, int] | None = None

    @property
    def pix_fmt(self) -> str:
        """FFmpeg's name of the raw pixel format."""
        return PLANES if self.planar else self.raw.pix_fmt

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the returned array of one frame."""
        return (3, *self.size) if self.planar else (*self.size, *self.raw.shape[2:])

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the returned array."""
        return self.nearest or (self.raw.height, self.raw.width)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type of the returned array."""
        return np.dtype(np.float32) if self.unit == "m" else self.raw.dtype

    @property
    def is_raw(self) -> bool:
        """Whether the returned arrays hold the bytes that ffmpeg writes, except for the order of planes."""
        return self.unit is None and self.nearest is None

    def empty(self) -> npt.NDArray[Any]:
        """Return an uninitialized array for one frame as ffmpeg writes it."""
        return np.empty(self.shape if self.is_raw else self.raw.shape, self.raw.dtype)

    def views(self, frame: npt.NDArray[Any]) -> Sequence[memoryview]:
        """Return the buffers of a frame in the order in which ffmpeg writes them.

        Args:
            frame: C-contiguous array, see `empty`.
        """
        parts = [frame[plane] for plane in _PLANE_ORDER] if self.planar else [frame]
        return [part.data.cast("B") for part in parts]

    def from_interleaved(self, frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Convert a raw frame with interleaved channels, which has the shape of `raw`, to the returned array."""
        if self.planar:
            return np.ascontiguousarray(frame.transpose(2, 0, 1))
        if self.is_raw:
            return frame
        out = np.empty(self.shape, self.dtype)
        self.finish(frame, out)
        return out

    def finish(self, frame: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
        """Convert a frame as ffmpeg wrote it to the returned array; not needed if `is_raw`.

        Args:
            frame: the raw frame, see `empty`.
            out: array to write into, see `shape` and `dtype`.
        """
        if self.nearest is not None:
            rows, columns = (
                (2 * np.arange(wanted) + 1) * given // (2 * wanted)
                for given, wanted in zip(frame.shape, self.nearest, strict=True)
            )
            frame = frame[np.ix_(rows, columns)]
        if self.quantizer is not None and self.unit is not None:
            out[...] = self.quantizer.dequantize(frame, self.unit)
        elif self.unit == "m":
            np.divide(frame, _MM_PER_M, out=out, dtype=np.float32)
        else:
            out[...] = frame


def frame_output(
    layout: str,
    size: tuple[int, int] | None,
    *,
    display_size: tuple[int, int],
    stream: VideoStreamInfo,
    depth: DepthEncoderConfig | None,
) -> FrameOutput:
    """Return the output format of a reader.

    Args:
        layout: one of `READER_LAYOUTS`.
        size: (height, width); None keeps the size of the file.
        display_size: (width, height) of the file after rotation.
        stream: header of the file.
        depth: how depth is stored, for a depth layout; LeRobot's defaults if None.

    Raises:
        ValueError: the layout is unknown, or ``depth`` is given for another kind of layout.
        InputError: the layout is for depth, and the pixel format of the file differs from that of ``depth``.  A conversion
            would change every value.
    """
    height, width = size or display_size[::-1]
    whole = FrameFormat(width=display_size[0], height=display_size[1])
    scaled = FrameFormat(width=width, height=height)
    nearest = size if size is not None and (height, width) != (whole.height, whole.width) else None
    if layout not in DEPTH_UNITS:
        if layout not in READER_LAYOUTS:
            raise ValueError(f"unknown layout {layout!r}; expected one of {', '.join(READER_LAYOUTS)}")
        if depth is not None:
            raise ValueError(f"depth= has no effect with layout {layout!r}; use {' or '.join(DEPTH_UNITS)}")
        if layout == PLANAR:
            return FrameOutput(raw=scaled, planar=True)
        if layout in _DEPTH_SAMPLES:
            return FrameOutput(raw=replace(whole, layout=layout), nearest=nearest)
        return FrameOutput(raw=replace(scaled, layout=layout))
    depth = depth or DepthEncoderConfig()
    if stream.pix_fmt != depth.pix_fmt:
        raise InputError(
            f"{stream.path} has pixel format {stream.pix_fmt}, but the depth config has {depth.pix_fmt}; read a depth video, "
            "with the config that encoded it",
            path=stream.path,
        )
    return FrameOutput(
        raw=replace(whole, layout=depth.layout),
        nearest=nearest,
        unit=DEPTH_UNITS[layout],
        quantizer=depth.quantizer if depth.quantizes else None,
    )
