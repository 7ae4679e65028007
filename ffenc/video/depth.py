"""Read a depth video as depth."""

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
    """Return all frames of a depth video in order, as depth.

    For chosen frames or times use `VideoReader` with ``layout=config.layout`` and ``config.quantizer.dequantize``.

    Args:
        path: the video file.
        config: the config it was written with (`DepthEncoderConfig.from_video_info` reads it from a dataset's
            ``info.json``); LeRobot's defaults if None.
        unit: ``"mm"`` for uint16 millimetres, ``"m"`` for float32 metres.
        binaries: the executables; found by `find_binaries` if None.

    Returns:
        An iterator of ``(H, W)`` arrays.

    Raises:
        InputError: the file's pixel format is not the config's; a conversion would change every depth.
        ProbeError: not a video.
        ValueError: another unit.
    """
    if unit not in ("mm", "m"):
        raise ValueError(f"unknown unit {unit!r}; expected 'mm' or 'm'")
    config = config or DepthEncoderConfig()
    reader = VideoReader(path, layout=config.layout, binaries=binaries)
    if reader.stream.pix_fmt != config.pix_fmt:
        raise InputError(
            f"{path} has pixel format {reader.stream.pix_fmt}, but the config has {config.pix_fmt}; give the config that the "
            "depth video was written with",
            path=Path(path),
        )
    if config.quantizes:
        return (config.quantizer.dequantize(codes, unit) for codes in reader)
    return (depth if unit == "mm" else depth / _MM_PER_M for depth in reader)
