"""Stop jobs that run in this process."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from ffenc.errors import FFencError

_stopped_runs: set[str] = set()
_active_runs: list[str] = []  # one entry for each job that runs in this process


class RunStoppedError(FFencError):
    """The run was interrupted; raised in a job's progress callback, the error ends the job's ffmpeg."""


@contextmanager
def active(run_id: str) -> Iterator[None]:
    """Register a job of a run while the block executes, so that an interrupt stops it."""
    _active_runs.append(run_id)
    try:
        yield
    finally:
        _active_runs.remove(run_id)


def check_not_stopped(run_id: str) -> None:
    """Raise `RunStoppedError` if the run was stopped."""
    if run_id in _stopped_runs:
        raise RunStoppedError("the run was stopped")


def stop_run(run_id: str) -> None:
    """End the jobs of a run that run in threads of this process, within about half a second."""
    _stopped_runs.add(run_id)


def stop_on_interrupt() -> None:
    """Make Ctrl-C end the active jobs but not this worker process, which also receives the signal from the terminal."""
    signal.signal(signal.SIGINT, lambda *_: _stopped_runs.update(_active_runs))
