"""What a worker does: one job, whatever happens, with an answer that is plain JSON.

Everything here may run in another process or on another machine, so `perform_job` is a function of a module, and its
arguments and its answer can be pickled.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel

from ffenc.errors import FFencError, OutputError, ProcessError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.jobs.record import JobRecord, job_state, remove_leftovers, remove_record, write_record
from ffenc.jobs.spec import JobSpec
from ffenc.json_text import dump_json, load_json

JobStatus = Literal["done", "skipped", "failed"]

_stopped_runs: set[str] = set()
_active_runs: list[str] = []  # once for each job that is at work in this process


@dataclass(frozen=True, slots=True, kw_only=True)
class JobError:
    """Why a job failed.

    Attributes:
        type: name of the exception's class.
        message: what it said.
        stderr_tail: last words of the ffmpeg that failed; empty if none did.
        may_pass: another attempt may end well: a process died or hung, or a worker was lost.
    """

    type: str
    message: str
    stderr_tail: str = ""
    may_pass: bool = False

    @classmethod
    def of(cls, err: BaseException, *, may_pass: bool = False) -> JobError:
        """Describe an exception; one of a child process may pass, whatever is said of others."""
        return cls(
            type=type(err).__name__,
            message=str(err) or type(err).__name__,
            stderr_tail=err.stderr_tail if isinstance(err, ProcessError) else "",
            may_pass=may_pass or isinstance(err, ProcessError),
        )


class _RunStoppedError(FFencError):
    """The run was interrupted; the job's ffmpeg is killed by raising this where it reports its progress."""


def stop_run(run_id: str) -> None:
    """End the jobs of a run that work in threads of this process, within about half a second."""
    _stopped_runs.add(run_id)


def stop_on_interrupt() -> None:
    """In a worker process: Ctrl-C in the terminal reaches it too, and then ends the jobs at work but not the worker."""
    signal.signal(signal.SIGINT, lambda *_: _stopped_runs.update(_active_runs))


def perform_job(
    document: Mapping[str, Any], run_id: str, attempt: int, binaries: Binaries | None = None
) -> dict[str, Any]:
    """Do one job unless it is done, and say what came of it.

    Args:
        document: of a `JobSpec`.
        run_id: of the run it belongs to.
        attempt: from 1.  Dask takes calls with the same arguments for the same result, and no two attempts are that.
        binaries: the executables; None: what this worker finds.

    Returns:
        ``status`` (`JobStatus`), ``result`` or ``error`` (fields of `JobError`), ``elapsed_s``, and ``worker``: host and
        process ID.
    """
    began = time.monotonic()
    _active_runs.append(run_id)
    try:
        answer = _perform(JobSpec.model_validate(document), run_id, binaries)
    except Exception as err:
        answer = {"status": "failed", "error": asdict(JobError.of(err))}
    finally:
        _active_runs.remove(run_id)
    worker = f"{socket.gethostname()}:{os.getpid()}"
    return {**answer, "elapsed_s": time.monotonic() - began, "worker": worker, "attempt": attempt}


def _perform(spec: JobSpec, run_id: str, binaries: Binaries | None) -> dict[str, Any]:
    def go_on(_done: int = 0, _total: int | None = None) -> None:
        if run_id in _stopped_runs:
            raise _RunStoppedError("the run was stopped")

    go_on()
    output, digest = Path(spec.output), spec.digest()
    state = job_state(spec, digest=digest)
    if state.name == "done" and state.record is not None:
        return {"status": "skipped", "result": state.record.result}
    if state.name == "foreign":
        raise OutputError(state.reason, path=output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise OutputError(f"cannot create the directory of {output}: {err.strerror}", path=output) from err
    write_record(output, JobRecord(digest=digest))
    try:
        # A record was here, so a job made what is replaced; a file that appears just now is somebody else's.
        result = spec.row.run(
            spec.inputs,
            output,
            spec.arguments,
            overwrite=state.record is not None,
            binaries=binaries,
            progress=go_on,
        )
        _check_frames(spec, output, result.frames)
    except BaseException:
        if not output.exists():
            remove_record(output)
        raise
    remove_leftovers(output)
    document = as_json(result)
    write_record(output, JobRecord(digest=digest, size_bytes=result.size_bytes, result=document))
    return {"status": "done", "result": document}


def _check_frames(spec: JobSpec, output: Path, frames: int) -> None:
    if spec.frames_expected not in (None, frames):
        output.unlink()
        raise OutputError(
            f"{output} was to have {spec.frames_expected} frames but got {frames}; it was removed",
            path=output,
            frames_expected=spec.frames_expected,
            packets_counted=frames,
        )


def as_json(value: Any) -> Any:
    """A result as JSON has it; paths and exact rates are texts."""
    return load_json(dump_json(value, default=_plain, option=orjson.OPT_NON_STR_KEYS))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Path | Fraction):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a result")
