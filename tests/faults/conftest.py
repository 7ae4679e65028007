"""Check that every fault test leaves no child, descriptor, thread or stray process."""

from __future__ import annotations

import gc
import json
import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ffenc import Binaries
from ffenc.video import selection
from ffenc.video.decoder_pool import DECODERS
from tests.recordings import RECORDED

DOUBLE = Path(__file__).parent.parent / "fakes" / "hardware_ffmpeg"
FAKE_FFMPEG = Path(__file__).parent.parent / "fakes" / "ffmpeg"
OWNER_VARIABLE = "FAKE_OWNER"


def open_descriptors() -> set[tuple[str, str]]:
    """Return (number, target) of every open descriptor of this process."""
    directory = Path("/proc/self/fd" if sys.platform == "linux" else "/dev/fd")
    if sys.platform != "linux":
        return {(entry.name, "") for entry in directory.iterdir()}
    # The one with which the directory is being read is gone when it is looked at.
    return {(entry.name, str(entry.readlink())) for entry in directory.iterdir() if entry.is_symlink()}


def processes_of(owner: str) -> set[int]:
    """Return the PIDs of all processes that inherited our mark, children or not; empty outside Linux."""
    marked = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if f"{OWNER_VARIABLE}={owner}".encode() in environment.split(b"\0"):
            marked.add(int(entry.name))
    return marked


def children() -> set[int]:
    """Return our unreaped processes, zombies included; outside Linux only whether there are any."""
    if sys.platform == "linux":
        found: set[int] = set()
        for task in Path("/proc/self/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # the thread ended; another one has its children now
                found.update(map(int, (task / "children").read_text(encoding="ascii").split()))
        return found
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return set()
    return {-1}


def running_threads() -> set[threading.Thread]:
    """Return the running threads, without the entries for foreign threads, which `threading` keeps after their end."""
    return {thread for thread in threading.enumerate() if not isinstance(thread, threading._DummyThread)}


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    owner = f"{os.getpid()}-{request.node.name}"
    monkeypatch.setenv(OWNER_VARIABLE, owner)
    # The fake is to run on this very Python, not on whatever slow wrapper comes first.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    descriptors = open_descriptors()
    threads = running_threads()
    before = children()  # pools of other tests keep a process of multiprocessing's
    yield
    DECODERS.close()  # they stay alive for the next read
    gc.collect()  # the traceback of a caught error keeps files open
    assert children() <= before, "a child or a zombie is left"
    assert open_descriptors() <= descriptors
    assert running_threads() <= threads
    deadline = time.monotonic() + 5
    while (stray := processes_of(owner)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not stray, "a process that we started is still there"


@pytest.fixture
def fake() -> Callable[..., list[str]]:
    """Return the command line of a fake ffmpeg that runs these steps."""

    def command(*steps: str) -> list[str]:
        return [str(FAKE_FFMPEG), *steps]

    return command


@pytest.fixture
def within() -> Callable[[float], AbstractContextManager[None]]:
    """Return a context manager that fails if its block takes more seconds: a hang is a fault, slowness is not."""

    @contextmanager
    def bounded(seconds: float) -> Iterator[None]:
        started = time.monotonic()
        yield
        assert time.monotonic() - started < seconds

    return bounded


@pytest.fixture
def double(binaries: Binaries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Binaries]]:
    """Return a function that makes an ffmpeg with these encoders, whose device files exist."""
    node = tmp_path / "renderD128"
    node.touch()
    monkeypatch.setattr(selection, "device_nodes", lambda row: [str(node)])
    monkeypatch.setenv("FFENC_CACHE_DIR", str(tmp_path / "cache"))
    selection._select.cache_clear()

    def make(**encoders: dict[str, Any]) -> Binaries:
        (tmp_path / "state").mkdir(exist_ok=True)
        description = {
            "real": str(binaries.ffmpeg),
            "recorded": str(RECORDED / "9.0.2"),
            "state": str(tmp_path / "state"),
            "encoders": encoders,
        }
        (tmp_path / "description.json").write_text(json.dumps(description), encoding="utf-8")
        command = shlex.join([sys.executable, "-S", str(DOUBLE), str(tmp_path / "description.json")])
        script = tmp_path / "ffmpeg"
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
        # The listings are asked of the double; files are read by the real tools.
        return replace(binaries, ffmpeg=script)

    yield make
    selection._select.cache_clear()
