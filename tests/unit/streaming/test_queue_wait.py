"""A bounded wait for room before a time step is dropped."""

from __future__ import annotations

import threading
import time

import pytest

from ffenc.errors import FrameError, QueueFullError
from ffenc.streaming.encoder import StreamingVideoEncoder
from ffenc.streaming.episode import Episode
from tests.stub_cameras import StubTarget, is_idle, stub_episode, stub_frame

LONG_S = 20.0


def step(number: int) -> dict[str, object]:
    return {"a": stub_frame(number), "b": stub_frame(number)}


def filled(policy: str, wait_s: float) -> tuple[Episode, StubTarget, threading.Event, int]:
    """An episode whose camera b has no more room until the gate opens, and the number of its steps."""
    gate = threading.Event()
    slow = StubTarget(gate=gate)
    episode = stub_episode({"a": StubTarget(), "b": slow}, policy=policy, wait_s=wait_s)  # type: ignore[arg-type]
    assert episode.feed(step(0), None)
    assert slow.entered.wait(LONG_S)
    while not episode.cameras["b"].queue.is_full:
        while not is_idle(episode.cameras["a"].queue):
            time.sleep(0.001)
        assert episode.feed(step(episode.recorded), None)
    while not is_idle(episode.cameras["a"].queue):
        time.sleep(0.001)
    return episode, slow, gate, episode.recorded


def test_room_within_the_wait_keeps_the_step() -> None:
    episode, slow, gate, before = filled("drop", LONG_S)
    threading.Timer(0.05, gate.set).start()
    assert episode.feed(step(before), None)
    assert episode.finish().wait(LONG_S).drop_log.drops == ()
    assert slow.frames == list(range(before + 1))


@pytest.mark.parametrize("one_by_one", [False, True])
def test_the_step_is_dropped_after_the_wait_and_not_before(one_by_one: bool) -> None:
    episode, slow, gate, before = filled("drop", 0.1)
    began = time.monotonic()
    if one_by_one:
        assert episode.feed_one("b", stub_frame(9), None) is False
        assert episode.feed_one("a", stub_frame(9), None) is False
    else:
        assert episode.feed(step(9), None) is False
    assert 0.1 <= time.monotonic() - began < LONG_S
    gate.set()
    recording = episode.finish().wait(LONG_S)
    assert slow.frames == list(range(before))
    assert [drop.step for drop in recording.drop_log.drops] == [before]


def test_every_step_has_a_wait_of_its_own() -> None:
    episode, _, gate, before = filled("drop", 0.05)
    assert episode.feed(step(7), None) is False
    began = time.monotonic()
    assert episode.feed(step(8), None) is False
    assert time.monotonic() - began >= 0.05
    threading.Timer(0.01, gate.set).start()
    assert [drop.step for drop in episode.finish().wait(LONG_S).drop_log.drops] == [before, before + 1]


def test_policy_raise_waits_too() -> None:
    episode, _, gate, before = filled("raise", 0.05)
    began = time.monotonic()
    with pytest.raises(QueueFullError):
        episode.feed(step(7), None)
    assert time.monotonic() - began >= 0.05
    gate.set()
    assert episode.finish().wait(LONG_S).frames == before


def test_asking_first_drops_the_step_before_any_frame_of_it_is_fed() -> None:
    episode, slow, gate, before = filled("drop", 0.0)
    assert episode.drop_if_full(3.5) is True
    gate.set()
    while not is_idle(episode.cameras["b"].queue):
        time.sleep(0.001)
    assert episode.drop_if_full(None) is False
    assert episode.feed_one("a", stub_frame(before), None)
    with pytest.raises(FrameError, match="before time step"):
        episode.drop_if_full(None)
    assert episode.feed_one("b", stub_frame(before), None)
    recording = episode.finish().wait(LONG_S)
    assert slow.frames == list(range(before + 1))
    assert [(drop.step, drop.time_s, drop.cameras) for drop in recording.drop_log.drops] == [(before, 3.5, ("b",))]


def test_an_incomplete_step_can_be_discarded_and_fed_again() -> None:
    targets = {"a": StubTarget(), "b": StubTarget()}
    episode = stub_episode(targets, policy="drop")
    assert episode.feed_one("a", stub_frame(50), None)
    episode.discard_step()
    assert episode.feed(step(0), None)
    recording = episode.finish().wait(LONG_S)
    assert targets["a"].frames == targets["b"].frames == [0]
    assert recording.drop_log.drops == ()


@pytest.mark.parametrize("wait_s", [-1, float("inf"), float("nan"), "1", None, True])
def test_a_wait_that_is_no_time_is_refused(wait_s: float) -> None:
    with pytest.raises(ValueError, match="wait_s must be a number of seconds"):
        StreamingVideoEncoder(30, policy="drop", wait_s=wait_s)


def test_wait_is_refused_with_the_policy_that_waits_without_a_limit() -> None:
    with pytest.raises(ValueError, match=r"wait_s=0\.1 has no effect with the policy 'block'"):
        StreamingVideoEncoder(30, policy="block", wait_s=0.1)
