"""Whatever a child does instead of its work, it ends in time, in a typed error, and leaves nothing."""

from __future__ import annotations

import os
import pickle
import re
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ffenc.errors import ProcessDiedError, ProcessError, ProcessTimeoutError
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess

Fake = Callable[..., list[str]]
Within = Callable[[float], AbstractContextManager[None]]

STALL_S = 0.3
LONG_S = 30.0
SOON_S = 10.0
FRAME = bytes(3_000_000)  # three times what fits into the pipe
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def write_ten_frames(process: FFmpegProcess) -> None:
    for _ in range(10):
        process.write(FRAME)


@pytest.mark.parametrize(
    ("steps", "returncode", "says"),
    [
        pytest.param(["say:no such encoder\\n", "exit:1"], 1, "no such encoder", id="exits-1"),
        pytest.param(["exit:0"], 0, "ended before it had taken all its input", id="exits-0"),
        pytest.param(["signal:SIGSEGV"], -signal.SIGSEGV, "SIGSEGV", id="crashes"),
        pytest.param(["signal:SIGKILL"], -signal.SIGKILL, "SIGKILL", id="killed"),
        pytest.param(["read:6000000", "exit:228"], 228, "exit status 228", id="dies-after-two-frames"),
        pytest.param(["flood:10000000", "exit:1"], 1, r"line \d+", id="floods-stderr"),
        pytest.param(["noise:3000000", "exit:1"], 1, "�", id="binary-stderr"),
        pytest.param(["close-stderr", "exit:1"], 1, "standard error is empty", id="closes-stderr"),
        pytest.param(["close-stdin", "sleep:0.1", "exit:7"], 7, "exit status 7", id="closes-stdin-then-fails"),
    ],
)
def test_death_in_the_middle_of_writing(
    fake: Fake, within: Within, steps: list[str], returncode: int, says: str
) -> None:
    with within(SOON_S):
        process = FFmpegProcess.start(fake(*steps), stdin=True)
        with pytest.raises(ProcessDiedError) as caught:
            write_ten_frames(process)
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
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


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
            write_ten_frames(process)
    assert caught.value.returncode == -signal.SIGKILL
    with pytest.raises(ProcessTimeoutError):
        process.finish()
    process.abort()


@linux_only
def test_stopping_it_from_outside_counts_as_hung(fake: Fake, within: Within) -> None:
    process = FFmpegProcess.start(fake("read-all"), stdin=True, stall_timeout_s=STALL_S)
    process.write(FRAME)
    os.kill(process.pid, signal.SIGSTOP)
    with within(SOON_S), pytest.raises(ProcessTimeoutError, match=r"no progress for 0\.3 s"):
        write_ten_frames(process)


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
        pytest.param(["read-all", *["say:still here\\r", "sleep:0.1"] * 100], id="only-talks"),
    ],
)
def test_a_hung_child_is_killed_while_finishing(fake: Fake, within: Within, steps: list[str]) -> None:
    process = FFmpegProcess.start(fake(*steps), stdin=True, stall_timeout_s=STALL_S)
    process.write(bytes(1000))
    with within(SOON_S), pytest.raises(ProcessTimeoutError, match="did not end: no progress"):
        process.finish()


def test_a_block_that_raises_aborts_and_one_that_ends_finishes(fake: Fake, within: Within) -> None:
    with within(SOON_S), pytest.raises(KeyError), FFmpegProcess.start(fake("hang"), stdin=True) as process:
        raise KeyError
    assert process.returncode == -signal.SIGKILL
    with pytest.raises(ProcessDiedError, match="exit status 5"), FFmpegProcess.start(fake("exit:5")):
        pass


def test_the_hard_limit_holds_even_for_a_child_that_works(fake: Fake, within: Within) -> None:
    process = FFmpegProcess.start(fake("busy:30"), stall_timeout_s=LONG_S)
    with within(SOON_S), pytest.raises(ProcessTimeoutError, match=r"did not end: it exceeded its 0\.3 s"):
        process.finish(timeout_s=0.3)


@pytest.mark.parametrize("steps", [["out:100", "hang"], ["out:5000000"]], ids=["hangs", "more-than-the-pipe"])
def test_output_left_unread_is_an_error(fake: Fake, within: Within, steps: list[str]) -> None:
    process = FFmpegProcess.start(fake(*steps), stdout="data", stall_timeout_s=LONG_S)
    assert process.read_exactly(50) == bytes(range(50))
    with within(SOON_S), pytest.raises(ProcessError, match="more output than was read"):
        process.finish()


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
