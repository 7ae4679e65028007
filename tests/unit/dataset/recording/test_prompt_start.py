"""The control thread waits neither for encoders nor for the disk while an episode starts, and errors are raised later."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ffenc.dataset.recording import open_episode
from ffenc.dataset.recording.open_episode import EpisodeStart
from ffenc.errors import OutputError, ProcessStartError, RecordingError, ThreadStartError
from ffenc.streaming.queueing import FrameQueue
from ffenc.threads import PromptThread
from tests.stub_cameras import StubTarget, stub_episode, stub_frame

LONG_S = 20.0


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


class SlowStart(StubTarget):
    """A target whose start waits for a gate."""

    def start(self) -> None:
        assert self.gate is not None
        assert self.gate.wait(LONG_S)
        super().start()


def test_queue_takes_frames_before_the_encoder_has_started(gate: threading.Event) -> None:
    targets = {name: SlowStart(gate=gate) for name in "ab"}
    episode = stub_episode(targets, policy="drop", maxsize=5)
    for number in range(5):  # would wait for ever if the start were not beside the loop
        assert episode.feed({name: stub_frame(number) for name in targets}, None)
    assert episode.feed({name: stub_frame(5) for name in targets}, None) is False  # a drop, and not a wait
    gate.set()
    assert episode.finish().wait(LONG_S).frames == 5
    assert targets["a"].frames == targets["b"].frames == list(range(5))


def test_error_of_a_late_start_is_raised_by_the_next_step() -> None:
    cause = ProcessStartError("no such program", argv=["stub"])
    episode = stub_episode({"a": StubTarget(fail_at=-1, error=cause)}, maxsize=100)
    deadline = time.monotonic() + LONG_S
    with pytest.raises(RecordingError, match="no such program") as caught:
        while time.monotonic() < deadline:
            episode.feed({"a": stub_frame(0)}, None)
            time.sleep(0.001)
    assert caught.value.__cause__ is cause
    with pytest.raises(RecordingError, match="no such program"):
        episode.finish().wait(LONG_S)


def test_episode_that_starts_beside_the_loop_is_waited_for_or_raises(gate: threading.Event) -> None:
    made: Any = object()
    start = EpisodeStart(lambda: made if gate.wait(LONG_S) else None)
    start.start()  # returns at once
    start.start()
    gate.set()
    assert start.wait() is made

    def fails() -> Any:
        raise OutputError("disk full", path="x")

    with pytest.raises(OutputError, match="disk full"):
        EpisodeStart(fails).wait()


def test_refused_thread_is_reported_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Any) -> None:
        raise ThreadStartError("no more threads")

    monkeypatch.setattr("ffenc.threads.start_thread", refused)
    told: list[ThreadStartError] = []
    thread = PromptThread(lambda: None, name="x", on_failure=told.append)
    thread.start()
    thread.join(LONG_S)
    assert told == [thread.error]


def test_episode_whose_thread_is_refused_can_be_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    made: Any = object()
    start = EpisodeStart(lambda: made)
    with monkeypatch.context() as patch:
        patch.setattr(open_episode, "_thread", SimpleNamespace(start_new_thread=refused))
        with pytest.raises(ThreadStartError, match="the start of an episode"):
            start.start()
    assert start.wait() is made


def test_allocating_slots_does_not_touch_frames_that_came_before() -> None:
    queue = FrameQueue((2, 2), np.dtype(np.uint8), maxsize=4)
    for number in range(3):
        assert queue.stage(np.full((2, 2), number + 1, np.uint8))
        queue.publish(number)
    queue.allocate()
    for number in range(3):
        assert queue.take(1) == number
        assert (queue.frame(number) == number + 1).all()
