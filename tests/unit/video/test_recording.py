"""A recording's file: its name, its lock, and that only a call removes it."""

from __future__ import annotations

import fcntl
import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

from ffenc.errors import OutputError
from ffenc.video.recording import RecordingFile, SyncedFile, final_of, find_recordings, is_held


@pytest.mark.parametrize(
    "name",
    ["laptop.mp4", "observation.images.laptop.mp4", "a.recording.mp4", ".a.part1.mp4", "naïve.mov", "v1.2.mov"],
)
def test_name_of_a_recording_contains_the_name_of_its_video(tmp_path: Path, name: str) -> None:
    recording = RecordingFile(tmp_path / name)
    try:
        assert recording.path.parent == tmp_path
        assert recording.path.name.startswith(f".{Path(name).stem}.")
        assert recording.path.suffix == Path(name).suffix
        assert final_of(recording.path) == tmp_path / name
    finally:
        recording.discard()


def test_a_spool_has_its_own_suffix(tmp_path: Path) -> None:
    recording = RecordingFile(tmp_path / "laptop.mp4", suffix=".npy")
    assert recording.path.suffix == ".npy"
    assert recording.final == tmp_path / "laptop.mp4"
    recording.discard()


@pytest.mark.parametrize(
    ("name", "final"),
    [
        (".laptop.1a2b3c4d.recording.mp4", "laptop.mp4"),
        (".v1.2.1a2b3c4d.recording.mov", "v1.2.mov"),
        ("clip.mp4", "clip.mp4"),
    ],
)
def test_the_final_name(name: str, final: str) -> None:
    assert final_of(Path("/somewhere") / name) == Path("/somewhere") / final


def test_two_recordings_of_one_name_have_distinct_files(tmp_path: Path) -> None:
    first, second = RecordingFile(tmp_path / "a.mp4"), RecordingFile(tmp_path / "a.mp4")
    assert first.path != second.path
    first.discard()
    assert second.path.exists()
    second.discard()
    assert list(tmp_path.iterdir()) == []


def test_recording_is_locked_until_released_and_stays(tmp_path: Path) -> None:
    recording = RecordingFile(tmp_path / "a.mp4")
    recording.append(b"abc")
    recording.append(memoryview(b"def"))
    assert recording.size_bytes() == 6
    assert is_held(recording.path)
    assert is_held(recording.path)  # looking changed nothing
    assert find_recordings(tmp_path) == []
    recording.release()
    recording.release()
    assert not is_held(recording.path)
    assert find_recordings(tmp_path) == [recording.path]
    assert recording.path.read_bytes() == b"abcdef"


def test_discarded_recording_is_removed(tmp_path: Path) -> None:
    recording = RecordingFile(tmp_path / "a.mp4")
    recording.discard()
    recording.discard()
    assert list(tmp_path.iterdir()) == []


def test_garbage_collected_recording_stays_unlocked(tmp_path: Path) -> None:
    path = RecordingFile(tmp_path / "a.mp4").path
    gc.collect()
    assert not is_held(path)


def test_nothing_is_written_after_the_release(tmp_path: Path) -> None:
    recording = RecordingFile(tmp_path / "a.mp4")
    number = recording.descriptor
    recording.release()
    with (tmp_path / "other").open("wb") as other:
        assert other.fileno() == number  # the number is somebody else's now
        with pytest.raises(OutputError, match="it was closed"):
            recording.append(b"frame")
    assert (tmp_path / "other").read_bytes() == b""


def test_write_and_release_in_two_threads_do_not_overlap(tmp_path: Path) -> None:
    recording = RecordingFile(tmp_path / "a.mp4")
    block = bytes(100_000)
    ended = threading.Event()

    def write() -> None:
        try:
            while True:
                recording.append(block)
        except OutputError:
            ended.set()

    thread = threading.Thread(target=write)
    thread.start()
    while recording.size_bytes() == 0:
        pass
    recording.release()
    thread.join(20)
    assert ended.is_set()
    assert recording.size_bytes() % len(block) == 0


def test_lock_lasts_as_long_as_a_child_that_inherited_it(tmp_path: Path) -> None:
    recording = RecordingFile(tmp_path / "a.mp4")
    path = recording.path
    code = "import sys; sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, pass_fds=[recording.descriptor]
    ) as child:
        os.close(os.dup(recording.descriptor))
        del recording  # as if this process had died
        gc.collect()
        assert is_held(path)
        assert child.stdin is not None
        child.stdin.close()
        child.wait(30)
    assert not is_held(path)


def test_release_unlocks_the_file_even_if_a_fork_has_it(tmp_path: Path) -> None:
    recording = RecordingFile(tmp_path / "a.mp4")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: a fork of a process with threads
        forked = os.fork()
    if forked == 0:
        signal.pause()
        os._exit(0)
    try:
        recording.release()
        assert not is_held(recording.path)
    finally:
        os.kill(forked, signal.SIGKILL)
        os.waitpid(forked, 0)


def test_recording_is_locked_while_another_process_tests_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open
    looking: list[int] = []

    def open_and_be_seen(path: Path, flags: int, *mode: int) -> int:
        descriptor = opened(path, flags, *mode)
        if flags & os.O_CREAT:
            looking.append(opened(path, os.O_RDONLY))
            fcntl.flock(looking[0], fcntl.LOCK_SH)
            threading.Timer(0.05, os.close, looking).start()
        return descriptor

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", open_and_be_seen)
        recording = SyncedFile(tmp_path / "a")
    assert is_held(recording.path)
    recording.discard()


def test_recording_that_disappears_during_the_search_is_not_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / f".{name}.00000000.recording.mp4").write_bytes(b"")
    (tmp_path / "a.mp4").write_bytes(b"")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / ".c.00000000.recording.mov").write_bytes(b"")
    (tmp_path / ".d.00000000.recording.mp4").mkdir()
    looked = is_held

    def completed_meanwhile(path: Path) -> bool:
        if path.name.startswith(".a"):
            path.unlink()
        return looked(path)

    monkeypatch.setattr("ffenc.video.recording.is_held", completed_meanwhile)
    assert [path.name for path in find_recordings(tmp_path)] == [
        ".b.00000000.recording.mp4",
        ".c.00000000.recording.mov",
    ]


def test_missing_directory_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write into .*missing"):
        RecordingFile(tmp_path / "missing" / "a.mp4")


def test_full_disk_is_an_output_error_and_keeps_written_data(tmp_path: Path) -> None:
    recording = RecordingFile(tmp_path / "a.mp4")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        with pytest.raises(OutputError, match=r"cannot write .*File too large"):
            recording.append(bytes(3000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    recording.release()
    assert recording.path.stat().st_size == 1000
