"""A working child receives every byte, and a slow one is not treated as hung."""

from __future__ import annotations

import hashlib
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import numpy as np
import pytest

from ffenc.errors import FrameError, ProcessDiedError
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess, run_tool
from ffenc.ffmpeg.process.pipes import Drain
from ffenc.ffmpeg.process.progress import Progress

Fake = Callable[..., list[str]]
Within = Callable[[float], AbstractContextManager[None]]

# Longer than a loaded machine leaves a child without any CPU at all.
SURVIVED_S = 2.0
SOON_S = 10.0
FRAME = bytes(3_000_000)  # three times what fits into the pipe
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def test_every_byte_arrives_and_finish_returns_usage(fake: Fake) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (5, 480, 640, 3), dtype=np.uint8)
    with FFmpegProcess.start(fake("read-all"), stdin=True) as process:
        assert process.state == "running"
        for frame in frames:
            process.write(frame)
    finished = process.finish()
    assert finished.stderr_text == f"read {frames.nbytes} bytes, sha256 {hashlib.sha256(frames.tobytes()).hexdigest()}"
    assert process.bytes_written == frames.nbytes
    assert finished.returncode == 0
    assert finished.usage.cpu_user_s + finished.usage.cpu_system_s > 0
    assert finished.progress is None
    assert process.state == "exited"
    assert process.finish() is finished
    process.abort()
    assert process.finish() is finished


@linux_only
def test_memory_is_that_of_the_child_only(fake: Fake) -> None:
    ballast = bytearray(300 << 20)
    ballast[::4096] = b"x" * len(ballast[::4096])
    with FFmpegProcess.start(fake("read-all"), stdin=True) as process:
        process.write(b"x")
        time.sleep(0.2)
    peak = process.finish().usage.max_rss_bytes
    assert peak is not None
    assert 1 << 20 < peak < len(ballast)


@pytest.mark.parametrize("count", [0, 1, 250, 5_000_000])
def test_output_is_read_completely(fake: Fake, count: int) -> None:
    with FFmpegProcess.start(fake(f"out:{count}"), stdout="data") as process:
        buffer = bytearray(count + 10)
        assert process.read_into(buffer) == count
        assert process.read_into(buffer) == 0
    assert bytes(buffer[:count]) == (bytes(range(251)) * (count // 251 + 1))[:count]


def test_blocks_are_read_exactly(fake: Fake) -> None:
    with FFmpegProcess.start(fake("out:502"), stdout="data") as process:
        assert process.read_exactly(251) == process.read_exactly(251) == bytes(range(251))
        assert process.read_exactly(251) == b""


def test_output_after_the_end_of_input_can_be_read(fake: Fake) -> None:
    with FFmpegProcess.start(fake("read-all", "out:251"), stdin=True, stdout="data") as process:
        process.write(FRAME)
        process.end_input()
        assert process.read_exactly(251) == bytes(range(251))
        assert process.read_exactly(1) == b""


def test_writing_and_reading_in_two_threads(fake: Fake) -> None:
    with FFmpegProcess.start(fake("out:5000000", "read-all"), stdin=True, stdout="data") as process:
        writer = threading.Thread(target=process.write, args=(FRAME,))
        writer.start()
        assert len(process.read_exactly(5_000_000)) == 5_000_000
        writer.join()
    assert f"read {len(FRAME)} bytes" in process.finish().stderr_text


@pytest.mark.parametrize(
    "buffer",
    [
        pytest.param(np.zeros((4, 6, 3), np.uint8).transpose(2, 0, 1), id="transposed"),
        pytest.param(np.zeros((4, 6, 3), np.uint8)[:, ::2], id="strided"),
        pytest.param(np.zeros((4, 6, 3), np.uint8, order="F"), id="fortran"),
        pytest.param(np.zeros(4, "M8[s]"), id="no-buffer"),
        pytest.param("text", id="text"),
        pytest.param(None, id="none"),
    ],
)
def test_noncontiguous_array_is_refused_before_sending(fake: Fake, buffer: object) -> None:
    with FFmpegProcess.start(fake("read-all"), stdin=True) as process:
        with pytest.raises(FrameError):
            process.write(buffer)  # type: ignore[arg-type]
        process.write(b"")
        process.write(np.zeros((0, 3)))
        process.write(np.arange(6, dtype=np.uint16).reshape(2, 3))
        assert process.bytes_written == 12
    assert "read 12 bytes" in process.finish().stderr_text


def test_repr_and_state_describe_the_process(fake: Fake) -> None:
    process = FFmpegProcess.start(fake("read-all", "exit:3"), stdin=True)
    assert repr(process) == f"<FFmpegProcess ffmpeg: running, PID {process.pid}>"
    with pytest.raises(ProcessDiedError):
        process.finish()
    assert repr(process) == f"<FFmpegProcess ffmpeg: exited, PID {process.pid}, exit status 3>"


SLOW_BUT_WORKING = {
    "takes its input slowly": ["read:500000", "sleep:0.25"] * 10,
    "reports frames": ["progress:25"],
}
if sys.platform == "linux":  # elsewhere nobody tells how much a child computes
    SLOW_BUT_WORKING["computes before it reads"] = ["busy:3"]
    SLOW_BUT_WORKING["computes after it has read"] = ["read-all", "busy:3"]


def test_slow_child_is_not_killed_as_hung(fake: Fake) -> None:
    def run(steps: list[str]) -> str:
        argv = fake(*steps, "read-all")
        with FFmpegProcess.start(argv, stdin=True, stdout="progress", stall_timeout_s=SURVIVED_S) as process:
            process.write(bytes(6_000_000))
        return process.finish().stderr_text

    with ThreadPoolExecutor() as pool:  # all at once, because each takes its time
        running = {name: pool.submit(run, steps) for name, steps in SLOW_BUT_WORKING.items()}
    assert {name: future.result().count("sha256") for name, future in running.items()} == {
        name: 2 if "read-all" in steps else 1 for name, steps in SLOW_BUT_WORKING.items()
    }


def test_every_progress_report_is_forwarded(fake: Fake) -> None:
    seen: list[Progress] = []
    process = FFmpegProcess.start(fake("progress:3"), stdout="progress", on_progress=seen.append)
    finished = process.finish()
    last = Progress(frame=3, fps=30.0, size_bytes=300, out_time_s=0.12, speed=None, done=True)
    assert finished.progress == process.progress == last
    assert [report.frame for report in seen] == [1, 2, 3]
    assert [report.done for report in seen] == [False, False, True]


class CallbackError(Exception):
    pass


def _raise_at_second(report: Progress) -> None:
    if report.frame == 2:
        raise CallbackError


@pytest.mark.parametrize("way", ["write", "finish"])
def test_callback_exception_is_raised(fake: Fake, within: Within, way: str) -> None:
    process = FFmpegProcess.start(fake("progress:600"), stdin=True, stdout="progress", on_progress=_raise_at_second)
    call = process.finish if way == "finish" else lambda: process.write(FRAME)
    with within(SOON_S), pytest.raises(CallbackError):
        call()
    assert process.returncode == -signal.SIGKILL
    with pytest.raises(CallbackError):
        process.finish()
    process.abort()


def test_callback_may_abort(fake: Fake, within: Within) -> None:
    started: list[FFmpegProcess] = []
    ready = threading.Event()

    def stop(_report: Progress) -> None:
        ready.wait()
        started[0].abort()

    started.append(FFmpegProcess.start(fake("progress:600"), stdout="progress", on_progress=stop))
    ready.set()
    with within(SOON_S), pytest.raises(ProcessDiedError, match="was aborted"):
        started[0].finish()


def test_important_lines_survive_a_flood(fake: Fake) -> None:
    patterns = [re.compile("Error parsing option"), re.compile("Unknown option")]
    steps = ("say:Error parsing option a=b\\n", "flood:1000000", "say:Unknown option q")
    finished = FFmpegProcess.start(fake(*steps), stderr_errors=patterns).finish()
    assert finished.stderr_matches == ("Error parsing option a=b", "Unknown option q")
    assert "Error parsing" not in finished.stderr_text
    assert len(finished.stderr_text) <= 16 * 1024


def test_lines_written_before_output_are_known_after_it(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether or not the thread that reads standard error has run."""
    resumed = threading.Event()
    pour = Drain._pour
    monkeypatch.setattr(Drain, "_pour", lambda drain: (resumed.wait(SOON_S), pour(drain)))
    process = FFmpegProcess.start(
        fake("say:missing reference\\n", "out:9", "hang"), stdout="data", stderr_errors=[re.compile("missing")]
    )
    assert len(process.read_exactly(9)) == 9
    assert process.stderr_matches == ("missing reference",)
    resumed.set()
    process.abort()
    assert process.stderr_matches == ("missing reference",)


def test_status_line_replaces_previous_one(fake: Fake) -> None:
    steps = ("say:start\\n", *(f"say:frame={n}\\r" for n in range(50)), "say:\\nend\\n")
    assert FFmpegProcess.start(fake(*steps)).finish().stderr_text == "start\nframe=49\nend"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("FFREPORT", "unset"),
        ("AV_LOG_FORCE_COLOR", "unset"),
        ("LC_ALL", "C"),
        ("GCONV_PATH", ""),
        ("FAKE_OTHER", "kept"),
    ],
)
def test_environment_is_cleaned(monkeypatch: pytest.MonkeyPatch, fake: Fake, name: str, expected: str) -> None:
    monkeypatch.setenv("FFREPORT", "file=somewhere.log")
    monkeypatch.setenv("AV_LOG_FORCE_COLOR", "1")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("FAKE_OTHER", "kept")
    assert run_tool(fake(f"environment:{name}")).stderr == f"{name}={expected}"
