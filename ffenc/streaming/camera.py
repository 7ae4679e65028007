"""One camera: its queue, its thread, and where its frames go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ffenc.depth import DepthQuantizer
from ffenc.errors import FFencError, FrameError
from ffenc.frames import FrameFormat, describe_array, mismatch_hint
from ffenc.statistics import FeatureStatistics, FrameSampler
from ffenc.streaming.images import ImageFolder
from ffenc.streaming.queueing import FrameQueue
from ffenc.streaming.target import Fallback
from ffenc.threads import start_thread
from ffenc.video.run import EncodeResult

_Array = npt.NDArray[Any]

_LOOK_AROUND_S = 0.5  # how often a thread without frames looks whether it is still wanted


class Target(Protocol):
    """Where frames go: `VideoTarget`, `SpoolTarget` or `ImageTarget`."""

    path: Path
    """What will be there in the end."""
    is_raw: bool
    """Takes frames as they come from the camera."""

    @property
    def fallbacks(self) -> list[Fallback]:
        """Encoders that failed."""

    @property
    def refused(self) -> tuple[tuple[str, str], ...]:
        """(encoder, reason) of what ``auto`` would have preferred."""

    @property
    def history(self) -> int:
        """Frames that may have to be written once more, at most."""

    @property
    def frames_encoded(self) -> int:
        """Frames that the encoder has reported."""

    @property
    def encoder(self) -> str:
        """The encoder at work."""

    @property
    def kept(self) -> Path | None:
        """What is left after an error."""

    def size_bytes(self) -> int:
        """Bytes written so far."""

    def start(self) -> None:
        """Be ready for the first frame."""

    def write(self, frame: _Array, /) -> None:
        """Take one frame."""

    def frames_safe(self, *, at_most_missing: int) -> int:
        """Frames that nobody needs to keep any more; waits until few enough are not among them."""

    def fall_back(self, error: FFencError, /) -> int:
        """Go on after an error; the frame to go on with.  Raises the error where there is no way to."""

    def finish(self) -> EncodeResult | ImageFolder:
        """Complete it."""

    def fail(self) -> None:
        """Keep what is there."""

    def abort(self) -> None:
        """Leave nothing behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthFormat:
    """What a depth camera gives: ``(height, width)`` uint16 millimetres, or float32 metres."""

    width: int
    height: int
    in_metres: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFormat:
    """What a camera gives, and what its encoder is fed with.

    Attributes:
        shape: of every array, e.g. ``(480, 640, 3)``; a depth frame ``(480, 640)`` may also come as ``(480, 640, 1)``.
        dtype: of every array.
        frames: what the encoder is fed with.
        quantizer: turns depth into codes; None feeds the frames as they come.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    frames: FrameFormat
    quantizer: DepthQuantizer | None = None

    def check(self, camera: str, frame: object, *, number: int = 0) -> _Array:
        """Return the frame, if it is one of this camera.

        Args:
            camera: its name.
            frame: what was given.
            number: of the frame in its episode, counted from 0.

        Raises:
            FrameError: it is something else; the message names the camera.
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
            f"camera {camera!r} was given {seen} where every frame is {expected}; nothing of this time step was taken.{hint}",
            expected=expected,
            seen=seen,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRecording:
    """What became of one camera's frames in one episode.

    Attributes:
        path: the video, or the directory of images.
        frames: frames in it.
        dtype: of the frames as they came in.
        statistics: of the frames as they came in; LeRobot's shape (channels, 1, 1), its sampled frames.
        result: what was measured and how it was encoded.
        fallbacks: encoders that failed on the way.
        refused: (encoder, reason) of what ``auto`` would have preferred.
    """

    path: Path
    frames: int
    dtype: str
    statistics: FeatureStatistics
    result: EncodeResult | ImageFolder
    fallbacks: tuple[Fallback, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()


class CameraEncoder:
    """One camera of one episode.

    The thread that feeds uses `publish` and `finish`, and stages frames in the queue; the camera's own thread does the rest.

    Attributes:
        name: of the camera.
        format: of its frames.
        queue: between the two threads.
        target: where its frames go.
        frames_out: frames that the target has taken.
        started_s: when its first frame was handed over, on the clock of ``time.monotonic``; until then, when it was made.
        error: what went wrong; it ends the camera.
        recording: what came out, once it has ended well.
    """

    def __init__(
        self,
        name: str,
        form: CameraFormat,
        queue: FrameQueue,
        target: Target,
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
        self._kept_from = 0  # the oldest frame that may have to be written again
        self._cancelled = False
        self._on_end = on_end
        self._thread = threading.Thread(target=self._run, name=f"camera {name}", daemon=True)

    def start(self) -> None:
        """Start the thread, which starts the encoder before the first frame."""
        start_thread(self._thread)

    @property
    def frames_in(self) -> int:
        """Frames that were handed over."""
        return self.queue.published

    def publish(self, number: int) -> None:
        """Hand over the staged frame under its number; a second call with the same number does nothing."""
        if number == 0:
            self.started_s = time.monotonic()
        self.queue.publish(number)

    def finish(self) -> None:
        """Say that there will be no more frames; returns at once."""
        self.queue.end()

    def cancel(self) -> None:
        """Throw everything away, and wait for the thread."""
        self._cancelled = True
        self.queue.end()
        self.target.abort()
        self.join()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for the thread."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self.target.start()
            self._pump()
            if self._cancelled or not self.frames_out:
                self.target.abort()  # that it was given nothing, the episode says
            else:
                self.recording = self._finish()
        except BaseException as err:  # it crosses to the thread that feeds or waits
            self.error = err
            self._end_badly()
        finally:
            if self._cancelled:
                self.target.abort()
            self._on_end(self)

    def _end_badly(self) -> None:
        if not self._cancelled:
            self.target.fail()

    def _pump(self) -> None:
        while not self._cancelled:
            try:
                number = self.queue.take(_LOOK_AROUND_S)
            except Empty:
                continue
            if number is None:
                return
            frame = self.queue.frame(number)
            try:
                self._write(frame)
            except FFencError as err:
                self._go_on_after(err, taken=number + 1)
            self._sampler.add(frame)
            self.frames_out = number + 1
            try:
                self._let_go()
            except FFencError as err:
                self._go_on_after(err, taken=number + 1)

    def _write(self, frame: _Array) -> None:
        quantizer = self.format.quantizer
        self.target.write(frame if quantizer is None or self.target.is_raw else quantizer.quantize(frame))

    def _go_on_after(self, error: FFencError, *, taken: int) -> None:
        """Write every frame that did not get into a file once more, with the next encoder."""
        first = self.target.fall_back(error)
        assert self._kept_from <= first
        for number in range(first, taken):
            self._write(self.queue.frame(number))

    def _let_go(self) -> None:
        history = self.target.history
        if self.frames_out - self._kept_from > history:
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
                self._go_on_after(err, taken=self.frames_out)
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
