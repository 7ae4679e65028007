"""Every way in which a child process can go wrong ends in time, in a typed error, and leaves nothing."""

from __future__ import annotations

import gc
import hashlib
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from ffenc.errors import FrameError, ProcessDiedError, ProcessError, ProcessStartError, ProcessTimeoutError
from ffenc.ffmpeg import process as process_module
from ffenc.ffmpeg import stall
from ffenc.ffmpeg.process import FFmpegProcess, run_tool
from ffenc.ffmpeg.progress import Progress

Fake = Callable[..., list[str]]
Within = Callable[[float], AbstractContextManager[None]]

STALL_S = 0.3
LONG_S = 30.0
SOON_S = 10.0
FRAME = bytes(3_000_000)  # three times what fits into the pipe
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


# --- starting -----------------------------------------------------------------------------------------------


def _text_file(directory: Path) -> str:
    path = directory / "text"
    path.write_text("not a program\n")
    path.chmod(0o755)
    return str(path)


def _not_executable(directory: Path) -> str:
    path = directory / "plain"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o644)
    return str(path)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(lambda directory: str(directory / "absent"), "No such file", id="missing"),
        pytest.param(_not_executable, "chmod", id="not-executable"),
        pytest.param(_text_file, "not a program", id="text-file"),
        pytest.param(str, "Permission denied", id="directory"),
        pytest.param(lambda directory: f"{directory}/a\0b", "null", id="nul-in-name"),
    ],
)
def test_what_cannot_start_says_why(tmp_path: Path, make: Callable[[Path], str], says: str) -> None:
    argv = [make(tmp_path), "-version"]
    for attempt in (lambda: FFmpegProcess.start(argv, stdin=True, stdout="data"), lambda: run_tool(argv)):
        with pytest.raises(ProcessStartError, match=says) as caught:
            attempt()
        assert caught.value.argv == tuple(argv)
        assert caught.value.returncode is None


def test_an_empty_command_cannot_start() -> None:
    with pytest.raises(ProcessStartError, match="no command"):
        FFmpegProcess.start([])


def test_windows_is_refused_in_words(monkeypatch: pytest.MonkeyPatch, fake: Fake) -> None:
    monkeypatch.setattr(process_module.sys, "platform", "win32")
    with pytest.raises(ProcessStartError, match="WSL"):
        FFmpegProcess.start(fake("exit:0"))


def test_no_thread_for_stderr_kills_the_child(monkeypatch: pytest.MonkeyPatch, fake: Fake) -> None:
    def refuse(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(ProcessStartError, match="can't start new thread"):
        FFmpegProcess.start(fake("hang"), stdin=True, stdout="progress")


def test_a_callback_without_reports_is_refused(fake: Fake) -> None:
    with pytest.raises(ProcessStartError, match="progress"):
        FFmpegProcess.start(fake("exit:0"), on_progress=print)


# --- good endings -------------------------------------------------------------------------------------------


def test_every_byte_arrives_and_finish_tells_what_was_used(fake: Fake) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (5, 480, 640, 3), dtype=np.uint8)
    with FFmpegProcess.start(fake("read-all"), stdin=True) as process:
        assert process.state == "running"
        for frame in frames:
            process.write(frame)
    finished = process.finish()
    assert finished.stderr_text == f"read {frames.nbytes} bytes, sha256 {hashlib.sha256(frames).hexdigest()}"
    assert process.bytes_written == frames.nbytes
    assert finished.returncode == 0
    assert finished.usage.cpu_user_s + finished.usage.cpu_system_s > 0
    assert finished.progress is None
    assert process.state == "exited"
    assert process.finish() is finished
    process.abort()
    assert process.finish() is finished


@linux_only
def test_memory_is_the_childs_own_and_not_ours(fake: Fake) -> None:
    ballast = bytearray(300 << 20)
    ballast[::4096] = b"x" * len(ballast[::4096])
    with FFmpegProcess.start(fake("read-all"), stdin=True) as process:
        process.write(b"x")
        time.sleep(0.2)
    peak = process.finish().usage.max_rss_bytes
    assert peak is not None
    assert 1 << 20 < peak < len(ballast)


@pytest.mark.parametrize("count", [0, 1, 250, 5_000_000])
def test_output_is_read_whole(fake: Fake, count: int) -> None:
    with FFmpegProcess.start(fake(f"out:{count}"), stdout="data") as process:
        buffer = bytearray(count + 10)
        assert process.read_into(buffer) == count
        assert process.read_into(buffer) == 0
    assert bytes(buffer[:count]) == (bytes(range(251)) * (count // 251 + 1))[:count]


def test_blocks_are_read_exactly(fake: Fake) -> None:
    with FFmpegProcess.start(fake("out:502"), stdout="data") as process:
        assert process.read_exactly(251) == process.read_exactly(251) == bytes(range(251))
        assert process.read_exactly(251) == b""


def test_writing_and_reading_may_go_on_in_two_threads(fake: Fake) -> None:
    with FFmpegProcess.start(fake("out:5000000", "read-all"), stdin=True, stdout="data") as process:
        writer = threading.Thread(target=process.write, args=(FRAME,))
        writer.start()
        assert len(process.read_exactly(5_000_000)) == 5_000_000
        writer.join()
        assert process.read_exactly(1) == b""
    assert f"read {len(FRAME)} bytes" in process.finish().stderr_text


@pytest.mark.parametrize(
    "buffer",
    [
        pytest.param(np.zeros((4, 6, 3), np.uint8).transpose(2, 0, 1), id="transposed"),
        pytest.param(np.zeros((4, 6, 3), np.uint8)[:, ::2], id="strided"),
        pytest.param(np.zeros((4, 6, 3), np.uint8, order="F"), id="fortran"),
        pytest.param(np.zeros(4, ">u2" if sys.byteorder == "little" else "<u2"), id="foreign-byte-order"),
        pytest.param("text", id="text"),
        pytest.param(None, id="none"),
    ],
)
def test_what_is_not_contiguous_is_refused_before_a_byte_is_sent(fake: Fake, buffer: object) -> None:
    with FFmpegProcess.start(fake("read-all"), stdin=True) as process:
        with pytest.raises(FrameError):
            process.write(buffer)  # type: ignore[arg-type]
        process.write(b"")
        process.write(np.zeros((0, 3)))
        process.write(np.arange(6, dtype=np.uint16).reshape(2, 3))
        assert process.bytes_written == 12
    assert "read 12 bytes" in process.finish().stderr_text


def test_its_repr_and_state_say_how_it_is(fake: Fake) -> None:
    process = FFmpegProcess.start(fake("read-all", "exit:3"), stdin=True)
    assert repr(process) == f"<FFmpegProcess ffmpeg: running, PID {process.pid}>"
    with pytest.raises(ProcessDiedError):
        process.finish()
    assert repr(process) == f"<FFmpegProcess ffmpeg: exited, PID {process.pid}, exit status 3>"


# --- bad endings while writing ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "returncode", "says"),
    [
        pytest.param(["say:no\\x20such\\x20encoder\\n", "exit:1"], 1, "no such encoder", id="exits-1"),
        pytest.param(["exit:0"], 0, "ended before it had taken all its input", id="exits-0"),
        pytest.param(["signal:SIGSEGV"], -signal.SIGSEGV, "SIGSEGV", id="crashes"),
        pytest.param(["signal:SIGKILL"], -signal.SIGKILL, "SIGKILL", id="killed"),
        pytest.param(["read:6000000", "exit:228"], 228, "exit status 228", id="dies-after-two-frames"),
        pytest.param(["flood:10000000", "exit:1"], 1, r"line \d+", id="floods-stderr"),
        pytest.param(["noise:3000000", "exit:1"], 1, "�", id="binary-stderr"),
        pytest.param(["close-stderr", "exit:1"], 1, "wrote nothing", id="closes-stderr"),
        pytest.param(["close-stdin", "sleep:0.1", "exit:7"], 7, "exit status 7", id="closes-stdin-then-fails"),
    ],
)
def test_death_in_the_middle_of_writing(
    fake: Fake, within: Within, steps: list[str], returncode: int, says: str
) -> None:
    with within(SOON_S):
        process = FFmpegProcess.start(fake(*steps), stdin=True)
        with pytest.raises(ProcessDiedError) as caught:
            for _ in range(10):
                process.write(FRAME)
    assert caught.value.returncode == returncode
    assert re.search(says, str(caught.value))
    assert len(caught.value.stderr_tail) <= 16 * 1024
    assert process.state == "exited"
    # Whatever is called afterwards says the same again, or does nothing.
    for again in (lambda: process.write(FRAME), process.finish, process.finish):
        with pytest.raises(ProcessDiedError) as repeated:
            again()
        assert str(repeated.value) == str(caught.value)
    process.abort()
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301


def test_a_file_size_limit_is_named_although_stderr_is_empty(fake: Fake, tmp_path: Path) -> None:
    process = FFmpegProcess.start(fake("limit-files:4096", f"fill:{tmp_path / 'out'}"), stdin=True)
    with pytest.raises(ProcessDiedError, match="SIGXFSZ") as caught:
        process.write(FRAME)
    assert caught.value.stderr_tail == ""


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        pytest.param(["hang"], "took no more input", id="hangs-at-start"),
        pytest.param(["read:3000000", "hang"], "took no more input", id="stops-reading"),
        pytest.param(["ignore:SIGTERM", "ignore:SIGINT", "hang"], "took no more input", id="ignores-signals"),
        pytest.param(["signal:SIGSTOP"], "took no more input", id="stopped"),
        pytest.param(["close-stdin", "hang"], "closed its input but did not end", id="closes-stdin-but-lives"),
        pytest.param(["close-stderr", "hang"], "took no more input", id="closes-stderr-and-hangs"),
    ],
)
def test_a_hung_child_is_killed_while_writing(fake: Fake, within: Within, steps: list[str], says: str) -> None:
    with within(SOON_S):
        process = FFmpegProcess.start(fake(*steps), stdin=True, stall_timeout_s=STALL_S)
        with pytest.raises(ProcessTimeoutError, match=says) as caught:
            for _ in range(10):
                process.write(FRAME)
    assert caught.value.returncode == -signal.SIGKILL
    with pytest.raises(ProcessTimeoutError):
        process.finish()
    process.abort()


@linux_only
def test_stopping_it_from_outside_counts_as_hung(fake: Fake, within: Within) -> None:
    process = FFmpegProcess.start(fake("read-all"), stdin=True, stall_timeout_s=STALL_S)
    process.write(FRAME)
    os.kill(process.pid, signal.SIGSTOP)
    with within(SOON_S), pytest.raises(ProcessTimeoutError, match="no sign of progress for 0.3 s"):
        for _ in range(10):
            process.write(FRAME)


# --- bad endings while finishing ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "returncode"),
    [
        pytest.param(["read-all", "exit:1"], 1, id="fails-at-the-end"),
        pytest.param(["read-all", "signal:SIGSEGV"], -signal.SIGSEGV, id="crashes-at-the-end"),
        pytest.param(["exit:255"], 255, id="died-long-ago"),
    ],
)
def test_finish_wants_exit_status_0(fake: Fake, steps: list[str], returncode: int) -> None:
    process = FFmpegProcess.start(fake(*steps), stdin=True)
    with pytest.raises(ProcessDiedError) as caught:
        process.finish()
    assert caught.value.returncode == returncode
    with pytest.raises(ProcessDiedError):
        process.finish()


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(["hang"], id="hangs"),
        pytest.param(["read-all", "signal:SIGSTOP"], id="stopped"),
        pytest.param(["read-all", "close-stderr", "hang"], id="closes-stderr-and-hangs"),
        pytest.param(["read-all", *["say:still\\x20here\\r sleep:0.1"] * 100], id="only-talks"),
    ],
)
def test_a_hung_child_is_killed_while_finishing(fake: Fake, within: Within, steps: list[str]) -> None:
    process = FFmpegProcess.start(fake(*steps), stdin=True, stall_timeout_s=STALL_S)
    process.write(bytes(1000))
    with within(SOON_S), pytest.raises(ProcessTimeoutError, match="did not end: no sign of progress"):
        process.finish()


def test_a_block_that_raises_aborts_and_one_that_ends_finishes(fake: Fake, within: Within) -> None:
    with within(SOON_S), pytest.raises(KeyError), FFmpegProcess.start(fake("hang"), stdin=True) as process:
        raise KeyError
    assert process.returncode == -signal.SIGKILL
    with pytest.raises(ProcessDiedError, match="exit status 5"), FFmpegProcess.start(fake("exit:5")):
        pass


def test_the_hard_limit_holds_even_for_a_child_that_works(fake: Fake, within: Within) -> None:
    process = FFmpegProcess.start(fake("busy:30"), stall_timeout_s=LONG_S)
    with within(SOON_S), pytest.raises(ProcessTimeoutError, match=r"did not end: its 0\.3 s are over"):
        process.finish(timeout_s=0.3)


@pytest.mark.parametrize("steps", [["out:100", "hang"], ["out:5000000"]], ids=["hangs", "more-than-the-pipe"])
def test_output_left_unread_is_an_error(fake: Fake, within: Within, steps: list[str]) -> None:
    process = FFmpegProcess.start(fake(*steps), stdout="data", stall_timeout_s=LONG_S)
    assert process.read_exactly(50) == bytes(range(50))
    with within(SOON_S), pytest.raises(ProcessError, match="more output than was read"):
        process.finish()


# --- bad endings while reading ------------------------------------------------------------------------------


def test_an_end_inside_a_block_waits_for_the_exit_status(fake: Fake) -> None:
    process = FFmpegProcess.start(fake("out:100", "say:torn\\n", "exit:9"), stdout="data")
    with pytest.raises(ProcessDiedError, match="ended after 100 of 251 bytes") as caught:
        process.read_exactly(251)
    assert caught.value.returncode == 9
    assert caught.value.stderr_tail == "torn"


def test_a_clean_end_of_output_is_still_judged_by_finish(fake: Fake) -> None:
    process = FFmpegProcess.start(fake("out:251", "exit:9"), stdout="data")
    assert process.read_exactly(251)
    assert process.read_exactly(251) == b""
    with pytest.raises(ProcessDiedError, match="exit status 9"):
        process.finish()


def test_a_child_that_stops_giving_is_killed(fake: Fake, within: Within) -> None:
    process = FFmpegProcess.start(fake("out:251", "hang"), stdout="data", stall_timeout_s=STALL_S)
    assert process.read_exactly(251)
    with within(SOON_S), pytest.raises(ProcessTimeoutError, match="gave no more output"):
        process.read_exactly(1)


# --- slow is not hung ---------------------------------------------------------------------------------------


@linux_only
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(["busy:1", "read-all"], id="before-reading"),
        pytest.param(["read-all", "busy:1"], id="after-reading"),
    ],
)
def test_a_child_that_computes_outlives_the_stall_limit(fake: Fake, steps: list[str]) -> None:
    with FFmpegProcess.start(fake(*steps), stdin=True, stall_timeout_s=STALL_S) as process:
        process.write(FRAME)
    assert f"read {len(FRAME)} bytes" in process.finish().stderr_text


@linux_only
def test_computing_alone_is_not_enough_for_ever(
    monkeypatch: pytest.MonkeyPatch, fake: Fake, within: Within
) -> None:
    monkeypatch.setattr(stall, "CPU_ONLY_LIMIT_S", 0.5)
    process = FFmpegProcess.start(fake("busy:50"), stall_timeout_s=STALL_S)
    with within(SOON_S), pytest.raises(ProcessTimeoutError, match="busy for 0.5 s without any progress"):
        process.finish()


def test_reports_of_progress_keep_it_alive(fake: Fake) -> None:
    seen: list[Progress] = []
    process = FFmpegProcess.start(
        fake("progress:10"), stdout="progress", stall_timeout_s=STALL_S, on_progress=seen.append
    )
    finished = process.finish()
    last = Progress(frame=10, fps=30.0, size_bytes=1000, out_time_s=0.4, speed=None, done=True)
    assert finished.progress == process.progress == last
    assert [report.frame for report in seen] == list(range(1, 11))
    assert [report.done for report in seen] == [False] * 9 + [True]


def test_bytes_taken_slowly_keep_it_alive(fake: Fake) -> None:
    steps = ["read:500000 sleep:0.1"] * 12
    with FFmpegProcess.start(fake(*steps, "read-all"), stdin=True, stall_timeout_s=STALL_S) as process:
        process.write(bytes(8_000_000))


# --- callbacks, stderr --------------------------------------------------------------------------------------


class CallbackError(Exception):
    pass


def _raise_at_second(report: Progress) -> None:
    if report.frame == 2:
        raise CallbackError


@pytest.mark.parametrize("way", ["write", "finish"])
def test_what_a_callback_raises_is_not_lost(fake: Fake, within: Within, way: str) -> None:
    process = FFmpegProcess.start(
        fake("progress:600"), stdin=True, stdout="progress", on_progress=_raise_at_second
    )
    with within(SOON_S), pytest.raises(CallbackError):
        if way == "finish":
            process.finish()
        while True:
            process.write(FRAME)
    assert process.returncode == -signal.SIGKILL
    with pytest.raises(CallbackError):
        process.finish()
    process.abort()


def test_a_callback_may_abort(fake: Fake, within: Within) -> None:
    started: list[FFmpegProcess] = []
    ready = threading.Event()

    def stop(_report: Progress) -> None:
        ready.wait()
        started[0].abort()

    started.append(FFmpegProcess.start(fake("progress:600"), stdout="progress", on_progress=stop))
    ready.set()
    with within(SOON_S), pytest.raises(ProcessDiedError, match="was aborted"):
        started[0].finish()


def test_lines_that_matter_survive_a_flood(fake: Fake) -> None:
    patterns = [re.compile("Error parsing option"), re.compile("Unknown option")]
    steps = ("say:Error\\x20parsing\\x20option\\x20a=b\\n", "flood:1000000", "say:Unknown\\x20option\\x20q")
    finished = FFmpegProcess.start(fake(*steps), stderr_errors=patterns).finish()
    assert finished.stderr_matches == ("Error parsing option a=b", "Unknown option q")
    assert "Error parsing" not in finished.stderr_text
    assert len(finished.stderr_text) <= 16 * 1024


def test_a_status_line_rewrites_itself(fake: Fake) -> None:
    steps = ("say:start\\n", *(f"say:frame={n}\\r" for n in range(50)), "say:\\nend\\n")
    assert FFmpegProcess.start(fake(*steps)).finish().stderr_text == "start\nframe=49\nend"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("FFREPORT", "unset"), ("AV_LOG_FORCE_COLOR", "unset"), ("LC_ALL", "C"), ("FAKE_OTHER", "kept")],
)
def test_the_environment_is_cleaned(
    monkeypatch: pytest.MonkeyPatch, fake: Fake, name: str, expected: str
) -> None:
    monkeypatch.setenv("FFREPORT", "file=somewhere.log")
    monkeypatch.setenv("AV_LOG_FORCE_COLOR", "1")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("FAKE_OTHER", "kept")
    assert run_tool(fake(f"environment:{name}")).stderr == f"{name}={expected}"


# --- abort, interrupts, signals -----------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["write", "finish", "read"])
def test_abort_from_another_thread_ends_a_blocked_call(fake: Fake, within: Within, call: str) -> None:
    process = FFmpegProcess.start(fake("hang"), stdin=True, stdout="data", stall_timeout_s=LONG_S)
    blocked = {
        "write": lambda: process.write(FRAME),
        "finish": process.finish,
        "read": lambda: process.read_exactly(1),
    }
    errors: list[BaseException] = []

    def run() -> None:
        try:
            blocked[call]()
        except ProcessError as err:
            errors.append(err)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)
    with within(SOON_S):
        process.abort()
        process.abort()
        thread.join()
    assert len(errors) == 1
    assert "was aborted (killed by SIGKILL)" in str(errors[0])
    with pytest.raises(ProcessDiedError, match="was aborted"):
        process.finish()


@contextmanager
def alarm(action: Callable[..., object], first_s: float, every_s: float = 0.0) -> Iterator[None]:
    """Interrupt the main thread by SIGALRM."""
    before = signal.signal(signal.SIGALRM, action)
    signal.setitimer(signal.ITIMER_REAL, first_s, every_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("call", ["write", "finish"])
def test_an_interrupted_call_can_be_aborted(fake: Fake, within: Within, call: str) -> None:
    process = FFmpegProcess.start(fake("hang"), stdin=True, stall_timeout_s=LONG_S)
    with within(SOON_S):
        with alarm(_interrupt, 0.3), pytest.raises(KeyboardInterrupt):
            process.finish() if call == "finish" else process.write(FRAME)
        assert process.returncode is None
        process.abort()
    assert process.returncode == -signal.SIGKILL


def test_an_interrupt_on_leaving_the_block_aborts(fake: Fake, within: Within) -> None:
    with (  # noqa: PT012 - leaving the block is the point
        within(SOON_S),
        alarm(_interrupt, 0.3),
        pytest.raises(KeyboardInterrupt),
        FFmpegProcess.start(fake("hang"), stall_timeout_s=LONG_S) as process,
    ):
        pass
    assert process.returncode == -signal.SIGKILL


def test_after_an_interrupted_write_nothing_may_follow_but_the_end(fake: Fake) -> None:
    process = FFmpegProcess.start(fake("sleep:1", "read-all"), stdin=True, stall_timeout_s=LONG_S)
    with alarm(_interrupt, 0.3), pytest.raises(KeyboardInterrupt):
        process.write(FRAME)
    with pytest.raises(ProcessError, match="interrupted"):
        process.write(FRAME)
    assert process.finish().stderr_text.startswith(f"read {process.bytes_written} bytes")
    assert 0 < process.bytes_written < len(FRAME)


def test_a_signal_handler_may_abort(fake: Fake, within: Within) -> None:
    process = FFmpegProcess.start(fake("hang"), stdin=True, stall_timeout_s=LONG_S)
    with (
        within(SOON_S),
        alarm(lambda *_: process.abort(), 0.3),
        pytest.raises(ProcessDiedError, match="was aborted"),
    ):
        process.write(FRAME)


def test_a_storm_of_signals_makes_no_byte_wrong(fake: Fake) -> None:
    data = np.random.default_rng(2).integers(0, 256, 30_000_000, dtype=np.uint8)
    with (
        FFmpegProcess.start(fake("read-all"), stdin=True) as process,
        alarm(lambda *_: None, 0.0005, 0.0005),
    ):
        for chunk in np.array_split(data, 10):
            process.write(chunk)
    assert process.finish().stderr_text == f"read {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}"


def test_a_storm_of_signals_loses_no_output(fake: Fake) -> None:
    with (
        FFmpegProcess.start(fake("out:20000000"), stdout="data") as process,
        alarm(lambda *_: None, 0.0005, 0.0005),
    ):
        block = process.read_exactly(20_000_000)
    assert block == (bytes(range(251)) * (20_000_000 // 251 + 1))[:20_000_000]


def test_an_ignored_sigchld_is_not_taken_for_success(fake: Fake) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        process = FFmpegProcess.start(fake("exit:0"))
        with pytest.raises(ProcessDiedError, match="taken by somebody else"):
            process.finish()
    finally:
        signal.signal(signal.SIGCHLD, before)


# --- misuse -------------------------------------------------------------------------------------------------


def test_misuse_is_named(fake: Fake) -> None:
    with FFmpegProcess.start(fake("exit:0")) as process:
        with pytest.raises(ProcessError, match="stdin=True"):
            process.write(b"x")
        with pytest.raises(ProcessError, match="stdout='data'"):
            process.read_exactly(1)
    with FFmpegProcess.start(fake("read-all"), stdin=True) as process:
        pass
    with pytest.raises(ProcessError, match="it is exited"):
        process.write(b"x")


# --- what is forgotten, forked or orphaned ------------------------------------------------------------------


def test_a_forgotten_one_is_killed_and_named(fake: Fake, within: Within) -> None:
    process = FFmpegProcess.start(fake("hang"), stdin=True, stdout="progress")
    pid = process.pid
    with within(SOON_S), pytest.warns(ResourceWarning, match=f"ffmpeg with PID {pid} was neither"):
        del process
        gc.collect()


def test_a_finished_one_is_forgotten_in_silence(fake: Fake) -> None:
    process = FFmpegProcess.start(fake("exit:0"))
    process.finish()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del process
        gc.collect()


def fork(action: Callable[[], object]) -> int:
    """Fork a process that does something and leaves without cleaning up after the test run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: a fork of a process with threads
        pid = os.fork()
    if pid == 0:
        try:
            action()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the exit status carries it
            os._exit(1)
    return pid


def test_a_fork_does_not_keep_the_pipes_open(fake: Fake, within: Within) -> None:
    process = FFmpegProcess.start(fake("read-all"), stdin=True, stall_timeout_s=5)
    process.write(FRAME)
    forked = fork(lambda: time.sleep(60))
    try:
        with within(SOON_S):
            assert f"read {len(FRAME)} bytes" in process.finish().stderr_text
    finally:
        os.kill(forked, signal.SIGKILL)
        os.waitpid(forked, 0)


def test_a_fork_cannot_touch_the_child(fake: Fake) -> None:
    process = FFmpegProcess.start(fake("read-all"), stdin=True, stdout="data")

    def misuse() -> None:
        for call in (lambda: process.write(b"x"), process.finish, lambda: process.read_exactly(1)):
            with pytest.raises(ProcessError, match="forked"):
                call()
        process.abort()
        warnings.simplefilter("error")
        process._finalizer()

    assert os.waitpid(fork(misuse), 0)[1] == 0
    process.write(FRAME)
    assert process.read_exactly(1) == b""
    assert f"read {len(FRAME)} bytes" in process.finish().stderr_text


def run_script(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program in a session of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )


def test_ctrl_c_and_hangup_do_not_reach_the_child(fake: Fake) -> None:
    code = """
import os, signal, sys
from ffenc.ffmpeg.process import FFmpegProcess
process = FFmpegProcess.start(sys.argv[1:], stdin=True)
process.write(bytes(3_000_000))  # it is up and reading
for number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)
    os.killpg(os.getpgrp(), number)
try:
    os.killpg(os.getpgrp(), signal.SIGINT)
    signal.pause()
except KeyboardInterrupt:
    process.write(b"x")
    print(process.finish().stderr_text)
"""
    assert run_script(code, *fake("read-all")).stdout.startswith("read 3000001 bytes")


def test_a_killed_parent_lets_the_child_finish_by_itself(fake: Fake, tmp_path: Path) -> None:
    code = """
import os, signal, sys
from ffenc.ffmpeg.process import FFmpegProcess
process = FFmpegProcess.start(sys.argv[1:], stdin=True)
process.write(bytes(3_000_000))
os.kill(os.getpid(), signal.SIGKILL)
"""
    found = tmp_path / "found"
    assert run_script(code, *fake("read-all", f"file:{found}")).returncode == -signal.SIGKILL
    deadline = time.monotonic() + SOON_S
    while not (found.exists() and found.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert found.read_text().startswith("read 3000000 bytes")


@pytest.mark.parametrize("mode", ["discard", "progress", "data"])
def test_the_interpreter_can_always_exit(fake: Fake, within: Within, mode: str) -> None:
    code = """
import sys, threading
from ffenc.ffmpeg.process import FFmpegProcess
process = FFmpegProcess.start(sys.argv[2:], stdin=True, stdout=sys.argv[1])
threading.Thread(target=process.write, args=(bytes(3_000_000),), daemon=True).start()
"""
    with within(20):
        result = run_script("import warnings; warnings.simplefilter('always')" + code, mode, *fake("hang"))
    assert result.returncode == 0, result.stderr
    assert "was neither finished nor aborted" in result.stderr


def test_starting_while_the_interpreter_exits_is_refused_or_works(fake: Fake, within: Within) -> None:
    code = """
import atexit, sys
from ffenc.errors import ProcessStartError
from ffenc.ffmpeg.process import run_tool
def late():
    try:
        print(run_tool(sys.argv[1:]).returncode)
    except ProcessStartError:
        print("refused")
atexit.register(late)
"""
    with within(20):
        result = run_script(code, *fake("exit:0"))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout in ("0\n", "refused\n")


def test_a_process_left_behind_does_not_hold_us_up(fake: Fake, within: Within) -> None:
    with within(SOON_S):
        FFmpegProcess.start(fake("leave-behind:4"), stdout="progress").finish()
    process = FFmpegProcess.start(fake("leave-behind:60", "hang"), stdin=True)
    with within(SOON_S), alarm(_interrupt, 0.5), pytest.raises(KeyboardInterrupt):
        process.write(FRAME)
    with within(SOON_S):
        process.abort()  # and the leak check sees that the grandchild went as well


# --- short tools --------------------------------------------------------------------------------------------


def test_a_tool_gives_both_its_outputs_whole(fake: Fake) -> None:
    output = run_tool(fake("say:one\\ntwo\\n", "out:3000000", "flood:1000000", "exit:0"))
    assert len(output.stdout) == 3_000_000
    assert output.returncode == 0
    lines = output.stderr.splitlines()
    assert lines[:3] == ["one", "two", "[fake @ 0x1] line 0"]
    assert len(output.stderr) > 1_000_000


def test_a_tool_that_fails_raises_or_is_looked_at(fake: Fake) -> None:
    argv = fake("out:10", "flood:100000", "exit:4")
    with pytest.raises(ProcessDiedError, match="exit status 4") as caught:
        run_tool(argv)
    assert 0 < len(caught.value.stderr_tail) <= 16 * 1024
    output = run_tool(argv, check=False)
    assert (output.argv, output.returncode, len(output.stdout)) == (tuple(argv), 4, 10)
    assert run_tool(fake("signal:SIGKILL"), check=False).returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "steps",
    [["hang"], ["busy:50"], ["flood:100000", "hang"], ["signal:SIGSTOP"], ["close-stderr", "hang"]],
    ids=lambda steps: steps[0],
)
def test_a_tool_has_to_end_in_time_whatever_it_does(fake: Fake, within: Within, steps: list[str]) -> None:
    with within(SOON_S), pytest.raises(ProcessTimeoutError, match=r"0\.4 s are over") as caught:
        run_tool(fake(*steps), timeout_s=0.4, check=False)
    assert caught.value.returncode == -signal.SIGKILL


def test_a_tool_cannot_fill_our_memory(monkeypatch: pytest.MonkeyPatch, fake: Fake) -> None:
    monkeypatch.setattr(process_module, "TOOL_STDOUT_BYTES", 1_000_000)
    with pytest.raises(ProcessError, match="more than 1000000 bytes"):
        run_tool(fake("out:20000000"))


def test_a_tool_reads_nothing(fake: Fake) -> None:
    assert "read 0 bytes" in run_tool(fake("read-all")).stderr
