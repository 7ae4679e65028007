"""Children that are never closed, shared by a fork, or outlive their parent."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ffenc.errors import ProcessError
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess

Fake = Callable[..., list[str]]
Within = Callable[[float], AbstractContextManager[None]]

SOON_S = 10.0
FRAME = bytes(3_000_000)  # three times what fits into the pipe


def test_unclosed_process_is_killed_and_named(fake: Fake, within: Within) -> None:
    def forget() -> None:
        FFmpegProcess.start(fake("hang"), stdin=True, stdout="progress")
        gc.collect()  # needed on PyPy only

    with within(SOON_S), pytest.warns(ResourceWarning, match=r"ffmpeg with PID \d+ was neither"):
        forget()


def test_finished_process_is_collected_without_warning(fake: Fake) -> None:
    process = FFmpegProcess.start(fake("exit:0"))
    process.finish()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del process
        gc.collect()


def fork(action: Callable[[], object]) -> int:
    """Fork a process that runs a function and exits without the cleanup of the test run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: a fork of a process with threads
        pid = os.fork()
    if pid == 0:
        try:
            action()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return pid


def test_fork_does_not_keep_pipes_open(fake: Fake, within: Within) -> None:
    process = FFmpegProcess.start(fake("read-all"), stdin=True, stall_timeout_s=5)
    process.write(FRAME)
    forked = fork(lambda: time.sleep(60))
    try:
        with within(SOON_S):
            assert f"read {len(FRAME)} bytes" in process.finish().stderr_text
    finally:
        os.kill(forked, signal.SIGKILL)
        os.waitpid(forked, 0)


def test_fork_cannot_use_the_child(fake: Fake) -> None:
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
    assert f"read {len(FRAME)} bytes" in process.finish().stderr_text


def run_script(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program in its own session."""
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
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess
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


def test_child_finishes_after_parent_is_killed(fake: Fake, tmp_path: Path) -> None:
    code = """
import os, signal, sys
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess
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
def test_interpreter_can_always_exit(fake: Fake, within: Within, mode: str) -> None:
    code = """
import sys, threading
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess
process = FFmpegProcess.start(sys.argv[2:], stdin=True, stdout=sys.argv[1])
threading.excepthook = lambda _: None  # a daemon thread that prints while the interpreter ends can abort it
threading.Thread(target=process.write, args=(bytes(3_000_000),), daemon=True).start()
"""
    with within(20):
        result = run_script("import warnings; warnings.simplefilter('always')" + code, mode, *fake("hang"))
    assert result.returncode == 0, result.stderr
    assert "was neither finished nor aborted" in result.stderr


def test_start_during_interpreter_exit_works_or_is_refused(fake: Fake, within: Within) -> None:
    code = """
import atexit, sys
from ffenc.errors import ProcessStartError
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
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


def test_background_grandchild_does_not_block(fake: Fake, within: Within) -> None:
    with within(SOON_S):
        finished = FFmpegProcess.start(fake("leave-behind:60"), stdout="progress").finish()
    os.kill(int(finished.stderr_text.removeprefix("left behind ")), signal.SIGKILL)


def test_abort_kills_grandchildren(fake: Fake, within: Within) -> None:
    process = FFmpegProcess.start(fake("leave-behind:60", "out:1", "hang"), stdout="data")
    assert process.read_exactly(1)
    with within(SOON_S):
        process.abort()  # that nothing is left is seen by the leak check
