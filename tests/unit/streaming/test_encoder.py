"""StreamingVideoEncoder without FFmpeg: consecutive episodes, where errors are raised, and missing calls of close."""

from __future__ import annotations

import gc
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ffenc.errors import ErrorGroup, FFencError, FrameError, OutputError, RecordingError, UnsafePathError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.streaming import encoder as encoder_module
from ffenc.streaming.drop_log import RecordingStatus
from ffenc.streaming.encoder import StreamingVideoEncoder
from tests.stub_cameras import FORM, StubTarget, open_stub, stub_frame

NOWHERE = Binaries(ffmpeg=Path("ffmpeg"), ffprobe=None, ffmpeg_origin="test", ffprobe_origin="test")
LONG_S = 20.0

Targets = list[dict[str, StubTarget]]
Make = Callable[..., StreamingVideoEncoder]


@pytest.fixture
def targets() -> Targets:
    """The targets of each episode to come; what is missing is made."""
    return []


@pytest.fixture
def make(targets: Targets, monkeypatch: pytest.MonkeyPatch) -> Make:
    episodes = iter(range(1000))

    class StubOpener:
        def __init__(self, _: Any, __: Path, names: tuple[str, ...], **___: Any) -> None:
            number = next(episodes)
            while len(targets) <= number:
                targets.append({})
            for name in names:
                targets[number].setdefault(name, StubTarget())
            self.open = open_stub(targets[number])

        def check(self, name: str, _: Any) -> None:
            if name == "impossible":
                raise OutputError("cannot do that", path=name)

    monkeypatch.setattr(encoder_module, "CameraOpener", StubOpener)
    return lambda **options: StreamingVideoEncoder(30, binaries=NOWHERE, **options)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def record(encoder: StreamingVideoEncoder, directory: Path, count: int, start: int = 0) -> None:
    encoder.start_episode(["a", "b"], directory)
    for number in range(start, start + count):
        assert encoder.feed_frames({"a": stub_frame(number), "b": stub_frame(number)})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"policy": "wait"}, "unknown policy 'wait'; expected one of block, drop, raise"),
        ({"queue_maxsize": 0}, "queue_maxsize must be a whole number of at least 1, got 0"),
        ({"queue_maxsize": True}, "queue_maxsize must be"),
        ({"queue_maxsize": 2.0}, "queue_maxsize must be"),
        ({"max_finishing": 0}, "max_finishing must be"),
        ({"status_interval_s": 0}, "status_interval_s must be above 0"),
        ({"status_interval_s": float("nan")}, "status_interval_s must be above 0"),
    ],
)
def test_invalid_options_are_refused(make: Make, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make(**options)


def test_consecutive_episodes(make: Make, targets: Targets, tmp_path: Path) -> None:
    with make() as encoder:
        for number in range(5):
            record(encoder, tmp_path / str(number), 4, start=10 * number)
            assert encoder.status().steps == 4
            recording = encoder.finish_episode().wait(LONG_S)
            assert (recording.frames, recording.directory) == (4, tmp_path / str(number))
            assert encoder.status().steps == 0
    assert [episode["a"].frames for episode in targets] == [list(range(10 * k, 10 * k + 4)) for k in range(5)]
    assert [episode["b"].frames for episode in targets] == [episode["a"].frames for episode in targets]


@pytest.mark.parametrize(
    ("cameras", "options", "said"),
    [
        ([], {}, "no cameras"),
        ("ab", {}, "cameras must be a list of different names, got 'ab'"),
        (["a", "a"], {}, "cameras must be a list of different names"),
        (["a"], {"depth_cameras": ["d"]}, "these are not cameras of the episode: d"),
        (["a"], {"image_cameras": ["i"]}, "these are not cameras of the episode: i"),
    ],
)
def test_invalid_cameras_are_refused(
    make: Make, tmp_path: Path, cameras: Any, options: dict[str, Any], said: str
) -> None:
    with make() as encoder:
        with pytest.raises(FFencError, match=said):
            encoder.start_episode(cameras, tmp_path / "e", **options)
        assert not (tmp_path / "e").exists()
        encoder.start_episode(["a"], tmp_path / "e")


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "", "a\n"])
def test_camera_name_that_leaves_the_directory_is_refused(make: Make, tmp_path: Path, name: str) -> None:
    with make() as encoder, pytest.raises(UnsafePathError):
        encoder.start_episode(["a", name], tmp_path / "e")
    assert not (tmp_path / "e").exists()


def test_start_episode_checks_formats(make: Make, tmp_path: Path) -> None:
    with make() as encoder:
        with pytest.raises(OutputError, match="cannot do that"):
            encoder.start_episode({"a": FORM, "impossible": FORM}, tmp_path / "e")
        assert not (tmp_path / "e").exists()
        record(encoder, tmp_path / "f", 1)  # nothing is open


def test_failed_start_leaves_no_open_episode(
    make: Make, targets: Targets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = encoder_module.Episode.open

    def fails_at_b(self: Any, name: str, first: Any) -> None:
        if name == "b":
            raise OutputError("exists", path=name)
        opened(self, name, first)

    monkeypatch.setattr(encoder_module.Episode, "open", fails_at_b)
    with make() as encoder:
        with pytest.raises(OutputError, match="exists"):
            encoder.start_episode({"a": FORM, "b": FORM}, tmp_path)
        assert "abort" in targets[0]["a"].calls
        assert encoder.status().cameras == {}
        monkeypatch.undo()


def test_start_episode_with_formats_opens_all_cameras(make: Make, targets: Targets, tmp_path: Path) -> None:
    with make() as encoder:
        encoder.start_episode({"a": FORM, "b": None, "c": FORM}, tmp_path)
        assert list(encoder.status().cameras) == ["a", "c"]
        with pytest.raises(FrameError, match="camera 'a'"):
            encoder.feed_frames({name: stub_frame(0)[:2] for name in "abc"})


def test_calls_out_of_order_are_refused(make: Make, tmp_path: Path) -> None:
    encoder = make()
    encoder.cancel_episode()  # nothing to cancel
    for call in (
        lambda: encoder.feed_frame("a", stub_frame(0)),
        lambda: encoder.feed_frames({}),
        encoder.finish_episode,
    ):
        with pytest.raises(FFencError, match="no episode is open; call start_episode first"):
            call()
    encoder.start_episode(["a"], tmp_path / "one")
    with pytest.raises(FFencError, match=r"the episode in .*one is still open; finish or cancel it first"):
        encoder.start_episode(["a"], tmp_path / "two")
    encoder.close()
    encoder.close()
    with pytest.raises(FFencError, match="is closed"):
        encoder.start_episode(["a"], tmp_path / "three")


def test_cancel_and_close_discard_the_open_episode(make: Make, targets: Targets, tmp_path: Path) -> None:
    encoder = make()
    record(encoder, tmp_path / "0", 3)
    encoder.cancel_episode()
    record(encoder, tmp_path / "1", 3)
    encoder.close()
    for episode in targets:
        assert all("abort" in target.calls and "fail" not in target.calls for target in episode.values())


def test_unseen_error_is_raised_once_by_the_next_start(make: Make, targets: Targets, tmp_path: Path) -> None:
    targets.append({"a": StubTarget(fail_at="finish")})
    with make() as encoder:
        record(encoder, tmp_path / "0", 2)
        assert encoder.finish_episode().settle(LONG_S)
        with pytest.raises(RecordingError, match="camera 'a' failed after 2 frames"):
            encoder.start_episode(["a"], tmp_path / "1")
        record(encoder, tmp_path / "1", 2)
        assert encoder.finish_episode().wait(LONG_S).frames == 2


def test_unseen_error_is_raised_once_by_close(make: Make, targets: Targets, tmp_path: Path) -> None:
    targets.append({"a": StubTarget(fail_at="finish")})
    encoder = make()
    record(encoder, tmp_path / "0", 2)
    encoder.finish_episode()
    with pytest.raises(RecordingError, match="camera 'a'"):
        encoder.close()
    encoder.close()


def test_error_raised_by_wait_is_not_raised_again(make: Make, targets: Targets, tmp_path: Path) -> None:
    targets.append({"a": StubTarget(fail_at="finish")})
    with make() as encoder:
        record(encoder, tmp_path / "0", 2)
        with pytest.raises(RecordingError):
            encoder.finish_episode().wait(LONG_S)
        record(encoder, tmp_path / "1", 2)


def test_close_raises_all_unseen_errors(make: Make, targets: Targets, tmp_path: Path) -> None:
    gate = threading.Event()
    targets += [{"a": StubTarget(gate=gate, fail_at=1)}, {"b": StubTarget(gate=gate, fail_at=1)}]
    encoder = make(max_finishing=3)
    for number in range(2):
        record(encoder, tmp_path / str(number), 2)
        encoder.finish_episode()
    gate.set()
    with pytest.raises(FFencError, match="2 episodes failed") as caught:
        encoder.close()
    assert isinstance(caught.value, ErrorGroup)
    assert [error.camera for error in caught.value.exceptions] == ["a", "b"]
    encoder.close()


@pytest.mark.parametrize("leave", ["with", "close"])
def test_error_raised_by_feed_is_not_raised_again_and_recordings_are_kept(
    make: Make, targets: Targets, tmp_path: Path, leave: str
) -> None:
    targets.append({"a": StubTarget(fail_at=2), "b": StubTarget()})

    def feed(encoder: StreamingVideoEncoder) -> None:
        encoder.start_episode(["a", "b"], tmp_path)
        while True:
            encoder.feed_frames({"a": stub_frame(1), "b": stub_frame(1)})

    if leave == "with":
        with pytest.raises(RecordingError, match="camera 'a'"), make() as encoder:
            feed(encoder)
    else:
        encoder = make()
        with pytest.raises(RecordingError, match="camera 'a'"):
            feed(encoder)
        encoder.close()
    assert targets[0]["a"].calls == ["fail"]  # its recording stays, as its error says
    assert targets[0]["b"].calls == []  # completed


def test_exception_in_the_block_completes_the_episode(make: Make, targets: Targets, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), make() as encoder:
        record(encoder, tmp_path, 3)
        raise KeyboardInterrupt
    assert [target.calls for target in targets[0].values()] == [[], []]
    assert targets[0]["a"].frames == targets[0]["b"].frames == [0, 1, 2]


def test_exception_in_the_block_is_raised_not_an_encoder_error(
    make: Make, targets: Targets, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    targets.append({"a": StubTarget(fail_at="finish")})
    with pytest.raises(KeyError, match="unplugged"), make() as encoder:
        record(encoder, tmp_path, 3)
        raise KeyError("unplugged")
    assert "an episode could not be completed" in caplog.text
    assert "camera 'a' failed after 3 frames" in caplog.text


def test_max_finishing_limits_encoders_and_frames_wait_in_the_queues(
    make: Make, targets: Targets, tmp_path: Path
) -> None:
    gate = threading.Event()
    targets += [{"a": StubTarget(gate=gate)} for _ in range(2)]
    encoder = make(max_finishing=2)
    handles = []
    for number in range(4):
        record(encoder, tmp_path / str(number), 1, start=number)  # returns at once
        handles.append(encoder.finish_episode())
    record_fifth = threading.Thread(target=record, args=(encoder, tmp_path / "4", 1))
    record_fifth.start()
    time.sleep(0.1)
    assert encoder.status().finishing == 4
    assert [target.frames for episode in targets[2:4] for target in episode.values()] == [[]] * 4  # they wait
    assert not (tmp_path / "4").exists()  # too many wait
    gate.set()
    record_fifth.join(LONG_S)
    assert [handle.wait(LONG_S).frames for handle in handles] == [1] * 4
    assert [episode["a"].frames for episode in targets[:4]] == [[0], [1], [2], [3]]
    encoder.finish_episode()
    encoder.close()


def test_episode_that_waits_for_its_encoders_can_be_cancelled(make: Make, targets: Targets, tmp_path: Path) -> None:
    gate = threading.Event()
    targets.append({"a": StubTarget(gate=gate)})
    encoder = make(max_finishing=1)
    record(encoder, tmp_path / "0", 1)
    encoder.finish_episode()
    record(encoder, tmp_path / "1", 1)
    encoder.cancel_episode()
    assert targets[1]["a"].frames == []
    gate.set()
    encoder.close()


def test_concurrent_episodes_do_not_share_queues(make: Make, targets: Targets, tmp_path: Path) -> None:
    gate = threading.Event()
    targets.append({"a": StubTarget(gate=gate), "b": StubTarget(gate=gate)})
    with make() as encoder:
        record(encoder, tmp_path / "0", 2)
        first = encoder.finish_episode()
        record(encoder, tmp_path / "1", 6, start=100)
        second = encoder.finish_episode()
        assert second.wait(LONG_S).frames == 6
        assert not first.done()
        gate.set()
        assert first.wait(LONG_S).frames == 2
    assert targets[0]["a"].frames == [0, 1]
    assert targets[1]["a"].frames == list(range(100, 106))


def test_encoder_that_was_not_closed_completes_its_episode_and_warns(
    make: Make, targets: Targets, tmp_path: Path
) -> None:
    def forget() -> None:
        encoder = make()
        record(encoder, tmp_path / "e", 3)
        del encoder
        gc.collect()

    with pytest.warns(ResourceWarning, match="a StreamingVideoEncoder was not closed: .*/e"):
        forget()
    assert targets[0]["a"].frames == targets[0]["b"].frames == [0, 1, 2]
    assert [target.calls for target in targets[0].values()] == [[], []]


def test_encoder_that_was_not_closed_waits_for_background_episodes(
    make: Make, targets: Targets, tmp_path: Path
) -> None:
    slow = StubTarget(pause_s=0.02)
    targets.append({"a": slow})
    encoder = make()
    record(encoder, tmp_path, 3)
    handle = encoder.finish_episode()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # there is nothing that was left open
        del encoder
        gc.collect()
    assert handle.done()
    assert slow.frames == [0, 1, 2]


def test_fork_does_not_wait_for_threads_of_its_parent(make: Make, tmp_path: Path) -> None:
    encoder = make()
    record(encoder, tmp_path, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12: a fork of a process with threads
        forked = os.fork()
    if forked == 0:
        started = time.monotonic()
        encoder._forgotten()
        os._exit(0 if time.monotonic() - started < 5 else 1)
    assert os.waitpid(forked, 0)[1] == 0
    encoder.close()


def test_closed_encoder_does_not_warn(make: Make, tmp_path: Path) -> None:
    encoder = make()
    record(encoder, tmp_path, 1)
    encoder.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del encoder
        gc.collect()


def test_status_is_reported_at_intervals(make: Make, targets: Targets, tmp_path: Path) -> None:
    seen: list[RecordingStatus] = []
    with make(on_status=seen.append, status_interval_s=0.005) as encoder:
        record(encoder, tmp_path, 3)
        deadline = time.monotonic() + LONG_S
        while not (whole := [status for status in seen if status.steps == 3]) and time.monotonic() < deadline:
            time.sleep(0.005)
    assert (whole[0].dropped, list(whole[0].cameras)) == (0, ["a", "b"])
    assert whole[0].elapsed_s > 0


def test_on_status_that_raises_is_logged_and_not_called_again(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[int] = []

    def fails(_: RecordingStatus) -> None:
        called.append(1)
        raise RuntimeError("no screen")

    with make(on_status=fails, status_interval_s=0.001) as encoder:
        record(encoder, tmp_path, 1)
        while not called:
            time.sleep(0.001)
        time.sleep(0.02)
        assert encoder.finish_episode().wait(LONG_S).frames == 1
    assert called == [1]
    assert "on_status raised an exception; it is not called again" in caplog.text


def test_on_status_may_close_the_encoder(make: Make, tmp_path: Path) -> None:
    closed = threading.Event()

    def close(_: RecordingStatus) -> None:
        encoder.close()
        closed.set()

    encoder = make(on_status=close, status_interval_s=0.001)
    encoder.start_episode(["a", "b"], tmp_path)
    assert closed.wait(LONG_S)
    encoder.close()


def test_drops_are_those_of_the_open_episode(make: Make, targets: Targets, tmp_path: Path) -> None:
    gate = threading.Event()
    targets.append({"a": StubTarget(gate=gate)})
    with make(policy="drop") as encoder:
        assert encoder.drops == ()
        encoder.start_episode(["a"], tmp_path)
        while encoder.feed_frames({"a": stub_frame(0)}, time_s=1.5):
            pass
        assert [drop.time_s for drop in encoder.drops] == [1.5]
        assert encoder.status().dropped == 1
        gate.set()
        encoder.finish_episode().wait(LONG_S)
        assert encoder.drops == ()
