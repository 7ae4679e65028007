"""Before every rename the target is synced, and afterwards its directory, so data survives power loss."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ffenc import Binaries

pytest.importorskip("pyarrow")
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.dataset.storage import swap_directory as swap
from ffenc.dataset.storage.lock import LOCK
from ffenc.dataset.storage.new_directory import WORK
from tests.dataset_operations import OPERATIONS, copy_tree, frame_of, make_dataset, prepare

pytestmark = [
    pytest.mark.net,
    pytest.mark.integration,
    pytest.mark.one_build,
    pytest.mark.skipif(sys.platform != "linux", reason="names of open files are read from /proc"),
]


class SyncLog:
    """Records what was synced since its last change, by file times, so that it covers files of ffmpeg too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, below: Path) -> None:
        self.below = below
        self.faults: list[str] = []
        self.renames = 0
        self._start_ns = time.time_ns() - 50_000_000  # the clock of a file system is coarse
        self._synced: dict[int, tuple[int, int]] = {}
        self._unsynced_names: dict[Path, Path] = {}
        fsync, fdatasync, exchange = os.fsync, os.fdatasync, swap._exchange
        monkeypatch.setattr(os, "fsync", lambda descriptor: (fsync(descriptor), self._sync(descriptor))[0])
        monkeypatch.setattr(os, "fdatasync", lambda descriptor: (fdatasync(descriptor), self._sync(descriptor))[0])
        for name in ("rename", "replace", "link"):
            monkeypatch.setattr(os, name, self._watched(getattr(os, name), name))
        monkeypatch.setattr(swap, "_exchange", self._watched(exchange, "exchange"))

    def _watched(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def watched(source: Any, target: Any, *more: Any, **options: Any) -> Any:
            named = Path(target if name == "exchange" else source)
            scratch = any(WORK in part for part in Path(target).parts) or Path(target).name.startswith("longer-")
            matters = self.below in Path(target).parents and not scratch
            # A link into a new form that is still hidden is judged with it, when that is renamed.
            hidden = (
                any(part.startswith(".") for part in Path(target).relative_to(self.below).parts[:-1])
                if matters
                else False
            )
            is_second_name = name == "link" and hidden
            if matters and not is_second_name:
                self.renames += 1
                self._check_synced(named, f"{name} {source} -> {target}")
            result = call(source, target, *more, **options)
            if matters:
                for directory in {Path(source).parent, Path(target).parent}:
                    self._unsynced_names[directory] = Path(target)
            return result

        return watched

    def _sync(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        self._synced[status.st_ino] = (status.st_mtime_ns, status.st_size)
        self._unsynced_names.pop(Path(f"/proc/self/fd/{descriptor}").readlink(), None)

    def _check_synced(self, named: Path, what: str) -> None:
        everything = [named, *named.rglob("*")] if named.is_dir() else [named]
        for path in everything:
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode) or status.st_mtime_ns < self._start_ns or path.parts[-3:] == LOCK.parts:
                continue
            if what.endswith(swap.OLD) and path.parts[-2:] == LOCK.parts[:-1]:
                continue  # the lock was made in it, and nothing else
            if self._synced.get(status.st_ino) != (status.st_mtime_ns, status.st_size):
                self.faults.append(f"{what}: {path} was not synced")

    def finish(self) -> None:
        """Check what had to happen by the end."""
        for directory, target in self._unsynced_names.items():
            if directory.is_dir() and target.exists():
                self.faults.append(f"the name of {target} in {directory} was not synced")


@pytest.mark.parametrize("can_exchange", [True, False])
@pytest.mark.parametrize("name", [name for name, operation in OPERATIONS.items() if operation.kind != "view"])
def test_every_rename_lies_between_two_syncs(
    tmp_path: Path, recorded: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch, name: str, can_exchange: bool
) -> None:
    if not can_exchange:
        if OPERATIONS[name].kind != "in place" or OPERATIONS[name].adds_files:
            pytest.skip("it exchanges nothing")
        monkeypatch.setattr(swap, "_exchange_call", lambda: None)
    root = copy_tree(recorded, tmp_path / "set")
    prepare(name, root)
    time.sleep(0.1)
    log = SyncLog(monkeypatch, tmp_path)
    OPERATIONS[name].run(root, tmp_path / "out", binaries, False)
    log.finish()
    assert log.faults == []
    assert log.renames > 0


def test_recording_and_keeping_an_episode_are_durable(
    tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "set"
    log = SyncLog(monkeypatch, tmp_path)
    make_dataset(root, binaries)
    with pytest.raises(ZeroDivisionError), DatasetRecorder.resume(root, binaries=binaries) as recorder:
        for number in range(3):
            recorder.add_frame(frame_of(3, number))
        raise ZeroDivisionError
    with DatasetRecorder.resume(root, binaries=binaries) as recorder:
        (interrupted,) = recorder.interrupted
        recorder.recover(interrupted)
    log.finish()
    assert log.faults == []
