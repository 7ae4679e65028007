"""A kind of job that needs no FFmpeg: what it does is up to the test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ffenc.jobs.kinds import KINDS, ConcatArguments, JobKind
from ffenc.jobs.spec import JobSpec


@dataclass(frozen=True)
class Written:
    """As much of a result as a job needs."""

    path: Path
    frames: int
    size_bytes: int

    def to_json(self) -> dict[str, object]:
        return {"path": str(self.path), "frames": self.frames, "size_bytes": self.size_bytes}


class Fakes:
    """Jobs that write their input's text, and whatever else the test hooks in.

    Attributes:
        begun: names of the outputs, each time one was begun.
        overwriting: whether each of them was allowed to replace a file.
        act: called with (output, progress) in the middle of each job.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.begun: list[str] = []
        self.overwriting: list[bool] = []
        self.act: Callable[[Path, Callable[[int, int | None], None]], object] = lambda _output, _progress: None

    def write(self, source: str, output: Path, *, overwrite: bool, progress: Any, **_: object) -> Written:
        assert overwrite or not output.exists()
        self.begun.append(output.name)
        self.overwriting.append(overwrite)
        self.act(output, progress)
        output.write_text(Path(source).read_text())
        return Written(path=output, frames=len(output.read_text()), size_bytes=output.stat().st_size)

    def spec(self, name: str, *, text: str = "abc", frames_expected: int | None = None) -> JobSpec:
        source = self.folder / f"{name}.txt"
        if not source.exists():
            source.write_text(text)
        return JobSpec.of("fake", [source], self.folder / "out" / name, frames_expected=frames_expected)

    def specs(self, count: int) -> list[JobSpec]:
        return [self.spec(f"{number:02d}") for number in range(count)]

    def names(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "out").iterdir())


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    made = Fakes(tmp_path)
    row = JobKind(function=made.write, arguments=ConcatArguments, cores=1)
    monkeypatch.setattr("ffenc.jobs.kinds.KINDS", {**KINDS, "fake": row})
    monkeypatch.setattr("ffenc.jobs.spec.KINDS", {**KINDS, "fake": row})
    return made
