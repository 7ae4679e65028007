"""Perform one job in a worker and return its outcome as plain JSON.

The worker may be another process or machine, so `perform_job` is a module-level function, and its arguments and results can
be pickled.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ffenc.errors import (
    BinaryNotFoundError,
    CapabilityError,
    DependencyError,
    FFencError,
    OutputError,
    ProcessError,
    ProcessStartError,
    ThreadStartError,
)
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.jobs.record import JobRecord, job_state, remove_leftovers, remove_record, write_record
from ffenc.jobs.spec import JobSpec
from ffenc.jobs.stopping import active, check_not_stopped

JobStatus = Literal["done", "skipped", "failed"]

ALLOW_MIXED = "allow several builds with allow_mixed_builds=True (--allow_mixed_builds)"


class BuildMismatchError(FFencError):
    """A worker or an earlier output uses another FFmpeg build than the run."""


_ENVIRONMENT = (
    BinaryNotFoundError,
    DependencyError,
    CapabilityError,
    ProcessStartError,
    ThreadStartError,
    BuildMismatchError,
)
"""Errors that a worker with other programs may not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobError:
    """Why a job failed.

    Attributes:
        type: name of the exception's class.
        message: message of the exception.
        stderr_tail: last lines of ffmpeg's stderr, if ffmpeg failed.
        may_pass: another attempt may succeed, because a process died or hung, or a worker was lost.
        environment: another worker may succeed, because a program, folder or permission is missing on this one.
    """

    type: str
    message: str
    stderr_tail: str = ""
    may_pass: bool = False
    environment: bool = False

    @classmethod
    def of(cls, err: BaseException, *, may_pass: bool = False) -> JobError:
        """Describe an exception; failures of a child process always have ``may_pass``."""
        return cls(
            type=type(err).__name__,
            message=str(err) or type(err).__name__,
            stderr_tail=err.stderr_tail if isinstance(err, ProcessError) else "",
            may_pass=may_pass or isinstance(err, ProcessError),
            environment=isinstance(err, (*_ENVIRONMENT, OSError)) or isinstance(err.__cause__, OSError),
        )


def worker_name() -> str:
    """Return host and process ID of this worker, ``"host:4711"``."""
    return f"{socket.gethostname()}:{os.getpid()}"


def worker_build(binaries: Binaries | None = None) -> str | None:
    """Describe the FFmpeg build of this worker; None if it has none.

    Args:
        binaries: the executables; None means those that the worker finds.
    """
    try:
        return _describe_build(binaries)
    except FFencError:
        return None


def _describe_build(binaries: Binaries | None) -> str:
    version = probe_capabilities((binaries or find_binaries()).ffmpeg).version
    return f"{version.text} (libavcodec {'.'.join(map(str, version.libavcodec))})"


def perform_job(
    document: Mapping[str, Any], run_id: str, attempt: int, binaries: Binaries | None = None, build: str | None = None
) -> dict[str, Any]:
    """Do one job unless it is done already, and return the outcome.

    Args:
        document: a `JobSpec` as JSON.
        run_id: identifies the run.
        attempt: from 1.  Prevents Dask from deduplicating retries.
        binaries: the executables; None means those that the worker finds.
        build: the only FFmpeg build (`worker_build`) that this run accepts; None accepts any.

    Returns:
        ``status`` (`JobStatus`), ``result`` or ``error`` (fields of `JobError`), ``elapsed_s``, and ``worker``
        (`worker_name`).
    """
    began = time.monotonic()
    try:
        with active(run_id):
            answer = _perform(JobSpec.model_validate(document), run_id, binaries, build)
    except Exception as err:
        answer = {"status": "failed", "error": asdict(JobError.of(err))}
    return {**answer, "elapsed_s": time.monotonic() - began, "worker": worker_name(), "attempt": attempt}


def _perform(spec: JobSpec, run_id: str, binaries: Binaries | None, build: str | None) -> dict[str, Any]:
    check_not_stopped(run_id)
    output, digest = Path(spec.output), spec.digest()
    here = worker_build(binaries)
    if build is not None:
        _require_build(here, build, binaries)
    state = job_state(spec, digest=digest)
    if state.name == "done" and state.record is not None:
        made_by = state.record.build
        if build is not None and made_by not in (None, build):
            raise OutputError(
                f"{output} was made by FFmpeg {made_by}, but this run uses FFmpeg {build}; remove it to make it again, "
                f"or {ALLOW_MIXED}",
                path=output,
            )
        return {"status": "skipped", "result": state.record.result}
    if state.name == "foreign":
        raise OutputError(state.reason, path=output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise OutputError(f"cannot create the directory of {output}: {err.strerror}", path=output) from err
    write_record(output, JobRecord(digest=digest))
    try:
        # If there was a record, a job made the output that is replaced. Any other existing file is not ours.
        result = spec.row.run(
            spec.inputs,
            output,
            spec.arguments,
            overwrite=state.record is not None,
            binaries=binaries,
            progress=lambda _done, _total: check_not_stopped(run_id),
        )
        _check_frames(spec, output, result.frames)
    except BaseException:
        if not output.exists():
            remove_record(output)
        raise
    remove_leftovers(output)
    document = result.to_json()
    write_record(output, JobRecord(digest=digest, size_bytes=result.size_bytes, build=here, result=document))
    return {"status": "done", "result": document}


def _require_build(here: str | None, build: str, binaries: Binaries | None) -> None:
    """Raise an error if the worker has another FFmpeg build than the run uses."""
    if here is None:
        _describe_build(binaries)  # raises the reason
    if here != build:
        raise BuildMismatchError(
            f"this worker has {f'FFmpeg {here}' if here else 'no usable ffmpeg'}, but the run uses FFmpeg {build}; "
            f"{ALLOW_MIXED}"
        )


def _check_frames(spec: JobSpec, output: Path, frames: int) -> None:
    if spec.frames_expected not in (None, frames):
        output.unlink()
        raise OutputError(
            f"{output} has {frames} frames instead of {spec.frames_expected}; it was removed",
            path=output,
            frames_expected=spec.frames_expected,
            packets_counted=frames,
        )
