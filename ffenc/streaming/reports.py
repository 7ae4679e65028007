"""Live numbers of a recording for whoever wants to be told of them."""

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
    """Something that knows how far it is."""

    def status(self) -> RecordingStatus:
        """How far it is now."""


class StatusReports:
    """Calls back with the status now and then, as long as whoever is asked is there."""

    def __init__(self, source: Reporter, on_status: Callable[[RecordingStatus], None], interval_s: float) -> None:
        self._source = weakref.ref(source)
        self._on_status = on_status
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recording status", daemon=True)

    def start(self) -> None:
        """With the first episode; later calls do nothing."""
        if self._thread.ident is None:
            start_thread(self._thread)

    def stop(self) -> None:
        """Call back no more; from the callback itself too."""
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
                logger.exception("on_status raised; it is not called any more")
                return
