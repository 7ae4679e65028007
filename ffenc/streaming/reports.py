"""Call back with the status of a recording at regular intervals."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from typing import Protocol

from ffenc.streaming.drop_log import RecordingStatus
from ffenc.threads import start_thread

logger = logging.getLogger(__name__)


class Reporter(Protocol):
    """Has a status."""

    def status(self) -> RecordingStatus:
        """Return the current status."""


class StatusReports:
    """Calls back with the status of an object at regular intervals, as long as the object exists."""

    def __init__(self, source: Reporter, on_status: Callable[[RecordingStatus], None], interval_s: float) -> None:
        self._source = weakref.ref(source)
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
            source = self._source()
            if source is None:
                return
            try:
                status = source.status()
                del source
                self._on_status(status)
            except Exception:
                logger.exception("on_status raised an exception; it is not called again")
                return
