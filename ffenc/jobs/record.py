"""Records of finished jobs: a small file beside each output, so that a finished job is not repeated.

A record is also written before the work.  An output without a record was not made by a job and is never replaced.  An
output that a killed job left has a record and is replaced.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ffenc.errors import InputError, OutputError
from ffenc.jobs.spec import JobSpec
from ffenc.json_text import dump_json, load_json
from ffenc.regular_files import DOCUMENT_BYTES, read_regular
from ffenc.video.names import sibling
from ffenc.video.output import PendingFile, unfinished_siblings

logger = logging.getLogger(__name__)

JobStateName = Literal["done", "stale", "missing", "foreign"]


class JobRecord(BaseModel):
    """The content of ``.<output>.job.json``.

    Attributes:
        digest: digest of the spec and its inputs, see `JobSpec.digest`.
        size_bytes: size of the finished output; None during the work.
        build: the FFmpeg build that made the output; None in records of earlier versions.
        result: the returned value as JSON.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    digest: str
    size_bytes: int | None = None
    build: str | None = None
    result: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """Whether a job is done.

    Attributes:
        name: ``"done"``; ``"stale"``: the output belongs to another spec or other inputs, or is unfinished, and is made
            again; ``"missing"``; ``"foreign"``: a file with this name exists that no job made.
        reason: one sentence.
        record: the record; None if it is missing.
    """

    name: JobStateName
    reason: str
    record: JobRecord | None = None


def record_path(output: str | Path) -> Path:
    """Return the path of an output's record, a hidden file."""
    output = Path(output)
    return sibling(output, stem=output.name, end=".job.json")


def read_record(output: str | Path) -> JobRecord | None:
    """Read the record of an output; None if it is missing.

    An unreadable record still shows that a job made the output. It is returned with a digest that matches nothing.

    Raises:
        OutputError: the file system refused.
    """
    path = record_path(output)
    try:
        return JobRecord.model_validate(load_json(read_regular(path, most_bytes=DOCUMENT_BYTES)))
    except FileNotFoundError:
        return None
    except (ValidationError, ValueError) as err:
        logger.warning("%s is not a valid job record; its output will be made again", path)
        logger.debug("%s", err)
        return JobRecord(digest="unreadable")
    except OSError as err:
        raise OutputError(f"cannot read {path}: {err.strerror}", path=path) from err


def write_record(output: str | Path, record: JobRecord) -> None:
    """Replace the record of an output, atomically and durably.

    Raises:
        OutputError: the file system refused.
    """
    path = record_path(output)
    with PendingFile(path, overwrite=True, keep_suffix=False) as pending:
        try:
            pending.path.write_bytes(dump_json(record.model_dump(mode="json", exclude_none=True)))
        except OSError as err:
            raise OutputError(f"cannot write {path}: {err.strerror}", path=path) from err
        pending.commit()


def remove_record(output: str | Path) -> None:
    """Delete the record of an output, if there is one; call it before the output is used as something else."""
    record_path(output).unlink(missing_ok=True)


def remove_leftovers(output: Path) -> None:
    """Remove unfinished files of killed workers: those older than the record.

    A newer one may belong to a worker that was considered lost and still runs.
    """
    try:
        record = record_path(output)
        begun_ns = record.stat().st_mtime_ns  # the clock of the same file system
        unfinished = [*unfinished_siblings(output), *unfinished_siblings(record, keep_suffix=False)]
        leftovers = [path for path in unfinished if path.stat().st_mtime_ns < begun_ns]
    except FileNotFoundError:
        return  # another worker works here and will remove them
    for path in leftovers:
        logger.info("removing %s, left by an earlier attempt", path)
        path.unlink(missing_ok=True)


def job_state(spec: JobSpec, *, digest: str | None = None) -> JobState:
    """Compare an output and its record with the spec and the current inputs.

    Args:
        spec: the job.
        digest: digest of the job, if it is known already.

    Raises:
        OutputError: the record cannot be read.
    """
    output, record = Path(spec.output), read_record(spec.output)
    if not output.exists():
        return JobState(name="missing", reason="the output does not exist yet", record=record)
    if record is None:
        advice = "move it away, or give the job another output"
        return JobState(name="foreign", reason=f"{output} exists, but no job made it; {advice}")
    why = _why_stale(spec, record, output.stat().st_size, digest)
    if why is not None:
        return JobState(name="stale", reason=why, record=record)
    return JobState(name="done", reason="the output belongs to this job and these inputs", record=record)


def _why_stale(spec: JobSpec, record: JobRecord, size_bytes: int, digest: str | None) -> str | None:
    if record.size_bytes is None:
        return "it was started and not finished"
    if record.size_bytes != size_bytes:
        return "the size of the output has changed"
    try:
        same = record.digest == (digest or spec.digest())
    except InputError as err:
        return str(err)
    return None if same else "the job or an input has changed"
