"""Time steps are taken by all cameras or by none: the effect of each queue policy, and the drop log."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from ffenc.errors import ErrorGroup, FrameError, ProcessDiedError, QueueFullError, RecordingError
from ffenc.streaming.drop_log import Drop, DropLog, EpisodeRecording
from ffenc.streaming.episode import Episode
from tests.stub_cameras import StubTarget, is_idle, stub_episode, stub_frame

LONG_S = 20.0  # a hang is the fault, slowness is not


def step(number: int, *names: str) -> dict[str, np.ndarray]:
    return {name: stub_frame(number) for name in names or ("a", "b")}


def drain(episode: Episode, *names: str) -> None:
    """Wait until these cameras have written all that they were given."""
    for name in names:
        queue = episode.cameras[name].queue
        while not is_idle(queue):
            time.sleep(0.001)


def fill(episode: Episode, blocked: StubTarget) -> int:
    """Feed steps until the camera of a target that is kept waiting has no more room; how many."""
    assert episode.feed(step(0), None)
    assert blocked.entered.wait(LONG_S)  # it has taken the first one
    number = 1
    while not episode.cameras["b"].queue.is_full:
        drain(episode, "a")
        assert episode.feed(step(number), None)
        number += 1
    drain(episode, "a")
    return number


def finished(episode: Episode) -> EpisodeRecording:
    return episode.finish().wait(LONG_S)


def test_every_step_reaches_every_camera_in_order() -> None:
    targets = {"a": StubTarget(), "b": StubTarget(pause_s=0.001)}
    episode = stub_episode(targets)
    assert all(episode.feed(step(number), None) for number in range(20))
    recording = finished(episode)
    assert targets["a"].frames == targets["b"].frames == list(range(20))
    assert recording.frames == recording.drop_log.recorded == 20
    assert recording.drop_log == DropLog(steps=20, drops=())
    assert {name: camera.frames for name, camera in recording.cameras.items()} == {"a": 20, "b": 20}
    assert list(recording.cameras) == ["a", "b"]
    assert recording.cameras["a"].dtype == "uint8"
    assert recording.cameras["a"].statistics.count.tolist() == [20]


def test_block_waits_for_the_slowest_camera() -> None:
    gate = threading.Event()
    slow = StubTarget(gate=gate)
    episode = stub_episode({"a": StubTarget(), "b": slow})
    accepted = fill(episode, slow)
    threading.Timer(0.05, gate.set).start()
    assert episode.feed(step(accepted), None)
    assert finished(episode).frames == accepted + 1
    assert slow.frames == list(range(accepted + 1))


def test_drop_policy_drops_the_step_for_all_cameras(caplog: pytest.LogCaptureFixture) -> None:
    gate = threading.Event()
    targets = {"a": StubTarget(), "b": StubTarget(gate=gate)}
    episode = stub_episode(targets, policy="drop")
    accepted = fill(episode, targets["b"])
    assert episode.feed(step(100), 7.25) is False
    before = time.time()
    assert episode.feed(step(101), None) is False
    gate.set()
    drain(episode, "b")
    assert episode.feed(step(102), None) is True
    recording = finished(episode)

    assert targets["a"].frames == targets["b"].frames == [*range(accepted), 102]
    assert recording.drop_log.steps == accepted + 3
    assert recording.frames == recording.drop_log.recorded == accepted + 1
    first, second = recording.drop_log.drops
    assert first == Drop(step=accepted, time_s=7.25, cameras=("b",), reason="full")
    assert (second.step, second.cameras) == (accepted + 1, ("b",))
    assert before <= second.time_s <= time.time()
    assert [record.message for record in caplog.records].count(
        f"the encoder of camera b does not keep up: time step {accepted} is dropped for all cameras (see the drop log)"
    ) == 1  # once for each camera, not for every step


def test_drop_lists_every_camera_with_a_full_queue() -> None:
    gate = threading.Event()
    targets = {"a": StubTarget(gate=gate), "b": StubTarget(gate=gate), "c": StubTarget()}
    episode = stub_episode(targets, policy="drop", maxsize=1)
    assert episode.feed(step(0, "a", "b", "c"), None)
    assert targets["a"].entered.wait(LONG_S)
    assert targets["b"].entered.wait(LONG_S)
    drain(episode, "c")
    assert episode.feed(step(1, "a", "b", "c"), None)
    drain(episode, "c")
    assert not episode.feed(step(2, "a", "b", "c"), None)
    assert episode.drops[-1].cameras == ("a", "b")
    gate.set()
    assert finished(episode).frames == 2


def test_raise_policy_raises_and_no_camera_takes_the_step() -> None:
    gate = threading.Event()
    targets = {"a": StubTarget(), "b": StubTarget(gate=gate)}
    episode = stub_episode(targets, policy="raise")
    accepted = fill(episode, targets["b"])
    with pytest.raises(QueueFullError, match=f"no camera took time step {accepted}") as caught:
        episode.feed(step(100), None)
    assert (caught.value.cameras, caught.value.depth) == (("b",), 2)
    gate.set()
    recording = finished(episode)
    assert targets["a"].frames == targets["b"].frames == list(range(accepted))
    assert recording.drop_log == DropLog(steps=accepted, drops=())


@pytest.mark.parametrize("policy", ["block", "drop", "raise"])
def test_cameras_can_be_fed_one_by_one(policy: str) -> None:
    targets = {"a": StubTarget(), "b": StubTarget()}
    episode = stub_episode(targets, policy=policy, maxsize=50)  # type: ignore[arg-type]
    for number in range(10):
        for name in ("ab", "ba")[number % 2]:
            assert episode.feed_one(name, stub_frame(number), None)
    recording = finished(episode)
    assert targets["a"].frames == targets["b"].frames == list(range(10))
    assert recording.drop_log == DropLog(steps=10, drops=())


@pytest.mark.parametrize("policy", ["block", "drop", "raise"])
def test_camera_fed_twice_in_a_step_is_refused_and_the_step_continues(policy: str) -> None:
    targets = {"a": StubTarget(), "b": StubTarget()}
    episode = stub_episode(targets, policy=policy, maxsize=50)  # type: ignore[arg-type]
    assert episode.feed_one("a", stub_frame(0), None)
    with pytest.raises(FrameError, match="camera 'a' was fed again before time step 0 was complete; missing: b"):
        episode.feed_one("a", stub_frame(9), None)
    with pytest.raises(FrameError, match="before time step 0 was complete"):
        episode.feed(step(9), None)
    with pytest.raises(FrameError, match="before time step 0 was complete"):
        episode.feed({}, None)
    assert episode.feed_one("b", stub_frame(0), None)
    assert finished(episode).frames == 1
    assert targets["a"].frames == targets["b"].frames == [0]


def test_drop_also_drops_frames_fed_before_in_the_step() -> None:
    gate = threading.Event()
    targets = {"a": StubTarget(), "b": StubTarget(gate=gate), "c": StubTarget()}
    episode = stub_episode(targets, policy="drop", maxsize=1)
    for name in targets:
        assert episode.feed_one(name, stub_frame(0), None)
    assert targets["b"].entered.wait(LONG_S)
    drain(episode, "a", "c")
    for name in targets:
        assert episode.feed_one(name, stub_frame(1), None)
    drain(episode, "a", "c")
    assert episode.feed_one("a", stub_frame(2), 5.0) is True  # the failure is not known yet
    assert episode.feed_one("b", stub_frame(2), 6.0) is False
    assert episode.feed_one("c", stub_frame(2), 7.0) is False
    gate.set()
    drain(episode, "b")
    for name in targets:
        assert episode.feed_one(name, stub_frame(3), None)
    recording = finished(episode)
    assert targets["a"].frames == targets["b"].frames == targets["c"].frames == [0, 1, 3]
    assert recording.drop_log == DropLog(steps=4, drops=(Drop(step=2, time_s=6.0, cameras=("b",)),))


def test_step_that_raised_queue_full_can_be_fed_again() -> None:
    gate = threading.Event()
    targets = {"a": StubTarget(), "b": StubTarget(gate=gate)}
    episode = stub_episode(targets, policy="raise")
    accepted = fill(episode, targets["b"])
    assert episode.feed_one("a", stub_frame(100), None)
    with pytest.raises(QueueFullError):
        episode.feed_one("b", stub_frame(100), None)
    gate.set()
    drain(episode, "b")
    for name in targets:
        assert episode.feed_one(name, stub_frame(101), None)
    recording = finished(episode)
    assert targets["a"].frames == targets["b"].frames == [*range(accepted), 101]
    assert recording.drop_log.recorded == accepted + 1


@pytest.mark.parametrize("policy", ["block", "drop", "raise"])
def test_incomplete_last_step_is_dropped_and_logged(policy: str) -> None:
    targets = {"a": StubTarget(), "b": StubTarget(), "c": StubTarget()}
    episode = stub_episode(targets, policy=policy, maxsize=50)  # type: ignore[arg-type]
    episode.feed(step(0, "a", "b", "c"), None)
    episode.feed_one("b", stub_frame(1), 3.5)
    episode.feed_one("a", stub_frame(1), 3.25)
    recording = finished(episode)
    assert [target.frames for target in targets.values()] == [[0]] * 3
    incomplete = Drop(step=1, time_s=3.25, cameras=("c",), reason="incomplete")
    assert recording.drop_log == DropLog(steps=2, drops=(incomplete,))


def test_camera_that_was_never_fed_is_an_error() -> None:
    episode = stub_episode({"a": StubTarget(), "b": StubTarget()})
    episode.feed_one("a", stub_frame(0), None)
    with pytest.raises(RecordingError, match="camera 'b' got no frame"):
        finished(episode)
    with pytest.raises(RecordingError, match="camera 'a' got no frame"):
        finished(stub_episode({"a": StubTarget()}))


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        (step(0, "a"), "no frame of b"),
        (step(0, "a", "b", "c"), "unknown cameras c"),
        (step(0, "a", "c"), "no frame of b; unknown cameras c"),
        ({}, "no frame of a, b"),
        ({"a": stub_frame(0), "b": stub_frame(0)[:2]}, "camera 'b' got"),
        ({"a": stub_frame(0).astype(float), "b": stub_frame(0)}, "camera 'a' got"),
    ],
)
def test_invalid_step_takes_nothing(frames: dict[str, np.ndarray], said: str) -> None:
    targets = {"a": StubTarget(), "b": StubTarget()}
    episode = stub_episode(targets)
    episode.feed(step(0), None)
    with pytest.raises(FrameError, match=said):
        episode.feed(frames, None)
    episode.feed(step(1), None)
    assert finished(episode).drop_log == DropLog(steps=2, drops=())
    assert targets["a"].frames == targets["b"].frames == [0, 1]


@pytest.mark.parametrize("policy", ["block", "drop", "raise"])
def test_invalid_frame_takes_nothing(policy: str) -> None:
    targets = {"a": StubTarget(), "b": StubTarget()}
    episode = stub_episode(targets, policy=policy, maxsize=50)  # type: ignore[arg-type]
    with pytest.raises(FrameError, match="unknown camera 'x'; this episode has a, b"):
        episode.feed_one("x", stub_frame(0), None)
    episode.feed_one("a", stub_frame(0), None)
    with pytest.raises(FrameError, match="camera 'b'"):
        episode.feed_one("b", stub_frame(0)[:1], None)
    episode.feed_one("b", stub_frame(0), None)
    assert finished(episode).drop_log == DropLog(steps=1, drops=())


@pytest.mark.parametrize("policy", ["block", "drop", "raise"])
@pytest.mark.parametrize("fail_at", [-1, 0, 3])
def test_camera_error_is_raised_by_feed(policy: str, fail_at: int) -> None:
    bad = StubTarget(fail_at=fail_at, kept=Path(".b.recording.mp4"))
    targets = {"a": StubTarget(), "b": bad}
    episode = stub_episode(targets, policy=policy)  # type: ignore[arg-type]
    deadline = time.monotonic() + LONG_S
    with pytest.raises(
        RecordingError, match=r"camera 'b' failed after \d+ frames; .* kept in .*the stub died"
    ) as caught:
        while time.monotonic() < deadline:
            try:
                episode.feed(step(0), None)
            except QueueFullError:
                time.sleep(0.001)
    assert caught.value.__cause__ is bad.error
    assert (caught.value.camera, caught.value.kept) == ("b", Path(".b.recording.mp4"))
    handle = episode.finish()
    with pytest.raises(RecordingError, match="camera 'b'"):
        handle.wait(LONG_S)
    assert bad.calls == ["fail"]  # kept, not thrown away
    assert targets["a"].calls == [] if targets["a"].frames else ["abort"]
    assert handle.unseen_error() is None


def test_error_raised_by_feed_is_seen() -> None:
    episode = stub_episode({"a": StubTarget(fail_at=0)})
    with pytest.raises(RecordingError):
        while True:
            episode.feed(step(0, "a"), None)
    handle = episode.finish()
    assert handle.settle(LONG_S)
    assert handle.unseen_error() is None


def test_error_that_was_not_raised_is_unseen() -> None:
    targets = {"a": StubTarget(fail_at=0), "b": StubTarget(fail_at="finish")}
    episode = stub_episode(targets)
    with pytest.raises(RecordingError):
        while True:
            episode.feed(step(0), None)
    handle = episode.finish()
    assert handle.settle(LONG_S)
    assert isinstance(handle.unseen_error(), Exception)  # of b nothing was known


def test_errors_of_several_cameras_are_a_group() -> None:
    episode = stub_episode({name: StubTarget(fail_at="finish") for name in "abc"})
    episode.feed(step(0, "a", "b", "c"), None)
    handle = episode.finish()
    assert handle.settle(LONG_S)
    error = handle.unseen_error()
    assert isinstance(error, ErrorGroup)
    assert [each.camera for each in error.exceptions] == ["a", "b", "c"]
    assert "3 cameras failed in episode" in str(error)


def test_base_exception_is_not_wrapped() -> None:
    episode = stub_episode({"a": StubTarget(fail_at=0, error=SystemExit(3))})
    episode.feed(step(0, "a"), None)
    with pytest.raises(SystemExit):
        finished(episode)


def test_blocked_feed_raises_the_error_of_its_camera() -> None:
    gate = threading.Event()
    slow = StubTarget(gate=gate, fail_at=0)
    episode = stub_episode({"a": StubTarget(), "b": slow})
    accepted = fill(episode, slow)
    threading.Timer(0.05, gate.set).start()
    with pytest.raises(RecordingError, match="camera 'b'"):
        while True:
            episode.feed(step(accepted), None)
    episode.cancel()


@pytest.mark.parametrize("policy", ["block", "drop", "raise"])
def test_cancel_discards_everything_and_waits_for_the_threads(policy: str) -> None:
    targets = {"a": StubTarget(), "b": StubTarget(gate=threading.Event())}
    episode = stub_episode(targets, policy=policy)  # type: ignore[arg-type]
    fill(episode, targets["b"])
    episode.cancel()
    assert episode.is_over
    assert not any(camera._thread._thread.is_alive() for camera in episode.cameras.values())
    assert all("abort" in target.calls and "fail" not in target.calls for target in targets.values())
    assert not episode.result.done()


def test_interrupt_while_waiting_for_room_frees_the_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    targets = {"a": StubTarget(), "b": StubTarget(gate=gate)}
    episode = stub_episode(targets)
    accepted = fill(episode, targets["b"])

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("ffenc.streaming.episode.time.sleep", interrupted)
        for number in range(5):  # more often than there are slots
            with pytest.raises(KeyboardInterrupt):
                episode.feed(step(200 + number), None)
    gate.set()
    recording = finished(episode)
    assert targets["a"].frames == targets["b"].frames == list(range(accepted))
    assert recording.drop_log == DropLog(steps=accepted, drops=())
    assert [camera.queue.depth for camera in episode.cameras.values()] == [0, 0]
    assert all(is_idle(camera.queue) for camera in episode.cameras.values())


def test_status_has_current_values() -> None:
    gate = threading.Event()
    targets = {"a": StubTarget(), "b": StubTarget(gate=gate)}
    episode = stub_episode(targets, policy="drop")
    accepted = fill(episode, targets["b"])
    episode.feed(step(0), None)
    drain(episode, "a")
    status = episode.status()
    assert (status["a"].frames_in, status["a"].queue_depth, status["a"].dropped) == (accepted, 0, 0)
    assert (status["b"].frames_in, status["b"].queue_depth, status["b"].queue_maxsize) == (accepted, 2, 2)
    assert status["b"].dropped == 1
    assert (status["a"].frames_encoded, status["b"].frames_encoded) == (accepted, 0)
    assert status["a"].size_bytes == 10 * accepted
    assert status["a"].encoder == "stub"
    assert status["b"].encoded_fps == status["b"].realtime_factor == 0
    assert status["a"].realtime_factor == pytest.approx(status["a"].encoded_fps / 30)
    gate.set()
    finished(episode)


@pytest.mark.parametrize("loses", [0, 1, 4, 9])
@pytest.mark.parametrize("fail_at", [0, 5, 17])
def test_fallback_writes_lost_frames_again(fail_at: int, loses: int) -> None:
    target = StubTarget(fail_at=fail_at, history=9, loses=loses, holds_back=9)
    episode = stub_episode({"a": target})
    for number in range(20):
        episode.feed(step(number, "a"), None)
    recording = finished(episode)
    assert target.frames == list(range(20))
    assert recording.cameras["a"].fallbacks == tuple(target.fallbacks)
    assert target.fallbacks[0].frame == max(0, fail_at - loses)


def test_fallback_at_the_end_of_the_episode() -> None:
    target = StubTarget(fail_at="finish", history=5, loses=3, holds_back=5)
    episode = stub_episode({"a": target})
    for number in range(12):
        episode.feed(step(number, "a"), None)
    assert finished(episode).frames == 12
    assert target.frames == list(range(12))


def test_fallback_replaces_an_encoder_that_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    target = StubTarget(history=3, loses=3)

    def stalled(*, at_most_missing: int) -> int:
        monkeypatch.undo()
        raise ProcessDiedError(f"more than {at_most_missing} frames are missing", argv=["stub"])

    monkeypatch.setattr(target, "frames_safe", stalled)
    episode = stub_episode({"a": target})
    for number in range(12):
        episode.feed(step(number, "a"), None)
    assert finished(episode).frames == 12
    assert target.frames == list(range(12))
    assert [fallback.frame for fallback in target.fallbacks] == [1]


def test_second_failure_ends_the_camera() -> None:
    target = StubTarget(fail_at=3, history=5)
    episode = stub_episode({"a": target})
    episode.feed(step(0, "a"), None)
    while not target.fallbacks:
        episode.feed(step(0, "a"), None)
        time.sleep(0.001)
    target.fail_at = len(target.frames)
    with pytest.raises(RecordingError):
        while True:
            episode.feed(step(0, "a"), None)
    assert target.calls == ["fail"]
