"""Numbered image files as numpy frames."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.errors import InputError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.process import FFmpegProcess
from ffenc.frames import FrameFormat, FrameRate, parse_frame_rate
from ffenc.plan.decode import plan_decode_images
from ffenc.video.encode import image_sequence
from ffenc.video.writer import STALL_TIMEOUT_S

_CHANGED = re.compile(r"Changing video frame properties on the fly")


class ImageReader:
    """Read the numbered images of a directory, in order, through one ffmpeg process.

    Attributes:
        path: the directory.
        fps: the rate that was given; images have none.
        format: shape and dtype of every frame: that of the first image.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        fps: FrameRate,
        layout: str = "rgb",
        binaries: Binaries | None = None,
        stall_timeout_s: float = STALL_TIMEOUT_S,
    ) -> None:
        """Look at the names and at the first image; nothing else is read yet.

        Args:
            directory: holds images ``<prefix><number><suffix>``, see `ffenc.video.encode.find_images`.
            fps: frame rate they are to be shown at.
            layout: what the arrays shall hold, a key of `ffenc.frames.LAYOUTS`.
            binaries: the executables; found by `find_binaries` if None.
            stall_timeout_s: longest time without a frame before the decoder is killed.

        Raises:
            InputError: no images, two series, a gap, or the first one is no picture.
        """
        self._binaries = binaries or find_binaries()
        self._stall_timeout_s = stall_timeout_s
        self.path = Path(directory)
        self.fps: Fraction = parse_frame_rate(fps)
        self._series = image_sequence(self.path, fps=self.fps, binaries=self._binaries)
        width, height = self._series.size
        self.format = FrameFormat(width=width, height=height, layout=layout)

    def __len__(self) -> int:
        """How many images there are."""
        return self._series.count

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        """All images in order, each a new array.

        Raises:
            InputError: one that is torn, or of another size or kind than the first.
            ProcessError: the decoder died or hung.
        """
        plan = plan_decode_images(self._binaries.ffmpeg, self._series, self.format)
        with FFmpegProcess.start(
            plan.argv, stdout="data", stall_timeout_s=self._stall_timeout_s, stderr_errors=[_CHANGED]
        ) as process:
            for done in range(plan.count):
                frame = np.empty(self.format.shape, self.format.dtype)
                count = process.read_into(frame.data.cast("B"))
                if process.stderr_matches:
                    raise self._not_alike()
                if count != self.format.frame_size_bytes:
                    process.finish()
                    raise InputError(
                        f"{self.path} has {plan.count} images, but only {done} could be decoded", path=self.path
                    )
                yield frame
            process.finish()
            if process.stderr_matches:
                raise self._not_alike()

    def __repr__(self) -> str:
        return f"<ImageReader {self.path}: {len(self)} images as {self.format}>"

    def _not_alike(self) -> InputError:
        return InputError(
            f"not every image in {self.path} has the size and pixel format of the first; make them alike first",
            path=self.path,
        )
