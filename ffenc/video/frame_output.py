"""What a reader hands out for each frame: layout, size, planes, depth in a unit."""

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
"""Layouts of depth, and the unit of each."""

READER_LAYOUTS = (*LAYOUTS, PLANAR, *DEPTH_UNITS)
"""Every layout that a reader can hand out."""

_DEPTH_SAMPLES = ("gray12", "gray16")
_PLACES = (1, 2, 0)  # of the planes, in RGB
_MM_PER_M = np.float32(1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameOutput:
    """Raw frames as ffmpeg writes them, and what becomes of them.

    Attributes:
        raw: what ffmpeg writes.
        planar: it writes red, green and blue as planes.
        unit: unit of depth, or None for the raw samples.
        quantizer: turns codes into depth; None if the samples are millimetres.
        nearest: (height, width) that depth is reduced to by taking the nearest samples, because an average of two depths may
            be where there is nothing; None keeps the size.
    """

    raw: FrameFormat
    planar: bool = False
    unit: DepthUnit | None = None
    quantizer: DepthQuantizer | None = None
    nearest: tuple[int, int] | None = None

    @property
    def pix_fmt(self) -> str:
        """What ffmpeg writes, by its name."""
        return PLANES if self.planar else self.raw.pix_fmt

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one frame."""
        return (3, *self.size) if self.planar else (*self.size, *self.raw.shape[2:])

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a frame that is handed out."""
        return self.nearest or (self.raw.height, self.raw.width)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its elements."""
        return np.dtype(np.float32) if self.unit == "m" else self.raw.dtype

    @property
    def is_raw(self) -> bool:
        """Whether frames are handed out byte for byte as ffmpeg writes them, planes apart."""
        return self.unit is None and self.nearest is None

    def empty(self) -> npt.NDArray[Any]:
        """Return an array for one frame as ffmpeg writes it."""
        return np.empty(self.shape if self.is_raw else self.raw.shape, self.raw.dtype)

    def views(self, frame: npt.NDArray[Any]) -> Sequence[memoryview]:
        """Return where the bytes of a frame go, in the order in which ffmpeg writes them.

        Args:
            frame: C-contiguous, see `empty`.
        """
        parts = [frame[place] for place in _PLACES] if self.planar else [frame]
        return [part.data.cast("B") for part in parts]

    def from_interleaved(self, frame: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return what is handed out for a frame whose channels lie behind each other, of the shape of `raw`."""
        if self.planar:
            return np.ascontiguousarray(frame.transpose(2, 0, 1))
        if self.is_raw:
            return frame
        out = np.empty(self.shape, self.dtype)
        self.finish(frame, out)
        return out

    def finish(self, frame: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
        """Turn a frame as ffmpeg wrote it into one to hand out; not needed if `is_raw`.

        Args:
            frame: see `empty`.
            out: see `shape` and `dtype`.
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
    """Return what a reader hands out.

    Args:
        layout: one of `READER_LAYOUTS`.
        size: (height, width), or None for that of the file.
        display_size: (width, height) of the file, any rotation applied.
        stream: of the file.
        depth: how depth is stored, for a layout of depth; LeRobot's defaults if None.

    Raises:
        ValueError: unknown layout, or ``depth`` for a layout that is not of depth.
        InputError: a layout of depth for a file whose pixel format is not that of ``depth``: to convert it would change every
            depth.
    """
    height, width = size or display_size[::-1]
    whole = FrameFormat(width=display_size[0], height=display_size[1])
    scaled = FrameFormat(width=width, height=height)
    nearest = size if size is not None and (height, width) != (whole.height, whole.width) else None
    if layout not in DEPTH_UNITS:
        if layout not in READER_LAYOUTS:
            raise ValueError(f"layout {layout!r} is not known; use one of {', '.join(READER_LAYOUTS)}")
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
            f"{stream.path} holds {stream.pix_fmt} where the config says {depth.pix_fmt}; is it a depth video, and this its "
            "config?",
            path=stream.path,
        )
    return FrameOutput(
        raw=replace(whole, layout=depth.layout),
        nearest=nearest,
        unit=DEPTH_UNITS[layout],
        quantizer=depth.quantizer if depth.quantizes else None,
    )
