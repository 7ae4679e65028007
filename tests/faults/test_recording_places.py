"""A dataset that is moved while it is recorded, and forks that use objects of their parent."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from ffenc.dataset.format.documents import load_info
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.errors import DatasetError, DatasetMovedError, FFencError, NotOwnerError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.streaming.encoder import StreamingVideoEncoder
from ffenc.video.writer import VideoWriter
from tests.footage import numbered_frame
from tests.recordings_of_robots import FEATURES, FPS, H264, check_numbered, frame_of

pytestmark = [
    pytest.mark.net,
    pytest.mark.integration,
    pytest.mark.one_build,
    pytest.mark.skipif(sys.platform == "win32", reason="it forks"),
]


def recorder_of(root: Path, binaries: Binaries) -> DatasetRecorder:
    recorder = DatasetRecorder.create(root, "me/set", FPS, FEATURES, camera_encoder=H264, binaries=binaries)
    for number in range(4):
        recorder.add_frame(frame_of(number))
    recorder.save_episode(wait=True)
    return recorder


def move(root: Path) -> Path:
    return root.rename(root.with_name("elsewhere"))


def delete(root: Path) -> None:
    shutil.rmtree(root)


def replace(root: Path) -> Path:
    moved = root.rename(root.with_name("elsewhere"))
    shutil.copytree(moved, root)
    return moved


def files_of(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.name != "lock.holder")


CHANGES = [move, delete, replace]


@pytest.mark.parametrize("change", CHANGES)
def test_dataset_moved_between_two_episodes(
    tmp_path: Path, binaries: Binaries, change: Callable[[Path], Path | None]
) -> None:
    root = tmp_path / "set"
    recorder = recorder_of(root, binaries)
    now = change(root)
    before = files_of(root)
    with pytest.raises(DatasetMovedError) as caught:
        recorder.add_frame(frame_of(4))
    assert caught.value.now == now
    assert (str(now) if now else "deleted") in str(caught.value)
    with pytest.raises(DatasetMovedError):
        recorder.finalize()
    assert files_of(root) == before
    if now is not None:
        check_numbered(now, 4, binaries=binaries)


@pytest.mark.parametrize("change", CHANGES)
def test_dataset_moved_during_an_episode(
    tmp_path: Path, binaries: Binaries, change: Callable[[Path], Path | None]
) -> None:
    root = tmp_path / "set"
    recorder = recorder_of(root, binaries)
    for number in range(4, 64):
        recorder.add_frame(frame_of(number))
    recordings = list(root.glob("meta/ffenc/recording/*/.*.recording.mp4"))
    assert len(recordings) == 2
    while not all(path.stat().st_size for path in recordings):  # until both encoders have opened their files
        time.sleep(0.01)
    now = change(root)
    before = files_of(root)
    with pytest.raises(DatasetMovedError) as caught:
        recorder.save_episode(wait=True)
    assert caught.value.now == now
    with pytest.raises(FFencError):
        recorder.finalize()
    assert files_of(root) == before
    if now is None:
        return
    assert caught.value.kept is not None
    assert caught.value.kept.is_dir()
    with DatasetRecorder.resume(now, binaries=binaries) as again:
        (interrupted,) = again.interrupted
        assert interrupted.rows == 60
        frames = again.recover(interrupted).frames
        again.finalize(pack=False)
    check_numbered(now, 4 + frames, binaries=binaries)


def in_a_child(work: Callable[[], None], *, leave: str = "exit") -> None:
    """Run a function in a fork, which then ends as requested; fail if it raised."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        if leave == "exit" and status == 0:
            # What `sys.exit` does: the finalizers and the functions of atexit, without pytest's own end.
            atexit._run_exitfuncs()
        os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status == 0


def refused(call: Callable[[], object]) -> None:
    with pytest.raises(NotOwnerError, match=r"from which process .* was forked"):
        call()


@pytest.mark.parametrize("leave", ["exit", "at once"])
def test_fork_cannot_use_recorder(tmp_path: Path, binaries: Binaries, leave: str) -> None:
    root = tmp_path / "set"
    recorder = recorder_of(root, binaries)
    for number in range(4, 7):
        recorder.add_frame(frame_of(number))
    handle = recorder.save_episode()
    for number in range(7, 9):
        recorder.add_frame(frame_of(number))

    def work() -> None:
        for call in (
            lambda: recorder.add_frame(frame_of(9)),
            recorder.save_episode,
            recorder.clear_episode,
            recorder.finalize,
            handle.wait,
        ):
            refused(call)
        recorder.__exit__(None, None, None)  # leaves the block without a word
        with pytest.raises(DatasetError, match="another process"):
            DatasetRecorder.resume(root, binaries=binaries)

    in_a_child(work, leave=leave)
    recorder.add_frame(frame_of(9))
    recorder.save_episode(wait=True)
    recorder.finalize(pack=False)
    check_numbered(root, 10, binaries=binaries)


@pytest.mark.parametrize("durable", [True, False])
def test_fork_cannot_use_writer(tmp_path: Path, binaries: Binaries, durable: bool) -> None:
    with VideoWriter(tmp_path / "v.mp4", fps=30, config=H264, durable=durable, binaries=binaries) as writer:
        writer.write(numbered_frame(0))

        def work() -> None:
            for call in (lambda: writer.write(numbered_frame(1)), writer.close, writer.abort):
                refused(call)
            writer.__exit__(None, None, None)  # leaves the block without a word

        in_a_child(work)
        writer.write(numbered_frame(1))
    assert writer.result.frames == 2
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"]


def test_fork_cannot_use_encoder(tmp_path: Path, binaries: Binaries) -> None:
    with StreamingVideoEncoder(30, camera_encoder=H264, binaries=binaries) as encoder:
        encoder.start_episode(["a", "b"], tmp_path / "episode")
        step = {"a": numbered_frame(0), "b": numbered_frame(0)}
        encoder.feed_frames(step)

        def work() -> None:
            for call in (
                lambda: encoder.feed_frames(step),
                lambda: encoder.feed_frame("a", numbered_frame(0)),
                encoder.finish_episode,
                encoder.cancel_episode,
                encoder.close,
                lambda: encoder.start_episode(["a"], tmp_path / "other"),
            ):
                refused(call)

        in_a_child(work)
        encoder.feed_frames(step)
        assert encoder.finish_episode().wait().frames == 2


def test_surviving_fork_does_not_hold_recording(tmp_path: Path, binaries: Binaries) -> None:
    """The parent is killed and its child is not: the recording of the parent can be recovered immediately."""
    root = tmp_path / "set"
    ready, go = os.pipe()
    parent = os.fork()
    if parent == 0:
        recorder = recorder_of(root, binaries)
        for number in range(4, 60):
            recorder.add_frame(frame_of(number))
        child = os.fork()
        if child == 0:
            os.write(go, b"%d\n" % os.getpid())
            os.read(os.pipe()[0], 1)  # for ever
        os.waitpid(child, 0)
        os._exit(0)
    child = int(os.read(ready, 100))
    try:
        os.kill(parent, 9)
        os.waitpid(parent, 0)
        with DatasetRecorder.resume(root, binaries=binaries) as recorder:
            (interrupted,) = recorder.interrupted
            recorder.recover(interrupted)
            recorder.finalize(pack=False)
    finally:
        os.kill(child, 9)
        os.close(ready)
        os.close(go)
    check_numbered(root, load_info(root).total_frames, binaries=binaries)
