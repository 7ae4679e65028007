"""One camera of an episode: its queue, its thread, and the target of its frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.depth import DepthQuantizer
from ffenc.errors import FFencError, FrameError, ThreadStartError
from ffenc.frames import FrameFormat, describe_array, mismatch_hint
from ffenc.statistics import FeatureStatistics, FrameSampler
from ffenc.streaming.frame_target import Fallback, FrameTarget
from ffenc.streaming.images import ImageFolder
from ffenc.streaming.pending_result import PendingResult
from ffenc.streaming.queueing import FrameQueue
from ffenc.threads import PromptThread
from ffenc.video.output import WrittenVideo

_Array = npt.NDArray[Any]

_POLL_S = 0.5  # how often a waiting thread checks for a cancel
# The thread that started the camera is in the middle of a time step, and would wait for the interpreter's lock.
_START_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthFormat:
    """Frames of a depth camera: ``(height, width)`` uint16 millimetres or float32 metres."""

    width: int
    height: int
    in_metres: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFormat:
    """Arrays of a camera, and the raw frames that its encoder gets.

    Attributes:
        shape: shape of every array, e.g. ``(480, 640, 3)``.  Depth ``(480, 640)`` may also come as ``(480, 640, 1)``.
        dtype: dtype of every array.
        frames: format of the encoder's input.
        quantizer: converts depth to codes; None passes the arrays on unchanged.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    frames: FrameFormat
    quantizer: DepthQuantizer | None = None

    def check(self, camera: str, frame: object, *, number: int = 0) -> _Array:
        """Check a frame, and return it in the shape of the format.

        Args:
            camera: name of the camera.
            frame: what the caller gave.
            number: frame number in its episode, from 0.

        Raises:
            FrameError: it does not have this format; the message names the camera.
        """
        if isinstance(frame, np.ndarray) and frame.dtype == self.dtype:
            if frame.shape == self.shape:
                return frame
            if len(self.shape) == 2 and frame.shape == (*self.shape, 1):
                return frame[:, :, 0]
        seen = describe_array(frame)
        expected = f"{self.shape} {self.dtype.name}"
        hint = mismatch_hint(frame, self.shape, self.dtype, earlier=number > 0, number=number)
        if len(self.shape) == 2 and isinstance(frame, np.ndarray) and frame.dtype != self.dtype:
            hint = " The unit of depth (uint16 millimetres or float32 metres) cannot change within a recording."
        raise FrameError(
            f"camera {camera!r} got {seen}, expected {expected} as in every frame; nothing of this time step was taken.{hint}",
            expected=expected,
            seen=seen,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRecording:
    """Recorded frames of one camera in one episode.

    Attributes:
        path: the video, or the folder of images.
        frames: number of frames.
        dtype: dtype of the input frames.
        statistics: of the input frames: LeRobot's shape (channels, 1, 1), over LeRobot's sampled frames.
        result: measured properties of the file; an `EncodeResult` if it was encoded, and not copied from a clip.
        fallbacks: encoders that failed while recording.
        refused: (encoder, reason) for encoders that ``auto`` preferred but could not use.
    """

    path: Path
    frames: int
    dtype: str
    statistics: FeatureStatistics
    result: WrittenVideo | ImageFolder
    fallbacks: tuple[Fallback, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()


class CameraEncoder:
    """One camera of one episode.

    The feeding thread stages frames in the queue and calls `publish` and `finish`.  The camera's own thread does the rest.

    Attributes:
        name: name of the camera.
        format: format of its frames.
        queue: queue between the two threads.
        target: writes the frames.
        frames_out: number of frames that the target has taken.
        started_s: time of its first frame (before that: of its creation), on the clock of ``time.monotonic``.
        error: error that ended the camera, or None.
        recording: result, once the camera has finished without an error.
    """

    def __init__(
        self,
        name: str,
        form: CameraFormat,
        queue: FrameQueue,
        target: FrameTarget,
        *,
        on_end: Callable[[CameraEncoder], None],
    ) -> None:
        self.name = name
        self.format = form
        self.queue = queue
        self.target = target
        self.frames_out = 0
        self.started_s = time.monotonic()
        self.error: BaseException | None = None
        self.recording: CameraRecording | None = None
        self._sampler = FrameSampler()
        self._kept_from = 0  # the oldest frame that a fallback may need again
        self._cancelled = False
        self._on_end = on_end
        self._after: Sequence[PendingResult[Any]] = ()
        self._thread = PromptThread(self._run, name=f"camera {name}", on_failure=self._thread_refused)

    def start(self, *, after: Sequence[PendingResult[Any]] = ()) -> None:
        """Start the thread, which starts the encoder; return at once.

        Args:
            after: work that must end before the encoder starts.  Until then, frames wait in the queue.
        """
        self._after = after
        self._thread.start()

    @property
    def frames_in(self) -> int:
        """Number of published frames."""
        return self.queue.published

    def publish(self, number: int) -> None:
        """Publish the staged frame under its number; a second call with the same number does nothing."""
        if number == 0:
            self.started_s = time.monotonic()
        self.queue.publish(number)

    def finish(self) -> None:
        """End the stream of frames; return at once."""
        self.queue.end()

    def cancel(self) -> None:
        """Discard everything, and wait for the thread."""
        self._cancelled = True
        self.queue.end()
        self.target.abort()
        self.join()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for the thread."""
        self._thread.join(timeout_s)

    def _thread_refused(self, error: ThreadStartError) -> None:
        self.error = error
        self._end()

    def _end(self) -> None:
        # The callback leads to the episode with all its rows; a cycle would keep them until the next full collection.
        on_end, self._on_end = self._on_end, _forgotten
        on_end(self)

    def _run(self) -> None:
        try:
            time.sleep(_START_PAUSE_S)
            self.queue.allocate()
            while self._after and not self._cancelled:
                if self._after[0].settle(_POLL_S):
                    self._after = self._after[1:]
            if not self._cancelled:
                self.target.start()
            self._pump()
            if self._cancelled or not self.frames_out:
                self.target.abort()  # the episode reports a camera without frames
            else:
                self.recording = self._finish()
        except BaseException as err:  # raised later, by the feeding or the waiting thread
            self.error = err
            if not self._cancelled:
                self.target.fail()
        finally:
            if self._cancelled:
                self.target.abort()
            self._end()

    def _pump(self) -> None:
        while not self._cancelled:
            try:
                number = self.queue.take(_POLL_S)
            except Empty:
                continue
            if number is None:
                return
            frame = self.queue.frame(number)
            try:
                self._write(frame)
            except FFencError as err:
                self._fall_back(err, taken=number + 1)
            self._sampler.add(frame)
            self.frames_out = number + 1
            try:
                self._release_safe()
            except FFencError as err:
                self._fall_back(err, taken=number + 1)

    def _write(self, frame: _Array) -> None:
        quantizer = self.format.quantizer
        self.target.write(frame if quantizer is None or self.target.is_raw else quantizer.quantize(frame))

    def _fall_back(self, error: FFencError, *, taken: int) -> None:
        """Write every frame that is in no file again, with the next encoder."""
        first = self.target.fall_back(error)
        assert self._kept_from <= first
        for number in range(first, taken):
            self._write(self.queue.frame(number))

    def _release_safe(self) -> None:
        history = self.target.history
        if history == 0:
            self._release_before(self.frames_out)
        elif self.frames_out - self._kept_from > history:
            self._release_before(self.target.frames_safe(at_most_missing=history))

    def _release_before(self, number: int) -> None:
        self._kept_from = max(self._kept_from, min(number, self.frames_out))
        self.queue.release_before(self._kept_from)

    def _finish(self) -> CameraRecording:
        while True:
            try:
                result = self.target.finish()
                break
            except FFencError as err:
                self._fall_back(err, taken=self.frames_out)
        self._release_before(self.frames_out)
        return CameraRecording(
            path=self.target.path,
            frames=result.frames,
            dtype=self.format.dtype.name,
            statistics=self._sampler.statistics(),
            result=result,
            fallbacks=tuple(self.target.fallbacks),
            refused=self.target.refused,
        )


def _forgotten(_: CameraEncoder) -> None:
    """Stand in for a callback that was called."""
