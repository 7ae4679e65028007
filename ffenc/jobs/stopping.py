"""Stop the jobs that work in this process."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from ffenc.errors import FFencError

_stopped_runs: set[str] = set()
_active_runs: list[str] = []  # once for each job that works in this process


class RunStoppedError(FFencError):
    """The run was interrupted. Raised in a job's progress callback, it ends the job's ffmpeg."""


@contextmanager
def active(run_id: str) -> Iterator[None]:
    """Register a job of a run for the time of the block, so that an interrupt stops it."""
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
    """End the jobs of a run that work in threads of this process, within about half a second."""
    _stopped_runs.add(run_id)


def stop_on_interrupt() -> None:
    """Let Ctrl-C in the terminal, which also reaches worker processes, end the active jobs but not the worker."""
    signal.signal(signal.SIGINT, lambda *_: _stopped_runs.update(_active_runs))
