"""Depth video back into depth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.config import DepthEncoderConfig
from ffenc.depth import DepthUnit
from ffenc.errors import InputError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.video.reader import VideoReader

_MM_PER_M = np.float32(1000)


def read_depth(
    path: str | Path,
    config: DepthEncoderConfig | None = None,
    *,
    unit: DepthUnit = "mm",
    binaries: Binaries | None = None,
) -> Iterator[npt.NDArray[Any]]:
    """All frames of a depth video in order, as depth.

    For chosen frames or times use `VideoReader` with ``layout=config.layout`` and ``config.quantizer.dequantize``.

    Args:
        path: the video file.
        config: as it was written with (`DepthEncoderConfig.from_video_info` reads it from a dataset's ``info.json``);
            LeRobot's defaults if None.
        unit: ``"mm"`` for uint16 millimetres, ``"m"`` for float32 metres.
        binaries: the executables; found by `find_binaries` if None.

    Returns:
        An iterator of ``(H, W)`` arrays.

    Raises:
        InputError: the file's pixel format is not the config's: to convert it would change every depth.
        ProbeError: not a video.
        ValueError: another unit.
    """
    if unit not in ("mm", "m"):
        raise ValueError(f"unit {unit!r}: use 'mm' or 'm'")
    config = config or DepthEncoderConfig()
    reader = VideoReader(path, layout=config.layout, binaries=binaries)
    if reader.stream.pix_fmt != config.pix_fmt:
        raise InputError(
            f"{path} holds {reader.stream.pix_fmt} where the config says {config.pix_fmt}; is it a depth video, and this "
            "its config?",
            path=Path(path),
        )
    if config.quantizes:
        return (config.quantizer.dequantize(codes, unit) for codes in reader)
    return (depth if unit == "mm" else depth / _MM_PER_M for depth in reader)
