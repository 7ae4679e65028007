"""Files are numbered and listed as LeRobot does it, and one writer at a time is let in."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ffenc.dataset.documents import load_info
from ffenc.dataset.layout import DatasetLayout, DatasetLock, FileId
from ffenc.errors import DatasetError, DatasetLockedError
from tests.lerobot_data import DATASETS


def test_numbers_roll_over():
    ids = [FileId()]
    for _ in range(4):
        ids.append(ids[-1].successor(2))
    assert [(one.chunk, one.file) for one in ids] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    assert ids == sorted(ids)
    assert FileId(file=7).successor(3) == FileId(chunk=1)


@DATASETS
def test_the_files_of_lerobots_datasets_are_found(root):
    info = load_info(root)
    layout = DatasetLayout.of(root, info)
    assert layout.data_files() == [layout.data(FileId())]
    assert layout.episodes_files() == [layout.episodes(FileId())]
    for key in info.videos:
        assert layout.video_files(key) == [layout.video(key, FileId())]
    found = [layout.info, layout.stats, layout.tasks, *layout.data_files(), *layout.episodes_files()]
    found += [path for key in info.videos for path in layout.video_files(key)]
    assert sorted(found) == sorted(path for path in root.rglob("*") if path.is_file())


def test_a_series_is_listed_in_reading_order(tmp_path):
    layout = DatasetLayout(root=tmp_path)
    ids = [FileId(chunk=1), FileId(file=10), FileId(file=2)]
    for one in ids:
        layout.data(one).parent.mkdir(parents=True, exist_ok=True)
        layout.data(one).touch()
    assert list(map(layout.data_number, layout.data_files())) == [FileId(file=2), FileId(file=10), FileId(chunk=1)]
    assert layout.episodes_files() == []


@pytest.mark.parametrize(
    "name",
    ["file-000.parquet", "chunk-000/file-x.parquet", "chunk-0/.file-000.parquet.a.part", "chunk-0/file-000.parquet"],
)
def test_a_path_that_no_number_has_is_told(name, tmp_path):
    layout = DatasetLayout(root=tmp_path)
    assert layout.data_number(tmp_path / "data" / name) is None
    assert layout.data_number(tmp_path / "data/chunk-000/file-1000.parquet") == FileId(file=1000)


def test_without_a_template_there_is_no_video(tmp_path):
    with pytest.raises(DatasetError, match="video_path"):
        DatasetLayout(root=tmp_path, video_path=None).video("cam", FileId())


def test_a_second_writer_is_told_who_the_first_is(tmp_path):
    with DatasetLock(tmp_path) as first:
        for second in (DatasetLock(tmp_path), first):
            with pytest.raises(DatasetLockedError, match=f"pid {os.getpid()}") as caught:
                second.acquire()
            assert caught.value.holder.keys() == {"pid", "host", "since"}
    with DatasetLock(tmp_path):
        pass


def test_a_writer_that_says_nothing_still_keeps_others_out(tmp_path):
    with DatasetLock(tmp_path):
        (tmp_path / "meta/ffenc/lock.holder").unlink()
        with pytest.raises(DatasetLockedError, match="does not say"):
            DatasetLock(tmp_path).acquire()


def test_a_lock_can_be_given_back_by_another_thread_and_twice(tmp_path):
    lock = DatasetLock(tmp_path)
    lock.acquire()
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    lock.release()
    with DatasetLock(tmp_path):
        assert (tmp_path / "meta/ffenc/lock.holder").exists()
    assert not (tmp_path / "meta/ffenc/lock.holder").exists()


def test_a_lock_ends_with_its_process(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from ffenc.dataset.layout import DatasetLock\n"
        "lock = DatasetLock(Path(sys.argv[1])); lock.acquire(); print('locked', flush=True); sys.stdin.read(); os._exit(1)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    ) as other:
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(DatasetLockedError, match=f"pid {other.pid}"):
            DatasetLock(tmp_path).acquire()
        other.stdin.close()
        other.wait()
    with DatasetLock(tmp_path):
        pass


def test_a_place_that_cannot_be_locked_is_named(tmp_path):
    (tmp_path / "meta").write_text("a file")
    with pytest.raises(DatasetError, match="cannot lock") as caught:
        DatasetLock(tmp_path).acquire()
    assert not isinstance(caught.value, DatasetLockedError)
