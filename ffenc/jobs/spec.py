"""Describe one ffmpeg job as JSON, and compute the digest that shows whether it was done already."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictInt,
    StrictStr,
    ValidationError,
    field_validator,
    model_validator,
)

from ffenc.errors import InputError
from ffenc.jobs.kinds import KINDS, JobKind
from ffenc.json_text import dump_json, load_json
from ffenc.regular_files import check_regular, file_path

_LINE_BYTES = 4 << 20  # a longer line is cut here, and is then not valid JSON

SMALL_BYTES = 1 << 20
"""Files up to this size are identified by content, larger ones by size and modification time."""


class JobSpec(BaseModel):
    """One ffmpeg job: its inputs, its kind, and its one output file.

    It is plain JSON, so it can be sent to other processes and machines. Paths must be valid on all of them.

    Attributes:
        kind: a key of `ffenc.jobs.kinds.KINDS`: ``"reencode"``, ``"images"``, ``"concat"``.
        inputs: absolute paths.
        output: absolute path; its directory is created if necessary.
        arguments: further arguments of the kind's function; a config is a document of the fields that were given.
        frames_expected: number of frames that the output must have; None if unknown.

    Raises:
        pydantic.ValidationError: an unknown kind, a relative path, or arguments that the kind does not take.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: StrictStr
    inputs: Annotated[tuple[StrictStr, ...], Field(min_length=1)]
    output: StrictStr
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    frames_expected: Annotated[StrictInt, Field(ge=1)] | None = None

    @classmethod
    def of(
        cls,
        kind: str,
        inputs: Sequence[str | Path],
        output: str | Path,
        *,
        frames_expected: int | None = None,
        **arguments: Any,
    ) -> JobSpec:
        """Make a spec from Python values.

        Args:
            kind: see the class.
            inputs, output: paths, made absolute.
            frames_expected: see the class.
            arguments: arguments of the kind's function, with configs as objects.

        Raises:
            pydantic.ValidationError: see the class.
        """
        document: dict[str, Any] = {
            "kind": kind,
            "inputs": [os.path.abspath(path) for path in inputs],  # noqa: PTH100  symbolic links are kept
            "output": os.path.abspath(output),  # noqa: PTH100
            "frames_expected": frames_expected,
            "arguments": arguments,
        }
        if kind in KINDS:
            given = KINDS[kind].arguments.model_validate(arguments)
            document["arguments"] = given.model_dump(mode="json", exclude_unset=True)
        return cls.model_validate(document)

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError(f"unknown job kind {kind!r}; expected one of {', '.join(KINDS)}")
        return kind

    @field_validator("inputs", "output")
    @classmethod
    def _absolute(cls, paths: tuple[str, ...] | str) -> tuple[str, ...] | str:
        for path in (paths,) if isinstance(paths, str) else paths:
            if not Path(path).is_absolute():
                raise ValueError(f"{path!r} is not an absolute path, so another machine would not find it")
        return paths

    @model_validator(mode="after")
    def _fits_its_kind(self) -> JobSpec:
        if len(self.inputs) != 1 and not self.row.many_inputs:
            raise ValueError(f"a job of kind {self.kind!r} takes one input, not {len(self.inputs)}")
        if self.output in self.inputs:
            raise ValueError(f"{self.output} is also an input; write to another name and rename it")
        self.row.arguments.model_validate(self.arguments)
        return self

    @property
    def row(self) -> JobKind:
        """The row of its kind."""
        return KINDS[self.kind]

    @property
    def cores(self) -> int:
        """Number of cores that the job uses."""
        threads = self.arguments.get("encoder_threads")
        return threads if isinstance(threads, int) else self.row.cores

    def digest(self) -> str:
        """Return the SHA-256 of the spec and its current inputs, in hexadecimal digits.

        An input of at most `SMALL_BYTES` is identified by its content: reading it is cheap, and a copy or a restored backup
        does not repeat the work.  A larger one is identified by size and modification time (ns), because reading it would
        take a large part of the job's time.  So are the images of a directory.

        Raises:
            InputError: an input is missing or cannot be read.
        """
        document = {
            "spec": self.model_dump(mode="json", exclude_defaults=True),
            "inputs": [self._identity(Path(path)) for path in self.inputs],
        }
        return hashlib.sha256(dump_json(document, sort_keys=True)).hexdigest()

    def _identity(self, path: Path) -> list[object]:
        try:
            if self.row.files is not None:
                return [[image.name, *_size_and_time(image)] for image in self.row.files(path, self.arguments)]
            check_regular(path)
            if path.stat().st_size <= SMALL_BYTES:
                return [hashlib.sha256(path.read_bytes()).hexdigest()]
            return _size_and_time(path)
        except OSError as err:
            raise InputError(f"the input {path} cannot be read: {err.strerror}", path=path) from err

    def to_line(self) -> str:
        """Return the job as one line of a job list, without the line end."""
        return dump_json(self.model_dump(mode="json", exclude_defaults=True)).decode()


def _size_and_time(path: Path) -> list[object]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def read_specs(path: str | Path) -> list[JobSpec]:
    """Read a job list: one JSON document per line.

    Raises:
        InputError: the file cannot be read, a line is not a spec, or jobs depend on each other.
    """
    return list(iterate_specs(path))


def iterate_specs(path: str | Path) -> Iterator[JobSpec]:
    """Read a job list line by line, for lists that are too long for memory.

    Raises:
        InputError: see `read_specs`. A dependency between jobs is found when its second job is read.
    """
    path = file_path(path)
    outputs: set[str] = set()
    inputs: set[str] = set()
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(partial(file.readline, _LINE_BYTES), b""), start=1):
                if line.strip():
                    spec = _read_line(line, number, path)
                    _add_independent(spec, outputs, inputs)
                    yield spec
    except OSError as err:
        raise InputError(f"cannot read jobs from {path}: {err.strerror}", path=path) from err
    except DependentJobsError as err:
        raise InputError(f"{path}: {err}", path=path) from err
    if not outputs:
        raise InputError(f"{path} contains no jobs; each line must be one", path=path)


def _read_line(line: bytes, number: int, path: Path) -> JobSpec:
    try:
        return JobSpec.model_validate(load_json(line))
    except ValidationError as err:
        reasons = "; ".join(_reason(error) for error in err.errors(include_url=False))
        raise InputError(f"line {number} of {path} is not a job: {reasons}", path=path) from err
    except ValueError as err:
        raise InputError(f"line {number} of {path} is not a job: Invalid JSON: {err}", path=path) from err


def _reason(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


class DependentJobsError(ValueError):
    """A job writes a file that another job reads or writes."""


def check_independent(specs: Iterable[JobSpec]) -> None:
    """Check that no job writes a file that another job reads or writes: jobs run in any order and at the same time.

    Raises:
        DependentJobsError: two jobs use the same file.
    """
    outputs: set[str] = set()
    inputs: set[str] = set()
    for spec in specs:
        _add_independent(spec, outputs, inputs)


def _add_independent(spec: JobSpec, outputs: set[str], inputs: set[str]) -> None:
    if spec.output in outputs:
        raise DependentJobsError(f"two jobs write {spec.output}")
    outputs.add(spec.output)
    inputs.update(spec.inputs)
    if both := outputs.intersection(spec.inputs) or inputs.intersection([spec.output]):
        raise DependentJobsError(
            f"{min(both)} is the output of one job and an input of another; run them one after the other"
        )


def take_shard(specs: Sequence[JobSpec], number: int, count: int) -> list[JobSpec]:
    """Return part ``number`` of ``count`` (from 1): every ``count``-th job, because neighbours often take equally long.

    Raises:
        ValueError: ``number`` is not from 1 to ``count``.
    """
    if not 1 <= number <= count:
        raise ValueError(f"unknown shard {number} of {count}; expected 1 to {count}")
    return list(specs[number - 1 :: count])
