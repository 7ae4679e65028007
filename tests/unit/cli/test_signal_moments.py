"""A signal at any moment of a guarded piece of work leaves nothing behind."""

from __future__ import annotations

import dis
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from itertools import count, pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from ffenc.cli.signals import signals_as_exceptions
from ffenc.dataset.storage.lock import DatasetLock
from ffenc.dataset.storage.new_directory import build_dataset, work_beside
from ffenc.dataset.transform.in_place import locked_dataset, new_form
from ffenc.threads import ThreadPool
from ffenc.video.output import PendingFile

EVERY = 17
"""Moments from one tried signal to the next; all of them take minutes."""


def _new(folder: Path) -> None:
    with build_dataset(folder / "out") as building, work_beside(building) as work:
        (work / "scratch").write_text("x")
        with ThreadPool(2) as pool:
            for written in [pool.submit(_write, building / "data" / str(number)) for number in range(3)]:
                written.result()


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")


def _in_place(folder: Path) -> None:
    with locked_dataset(folder / "set") as lock, new_form(folder / "set", None, lock=lock) as building:
        _write(building / "data" / "0")


def _locked(folder: Path) -> None:
    with DatasetLock(folder / "set"), tempfile.TemporaryDirectory(dir=folder) as directory:
        _write(Path(directory, "scratch"))


def _file(folder: Path) -> None:
    with PendingFile(folder / "out", overwrite=False) as pending:
        pending.path.write_text("x")
        pending.commit()


@cache
def _moments(code: CodeType) -> frozenset[int]:
    """Return the offsets at which the interpreter looks for signals: behind calls, at the start and at a jump back."""
    steps = list(dis.get_instructions(code))
    looked = ("CALL", "RESUME", "JUMP_BACKWARD", "JUMP_ABSOLUTE")
    behind = {after.offset for before, after in pairwise(steps) if before.opname.startswith(looked)}
    return frozenset({steps[0].offset, *behind})


def _signal_at(moment: int, work: Callable[[Path], None], folder: Path) -> bool:
    """Do the work with a signal at one moment of it; return whether it came to that."""
    passed = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal passed
        frame.f_trace_opcodes = True
        if event == "opcode" and frame.f_lasti in _moments(frame.f_code):
            passed += 1
            if passed == moment:
                sys.settrace(None)
                handler = signal.getsignal(signal.SIGTERM)
                assert callable(handler)
                handler(signal.SIGTERM, frame)
        return trace

    try:
        with signals_as_exceptions():
            sys.settrace(trace)
            try:
                work(folder)
            finally:
                sys.settrace(None)
    except SystemExit as err:
        assert err.code == 128 + signal.SIGTERM
        return True
    assert passed < moment, "the signal was lost"
    return False


def _is_whole(folder: Path, work: Callable[[Path], None]) -> bool:
    """Return whether there is what the work found, or what it makes, and nothing else."""
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return found in (["set/old"], AFTERWARDS[work])


AFTERWARDS = {
    _new: ["out/data/0", "out/data/1", "out/data/2", "set/old"],
    _in_place: ["set/data/0"],
    _locked: ["set/old"],
    _file: ["out", "set/old"],
}


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # files of this test that were not closed
@pytest.mark.parametrize("work", AFTERWARDS, ids=lambda work: work.__name__)
def test_signal_at_any_moment_leaves_nothing(work: Callable[[Path], None], tmp_path: Path) -> None:
    for moment in count(1, EVERY):
        folder = tmp_path / str(moment)
        (folder / "set").mkdir(parents=True)
        (folder / "set" / "old").touch()
        came = _signal_at(moment, work, folder)
        assert _is_whole(folder, work), (moment, sorted(folder.rglob("*")))
        assert {path.name for path in folder.iterdir()} <= {"set", "out"}, moment
        if not came:
            break
    assert moment > 10 * EVERY
