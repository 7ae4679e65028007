"""Encoders that die, hang or lie behind a recording: one typed error, what was recorded is kept, nothing else is left."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from ffenc.config import VideoEncoderConfig
from ffenc.errors import FFencError, ProcessDiedError, ProcessError, ProcessTimeoutError, QueueFullError, RecordingError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.frames import FrameFormat
from ffenc.streaming.encoder import StreamingVideoEncoder
from ffenc.video.recording import find_recordings
from tests.faults.conftest import FAKE_FFMPEG
from tests.footage import numbered_frame
from tests.recordings import recorded

Within = Callable[[float], AbstractContextManager[None]]
Make = Callable[..., StreamingVideoEncoder]

SOON_S = 15.0
STALL_S = 0.4
FRAME = numbered_frame(1)

FAULTS: dict[str, tuple[str, type[FFencError]]] = {
    "dies at the start": (r"say:'no such device\n' exit:1", ProcessDiedError),
    "dies in the middle": ("read:100000 exit:3", ProcessDiedError),
    "is killed in the middle": ("read:100000 signal:SIGKILL", ProcessDiedError),
    "says all is well in the middle": ("read:100000 exit:0", ProcessDiedError),
    "hangs from the start": ("hang", ProcessTimeoutError),
    "hangs in the middle": ("read:100000 hang", ProcessTimeoutError),
    "closes its input": ("read:100000 close-stdin exit:0", ProcessDiedError),
    "closes its input and hangs": ("read:100000 close-stdin hang", ProcessTimeoutError),
    "dies at the end": ("read-all exit:1", ProcessDiedError),
    "hangs at the end": ("read-all hang", ProcessTimeoutError),
    "writes nothing": ("read-all exit:0", FFencError),
}
AT_THE_END = {"dies at the end", "hangs at the end", "writes nothing"}


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Return a factory of streaming encoders that run the fake ffmpeg."""
    capabilities = replace(recorded("9.0.2"), ffmpeg=FAKE_FFMPEG)

    monkeypatch.setattr("ffenc.video.planning.capabilities_for", lambda *_, **__: capabilities)
    fake = Binaries(ffmpeg=FAKE_FFMPEG, ffprobe=None, ffmpeg_origin="test", ffprobe_origin="test")
    options = {"camera_encoder": VideoEncoderConfig(vcodec="h264"), "binaries": fake, "stall_timeout_s": STALL_S}
    return lambda **more: StreamingVideoEncoder(30, **{**options, **more})


def feed_until_it_fails(encoder: StreamingVideoEncoder, *, most: int = 1_000_000) -> RecordingError | None:
    for _ in range(most):
        try:
            encoder.feed_frames({"a": FRAME})
        except QueueFullError:
            continue
        except RecordingError as err:
            return err
    return None


def check(error: BaseException, kind: type[FFencError], directory: Path) -> None:
    assert isinstance(error, RecordingError)
    assert error.camera == "a"
    assert isinstance(error.__cause__, kind)
    if isinstance(error.__cause__, ProcessError):
        assert error.__cause__.argv[0] == str(FAKE_FFMPEG)
    assert error.kept is not None
    assert [error.kept] == find_recordings(directory)
    assert str(error.kept) in str(error)
    assert [entry.name for entry in directory.iterdir()] == [error.kept.name]  # no half file under its name


@pytest.mark.parametrize("policy", ["block", "drop", "raise"])
@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - AT_THE_END))
def test_a_fault_on_the_way_comes_out_of_a_feed_once(
    make: Make, monkeypatch: pytest.MonkeyPatch, within: Within, tmp_path: Path, fault: str, policy: str
) -> None:
    steps, kind = FAULTS[fault]
    monkeypatch.setenv("FAKE_STEPS", steps)
    with within(SOON_S):
        encoder = make(policy=policy)
        encoder.start_episode(["a"], tmp_path)
        error = feed_until_it_fails(encoder)
        assert error is not None
        check(error, kind, tmp_path)
        encoder.close()  # it has been told; what it told of is still there
        check(error, kind, tmp_path)


@pytest.mark.parametrize("seen", ["handle", "start", "close"])
@pytest.mark.parametrize("fault", sorted(AT_THE_END))
def test_a_fault_at_the_end_comes_out_once(
    make: Make, monkeypatch: pytest.MonkeyPatch, within: Within, tmp_path: Path, fault: str, seen: str
) -> None:
    steps, kind = FAULTS[fault]
    monkeypatch.setenv("FAKE_STEPS", steps)
    with within(SOON_S):
        encoder = make()
        encoder.start_episode(["a"], tmp_path)
        assert feed_until_it_fails(encoder, most=5) is None
        handle = encoder.finish_episode()
        assert handle.settle(SOON_S)
        with pytest.raises(RecordingError) as caught:
            if seen == "handle":
                handle.wait()
            elif seen == "start":
                encoder.start_episode(["a"], tmp_path / "next")
            else:
                encoder.close()
        check(caught.value, kind, tmp_path)
        encoder.close()


def test_the_last_words_of_an_encoder_are_in_the_error(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAKE_STEPS", r"say:'no such device\n' exit:1")
    encoder = make()
    encoder.start_episode(["a"], tmp_path)
    error = feed_until_it_fails(encoder)
    encoder.close()
    assert error is not None
    assert "no such device" in str(error)
    assert "exit status 1" in str(error)


def test_all_cameras_may_fail_at_once(
    make: Make, monkeypatch: pytest.MonkeyPatch, within: Within, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAKE_STEPS", "read-all exit:1")
    with within(SOON_S):
        encoder = make()
        encoder.start_episode(["a", "b", "c"], tmp_path)
        for _ in range(3):
            encoder.feed_frames({"a": FRAME, "b": FRAME, "c": FRAME})
        with pytest.raises(Exception, match="3 cameras failed") as caught:
            encoder.finish_episode().wait(SOON_S)
        encoder.close()
    assert sorted(error.camera for error in caught.value.exceptions) == ["a", "b", "c"]  # type: ignore[attr-defined]
    assert len(find_recordings(tmp_path)) == 3


@pytest.mark.parametrize("fault", ["hang", "read:100000 hang", "exit:1", "read-all hang"])
def test_cancel_does_not_wait_for_a_fault(
    make: Make, monkeypatch: pytest.MonkeyPatch, within: Within, tmp_path: Path, fault: str
) -> None:
    monkeypatch.setenv("FAKE_STEPS", fault)
    with within(SOON_S), make(stall_timeout_s=60) as encoder:
        encoder.start_episode({"a": FrameFormat(width=128, height=96)}, tmp_path)
        feed_until_it_fails(encoder, most=20)
        encoder.cancel_episode()
        assert list(tmp_path.iterdir()) == []


def test_a_spool_survives_an_encoder_that_dies(
    make: Make, monkeypatch: pytest.MonkeyPatch, within: Within, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAKE_STEPS", "read:100000 exit:1")
    with within(SOON_S):
        encoder = make(streaming_encoding=False)
        encoder.start_episode(["a"], tmp_path)
        assert feed_until_it_fails(encoder, most=40) is None
        with pytest.raises(RecordingError) as caught:
            encoder.finish_episode().wait(SOON_S)
        encoder.close()
    check(caught.value, ProcessDiedError, tmp_path)
    assert caught.value.kept is not None
    assert caught.value.kept.stat().st_size > 40 * FRAME.nbytes
