"""Drain: what the child has written before a call is with the sink after it, wherever the reading thread is."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator

import pytest

from ffenc.ffmpeg.process.pipes import Drain, PipeEnd

LINE = b"[h264] reference picture missing\n"
SOON_S = 10.0


class Sink:
    """Keeps what it receives; can be held up in the middle of it."""

    def __init__(self) -> None:
        self.received = b""
        self.entered = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()

    def feed(self, chunk: bytes) -> None:
        self.entered.set()
        assert self.may_end.wait(SOON_S)
        self.received += chunk

    def end(self) -> None:
        pass


@pytest.fixture(name="pipe")
def _pipe() -> Iterator[tuple[PipeEnd, int]]:
    read, write = os.pipe()
    end = PipeEnd(os.fdopen(read, "rb", buffering=0), select.POLLIN)
    yield end, write
    os.close(write)


def drain_of(pipe: PipeEnd, sink: Sink) -> Drain:
    return Drain(pipe, sink, name="stderr", on_error=lambda: None)


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_caller_takes_what_the_thread_has_not_read(pipe: tuple[PipeEnd, int], count: int) -> None:
    sink = Sink()
    drain = drain_of(pipe[0], sink)  # its thread never runs
    os.write(pipe[1], LINE * count)
    drain.catch_up()
    assert sink.received == LINE * count
    pipe[0].close()
    drain.catch_up()


def test_caller_waits_for_a_slow_sink(pipe: tuple[PipeEnd, int]) -> None:
    sink = Sink()
    sink.may_end.clear()
    drain = drain_of(pipe[0], sink)
    drain.start()
    os.write(pipe[1], LINE)
    assert sink.entered.wait(SOON_S)  # the pipe is empty now, and the line is not with the sink
    seen: list[bytes] = []
    caller = threading.Thread(target=lambda: (drain.catch_up(), seen.append(sink.received)))
    caller.start()
    caller.join(0.1)
    assert not seen
    sink.may_end.set()
    caller.join(SOON_S)
    assert seen == [LINE]
    drain.settle(0)
