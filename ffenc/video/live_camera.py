"""Keep the newest frame of a live source."""

from __future__ import annotations

import logging
import math
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from ffenc.errors import CameraEndedError, CameraError, CameraStalledError, CameraUnavailableError, FFencError
from ffenc.frames import FrameFormat
from ffenc.redaction import redacted
from ffenc.threads import start_thread

if TYPE_CHECKING:
    from typing_extensions import Self

logger = logging.getLogger(__name__)

FIRST_FRAME_TIMEOUT_S = 20.0
"""Longest time from the start of a camera until it delivers frames at its rate; network cameras wait for a keyframe."""

CAMERA_STALL_TIMEOUT_S = 5.0
"""Longest time without a frame before a camera counts as stalled."""

_CLOSE_TIMEOUT_S = 2.0
_AWAITED_AFTER_S = 2.0  # most cameras are open by then
# After a pause of this whole process, the reading thread gets this long to fetch the frames that have arrived.
_STALL_GRACE_S = 0.25

_SETTLE_SPAN_S = 0.5
_SETTLE_FRAMES = 5
_SETTLE_LIMIT_S = 3.0
_SETTLE_RATIO = 1.5
_RATE_SPAN_S = 1.0
_ARRIVALS_KEPT = 512


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
    """A source whose newest frame is kept; a daemon thread opens it and reads every frame as it arrives.

    The source never waits for the user of its frames, and frames are not queued.  A frame that was not taken before the next
    one arrived is superseded, and counted.  As a context manager it starts and closes.

    Args:
        name: name in messages; a password in it is hidden.
        first_frame_timeout_s: longest wait for the camera to open.
        stall_timeout_s: longest time between two frames.
        has_backlog: whether the first frames may be older ones that arrive faster than the camera's rate.  The camera is
            open once frames arrive at a steady rate.
        measures_rate: whether the camera is open only when its rate has been measured for a second.
    """

    def __init__(
        self,
        name: str,
        *,
        first_frame_timeout_s: float = FIRST_FRAME_TIMEOUT_S,
        stall_timeout_s: float = CAMERA_STALL_TIMEOUT_S,
        has_backlog: bool = False,
        measures_rate: bool = False,
    ) -> None:
        self.name = redacted(name)
        self._first_frame_timeout_s = first_frame_timeout_s
        self._stall_timeout_s = stall_timeout_s
        self._has_backlog = has_backlog
        self._measures_rate = measures_rate
        self._news = threading.Condition()
        self._newest: CapturedFrame | None = None
        self._arrivals: deque[float] = deque(maxlen=_ARRIVALS_KEPT)
        self._steady_since: float | None = None
        self._is_open = False
        self._taken = -1
        self._asked_at = 0.0
        self._skipped = 0
        self._error: FFencError | None = None
        self._closing = False
        self._thread: threading.Thread | None = None
        self._deadline = 0.0

    @abstractmethod
    def _open(self) -> None:
        """Open the source; called once, by the thread."""

    @abstractmethod
    def _next(self) -> npt.NDArray[Any]:
        """Wait for the next frame and return it in a new array; called by the thread.

        Raises:
            CameraError: the source sends no further frame.
        """

    @abstractmethod
    def _shut(self) -> None:
        """Close the source; called by the thread when it ends."""

    def _interrupt(self) -> None:  # noqa: B027  # not every source can be interrupted
        """End a `_next` of the thread, if the source supports that; called by other threads, repeatedly."""

    def _check_open(self) -> None:  # noqa: B027  # not every source has something to check
        """Raise a `CameraError` if the camera has another rate than requested; called once, when it is open."""

    @property
    def stated_rate(self) -> float | None:
        """Frames per second that the source states; None if it states none.  Network cameras often state a wrong one."""
        return None

    @property
    def _awaited_first(self) -> str:
        """What is missing for the first frame."""
        return "its first frame"

    def start(self) -> Self:
        """Open the source and wait until frames arrive at its rate.

        Raises:
            CameraError: the source does not exist, has another format than requested, or sent no frame.
        """
        return self.begin().wait_until_open()

    def begin(self) -> Self:
        """Begin to open the source without waiting, so that several cameras open side by side.

        Raises:
            CameraUnavailableError: it was started before.
            ThreadStartError: the system refuses a thread.
        """
        if self._thread is not None:
            raise self._error_of(CameraUnavailableError, "was started before; make a new one")
        self._deadline = time.monotonic() + self._first_frame_timeout_s
        self._thread = threading.Thread(target=self._take_all, name=f"camera {self.name}", daemon=True)
        start_thread(self._thread)
        return self

    def wait_until_open(self, *, on_wait: Callable[[str], None] = lambda _: None) -> Self:
        """Wait until frames arrive at the camera's rate.  After an error the camera is closed.

        Args:
            on_wait: called with `awaited` after two seconds, and whenever it changes later.

        Raises:
            CameraError: as `start`.
        """
        try:
            self._await_open(on_wait)
            self._check_open()
        except BaseException:
            self.close()
            raise
        return self

    @property
    def awaited(self) -> str | None:
        """What the camera waits for while it opens, as text; None if it is open."""
        if self._is_open:
            return None
        if self._newest is None:
            return self._awaited_first
        if self._steady_since is None:
            return "frames at a steady rate"
        return "a second of frames, to measure its rate"

    @property
    def format(self) -> FrameFormat:
        """Shape and dtype of every frame; known once it is open."""
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

    @property
    def rate(self) -> float | None:
        """Frames per second that arrived over the last second or more; None before that."""
        with self._news:
            arrivals = list(self._arrivals)
        if self._steady_since is None:
            return None
        arrivals = [arrival for arrival in arrivals if arrival >= self._steady_since]
        recent = [arrival for arrival in arrivals if arrival >= arrivals[-1] - 2 * _RATE_SPAN_S] if arrivals else []
        chosen = recent if len(recent) >= _SETTLE_FRAMES else arrivals[-_SETTLE_FRAMES:]
        if len(chosen) < 2 or chosen[-1] - chosen[0] < _RATE_SPAN_S * 0.9:
            return None
        return (len(chosen) - 1) / (chosen[-1] - chosen[0])

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
            until_stall_s = (
                self._stall_timeout_s - (time.monotonic() - self._newest.time_s) if self._newest else math.inf
            )
            self._news.wait_for(
                lambda: self._error or self.frames_read > self._taken + 1,
                timeout=max(0.0, min(timeout_s, until_stall_s)),
            )
            if self._error is None and self.frames_read <= self._taken + 1 and not self._is_silent():
                raise self._error_of(CameraStalledError, f"sent no new frame within {timeout_s:g} s")
            return self._take()

    def close(self) -> None:
        """Close the source with its process and thread; safe to call again.

        A library that blocks within a read keeps its device until it returns.  This method waits for at most two seconds.
        """
        self._closing = True
        with self._news:
            self._news.notify_all()
        self._interrupt()
        thread = self._thread
        if thread is None or thread is threading.current_thread() or not thread.ident:
            return
        thread.join(_CLOSE_TIMEOUT_S)
        if thread.is_alive():
            logger.warning("camera %s is blocked while it reads; it is closed when that ends", self.name)

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

    def _no_frame(self) -> CameraError:
        """Return the error of a camera that sent no frame in time."""
        return self._error_of(
            CameraUnavailableError,
            f"sent no frame within {self._first_frame_timeout_s:g} s; check whether another program uses it, and whether it "
            "sends video",
        )

    def _await_open(self, on_wait: Callable[[str], None]) -> None:
        told = None
        while (left_s := self._deadline - time.monotonic()) > 0:
            with self._news:
                pause_s = min(left_s, _AWAITED_AFTER_S)
                if self._news.wait_for(lambda: self._is_open or self._error or self._closing, timeout=pause_s):
                    break
            awaited = self.awaited
            if awaited is not None and awaited != told:
                on_wait(awaited)
                told = awaited
        with self._news:
            if self._error is not None:
                raise self._error
            if self._newest is None and not self._closing:
                raise self._no_frame()
            if not self._is_open and not self._closing:
                logger.warning(
                    "camera %s sends frames at no steady rate after %g s; the first frames may be old ones",
                    self.name,
                    self._first_frame_timeout_s,
                )

    def _take(self) -> CapturedFrame:
        now = time.monotonic()
        was_paused, self._asked_at = now - self._asked_at > _STALL_GRACE_S, now
        if self._is_silent():
            # After a pause of this process (suspend, SIGSTOP), the thread may have frames to fetch.  A loop that asks at its
            # rate was not paused, and does not wait.
            if was_paused:
                self._news.wait_for(lambda: self._error or not self._is_silent(), timeout=_STALL_GRACE_S)
            if self._error is None and self._is_silent():
                self._error = self._error_of(
                    CameraStalledError, f"sent nothing for {self._stall_timeout_s:g} s after {self.frames_read} frames"
                )
                self._interrupt()
        if self._error is not None:
            raise self._error
        if self._newest is None or self._closing:
            state = "is closed" if self._closing else "was not started"
            raise self._error_of(CameraUnavailableError, state)
        self._taken = self._newest.number
        return self._newest

    def _is_silent(self) -> bool:
        newest = self._newest
        return newest is not None and time.monotonic() - newest.time_s > self._stall_timeout_s

    def _take_all(self) -> None:
        try:
            self._open()
            while not self._closing and self._error is None:
                frame = self._next()
                now = time.monotonic()
                with self._news:
                    number = self.frames_read
                    self._skipped += self._is_open and self._taken < number - 1
                    self._newest = CapturedFrame(frame=frame, time_s=now, number=number)
                    self._arrivals.append(now)
                    if not self._is_open:
                        self._is_open = self._delivers_at_its_rate(now)
                        self._taken = number - 1  # frames before it are not superseded ones
                    self._news.notify_all()
        except FFencError as err:
            self._fail(err)
        except BaseException as err:  # raised again in the thread that uses the frames
            failed = self._error_of(CameraEndedError, f"failed: {err!r}")
            failed.__cause__ = err
            self._fail(failed)
        finally:
            self._shut()

    def _delivers_at_its_rate(self, now: float) -> bool:
        if self._steady_since is None and (not self._has_backlog or self._is_steady(now)):
            self._steady_since = now
        if self._steady_since is None:
            return False
        return not self._measures_rate or now - self._steady_since >= _RATE_SPAN_S

    def _is_steady(self, now: float) -> bool:
        """Return whether frames no longer arrive faster than before or than the source states."""
        arrivals = list(self._arrivals)
        if now - arrivals[0] > _SETTLE_LIMIT_S:
            return True
        recent = [arrival for arrival in arrivals if arrival >= now - _SETTLE_SPAN_S]
        if len(recent) < _SETTLE_FRAMES:
            recent = arrivals[-_SETTLE_FRAMES:]
        if now - arrivals[0] < _SETTLE_SPAN_S or len(recent) < _SETTLE_FRAMES:
            return False
        middle = recent[len(recent) // 2]
        earlier_s = (middle - recent[0]) / (len(recent) // 2)
        later_s = (now - middle) / (len(recent) - 1 - len(recent) // 2)
        stated = self.stated_rate
        is_too_fast = stated is not None and later_s * _SETTLE_RATIO < 1 / stated
        return later_s <= earlier_s * _SETTLE_RATIO and not is_too_fast

    def _fail(self, error: FFencError) -> None:
        with self._news:
            if self._error is None and not self._closing:
                self._error = error
            self._news.notify_all()
