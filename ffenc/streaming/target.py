"""Write the frames of one camera into a video, and continue with another encoder if one fails."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ffenc.config import VideoEncoderConfig
from ffenc.encoders.table import device_of, find_encoder
from ffenc.errors import FFencError, ProcessError, ProcessTimeoutError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.ffprobe import probe_video
from ffenc.ffmpeg.mp4.fragments import FragmentIndex
from ffenc.frames import FrameFormat
from ffenc.streaming.frame_target import Fallback, FrameTarget
from ffenc.streaming.parts import part_path
from ffenc.video.join import join_parts
from ffenc.video.run import EncodeResult
from ffenc.video.run_context import RunContext
from ffenc.video.salvage import MOST_REORDERED, salvage_video
from ffenc.video.writer import VideoWriter

logger = logging.getLogger(__name__)

HISTORY = 128
"""Frames kept until they are in the file, if there is a fallback.

It exceeds the frames that an encoder holds back (SVT-AV1: 82, x264: 75, measured with their longest lookahead) plus
`MOST_REORDERED`."""

_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderJob:
    """Settings for the videos of one camera.

    Attributes:
        fps: frames per second.
        config: encoder settings.
        encoder: FFmpeg's encoder; ``auto`` is resolved.
        frames: format of the raw frames.
        context: settings of the encoder's process.
        cameras: number of videos that are encoded at the same time.
        fallback: settings to continue with if the encoder fails; None: no fallback.
        refused: (encoder, reason) for encoders that ``auto`` preferred but could not use.
    """

    fps: Fraction
    config: VideoEncoderConfig
    encoder: str
    frames: FrameFormat
    context: RunContext
    cameras: int
    fallback: VideoEncoderConfig | None
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def suffix(self) -> str:
        """Suffix of the video: ``.mp4`` if its stream fits, else that of the encoder's first container."""
        spec = find_encoder(self.encoder)
        return ".mp4" if spec is None or "mp4" in spec.muxers else f".{spec.muxers[0]}"


def software_fallback(encoder: str, config: VideoEncoderConfig) -> VideoEncoderConfig | None:
    """Return the fallback of a hardware encoder: software for the same codec, with the same pixel format, ``g`` and ``crf``.

    Presets and extra options belong to the failed encoder and are left out.  None for software encoders.
    """
    if device_of(encoder) is None:
        return None
    spec = find_encoder(encoder)
    assert spec is not None
    return VideoEncoderConfig(vcodec=spec.codec, pix_fmt=config.pix_fmt, g=config.g, crf=config.crf)


class VideoTarget(FrameTarget):
    """Writes a durable video, and continues with the fallback if the encoder fails."""

    def __init__(self, path: Path, job: EncoderJob) -> None:
        self.path = path
        self.is_raw = False
        self.job = job
        self._fallbacks: list[Fallback] = []
        self._config = job.config
        self._parts: list[Path] = []
        self._before = 0  # frames in the parts
        self._encoded = 0
        self._fragments: FragmentIndex | None = None
        self._writer = self._next_writer()

    @property
    def fallbacks(self) -> list[Fallback]:
        """Encoders that failed."""
        return self._fallbacks

    @property
    def refused(self) -> tuple[tuple[str, str], ...]:
        """(encoder, reason) for encoders that ``auto`` preferred but could not use."""
        return self.job.refused

    @property
    def history(self) -> int:
        """Most frames that the fallback may need again; 0 without a fallback."""
        return 0 if self.job.fallback is None else HISTORY

    @property
    def frames_encoded(self) -> int:
        """Number of frames that the encoders have reported."""
        return self._before + self._encoded

    @property
    def encoder(self) -> str:
        """The running encoder, or the requested one."""
        plan = self._writer.plan
        return self.job.encoder if plan is None else plan.encoder.name

    @property
    def encoder_pid(self) -> int | None:
        """Process ID of the running encoder, or None."""
        return self._writer.encoder_pid

    def size_bytes(self) -> int:
        """Return the bytes written so far into the current part."""
        recording = self._writer.recording
        try:
            return 0 if recording is None else recording.size_bytes()
        except FileNotFoundError:
            return self.path.stat().st_size if self.path.exists() else 0

    def start(self) -> None:
        """Start the encoder."""
        self._writer.start()

    def write(self, frame: npt.NDArray[Any]) -> None:
        """Write one frame; raises as ``VideoWriter.write``."""
        self._writer.write(frame)

    def frames_safe(self, *, at_most_missing: int) -> int:
        """Return the number of frames in the file; wait until at most ``at_most_missing`` others are not in it.

        Raises:
            ProcessTimeoutError: the encoder takes frames but writes none.
        """
        deadline = time.monotonic() + self.job.context.stall_timeout_s
        while True:
            safe = max(0, self._recorded() - MOST_REORDERED)
            if self._writer.frames_written - safe <= at_most_missing:
                return self._before + safe
            if time.monotonic() > deadline:
                raise ProcessTimeoutError(
                    f"{self.encoder} took {self._writer.frames_written} frames but only {safe} are in its file",
                    argv=() if self._writer.plan is None else self._writer.plan.argv,
                )
            time.sleep(_PAUSE_S)

    def fall_back(self, error: FFencError) -> int:
        """Keep what the failed encoder wrote, start the fallback, and return the frame to continue with.

        Raises:
            FFencError: the error itself, without another encoder.
        """
        fallback = self.job.fallback
        if fallback is None or self._fallbacks or not isinstance(error, ProcessError):
            raise error
        failed, recording = self.encoder, self._writer.recording
        self._writer.abort(keep_recording=True)  # an encoder that stalled still runs
        if recording is not None and recording.path.exists():
            self._keep_part(recording.path)
        reason = str(error).splitlines()[0]
        if error.stderr_tail:
            reason += f": {error.stderr_tail.splitlines()[0]}"
        self._fallbacks.append(Fallback(frame=self._before, encoder=failed, reason=reason))
        logger.warning("%s failed at frame %d of %s (%s); continuing with %s", failed, self._before, self.path, reason,
                       fallback.vcodec)  # fmt: skip
        self._config, self._encoded, self._fragments = fallback, 0, None
        self._writer = self._next_writer()
        self._writer.start()
        return self._before

    def finish(self) -> EncodeResult:
        """End the stream, check the file and rename it; raises as ``VideoWriter.close``."""
        result = self._writer.close()
        if not self._parts:
            return result
        try:
            parts = [*self._parts, result.path]
            same_bits = join_parts(parts, self.path, config=result.encoder.config, binaries=self.job.context.binaries)
        except FFencError:
            logger.warning("the parts of %s are kept: %s", self.path, ", ".join(map(str, parts)))
            raise
        for part in parts:
            part.unlink()
        if not same_bits:
            self._fallbacks[-1] = replace(self._fallbacks[-1], same_bits=False)
        return _joined(result, self.path, self._before + result.frames, self.job.context.binaries)

    @property
    def kept(self) -> Path | None:
        """The recording that is left after an error, or its first part after a fallback."""
        recording = self._writer.recording
        left = [*self._parts, *([] if recording is None else [recording.path])]
        return next((path for path in left if path.exists()), None)

    def fail(self) -> None:
        """Stop, and keep what was recorded."""
        self._writer.abort(keep_recording=True)

    def abort(self) -> None:
        """Stop, and remove everything."""
        self._writer.abort()
        for part in self._parts:
            part.unlink(missing_ok=True)

    def _recorded(self) -> int:
        recording = self._writer.recording
        if recording is None:
            return 0
        if self._fragments is None:
            self._fragments = FragmentIndex(recording.path)
        return self._fragments.update().count

    def _keep_part(self, recording: Path) -> None:
        part = part_path(self.path, self._before)
        if FragmentIndex(recording).update().count:
            salvaged = salvage_video(
                recording, part, fps=self.job.fps, overwrite=True, binaries=self.job.context.binaries
            )
            self._parts.append(salvaged.path)
            self._before += salvaged.frames
        recording.unlink()

    def _next_writer(self) -> VideoWriter:
        job, context = self.job, self.job.context
        path = part_path(self.path, self._before) if self._parts else self.path
        form = job.frames
        return VideoWriter(
            path,
            fps=job.fps,
            config=self._config,
            size=(form.width, form.height),
            layout=form.layout,
            encoder_threads=context.encoder_threads if self._config is job.config else None,
            binaries=context.binaries,
            stall_timeout_s=context.stall_timeout_s,
            progress=self._note_progress,
            cameras=job.cameras,
            durable=True,
            priority=context.priority,
        )

    def _note_progress(self, frames: int, _: int | None) -> None:
        self._encoded = frames


def _joined(result: EncodeResult, path: Path, frames: int, binaries: Binaries) -> EncodeResult:
    return replace(
        result,
        path=path,
        frames=frames,
        size_bytes=path.stat().st_size,
        stream=probe_video(path, binaries=binaries),
    )
