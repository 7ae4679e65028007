"""Call back with the status of a recording at regular intervals."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable

from ffenc.streaming.drop_log import RecordingStatus
from ffenc.threads import start_thread

logger = logging.getLogger(__name__)


class StatusReports:
    """Calls back with a status at regular intervals, as long as the object exists that has the status.

    Args:
        status: a method that returns the current status; its object is referenced weakly.
        on_status: called with the status, from a thread of its own.
        interval_s: seconds between two calls.
    """

    def __init__(
        self, status: Callable[[], RecordingStatus], on_status: Callable[[RecordingStatus], None], interval_s: float
    ) -> None:
        self._status = weakref.WeakMethod(status)
        self._on_status = on_status
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recording status", daemon=True)

    def start(self) -> None:
        """Start the thread; later calls do nothing."""
        if self._thread.ident is None:
            start_thread(self._thread)

    def stop(self) -> None:
        """Stop calling back; the callback may call this, too."""
        self._stop.set()
        if self._thread.ident is not None and threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            status = self._status()
            if status is None:
                return
            try:
                current = status()
                del status  # the callback may drop the last reference to the object
                self._on_status(current)
            except Exception:
                logger.exception("on_status raised an exception; it is not called again")
                return
