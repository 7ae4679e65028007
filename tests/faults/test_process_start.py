"""Failed starts and misuse of a process raise clear errors."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ffenc.errors import ProcessError, ProcessStartError, ThreadStartError
from ffenc.ffmpeg.process import ffmpeg_process as process_module
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess, run_tool

Fake = Callable[..., list[str]]


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
def test_failed_start_gives_reason(tmp_path: Path, make: Callable[[Path], str], says: str) -> None:
    argv = [make(tmp_path), "-version"]
    for attempt in (lambda: FFmpegProcess.start(argv, stdin=True, stdout="data"), lambda: run_tool(argv)):
        with pytest.raises(ProcessStartError, match=says) as caught:
            attempt()
        assert caught.value.argv == tuple(argv)
        assert caught.value.returncode is None


def test_empty_command_cannot_start() -> None:
    with pytest.raises(ProcessStartError, match="the command is empty"):
        FFmpegProcess.start([])


def test_windows_is_refused_with_message(monkeypatch: pytest.MonkeyPatch, fake: Fake) -> None:
    monkeypatch.setattr(process_module.sys, "platform", "win32")
    with pytest.raises(ProcessStartError, match="WSL"):
        FFmpegProcess.start(fake("exit:0"))
    monkeypatch.undo()


def test_missing_stderr_thread_kills_the_child(monkeypatch: pytest.MonkeyPatch, fake: Fake) -> None:
    def refuse(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(ThreadStartError, match="can't start new thread"):
        FFmpegProcess.start(fake("hang"), stdin=True, stdout="progress")


def test_callback_without_progress_reports_is_refused(fake: Fake) -> None:
    with pytest.raises(ProcessStartError, match="progress"):
        FFmpegProcess.start(fake("exit:0"), on_progress=print)


def test_misuse_raises_error(fake: Fake) -> None:
    with FFmpegProcess.start(fake("exit:0")) as process:
        with pytest.raises(ProcessError, match="stdin=True"):
            process.write(b"x")
        with pytest.raises(ProcessError, match="stdin=True"):
            process.end_input()
        with pytest.raises(ProcessError, match="stdout='data'"):
            process.read_exactly(1)
    with FFmpegProcess.start(fake("read-all"), stdin=True) as process:
        process.end_input()
        process.end_input()
        with pytest.raises(ProcessError, match="its input was ended"):
            process.write(b"x")
    with pytest.raises(ProcessError, match="it is exited"):
        process.write(b"x")
