"""A dataset has one writer at a time, for any spelling of its path, and a lock ends with its process."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ffenc.dataset.storage.lock import LOCK, DatasetLock, check_not_locked, current_holder
from ffenc.errors import DatasetError, DatasetLockedError, DatasetMovedError
from tests.datasets import copy_of

pytest.importorskip("pyarrow")
from ffenc.dataset.verify.verify import verify_dataset

HOLD = (
    "import os, sys; from ffenc.dataset.storage.lock import DatasetLock\n"
    "lock = DatasetLock(sys.argv[1]); lock.acquire(); print('locked', flush=True); sys.stdin.read(); os._exit(1)"
)


@contextmanager
def held_by_another_process(root: Path) -> Iterator[int]:
    """Lock a dataset in a process that ends without releasing it; gives its PID."""
    command = [sys.executable, "-c", HOLD, str(root)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[4]
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        yield other.pid
        other.stdin.close()
        other.wait()


def test_error_names_the_process_that_holds_the_lock(tmp_path):
    with DatasetLock(tmp_path) as first:
        for second in (DatasetLock(tmp_path), first):
            with pytest.raises(DatasetLockedError, match=f"pid {os.getpid()}") as caught:
                second.acquire()
            assert caught.value.holder.keys() == {"pid", "host", "since"}
    with DatasetLock(tmp_path):
        pass


def test_lock_with_an_empty_file_still_excludes_others(tmp_path):
    with DatasetLock(tmp_path):
        (tmp_path / LOCK).write_text("")
        with pytest.raises(DatasetLockedError, match="unknown process"):
            DatasetLock(tmp_path).acquire()


def test_lock_can_be_released_twice_from_another_thread(tmp_path):
    lock = DatasetLock(tmp_path)
    lock.acquire()
    assert (tmp_path / LOCK).exists()
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    lock.release()
    with DatasetLock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_lock_ends_with_its_process(tmp_path):
    with held_by_another_process(tmp_path) as pid:
        with pytest.raises(DatasetLockedError, match=f"pid {pid}"):
            DatasetLock(tmp_path).acquire()
        with pytest.raises(DatasetLockedError, match=f"pid {pid}"):
            check_not_locked(tmp_path)
    assert (tmp_path / LOCK).exists()  # it was not removed
    assert current_holder(tmp_path) is None
    with DatasetLock(tmp_path):
        pass


@pytest.mark.parametrize("spelling", ["link", "up and down", "link to a link"])
def test_all_spellings_of_a_path_share_the_lock(tmp_path, spelling):
    root = tmp_path / "set"
    root.mkdir()
    other = tmp_path / "other"
    if spelling == "link":
        other.symlink_to("set")
    elif spelling == "link to a link":
        (tmp_path / "between").symlink_to("set")
        other.symlink_to(tmp_path / "between")
    elif spelling == "up and down":
        other = root / ".." / "set"
    with DatasetLock(root), pytest.raises(DatasetLockedError):
        DatasetLock(other).acquire()


def test_hard_linked_copy_gets_its_own_lock(tmp_path):
    root, copy = tmp_path / "set", tmp_path / "copy"
    root.mkdir()
    with DatasetLock(root):
        shutil.copytree(root, copy, copy_function=os.link)
    with DatasetLock(copy), DatasetLock(root):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks")
def test_forked_child_neither_holds_nor_releases_the_lock(tmp_path):
    lock = DatasetLock(tmp_path)
    lock.acquire()
    pid = os.fork()
    if pid == 0:
        lock.release()
        time.sleep(30)
        os._exit(0)
    try:
        time.sleep(0.2)
        with pytest.raises(DatasetLockedError):
            DatasetLock(tmp_path).acquire()
        lock.release()
        with DatasetLock(tmp_path):  # although the child is alive
            pass
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def test_moved_or_replaced_dataset_is_detected(tmp_path):
    root = tmp_path / "set"
    root.mkdir()
    with DatasetLock(root) as lock:
        lock.check()
        root.rename(tmp_path / "moved")
        with pytest.raises(DatasetMovedError, match=f"it is now {tmp_path}/moved"):
            lock.check()
        (root / "meta" / "ffenc").mkdir(parents=True)
        (root / LOCK).write_text("")
        with pytest.raises(DatasetMovedError, match="was moved"):
            lock.check()


def test_lost_lock_file_is_detected(tmp_path):
    with DatasetLock(tmp_path) as lock:
        lock.check()
        (tmp_path / LOCK).unlink()
        with pytest.raises(DatasetError, match=r"lock file .* was removed"):
            lock.check()


@pytest.mark.parametrize(
    "what", ["meta is a file", "meta is a link", "own directory is a link", "lock is a link", "pipe"]
)
def test_error_names_a_path_that_cannot_be_locked(tmp_path, what):
    root, elsewhere = tmp_path / "set", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    (elsewhere / "lock").write_text("important")
    if what == "meta is a file":
        (root / "meta").write_text("a file")
    elif what == "meta is a link":
        (root / "meta").symlink_to(elsewhere)
    else:
        (root / "meta").mkdir()
        if what == "own directory is a link":
            (root / "meta" / "ffenc").symlink_to(elsewhere)
        else:
            (root / "meta" / "ffenc").mkdir()
            (root / LOCK).symlink_to(elsewhere / "lock") if what == "lock is a link" else os.mkfifo(root / LOCK)
    with pytest.raises(DatasetError, match="cannot lock") as caught:
        DatasetLock(root).acquire()
    assert not isinstance(caught.value, DatasetLockedError)
    assert [path.name for path in elsewhere.iterdir()] == ["lock"]
    assert (elsewhere / "lock").read_text() == "important"


def test_missing_dataset_is_not_created(tmp_path):
    with pytest.raises(DatasetError):
        DatasetLock(tmp_path / "missing").acquire()
    assert list(tmp_path.iterdir()) == []


def test_verify_reports_a_locked_dataset(tmp_path):
    root = copy_of("B", tmp_path)
    with held_by_another_process(root):
        assert "dataset-in-use" in verify_dataset(root).counts
    assert "dataset-in-use" not in verify_dataset(root).counts


def test_lock_that_cannot_be_tested_is_a_warning(tmp_path, monkeypatch, caplog):
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    assert current_holder(tmp_path) is None  # nothing to test
    assert caplog.records == []
    (tmp_path / LOCK).parent.mkdir(parents=True)
    (tmp_path / LOCK).write_text(json.dumps({"pid": 7, "host": "robot"}))
    monkeypatch.setattr("ffenc.dataset.storage.lock.fcntl.flock", refuse)
    assert current_holder(tmp_path) is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        f"another process may be writing into {tmp_path}: its lock file cannot be tested (No locks available); "
        "the last writer was pid 7, host robot"
    )
