"""Any schedule of feeds, slow cameras, failures and endings terminates, and no frame is lost, repeated or moved."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ffenc.errors import FrameError, ProcessDiedError, QueueFullError, RecordingError
from ffenc.streaming.drop_log import DropLog, EpisodeRecording
from ffenc.streaming.episode import Episode
from ffenc.streaming.queueing import POLICIES
from tests.stub_cameras import StubTarget, is_idle, stub_episode, stub_frame

LONG_S = 30.0  # a hang is the fault, slowness is not

QUICKLY = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

HISTORY = 4
SPEEDS = st.sampled_from([0.0, 0.0, 0.0002, 0.002])
GOOD = st.builds(StubTarget, pause_s=SPEEDS)
RECOVERING = st.builds(
    StubTarget,
    pause_s=SPEEDS,
    history=st.just(HISTORY),
    holds_back=st.just(HISTORY),
    loses=st.integers(0, HISTORY),
    fail_at=st.integers(0, 30) | st.just("finish"),
)
FAILING = st.builds(StubTarget, pause_s=SPEEDS, fail_at=st.integers(-1, 20) | st.just("finish"))
PAUSES = st.sampled_from([0.0] * 6 + [0.0005, 0.003])
STEPS = st.lists(st.tuples(st.sampled_from(["together", "one by one", "wrong"]), PAUSES), max_size=40)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def cameras(kind: st.SearchStrategy[StubTarget]) -> st.SearchStrategy[dict[str, StubTarget]]:
    return st.lists(kind, min_size=1, max_size=3).map(lambda made: dict(zip("abc", made, strict=False)))


def feed_step(episode: Episode, names: list[str], number: int, how: str) -> bool:
    """Feed a time step; whether all cameras took it."""
    if how == "wrong":
        with pytest.raises(FrameError):
            episode.feed({name: stub_frame(number)[1:] for name in names}, None)
        return False
    if how == "together":
        return episode.feed({name: stub_frame(number) for name in names}, None)
    order = names[number % len(names) :] + names[: number % len(names)]
    taken = [episode.feed_one(name, stub_frame(number), None) for name in order]
    return all(taken)


def run(episode: Episode, names: list[str], steps: list[tuple[str, float]]) -> list[int]:
    """Feed all steps; the numbers of those that were taken."""
    taken = []
    for number, (how, pause_s) in enumerate(steps):
        time.sleep(pause_s)
        try:
            if feed_step(episode, names, number, how):
                taken.append(number)
        except QueueFullError:
            continue
    return taken


def check_whole(recording: EpisodeRecording, targets: dict[str, StubTarget], taken: list[int]) -> None:
    assert recording.frames == recording.drop_log.recorded == len(taken)
    for name, target in targets.items():
        assert target.frames == taken
        assert recording.cameras[name].frames == len(taken)


@QUICKLY
@given(cameras(GOOD | RECOVERING), st.sampled_from(POLICIES), st.integers(1, 4), STEPS)
def test_every_target_gets_the_taken_frames(targets, policy, maxsize, steps) -> None:  # type: ignore[no-untyped-def]
    episode = stub_episode(targets, policy=policy, maxsize=maxsize)
    taken = run(episode, list(targets), [("together", 0.0), *steps])
    handle = episode.finish()
    recording = handle.wait(LONG_S)
    check_whole(recording, targets, taken)
    fed = [number for number, (how, _) in enumerate([("together", 0.0), *steps]) if how != "wrong"]
    if policy == "block":
        assert taken == fed
        assert recording.drop_log == DropLog(steps=len(fed), drops=())
    elif policy == "drop":
        assert recording.drop_log.steps == len(fed)
        dropped = [fed[drop.step] for drop in recording.drop_log.drops]
        assert sorted(taken + dropped) == fed
        assert all(set(drop.cameras) <= set(targets) and drop.cameras for drop in recording.drop_log.drops)
    else:
        assert recording.drop_log == DropLog(steps=len(taken), drops=())
    for camera in episode.cameras.values():  # ready for the next episode: no slot was lost
        assert is_idle(camera.queue)


@QUICKLY
@given(cameras(GOOD | FAILING | RECOVERING), st.sampled_from(POLICIES), st.integers(1, 4), STEPS)
def test_camera_error_is_raised_and_the_other_cameras_finish(targets, policy, maxsize, steps) -> None:  # type: ignore[no-untyped-def]
    episode = stub_episode(targets, policy=policy, maxsize=maxsize)
    told: list[BaseException] = []
    try:
        run(episode, list(targets), [("together", 0.0), *steps])
    except Exception as err:
        told.append(err)
    handle = episode.finish()
    assert handle.settle(LONG_S)
    unseen = handle.unseen_error()
    failed = {name for name, camera in episode.cameras.items() if camera.error is not None}
    assert failed == {name for name, target in targets.items() if "fail" in target.calls}
    assert bool(failed) == bool(told or unseen)
    for error in (*told, *([unseen] if unseen else [])):
        each = getattr(error, "exceptions", [error])
        assert all(isinstance(one, RecordingError) and isinstance(one.__cause__, ProcessDiedError) for one in each)
        assert {one.camera for one in each} <= failed
    for name, target in targets.items():
        assert target.frames == sorted(target.frames)
        if name not in failed and target.frames:
            assert episode.cameras[name].recording is not None


@QUICKLY
@given(cameras(GOOD | FAILING | RECOVERING), st.sampled_from(POLICIES), st.integers(1, 4), STEPS, st.booleans())
def test_cancel_at_any_time_ends_all_threads(targets, policy, maxsize, steps, from_elsewhere) -> None:  # type: ignore[no-untyped-def]
    episode = stub_episode(targets, policy=policy, maxsize=maxsize)
    try:
        run(episode, list(targets), steps)
    except Exception as err:
        assert isinstance(getattr(err, "exceptions", [err])[0], RecordingError)
    if from_elsewhere:
        thread = threading.Thread(target=episode.cancel)
        thread.start()
        thread.join(LONG_S)
        assert not thread.is_alive()
    else:
        episode.cancel()
    assert not any(camera._thread._thread.is_alive() for camera in episode.cameras.values())
    for name in episode.cameras:
        assert "abort" in targets[name].calls
