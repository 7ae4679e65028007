"""Write and read the frames of one camera as numbered image files, for datasets without video."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.errors import OutputError, OutputExistsError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess
from ffenc.frames import FrameFormat
from ffenc.plan.images import SUFFIXES, image_name, plan_image_files, plan_image_reading
from ffenc.streaming.frame_target import FrameTarget
from ffenc.video.run_context import RunContext


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFolder:
    """A folder with one image per frame.

    Attributes:
        path: the folder.
        frames: number of images.
        suffix: suffix of every file: ``.png``, or ``.tiff`` for depth.
    """

    path: Path
    frames: int
    suffix: str

    def files(self) -> list[Path]:
        """Return the images in order."""
        return [self.path / image_name(number, self.suffix) for number in range(self.frames)]


class ImageTarget(FrameTarget):
    """Writes a lossless image per frame, through ffmpeg."""

    encoder = "images"

    def __init__(self, path: Path, *, frames: FrameFormat, context: RunContext) -> None:
        self.path = path
        self._frames = frames
        self._context = context
        self._process: FFmpegProcess | None = None
        self._written = 0
        self._is_ours = False

    @property
    def frames_encoded(self) -> int:
        """Number of frames that ffmpeg has reported."""
        progress = None if self._process is None else self._process.progress
        return 0 if progress is None else progress.frame

    def size_bytes(self) -> int:
        """Return the size of all images so far."""
        try:
            return sum(image.stat().st_size for image in self.path.glob("frame-*"))
        except FileNotFoundError:  # they are being removed
            return 0

    def start(self) -> None:
        """Make the folder and start ffmpeg.

        Raises:
            OutputExistsError: the folder exists.
            OutputError: it cannot be made.
        """
        if self._process is None:
            try:
                self.path.mkdir(parents=True)
            except FileExistsError as err:
                raise OutputExistsError(self.path) from err
            except OSError as err:
                raise OutputError(f"cannot make {self.path}: {err.strerror}", path=self.path) from err
            self._is_ours = True
            self._process = FFmpegProcess.start(
                plan_image_files(self._context.binaries.ffmpeg, self._frames, self.path),
                stdin=True,
                stdout="progress",
                stall_timeout_s=self._context.stall_timeout_s,
                priority=self._context.priority,
            )

    def write(self, frame: npt.NDArray[Any]) -> None:
        """Write one frame."""
        self.start()
        assert self._process is not None
        self._process.write(self._frames.bytes_of(frame))
        self._written += 1

    def finish(self) -> ImageFolder:
        """End ffmpeg and count the images.

        Raises:
            ProcessError: ffmpeg failed.
            OutputError: the number of images differs from the number of frames.
        """
        if self._process is None:
            raise OutputError(f"no frame was written, so {self.path} has no images", path=self.path)
        self._process.finish()
        folder = ImageFolder(path=self.path, frames=self._written, suffix=SUFFIXES[self._frames.layout])
        found = sum(image.stat().st_size > 0 for image in folder.files() if image.exists())
        if found != self._written:
            raise OutputError(
                f"{self._written} frames were written, but {self.path} has {found} images",
                path=self.path,
                frames_expected=self._written,
                packets_counted=found,
            )
        return folder

    @property
    def kept(self) -> Path | None:
        """The folder that is left after an error."""
        return self.path if self._is_ours and self.path.exists() else None

    def fail(self) -> None:
        """Stop, and keep what was written."""
        if self._process is not None:
            self._process.abort()

    def abort(self) -> None:
        """Stop, and remove the folder."""
        self.fail()
        if self._is_ours:
            shutil.rmtree(self.path, ignore_errors=True)


def read_images(folder: ImageFolder, frames: FrameFormat, *, binaries: Binaries) -> Iterator[npt.NDArray[Any]]:
    """Yield the decoded images of a folder in order.

    Raises:
        ProcessError: an image cannot be decoded.
    """
    argv = plan_image_reading(binaries.ffmpeg, frames, folder.path, folder.suffix, count=folder.frames)
    with FFmpegProcess.start(argv, stdout="data") as process:
        for _ in range(folder.frames):
            frame = np.empty(frames.shape, frames.dtype)
            process.read_into(frame)
            yield frame
        process.finish()
