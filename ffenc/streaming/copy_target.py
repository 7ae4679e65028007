"""Take the video of a camera from a clip, instead of encoding the frames that it decodes to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ffenc.errors import OutputError
from ffenc.streaming.frame_target import FrameTarget
from ffenc.video.clip import MeasuredClip, read_back
from ffenc.video.output import PendingFile, WrittenVideo, check_packets
from ffenc.video.recording_copy import copy_recording
from ffenc.video.run_context import RunContext


class CopyTarget(FrameTarget):
    """Counts the frames, and copies the packets of the clip when all were given.

    Args:
        path: the video to write.
        clip: a clip whose frame k is shown at k/fps; the given frames must be its frames.
        context: settings of the process that copies.
    """

    def __init__(self, path: Path, clip: MeasuredClip, *, context: RunContext) -> None:
        self.path = path
        self._clip, self._context = clip, context
        self._frames = 0

    @property
    def frames_encoded(self) -> int:
        """Number of frames that were counted."""
        return self._frames

    @property
    def encoder(self) -> str:
        """What FFmpeg calls a copy."""
        return "copy"

    @property
    def kept(self) -> None:
        """Nothing: the clip is unchanged."""
        return None

    def size_bytes(self) -> int:
        """Return 0; the file is written at the end."""
        return 0

    def start(self) -> None:
        """Do nothing."""

    def write(self, frame: npt.NDArray[Any]) -> None:
        """Count one frame."""
        del frame
        self._frames += 1

    def finish(self) -> WrittenVideo:
        """Copy the clip, and check the copy.

        Raises:
            OutputError: another number of frames than those of the clip was given, or the copy is not exact.
            FFencError: the copy cannot be written.
        """
        count, source = self._clip.packets.count, self._clip.stream
        if self._frames != count:
            raise OutputError(
                f"{self._frames} frames of {source.path} were given, but it has {count}, and only the whole clip can be copied",
                path=self.path,
                frames_expected=self._frames,
                packets_counted=count,
            )
        with PendingFile(self.path, overwrite=False) as pending:
            copy_recording(source.path, pending.path, self._context, fps=source.fps)
            made = read_back(pending.path, source, binaries=self._context.binaries)
            check_packets(made.packets, path=self.path, fps=source.fps, frames=count)
            pending.commit()
        size = self.path.stat().st_size
        stream = replace(made.stream, path=self.path, size_bytes=size)
        return WrittenVideo(path=self.path, frames=count, fps=source.fps, size_bytes=size, stream=stream)

    def fail(self) -> None:
        """Remove the copy."""
        self.abort()

    def abort(self) -> None:
        """Remove the copy."""
        self.path.unlink(missing_ok=True)
