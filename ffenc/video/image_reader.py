"""Read the images of a directory as numpy frames."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.errors import InputError, ProcessError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.process.ffmpeg_process import STALL_TIMEOUT_S, FFmpegProcess
from ffenc.frame_rate import FrameRate, parse_frame_rate
from ffenc.frames import FrameFormat
from ffenc.plan.decode import plan_decode_images
from ffenc.plan.encode import ImageSequence
from ffenc.regular_files import file_path
from ffenc.video.image_series import ImageOrder, find_unreadable, image_series

_CHANGED = re.compile(r"Changing video frame properties on the fly")


class ImageReader:
    """Read the images of a directory, in order, through one ffmpeg process; their EXIF orientation is applied.

    Attributes:
        path: the directory.
        fps: the given rate; images have none.
        format: shape and dtype of every frame: that of the first image.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        fps: FrameRate,
        layout: str = "rgb",
        order: ImageOrder = "number",
        binaries: Binaries | None = None,
        stall_timeout_s: float = STALL_TIMEOUT_S,
    ) -> None:
        """Read the names and the header of every image; nothing is decoded yet.

        Args:
            directory: the images, all with one format, size, sample type and orientation.
            fps: frame rate.
            layout: content of the arrays, a key of `ffenc.frames.LAYOUTS`.
            order: ``"number"`` or ``"name"``, see `ffenc.video.image_series.find_images`.
            binaries: the executables; found by `find_binaries` if None.
            stall_timeout_s: longest time without a frame before the decoder is killed.

        Raises:
            InputError: no images, two series, a gap, or an image that differs from the first.
        """
        self._binaries = binaries or find_binaries()
        self._stall_timeout_s = stall_timeout_s
        self.path = file_path(directory)
        self.fps: Fraction = parse_frame_rate(fps)
        self._series = image_series(self.path, order=order)
        width, height = self._series.header.upright_size
        self.format = FrameFormat(width=width, height=height, layout=layout)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._series)

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        """Yield all images in order, each a new array.

        Raises:
            InputError: an image cannot be decoded.
            ProcessError: the decoder died or hung.
        """
        with self._series.readable(self.fps) as source:
            try:
                yield from self._decode(source)
            except (ProcessError, InputError) as err:
                unreadable = find_unreadable(self._series, binaries=self._binaries)
                if unreadable is None:
                    raise
                raise InputError(f"{unreadable} cannot be decoded. {err}", path=unreadable) from err

    def _decode(self, source: ImageSequence) -> Iterator[npt.NDArray[Any]]:
        plan = plan_decode_images(self._binaries.ffmpeg, source, self.format)
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
            f"not every image in {self.path} has the size and pixel format of the first; convert them first",
            path=self.path,
        )
