"""The guarantees of child processes with the real FFmpeg under test."""

from __future__ import annotations

import os
import re
import signal
import sys
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ffenc.errors import ProcessDiedError, ProcessTimeoutError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess

pytestmark = pytest.mark.integration

Frames = npt.NDArray[np.uint8]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc or /dev/full")


@pytest.fixture
def ffmpeg(binaries: Binaries) -> str:
    return str(binaries.ffmpeg)


@pytest.fixture
def x264(ffmpeg: str, encoders_here: tuple[str, ...]) -> str:
    if "libx264" not in encoders_here:
        pytest.skip("this ffmpeg has no libx264")
    return ffmpeg


@pytest.fixture(scope="module")
def frames() -> Frames:
    return np.random.default_rng(4).integers(0, 256, (12, 240, 320, 3), dtype=np.uint8)


def write_until_it_ends(process: FFmpegProcess, frames: Frames) -> None:
    for _ in range(100):
        process.write(frames)
    process.finish()


def raw_input(ffmpeg: str, *output: str) -> list[str]:
    source = "-f rawvideo -pix_fmt rgb24 -s 320x240 -framerate 30 -i pipe:0"
    return [ffmpeg, "-hide_banner", "-v", "warning", "-y", *source.split(), *output]


def test_every_frame_is_unchanged(ffmpeg: str, frames: Frames) -> None:
    argv = raw_input(ffmpeg, "-c", "copy", "-f", "framecrc", "pipe:1")
    with FFmpegProcess.start(argv, stdin=True, stdout="data") as process:
        for frame in frames:
            process.write(frame)
        process.end_input()
        printed = bytearray(100_000)
        text = printed[: process.read_into(printed)].decode()
    rows = [line.split(",") for line in text.splitlines() if not line.startswith("#")]
    # framecrc is Adler-32 with start value 0.
    assert [int(row[-1], 16) for row in rows] == [zlib.adler32(frame, 0) for frame in frames]
    assert [int(row[2]) for row in rows] == list(range(len(frames)))


def test_frames_are_decoded_through_the_pipe(ffmpeg: str, tmp_path: Path, frames: Frames) -> None:
    path = tmp_path / "lossless.mkv"
    encode = raw_input(ffmpeg, "-c:v", "ffv1", "-pix_fmt", "bgr0", "-f", "matroska", f"file:{path}")
    with FFmpegProcess.start(encode, stdin=True) as writer:
        for frame in frames:
            writer.write(frame)
    decode = [ffmpeg, "-v", "error", "-nostdin", "-i", f"file:{path}", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    with FFmpegProcess.start(decode, stdout="data") as reader:
        for frame in frames:
            assert reader.read_exactly(frame.nbytes) == frame.tobytes()
        assert reader.read_exactly(frames[0].nbytes) == b""


def test_progress_counts_the_frames(ffmpeg: str, tmp_path: Path, frames: Frames) -> None:
    path = tmp_path / "out.mkv"
    argv = raw_input(ffmpeg, "-c:v", "ffv1", "-progress", "pipe:1", "-nostats", "-f", "matroska", f"file:{path}")
    with FFmpegProcess.start(argv, stdin=True, stdout="progress") as process:
        process.write(frames)
    finished = process.finish()
    assert finished.progress is not None
    assert finished.progress.done
    assert finished.progress.frame == len(frames)
    assert finished.progress.size_bytes == path.stat().st_size
    assert finished.usage.cpu_user_s > 0


def test_unknown_encoder_fails_with_reason(ffmpeg: str, tmp_path: Path, frames: Frames) -> None:
    process = FFmpegProcess.start(raw_input(ffmpeg, "-c:v", "nonsense", str(tmp_path / "x.mp4")), stdin=True)
    with pytest.raises(ProcessDiedError, match="Unknown encoder 'nonsense'") as caught:
        write_until_it_ends(process, frames)
    assert caught.value.returncode not in (0, None)


@linux_only
def test_full_disk_is_named(ffmpeg: str, frames: Frames) -> None:
    process = FFmpegProcess.start(raw_input(ffmpeg, "-c", "copy", "-f", "rawvideo", "/dev/full"), stdin=True)
    with pytest.raises(ProcessDiedError, match="No space left on device"):
        write_until_it_ends(process, frames)


def test_file_size_limit_kills_silently(ffmpeg: str, tmp_path: Path, frames: Frames) -> None:
    argv = raw_input(ffmpeg, "-c", "copy", "-f", "rawvideo", str(tmp_path / "out.raw"))
    limited = ["/bin/sh", "-c", 'ulimit -c 0; ulimit -f 100; exec "$0" "$@"', *argv]
    process = FFmpegProcess.start(limited, stdin=True)
    with pytest.raises(ProcessDiedError, match=r"SIGXFSZ|File too large"):
        write_until_it_ends(process, frames)


@linux_only
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP], ids=lambda number: number.name)
def test_signal_from_another_process(ffmpeg: str, tmp_path: Path, frames: Frames, number: signal.Signals) -> None:
    argv = raw_input(ffmpeg, "-c:v", "ffv1", str(tmp_path / "out.mkv"))
    process = FFmpegProcess.start(argv, stdin=True, stall_timeout_s=0.5)
    process.write(frames)
    os.kill(process.pid, number)
    expected = ProcessTimeoutError if number == signal.SIGSTOP else ProcessDiedError
    with pytest.raises(expected) as caught:
        write_until_it_ends(process, frames)
    assert caught.value.returncode == -(signal.SIGKILL if number == signal.SIGSTOP else number)


@linux_only
def test_long_flush_is_not_killed_as_hung(x264: str, tmp_path: Path, frames: Frames) -> None:
    path = tmp_path / "slow.mp4"
    options = ["-c:v", "libx264", "-preset", "placebo", "-threads", "1", "-x264-params", "rc-lookahead=250"]
    argv = raw_input(x264, *options, "-pix_fmt", "yuv420p", "-f", "mp4", f"file:{path}")
    with FFmpegProcess.start(argv, stdin=True, stall_timeout_s=2.0) as process:
        process.write(frames[:8])  # seconds of work, nearly all of it after the end of input
    assert path.stat().st_size > 0


def test_ignored_option_is_reported(x264: str, tmp_path: Path, frames: Frames) -> None:
    argv = raw_input(x264, "-c:v", "libx264", "-x264-params", "nonsense=1", "-f", "mp4", str(tmp_path / "x.mp4"))
    pattern = re.compile("Error parsing option|Unknown option")
    with FFmpegProcess.start(argv, stdin=True, stderr_errors=[pattern]) as process:
        process.write(frames)
    matches = process.finish().stderr_matches
    assert len(matches) == 1
    assert "nonsense" in matches[0]


def test_abort_leaves_no_complete_file(x264: str, tmp_path: Path, frames: Frames) -> None:
    path = tmp_path / "out.mp4"
    argv = raw_input(x264, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-f", "mp4", f"file:{path}")
    process = FFmpegProcess.start(argv, stdin=True)
    process.write(frames)
    process.abort()
    assert not path.exists() or b"moov" not in path.read_bytes()
