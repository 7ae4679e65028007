"""What is known of a job's output: a small file beside it, by which a finished job is not done again.

The record is written before the work too.  So an output without one was not made by a job and is never replaced, while
what a killed job left is.
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
        digest: of the spec and its inputs, see `JobSpec.digest`.
        size_bytes: of the finished output; None while the work is going on.
        build: the FFmpeg build that made the output; None in records of earlier versions.
        result: what the function returned, as JSON.
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
        name: ``"done"``; ``"stale"``: an output of another spec or of other inputs, or an unfinished one, which is made
            again; ``"missing"``; ``"foreign"``: a file that no job made has the name.
        reason: one sentence.
        record: what was recorded; None if nothing was.
    """

    name: JobStateName
    reason: str
    record: JobRecord | None = None


def record_path(output: str | Path) -> Path:
    """Where the record of an output lies: hidden, so that nobody takes it for data."""
    output = Path(output)
    return sibling(output, stem=output.name, end=".job.json")


def read_record(output: str | Path) -> JobRecord | None:
    """The record of an output; None if there is none.

    One that cannot be read still says that a job was here; it matches no digest.

    Raises:
        OutputError: the file system refused.
    """
    path = record_path(output)
    try:
        return JobRecord.model_validate(load_json(read_regular(path, most_bytes=DOCUMENT_BYTES)))
    except FileNotFoundError:
        return None
    except (ValidationError, ValueError) as err:
        logger.warning("%s is not a record of a job; its output will be made again", path)
        logger.debug("%s", err)
        return JobRecord(digest="unreadable")
    except OSError as err:
        raise OutputError(f"cannot read {path}: {err.strerror}", path=path) from err


def write_record(output: str | Path, record: JobRecord) -> None:
    """Replace the record of an output, whole and durable.

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
    """Forget that a job made this output, as who takes it over must; nothing happens if there is no record."""
    record_path(output).unlink(missing_ok=True)


def remove_leftovers(output: Path) -> None:
    """Remove what killed workers left of earlier attempts: unfinished siblings older than the record.

    A younger one may belong to a worker that was given up for lost and goes on.
    """
    try:
        record = record_path(output)
        begun_ns = record.stat().st_mtime_ns  # the clock of the same file system
        unfinished = [*unfinished_siblings(output), *unfinished_siblings(record, keep_suffix=False)]
        leftovers = [path for path in unfinished if path.stat().st_mtime_ns < begun_ns]
    except FileNotFoundError:
        return  # another worker is at work here, and will do it
    for path in leftovers:
        logger.info("removing %s, which an earlier attempt left", path)
        path.unlink(missing_ok=True)


def job_state(spec: JobSpec, *, digest: str | None = None) -> JobState:
    """Compare an output and its record with the spec and its inputs as they are now.

    Args:
        spec: the job.
        digest: of it, if it was just made.

    Raises:
        OutputError: the record cannot be read.
    """
    output, record = Path(spec.output), read_record(spec.output)
    if not output.exists():
        return JobState(name="missing", reason="there is no output yet", record=record)
    if record is None:
        advice = "move it away, or give the job another output"
        return JobState(name="foreign", reason=f"{output} exists, but no job made it; {advice}")
    why = _why_stale(spec, record, output.stat().st_size, digest)
    if why is not None:
        return JobState(name="stale", reason=why, record=record)
    return JobState(name="done", reason="the output is that of this job and these inputs", record=record)


def _why_stale(spec: JobSpec, record: JobRecord, size_bytes: int, digest: str | None) -> str | None:
    if record.size_bytes is None:
        return "it was begun and not finished"
    if record.size_bytes != size_bytes:
        return "the output has another size than the one that was made"
    try:
        same = record.digest == (digest or spec.digest())
    except InputError as err:
        return str(err)
    return None if same else "the job or an input is not what it was"
