"""Encode numpy frames to one verified video file."""

from __future__ import annotations

import logging
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.depth import DepthQuantizer
from ffenc.errors import FFencError, FrameError, OutputError, ProcessError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.process.ffmpeg_process import STALL_TIMEOUT_S
from ffenc.ffmpeg.process.priority import Priority
from ffenc.frame_rate import FrameRate, parse_frame_rate
from ffenc.frames import FrameFormat
from ffenc.owner import Owner
from ffenc.plan.encode import EncodePlan, RawFrames, muxer_for
from ffenc.regular_files import file_path
from ffenc.video.output import PendingFile, check_target
from ffenc.video.planning import plan_for
from ffenc.video.recording import RecordingFile
from ffenc.video.recording_copy import copy_recording
from ffenc.video.run import EncodeResult, check_complaints, check_result, log_reductions, start_plan
from ffenc.video.run_context import ProgressCallback, RunContext

if TYPE_CHECKING:
    from typing_extensions import Self

    from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess

logger = logging.getLogger(__name__)

DEPTH_LAYOUT = "depth"
"""Layout of depth that is still to be quantized: uint16 millimetres or float32 metres."""


class VideoWriter:
    """Write numpy frames of one camera to one file.

    The file gets its name only after `close` has read it back: one packet per accepted frame, each at exactly k/fps.
    Otherwise there is a typed error and no file.  As a context manager it closes when the block ends normally.  When the
    block raises, it aborts and leaves nothing behind.

    Example::

        with VideoWriter("laptop.mp4", fps=30) as writer:
            for frame in camera:  # (480, 640, 3) uint8 RGB
                writer.write(frame)
        print(writer.result.size_bytes)

    With ``durable=True`` a crash, a kill or a power loss costs the frames in the encoder, and at most a second: see
    `ffenc.video.recording`.  The recording is then kept after any error, and only a call of `abort` removes it.

    Not thread-safe: one thread writes (`abort` may be called from any).

    Attributes:
        path: the final file.
        fps: exact frame rate.
        frames_written: number of frames accepted so far.
        plan: the command; None before the frame size is known.
        recording: with ``durable=True``, the hidden file that is being written; None before and after.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        fps: FrameRate,
        config: VideoEncoderConfig | None = None,
        size: tuple[int, int] | None = None,
        layout: str = "rgb",
        overwrite: bool = False,
        encoder_threads: int | None = None,
        binaries: Binaries | None = None,
        stall_timeout_s: float = STALL_TIMEOUT_S,
        progress: ProgressCallback | None = None,
        cameras: int = 1,
        durable: bool = False,
        priority: Priority = Priority(),  # noqa: B008  it is immutable
    ) -> None:
        """Check the arguments; nothing is started yet.

        Args:
            path: ends in ``.mp4`` or ``.mov``.
            fps: whole number (also as a float), Fraction or ``"30000/1001"``.
            config: encoder settings; LeRobot's defaults if None.
            size: (width, height) in pixels; None takes it from the first frame.  If given, wrong settings are found on
                entering the context instead of at the first frame.
            layout: content of the arrays, a key of `ffenc.frames.LAYOUTS`.
                ``"depth"`` takes ``(H, W)`` uint16 millimetres or float32 metres, which a `DepthEncoderConfig` quantizes.
            overwrite: replace an existing file.
            encoder_threads: threads of the encoder (for SVT-AV1 its ``lp``); None leaves it to the encoder.
            binaries: the executables; found by `find_binaries` if None.
            stall_timeout_s: longest time without progress before the encoder is killed.
            progress: called with (frames encoded, None) about twice a second, from another thread.
            cameras: writers that work at the same time; ``auto`` tries as many at once, because some drivers limit them.
            durable: make the recording survive a crash.
            priority: of the encoder's process.

        Raises:
            OutputExistsError: ``path`` exists and ``overwrite`` is False.
            OutputError: its directory does not exist.
            InputError: its suffix names no container that ffenc writes.
            ValueError: a wrong frame rate, size or layout.
        """
        self.path = file_path(path, written=True)
        muxer_for(self.path)
        check_target(self.path, overwrite=overwrite)
        self.fps = parse_frame_rate(fps)
        self.frames_written = 0
        self.plan: EncodePlan | None = None
        self._config = config or VideoEncoderConfig()
        self._quantizer: DepthQuantizer | None = None
        self._depth_dtype: np.dtype[Any] | None = None
        if layout == DEPTH_LAYOUT:
            if not isinstance(config, DepthEncoderConfig) or not config.quantizes:
                raise ValueError(f"layout {layout!r} needs a DepthEncoderConfig that quantizes, got {config!r}")
            self._quantizer, layout = config.quantizer, config.layout
        self._layout = layout
        self._format = FrameFormat(width=size[0], height=size[1], layout=layout) if size else None
        self._overwrite = overwrite
        self._context = RunContext(
            binaries=binaries or find_binaries(),
            encoder_threads=encoder_threads,
            stall_timeout_s=stall_timeout_s,
            priority=priority,
            progress=progress,
        )
        self._process: FFmpegProcess | None = None
        self._cameras = cameras
        self._durable = durable
        self._pending: PendingFile | None = None
        self.recording: RecordingFile | None = None
        self._result: EncodeResult | None = None
        self._ended: str | None = None
        self._owner = Owner()

    @property
    def result(self) -> EncodeResult:
        """The result, after `close`.

        Raises:
            FFencError: the writer is not closed, or was aborted.
        """
        if self._result is None:
            raise FFencError(f"{self.path} has no result: the writer {self._ended or 'is still open'}")
        return self._result

    @property
    def encoder_pid(self) -> int | None:
        """Process ID of the encoder while it runs, else None."""
        process = self._process
        return None if process is None or process.state == "exited" else process.pid

    def write(self, frame: npt.NDArray[Any]) -> None:
        """Send one frame to the encoder; returns when ffmpeg's pipe has taken it.

        Args:
            frame: array of the declared layout and size, e.g. ``(height, width, 3)`` uint8; it is not kept.

        Raises:
            FrameError: wrong shape or dtype; nothing was sent, and writing can continue.
            CapabilityError: at the first frame: this FFmpeg cannot do what the config asks for.
            ProcessError: ffmpeg died or hung; the temporary file is removed.
        """
        self._owner.check(self)
        if self._ended:
            raise FFencError(f"cannot write to {self.path}: the writer {self._ended}")
        if self._quantizer is not None:
            frame = self._codes(frame, self._quantizer)
        form = self._format or FrameFormat.of(frame, self._layout)
        data = form.bytes_of(frame, number=self.frames_written)
        process = self._process or self._start(form)
        try:
            process.write(data)
            if process.stderr_matches and self.plan is not None:
                check_complaints(process, self.plan)  # now rather than at the end of a long recording
        except ProcessError as err:
            err.frames_written = self.frames_written
            self._fail()
            raise
        except BaseException:
            # Interrupted in the middle of a frame: everything after it would be shifted.
            self._fail()
            raise
        self.frames_written += 1

    def _codes(self, depth: npt.NDArray[Any], quantizer: DepthQuantizer) -> npt.NDArray[Any]:
        codes = quantizer.quantize(depth)
        if self._depth_dtype not in (None, depth.dtype):
            raise FrameError(
                f"depth changed from {self._depth_dtype} to {depth.dtype}; its unit cannot change within a video",
                expected=str(self._depth_dtype),
                seen=str(depth.dtype),
            )
        self._depth_dtype = depth.dtype
        return codes

    def close(self) -> EncodeResult:
        """End the stream, read the file back, and give it its name.  A second call returns the same result.

        Raises:
            OutputError: no frame was written, or the file differs from the plan; it was removed.
            ProcessError: ffmpeg failed, died or hung.
            EncoderOptionError: the encoder reported that it ignored an option.
        """
        self._owner.check(self)
        if self._ended:
            return self.result
        if self._process is None or self.plan is None or self.frames_written == 0:
            self.abort()
            raise OutputError(f"no frame was written, so {self.path} was not made", path=self.path, frames_expected=0)
        try:
            finished = self._process.finish()
            check_complaints(self._process, self.plan)
            with self._written() as pending:
                self._result = check_result(self.plan, pending, self._context, finished, frames=self.frames_written)
        except ProcessError as err:
            err.frames_written = self.frames_written
            self._fail()
            raise
        except BaseException:
            self._fail()
            raise
        self._ended = "is closed"
        if self.recording is not None:
            self.recording.discard()
        return self._result

    def abort(self, *, keep_recording: bool = False) -> None:
        """Kill the encoder and leave nothing behind.  Safe to call again, and from another thread.

        Args:
            keep_recording: leave a durable recording for `ffenc.video.salvage`.
        """
        self._owner.check(self)
        if keep_recording and self.recording is not None:
            self._fail()
            return
        self._ended = self._ended or "was aborted"
        if self._process is not None:
            self._process.abort()
        if self._pending is not None:
            self._pending.discard()
        if self.recording is not None:
            self.recording.discard()

    def _fail(self) -> None:
        """Abort, but keep a durable recording."""
        if self.recording is None:
            self.abort()
            return
        self._ended = self._ended or "failed"
        if self._process is not None:
            self._process.abort()
        self.recording.release()

    def _written(self) -> PendingFile:
        """Return the file to check: the one that ffmpeg wrote, or a copy of the durable recording."""
        if self.recording is None:
            assert self._pending is not None
            return self._pending
        pending = PendingFile(self.path, overwrite=self._overwrite)
        try:
            copy_recording(self.recording.path, pending.path, self._context, fps=self.fps)
        except BaseException:
            pending.discard()
            raise
        return pending

    def _start(self, form: FrameFormat) -> FFmpegProcess:
        # Every setting is checked before the first file appears.
        plan = plan_for(
            self._config,
            RawFrames(frames=form, fps=self.fps),
            self.path,
            self._context,
            cameras=self._cameras,
            fragmented=self._durable,
        )
        if self._durable:
            self.recording = RecordingFile(self.path)
        else:
            self._pending = PendingFile(self.path, overwrite=self._overwrite)
        target = self.recording or self._pending
        assert target is not None
        self.plan = plan.writing_to(target.path)
        log_reductions(plan.encoder, once=self._durable)
        try:
            self._process = start_plan(
                self.plan,
                self._context,
                stdin=True,
                kept_open=() if self.recording is None else (self.recording.descriptor,),
            )
        except BaseException:
            self.abort()
            raise
        self._format = form
        return self._process

    def start(self) -> None:
        """Start the encoder before the first frame, if the size was given; otherwise do nothing.

        Raises:
            CapabilityError: this FFmpeg cannot do what the config asks for.
        """
        self._owner.check(self)
        if self._format is not None and self._process is None and self._ended is None:
            self._start(self._format)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._owner.is_here:
            return  # a forked child that leaves the block; the file belongs to its parent
        try:
            if exc_type is None:
                self.close()
            else:
                self._fail()
        finally:
            if self.recording is not None and self.recording.path.exists():
                logger.warning(
                    "the recording of %s is kept in %s; ffenc salvage makes a video of it",
                    self.path,
                    self.recording.path,
                )

    def __repr__(self) -> str:
        state = self._ended or ("is open" if self._process else "has not started")
        return f"<VideoWriter {self.path} {state}, {self.frames_written} frames>"
