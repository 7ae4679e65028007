"""An episode from live cameras has duration times rate ticks, with the newest frame of each camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ffenc.dataset.recording import live_recording
from ffenc.dataset.recording.live_recording import record_episode, wait_for
from ffenc.errors import CameraEndedError, CameraError, CameraStalledError
from ffenc.video.live_camera import CapturedFrame, LiveCamera


class Clock:
    """A clock on which only sleeping and what the test does take time."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(live_recording, "time", clock)
    return clock


class Camera(LiveCamera):
    """Its frames are numbered by the clock, so many a second; it may end."""

    def __init__(self, clock: Clock, fps: float, *, frames: int = 10**9) -> None:
        super().__init__("test")
        self.clock, self.fps, self.frames = clock, fps, frames
        self.start_s = clock.now_s

    def _open(self) -> None: ...

    def _next(self) -> npt.NDArray[Any]:
        raise NotImplementedError

    def _shut(self) -> None: ...

    def latest(self) -> CapturedFrame:
        number = int((self.clock.now_s - self.start_s) * self.fps + 1e-6)
        if number >= self.frames:
            raise CameraEndedError("the end", source="test", frames_read=self.frames)
        time_s = self.start_s + number / self.fps
        return CapturedFrame(frame=np.full((2, 2, 3), number % 256, np.uint8), time_s=time_s, number=number)


class Recorder:
    """Keeps what it gets and when; may be slow, and may drop."""

    def __init__(self, clock: Clock, *, slow: dict[int, float] | None = None, drops: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        self.clock, self.slow, self.drops = clock, slow or {}, drops
        self.frames: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.captured_ms: list[Mapping[str, int]] = []
        self.repeated: list[Sequence[str]] = []

    def add_frame(self, frame: Any, /, *, captured_ms: Mapping[str, int], repeated: Sequence[str]) -> bool:
        step = len(self.frames)
        self.frames.append(dict(frame))
        self.captured_ms.append(captured_ms)
        self.repeated.append(repeated)
        self.times.append(self.clock.now_s - 1000)
        self.clock.now_s += self.slow.get(step, 0)
        return step not in self.drops

    def shown(self, name: str) -> list[int]:
        return [int(frame[name][0, 0, 0]) for frame in self.frames]


def record(recorder: Recorder, cameras: dict[str, LiveCamera], **more: Any) -> Any:
    return record_episode(
        recorder,
        cameras,
        **{"task": "lift", "fps": Fraction(10), "duration_s": 1.0, "with_capture_times": True, **more},
    )


def test_ticks_come_at_exactly_the_rate_with_the_newest_frame_of_every_camera(clock: Clock) -> None:
    recorder = Recorder(clock)
    episode = record(recorder, {"fast": Camera(clock, 30), "slow": Camera(clock, 4)}, on_stale="continue")
    assert recorder.times == pytest.approx([k / 10 for k in range(10)])
    assert recorder.shown("fast") == [0, 3, 6, 9, 12, 15, 18, 21, 24, 27]
    assert recorder.shown("slow") == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]
    assert (episode.steps, episode.frames, episode.dropped, episode.late) == (10, 10, 0, 0)
    assert episode.repeated == {"fast": 0, "slow": 6}
    assert {frame["task"] for frame in recorder.frames} == {"lift"}


def test_time_does_not_drift_over_a_rate_that_no_float_holds(clock: Clock) -> None:
    recorder = Recorder(clock, slow=dict.fromkeys(range(3000), 0.001))
    record(recorder, {"a": Camera(clock, 30)}, fps=Fraction(30000, 1001), duration_s=100.1)
    assert len(recorder.times) == 3000
    assert recorder.times[-1] == pytest.approx(2999 * 1001 / 30000)


def test_late_ticks_are_recorded_and_counted(clock: Clock) -> None:
    recorder = Recorder(clock, slow={2: 0.35})
    episode = record(recorder, {"a": Camera(clock, 10)}, on_stale="continue")
    assert recorder.times == pytest.approx([0, 0.1, 0.2, 0.55, 0.55, 0.55, 0.6, 0.7, 0.8, 0.9])
    assert episode.steps == 10
    assert episode.late == 2  # ticks 3 and 4; tick 5 was less than a frame behind
    assert episode.latest_s == pytest.approx(0.25)
    assert episode.repeated == {"a": 2}


def test_drops_are_counted(clock: Clock) -> None:
    episode = record(Recorder(clock, drops={3, 4}), {"a": Camera(clock, 10)})
    assert (episode.steps, episode.dropped, episode.frames) == (10, 2, 8)


@pytest.mark.parametrize(("after_s", "ticks"), [(0.0, 0), (0.42, 5), (9.0, 10)])
def test_stop_ends_the_episode(clock: Clock, after_s: float, ticks: int) -> None:
    recorder = Recorder(clock)
    episode = record(recorder, {"a": Camera(clock, 10)}, stop=lambda: clock.now_s >= 1000 + after_s)
    assert (len(recorder.frames), episode.stopped) == (ticks, ticks < 10)
    assert clock.now_s - 1000 < max(after_s, 1) + 0.06


def test_failed_camera_ends_the_episode_with_complete_ticks(clock: Clock) -> None:
    recorder = Recorder(clock)
    episode = record(recorder, {"a": Camera(clock, 10), "b": Camera(clock, 10, frames=4)})
    assert isinstance(episode.failure, CameraError)
    assert len(recorder.frames) == episode.steps == 4
    assert all(set(frame) == {"a", "b", "task"} for frame in recorder.frames)


def test_error_of_the_recorder_is_raised(clock: Clock) -> None:
    class Broken(Recorder):
        def add_frame(self, frame: Any, /, **_: object) -> bool:
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        record(Broken(clock), {"a": Camera(clock, 10)})


def test_every_tick_is_reported(clock: Clock) -> None:
    left: list[float] = []
    record(Recorder(clock), {"a": Camera(clock, 10)}, on_tick=lambda episode: left.append(round(episode.left_s, 3)))
    assert left == [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0]


@pytest.mark.parametrize(("asked", "whole"), [(lambda: False, True), (lambda: True, False)])
def test_wait_for(clock: Clock, asked: Callable[[], bool], whole: bool) -> None:
    assert wait_for(2.0, asked) is whole
    assert (clock.now_s >= 1002) is whole


class Silent(Camera):
    """A camera that gives nothing new between two times, in seconds after its start."""

    def __init__(self, clock: Clock, fps: float, *, silent: tuple[float, float]) -> None:
        super().__init__(clock, fps)
        self.silent = silent

    def latest(self) -> CapturedFrame:
        elapsed_s = self.clock.now_s - self.start_s
        if not self.silent[0] <= elapsed_s < self.silent[1]:
            self.last_s = elapsed_s
        number = int(self.last_s * self.fps + 1e-6)
        time_s = self.start_s + number / self.fps
        return CapturedFrame(frame=np.full((2, 2, 3), number % 256, np.uint8), time_s=time_s, number=number)


def test_episode_ends_at_the_last_step_at_which_every_camera_was_new(clock: Clock) -> None:
    recorder = Recorder(clock)
    cameras: dict[str, LiveCamera] = {"a": Camera(clock, 10), "b": Silent(clock, 10, silent=(1.25, 99))}
    episode = record(recorder, cameras, duration_s=5.0)
    assert (episode.stale, episode.steps, episode.repeated) == ("b", 13, {"a": 0, "b": 0})
    assert isinstance(episode.failure, CameraStalledError)
    assert str(episode.failure) == "camera test sent nothing new for 1 s"
    assert recorder.shown("a") == recorder.shown("b") == list(range(13))


@pytest.mark.parametrize("fps", [5, 10, 30, 60])
@pytest.mark.parametrize("stale_after_s", [0.4, 1.0])
def test_silence_is_noticed_at_the_next_step(clock: Clock, fps: int, stale_after_s: float) -> None:
    silent_from_s = 2.05
    cameras: dict[str, LiveCamera] = {"a": Camera(clock, fps), "b": Silent(clock, fps, silent=(silent_from_s, 99))}
    episode = record(
        Recorder(clock), cameras, fps=Fraction(fps), duration_s=9.0, on_stale="stop", stale_after_s=stale_after_s
    )
    assert episode.stale == "b"
    last_frame_s = int(silent_from_s * fps + 1e-6) / fps
    noticed_s = clock.now_s - 1000 - last_frame_s
    assert stale_after_s < noticed_s <= stale_after_s + 1 / fps + 1e-6 <= stale_after_s + 0.2 + 1e-6


def test_steps_of_a_pause_are_recorded_when_the_camera_comes_back(clock: Clock) -> None:
    recorder = Recorder(clock)
    cameras: dict[str, LiveCamera] = {"a": Camera(clock, 10), "b": Silent(clock, 10, silent=(1.05, 1.85))}
    episode = record(recorder, cameras, duration_s=3.0)
    assert (episode.stale, episode.steps, episode.repeated) == (None, 30, {"a": 0, "b": 8})
    assert recorder.shown("a") == list(range(30))
    assert recorder.shown("b") == [*range(11), *[10] * 8, *range(19, 30)]


def test_held_steps_are_recorded_a_few_at_a_time(clock: Clock) -> None:
    recorder = Recorder(clock)
    record(recorder, {"b": Silent(clock, 10, silent=(1.05, 1.85))}, duration_s=3.0)
    assert max(recorder.times.count(time) for time in recorder.times) == 2


def test_slower_camera_is_repeated_and_not_stale(clock: Clock) -> None:
    recorder = Recorder(clock)
    cameras: dict[str, LiveCamera] = {"a": Camera(clock, 30), "b": Silent(clock, 10, silent=(99, 99))}
    episode = record(recorder, cameras, fps=30, duration_s=2.0)
    assert (episode.stale, episode.steps, episode.repeated) == (None, 60, {"a": 0, "b": 40})
    assert recorder.shown("b") == [step // 3 for step in range(60)]


def test_stale_camera_can_be_repeated(clock: Clock) -> None:
    recorder = Recorder(clock)
    cameras: dict[str, LiveCamera] = {"b": Silent(clock, 10, silent=(1.05, 99))}
    episode = record(recorder, cameras, duration_s=4.0, on_stale="continue")
    assert (episode.stale, episode.steps, episode.repeated) == (None, 40, {"b": 29})


def test_repeats_of_a_camera_that_then_fails_are_not_recorded(clock: Clock) -> None:
    class Failing(Silent):
        def latest(self) -> CapturedFrame:
            if self.clock.now_s - self.start_s > 0.95:
                raise CameraEndedError("the end", source="test", frames_read=6)
            return super().latest()

    recorder = Recorder(clock)
    cameras: dict[str, LiveCamera] = {"a": Camera(clock, 10), "b": Failing(clock, 10, silent=(0.55, 99))}
    episode = record(recorder, cameras, duration_s=3.0)
    assert isinstance(episode.failure, CameraEndedError)
    assert recorder.shown("a") == recorder.shown("b") == list(range(6))


class Swapped(dict[str, LiveCamera]):
    """Cameras of which ``b`` fails, and is another one after some calls of `reopen`."""

    def __init__(self, clock: Clock, *, after: int) -> None:
        super().__init__(a=Camera(clock, 10), b=Camera(clock, 10, frames=5))
        self.clock, self.after, self.calls = clock, after, 0

    def reopen(self, name: str) -> bool:
        self.calls += 1
        if self.calls == self.after:
            self["b"] = Camera(self.clock, 10)
        return self.after > 0


def test_camera_that_comes_back_is_recorded_again_within_the_episode(clock: Clock) -> None:
    recorder, cameras = Recorder(clock), Swapped(clock, after=7)
    episode = record(recorder, cameras, duration_s=2.0, on_stale="continue", reopen=cameras.reopen)
    assert (episode.failure, episode.steps, episode.repeated) == (None, 20, {"a": 0, "b": 7})
    assert recorder.shown("b") == [0, 1, 2, 3, 4, *[4] * 7, *range(1, 9)]
    assert [step for step, names in episode.repeats if names == ["b"]] == list(range(5, 12))


@pytest.mark.parametrize(("on_stale", "after"), [("stop", 7), ("discard", 7), ("continue", 0)])
def test_failed_camera_ends_the_episode_unless_it_may_come_back(clock: Clock, on_stale: str, after: int) -> None:
    cameras = Swapped(clock, after=after)
    episode = record(Recorder(clock), cameras, duration_s=2.0, on_stale=on_stale, reopen=cameras.reopen)
    assert (type(episode.failure), episode.steps) == (CameraEndedError, 5)


def test_steps_have_the_capture_times_of_their_frames(clock: Clock) -> None:
    cameras: dict[str, LiveCamera] = {"a": Camera(clock, 30), "b": Camera(clock, 4)}
    recorder = Recorder(clock)
    record(recorder, cameras, duration_s=0.6, on_stale="continue")
    assert recorder.captured_ms == [
        {"a": 100 * step, "b": time_ms} for step, time_ms in enumerate([0, 0, 0, 250, 250, 500])
    ]
    assert recorder.repeated == [[], ["b"], ["b"], [], ["b"], []]
