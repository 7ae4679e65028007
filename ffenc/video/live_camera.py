"""Keep the newest frame of a live source."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from ffenc.errors import CameraEndedError, CameraError, CameraStalledError, CameraUnavailableError
from ffenc.frames import FrameFormat
from ffenc.threads import start_thread

if TYPE_CHECKING:
    from typing_extensions import Self

FIRST_FRAME_TIMEOUT_S = 20.0
"""Longest time from the start of a camera to its first frame; network cameras wait for a keyframe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedFrame:
    """One frame of a live source.

    Attributes:
        frame: ``(height, width, 3)`` uint8 RGB, or ``(height, width)`` uint16 of a depth camera; never modified later.
        time_s: its arrival, by ``time.monotonic``.
        number: number of frames before it.
    """

    frame: npt.NDArray[Any]
    time_s: float
    number: int


class LiveCamera(ABC):
    """A source whose newest frame is kept; a daemon thread reads every frame as it arrives.

    The source never waits for the user of its frames, and there is no queue.  A frame that was not taken before the next
    one arrived is superseded, and counted.  As a context manager it starts and closes.

    Args:
        name: name in messages.
        first_frame_timeout_s: longest wait of `start`.
    """

    def __init__(self, name: str, *, first_frame_timeout_s: float = FIRST_FRAME_TIMEOUT_S) -> None:
        self.name = name
        self._first_frame_timeout_s = first_frame_timeout_s
        self._news = threading.Condition()
        self._newest: CapturedFrame | None = None
        self._taken = -1
        self._skipped = 0
        self._error: CameraError | None = None
        self._closing = False
        self._thread: threading.Thread | None = None

    @abstractmethod
    def _open(self) -> None:
        """Open the source; called once, by `start`."""

    @abstractmethod
    def _next(self) -> npt.NDArray[Any]:
        """Wait for the next frame and return it in a new array; called by the thread.

        Raises:
            CameraError: there is no further frame.
        """

    @abstractmethod
    def _shut(self) -> None:
        """Close the source and end a `_next` in another thread; safe to call again."""

    def start(self) -> Self:
        """Open the source and wait for its first frame.

        Raises:
            CameraError: the source does not exist, has another format than requested, or sent no frame.
        """
        if self._thread is not None:
            raise self._error_of(CameraUnavailableError, "was started before; make a new one")
        try:
            self._open()
            self._thread = threading.Thread(target=self._take_all, name=f"camera {self.name}", daemon=True)
            start_thread(self._thread)
            self._await_first()
        except BaseException:
            self.close()
            raise
        return self

    @property
    def format(self) -> FrameFormat:
        """Shape and dtype of every frame; known from `start` on."""
        newest = self._newest
        if newest is None:
            raise self._error_of(CameraUnavailableError, "was not started")
        return FrameFormat.of(newest.frame, "rgb" if newest.frame.ndim == 3 else "gray16")

    @property
    def frames_read(self) -> int:
        """Number of frames that arrived so far."""
        newest = self._newest
        return 0 if newest is None else newest.number + 1

    @property
    def superseded(self) -> int:
        """Number of frames that were replaced by a newer one before they were taken."""
        return self._skipped

    def latest(self) -> CapturedFrame:
        """Return the newest frame at once, whether it was taken before or not.

        Raises:
            CameraError: the source has ended, stalled or was never started.
        """
        with self._news:
            return self._take()

    def read(self, timeout_s: float = 1.0) -> CapturedFrame:
        """Wait for a frame that was not taken before, and return the newest.

        Raises:
            CameraStalledError: none arrived in time.
            CameraError: the source has ended or was never started.
        """
        with self._news:
            self._news.wait_for(lambda: self._error or self.frames_read > self._taken + 1, timeout=timeout_s)
            if self._error is None and self.frames_read <= self._taken + 1:
                raise self._error_of(CameraStalledError, f"sent no new frame within {timeout_s:g} s")
            return self._take()

    def close(self) -> None:
        """Close the source with its process and thread; safe to call again."""
        self._closing = True
        self._shut()
        if self._thread is not None and self._thread is not threading.current_thread() and self._thread.ident:
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        states = ((self._closing, "is closed"), (self._error, "failed"), (self._newest, "is open"))
        state = next((text for holds, text in states if holds), "has not started")
        return f"<{type(self).__name__} {self.name} {state}, {self.frames_read} frames>"

    def _error_of(self, kind: type[CameraError], what: str) -> CameraError:
        """Return an error about this camera."""
        return kind(f"camera {self.name} {what}", source=self.name, frames_read=self.frames_read)

    def _await_first(self) -> None:
        with self._news:
            self._news.wait_for(lambda: self._newest or self._error, timeout=self._first_frame_timeout_s)
            if self._error is not None:
                raise self._error
            if self._newest is None:
                raise self._error_of(
                    CameraUnavailableError,
                    f"was opened, but sent no frame within {self._first_frame_timeout_s:g} s; check whether another program "
                    "uses it, and whether it sends video",
                )

    def _take(self) -> CapturedFrame:
        if self._error is not None:
            raise self._error
        if self._newest is None or self._closing:
            state = "is closed" if self._closing else "was not started"
            raise self._error_of(CameraUnavailableError, state)
        self._taken = self._newest.number
        return self._newest

    def _take_all(self) -> None:
        try:
            while not self._closing:
                frame = self._next()
                now = time.monotonic()
                with self._news:
                    number = self.frames_read
                    self._skipped += self._taken < number - 1
                    self._newest = CapturedFrame(frame=frame, time_s=now, number=number)
                    self._news.notify_all()
        except CameraError as err:
            self._fail(err)
        except BaseException as err:  # raised again in the thread that uses the frames
            failed = self._error_of(CameraEndedError, f"failed: {err!r}")
            failed.__cause__ = err
            self._fail(failed)

    def _fail(self, error: CameraError) -> None:
        if self._closing:
            return
        with self._news:
            self._error = error
            self._news.notify_all()
        self._shut()
