"""Short tools: the same endings, and a limit of wall time."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from ffenc.errors import ProcessDiedError, ProcessError, ProcessTimeoutError
from ffenc.ffmpeg.process import ffmpeg_process as process_module
from ffenc.ffmpeg.process.ffmpeg_process import run_tool

Fake = Callable[..., list[str]]
Within = Callable[[float], AbstractContextManager[None]]

SOON_S = 10.0


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
    with within(SOON_S), pytest.raises(ProcessTimeoutError, match=r"it exceeded its 0\.4 s") as caught:
        run_tool(fake(*steps), timeout_s=0.4, check=False)
    assert caught.value.returncode == -signal.SIGKILL


def test_a_tool_cannot_fill_our_memory(monkeypatch: pytest.MonkeyPatch, fake: Fake) -> None:
    monkeypatch.setattr(process_module, "TOOL_STDOUT_BYTES", 1_000_000)
    with pytest.raises(ProcessError, match="more than 1000000 bytes"):
        run_tool(fake("out:20000000"))


def test_a_tool_reads_nothing(fake: Fake) -> None:
    assert "read 0 bytes" in run_tool(fake("read-all")).stderr
