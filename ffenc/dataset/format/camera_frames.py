"""Decode the frames of a camera as they were recorded, and compute their statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.dataset.format.episode_columns import VideoSpan
from ffenc.dataset.format.schema import Feature
from ffenc.depth import dequantize_depth
from ffenc.ffmpeg.binaries import Binaries
from ffenc.statistics import FeatureStatistics, FrameSampler
from ffenc.video.reader import VideoReader


def frame_layout(feature: Feature) -> str:
    """Return the layout to decode the videos of a camera to, a key of `ffenc.frames.LAYOUTS`."""
    if feature.is_depth:
        return "gray16" if (feature.info or {}).get("video.pix_fmt") == "gray16le" else "gray12"
    return "gray" if feature.shape[-1] == 1 else "rgb"


def as_recorded(frame: npt.NDArray[Any], feature: Feature) -> npt.NDArray[Any]:
    """Return a decoded frame as it was recorded: depth in its recorded unit, other frames unchanged."""
    if not feature.is_depth:
        return frame
    unit = (feature.info or {}).get("depth_unit", "mm")
    if frame_layout(feature) == "gray16":  # millimetres, not quantized
        return frame if unit == "mm" else frame.astype(np.float32) / 1000
    return dequantize_depth(frame, **depth_settings(feature), unit=unit)


def depth_settings(feature: Feature) -> dict[str, Any]:
    """Return the quantizer settings of a depth camera, with LeRobot's defaults for missing ones."""
    defaults = {"depth_min": 0.01, "depth_max": 10.0, "shift": 3.5, "use_log": True}
    return {name: (feature.info or {}).get(f"video.{name}", value) for name, value in defaults.items()}


def span_statistics(
    path: Path, feature: Feature, spans: Sequence[VideoSpan], *, binaries: Binaries
) -> Iterator[FeatureStatistics]:
    """Yield the statistics of episodes in one video; one process decodes all spans that follow each other without a gap.

    Raises:
        FFencError: the video cannot be decoded.
    """
    reader = VideoReader(path, layout=frame_layout(feature), binaries=binaries)
    for run in _without_gaps(spans):
        frames = reader.read_range(run[0].from_frame, run[-1].to_frame)
        for span in run:
            sampler = FrameSampler()
            for frame in islice(frames, span.to_frame - span.from_frame):
                sampler.add(as_recorded(frame, feature))
            if span is run[-1]:
                # The decoder's exit code is checked after the last frame.
                next(frames, None)
            yield sampler.statistics()


def _without_gaps(spans: Sequence[VideoSpan]) -> Iterator[list[VideoSpan]]:
    """Group consecutive spans, each of which starts where the one before it ends."""
    run: list[VideoSpan] = []
    for span in spans:
        if run and span.from_frame != run[-1].to_frame:
            yield run
            run = []
        run.append(span)
    if run:
        yield run
