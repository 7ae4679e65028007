"""With the real FFmpeg, a recording is an exact prefix of the camera's frames after any fault."""

from __future__ import annotations

import gc
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc.config import VideoEncoderConfig
from ffenc.errors import InputError, OutputError, ProcessError, ProcessTimeoutError, RecordingError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.frames import FrameFormat
from ffenc.streaming.encoder import StreamingVideoEncoder
from ffenc.streaming.spool import read_spool
from ffenc.video.reader import VideoReader
from ffenc.video.recording import find_recordings, is_held
from ffenc.video.salvage import salvage_video
from ffenc.video.writer import VideoWriter
from tests.footage import numbered_frame, numbers_of

pytestmark = pytest.mark.integration

Within = Callable[[float], AbstractContextManager[None]]

ROOT = Path(__file__).parents[2]
H264 = VideoEncoderConfig(vcodec="h264", g=2)
LONG_S = 60.0


def process_of(encoder: StreamingVideoEncoder, name: str = "a") -> int:
    assert encoder._episode is not None
    target: Any = encoder._episode.cameras[name].target
    wait_for(lambda: target._writer._process is not None)
    return int(target._writer._process.pid)


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def check_prefix(recording: Path, binaries: Binaries) -> int:
    """Salvage a recording and check that it shows 0, 1, 2, ... up to this number of frames."""
    video = salvage_video(recording, recording.with_name("salvaged.mp4"), fps=30, binaries=binaries)
    numbers = numbers_of(VideoReader(video.path, binaries=binaries))
    assert numbers == [number % 256 for number in range(len(numbers))]
    assert video.frames == len(numbers)
    return len(numbers)


def feed_until_it_fails(encoder: StreamingVideoEncoder, start: int = 0) -> RecordingError:
    with pytest.raises(RecordingError) as caught:
        for number in range(start, 1_000_000):
            encoder.feed_frame("a", numbered_frame(number % 256))
    return caught.value


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSTOP"])
def test_encoder_dies_or_hangs(tmp_path: Path, binaries: Binaries, within: Within, how: str) -> None:
    encoder = StreamingVideoEncoder(30, camera_encoder=H264, stall_timeout_s=0.5, queue_maxsize=5, binaries=binaries)
    encoder.start_episode(["a"], tmp_path)
    for number in range(60):
        encoder.feed_frame("a", numbered_frame(number))
    wait_for(lambda: encoder.status().cameras["a"].size_bytes)
    os.kill(process_of(encoder), getattr(signal, how))
    with within(LONG_S):
        error = feed_until_it_fails(encoder, 60)
    encoder.close()
    assert isinstance(error.__cause__, ProcessTimeoutError if how == "SIGSTOP" else ProcessError)
    (recording,) = find_recordings(tmp_path)
    assert error.kept == recording
    assert [entry.name for entry in tmp_path.iterdir()] == [recording.name]
    assert 0 < check_prefix(recording, binaries) <= error.frames


def test_encoder_dies_after_last_frame(tmp_path: Path, binaries: Binaries) -> None:
    with StreamingVideoEncoder(30, camera_encoder=H264, binaries=binaries) as encoder:
        encoder.start_episode(["a"], tmp_path)
        for number in range(40):
            encoder.feed_frame("a", numbered_frame(number))
        wait_for(lambda: encoder.status().cameras["a"].size_bytes)
        pid = process_of(encoder)
        os.kill(pid, signal.SIGSTOP)
        handle = encoder.finish_episode()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(RecordingError, match="SIGKILL") as caught:
            handle.wait(LONG_S)
        encoder.start_episode(["a"], tmp_path / "next")
    assert caught.value.kept is not None
    assert 0 < check_prefix(caught.value.kept, binaries) <= 40


def test_unclosed_encoder_completes_its_episode(tmp_path: Path, binaries: Binaries) -> None:
    def forget() -> None:
        encoder = StreamingVideoEncoder(30, camera_encoder=H264, binaries=binaries)
        encoder.start_episode(["a"], tmp_path)
        for number in range(12):
            encoder.feed_frame("a", numbered_frame(number))
        del encoder
        gc.collect()

    with pytest.warns(ResourceWarning, match="was not closed"):
        forget()
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]
    assert numbers_of(VideoReader(tmp_path / "a.mp4", binaries=binaries)) == list(range(12))


RECORD = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from ffenc.config import VideoEncoderConfig
from ffenc.streaming.encoder import StreamingVideoEncoder
from tests.footage import numbered_frame
encoder = StreamingVideoEncoder(30, camera_encoder=VideoEncoderConfig(vcodec="h264", g=2))
encoder.start_episode(["a"], sys.argv[1])
for number in range(100):
    encoder.feed_frame("a", numbered_frame(number))
camera = encoder._episode.cameras["a"]
while camera.frames_out < 100 or not camera.target.size_bytes():
    pass
pid = camera.target._writer._process.pid
print(pid, flush=True)
"""
DIE = "os.kill(os.getpid(), signal.SIGKILL)"


def record_and(code: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Record 100 frames in another Python process, then run ``code``."""
    return subprocess.run(
        [sys.executable, "-c", RECORD + code, str(directory), str(ROOT)],
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
        start_new_session=True,
    )


def wait_until_released(directory: Path) -> Path:
    """Wait for an ffmpeg whose program was killed: it reads the end of its input and completes its file."""
    wait_for(lambda: find_recordings(directory))
    (recording,) = find_recordings(directory)
    return recording


def test_killed_program_loses_no_frame_accepted_by_ffmpeg(tmp_path: Path, binaries: Binaries) -> None:
    assert record_and(DIE, tmp_path).returncode == -signal.SIGKILL
    recording = wait_until_released(tmp_path)
    assert not (tmp_path / "a.mp4").exists()
    assert check_prefix(recording, binaries) == 100


def test_killed_program_and_ffmpeg_leave_a_prefix(tmp_path: Path, binaries: Binaries) -> None:
    record_and("os.kill(pid, signal.SIGKILL);" + DIE, tmp_path)
    assert 0 < check_prefix(wait_until_released(tmp_path), binaries) <= 100


def test_recording_is_locked_while_orphan_writes(tmp_path: Path, binaries: Binaries) -> None:
    done = record_and("os.kill(pid, signal.SIGSTOP);" + DIE, tmp_path)
    orphan = int(done.stdout)
    try:
        (recording,) = tmp_path.iterdir()
        assert is_held(recording)
        assert find_recordings(tmp_path) == []
        with pytest.raises(InputError, match="is still being recorded"):
            salvage_video(recording, binaries=binaries)
    finally:
        os.kill(orphan, signal.SIGCONT)
    assert check_prefix(wait_until_released(tmp_path), binaries) == 100


@pytest.mark.parametrize("code", ["", "handle = encoder.finish_episode()"], ids=["open", "finished"])
def test_program_that_ends_without_closing_loses_nothing(tmp_path: Path, binaries: Binaries, code: str) -> None:
    done = record_and(code, tmp_path)
    assert done.returncode == 0, done.stderr
    if sys.version_info < (3, 12):
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"], done.stderr
    video = tmp_path / "a.mp4"
    if video.exists():
        assert numbers_of(VideoReader(video, binaries=binaries)) == list(range(100))
    else:  # since Python 3.12 no process can be started at exit any more
        assert check_prefix(wait_until_released(tmp_path), binaries) == 100


@contextmanager
def small_disk(size_bytes: int) -> Iterator[None]:
    """Limit the size of all files of this process and its children, which simulates a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def noisy_frame(number: int) -> np.ndarray:
    """Return a frame like `numbered_frame` that does not compress well."""
    noise = np.random.default_rng(number).integers(0, 24, (96, 128, 3), dtype=np.uint8)
    return numbered_frame(number % 256) + noise


@pytest.mark.parametrize("kind", ["streaming", "writer"])
def test_full_disk_keeps_recorded_frames(tmp_path: Path, binaries: Binaries, kind: str) -> None:
    config = VideoEncoderConfig(vcodec="h264", g=2, crf=20)
    with small_disk(150_000):
        if kind == "streaming":
            encoder = StreamingVideoEncoder(30, camera_encoder=config, binaries=binaries)
            encoder.start_episode(["a"], tmp_path)
            with pytest.raises(RecordingError) as caught:
                for number in range(10_000):
                    encoder.feed_frame("a", noisy_frame(number))
            encoder.close()
            assert isinstance(caught.value.__cause__, ProcessError)
        else:
            writer = VideoWriter(tmp_path / "a.mp4", fps=30, config=config, durable=True, binaries=binaries)
            with pytest.raises(ProcessError), writer:
                for number in range(10_000):
                    writer.write(noisy_frame(number))
    (recording,) = find_recordings(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [recording.name]
    assert check_prefix(recording, binaries) > 5


def test_disk_full_at_the_end_leaves_no_partial_file(tmp_path: Path, binaries: Binaries) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", fps=30, config=H264, durable=True, binaries=binaries)
    for number in range(30):
        writer.write(noisy_frame(number))
    assert writer._process is not None
    writer._process.finish()
    assert writer.recording is not None
    with small_disk(writer.recording.size_bytes() // 5), pytest.raises((ProcessError, OutputError)):
        writer.close()
    (recording,) = find_recordings(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [recording.name]
    with small_disk(recording.stat().st_size // 2), pytest.raises(OutputError, match="cannot copy"):
        salvage_video(recording, binaries=binaries)
    assert [entry.name for entry in tmp_path.iterdir()] == [recording.name]
    assert check_prefix(recording, binaries) == 30


def test_disk_full_of_spool_keeps_the_spool(tmp_path: Path, binaries: Binaries) -> None:
    encoder = StreamingVideoEncoder(30, camera_encoder=H264, streaming_encoding=False, binaries=binaries)
    with small_disk(300_000):
        encoder.start_episode({"a": FrameFormat(width=128, height=96)}, tmp_path)
        error = feed_until_it_fails(encoder)
        encoder.close()
    assert isinstance(error.__cause__, OutputError)
    assert error.kept is not None
    frames = read_spool(error.kept)
    assert numbers_of(frames) == list(range(8))  # of 36864 bytes each
    assert [entry.name for entry in tmp_path.iterdir()] == [error.kept.name]
    del frames
