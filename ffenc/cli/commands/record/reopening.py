"""Open a camera that failed again, in the background, until it works."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ffenc.errors import CameraError, CameraFormatError, FFencError
from ffenc.threads import start_thread
from ffenc.video.live_camera import LiveCamera

_PAUSE_S = 0.5  # between two attempts: a refused connection fails at once


class Reopening:
    """Attempts to open a camera again, in a thread.

    Args:
        old: the camera that failed; it is closed.
        make: makes a new camera of the same settings.
        note: called with what happened.
        is_reported: whether the user was told why the camera failed.

    Attributes:
        last_error: error of the last attempt.
    """

    def __init__(
        self,
        old: LiveCamera,
        make: Callable[[], LiveCamera],
        note: Callable[[str], None],
        *,
        is_reported: bool = False,
    ) -> None:
        self.last_error: CameraError | None = None
        self._old = old
        self._make = make
        self._note = note
        self._is_reported = is_reported
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._new: LiveCamera | None = None
        self._opened: LiveCamera | None = None
        self._failure: FFencError | None = None
        self._thread = threading.Thread(target=self._attempt_all, name=f"opening {old.name} again", daemon=True)

    def begin(self) -> None:
        """Start the first attempt.

        Raises:
            ThreadStartError: the system refuses a thread.
        """
        start_thread(self._thread)

    def result(self) -> LiveCamera | None:
        """Return the open camera; None before an attempt has succeeded.

        Raises:
            CameraFormatError: it came back with another frame size, which an episode cannot take.
            FFencError: another reason that ends the attempts.
        """
        if self._failure is not None:
            raise self._failure
        return self._opened

    def end(self) -> None:
        """Give up, and close what was opened."""
        self._ended.set()
        if self._new is not None:
            self._new.close()
        if self._thread.ident:
            self._thread.join()

    def _attempt_all(self) -> None:
        try:
            self._note(self._announcement())
            self._old.close()
            while not self._ended.is_set():
                self._new = self._make()
                try:
                    self._opened = self._checked(self._new.start())
                except CameraFormatError:
                    raise
                except CameraError as err:
                    self.last_error = err
                    self._ended.wait(_PAUSE_S)
                else:
                    seconds = time.monotonic() - self._began
                    self._note(f"camera {self._old.name} delivers frames again, after {seconds:.1f} s")
                    break
        except FFencError as err:
            self._failure = err
        if self._ended.is_set() and self._new is not None:
            self._new.close()  # `end` may have come before it was started

    def _announcement(self) -> str:
        try:
            if not self._is_reported:
                self._old.latest()
        except CameraError as err:
            return f"{err.message}; opening it again"
        return f"opening camera {self._old.name} again"

    def _checked(self, camera: LiveCamera) -> LiveCamera:
        before, now = self._old.format, camera.format
        if now != before:
            camera.close()
            raise CameraFormatError(
                f"camera {camera.name} came back with {now}, and the dataset has {before}; set width and height of the camera",
                source=camera.name,
                asked=str(before),
                came=str(now),
            )
        return camera
