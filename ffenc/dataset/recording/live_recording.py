"""Record one episode from live cameras: the newest frame of each, at exactly the dataset's frame rate."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, Protocol, TypeAlias

from ffenc.errors import CameraError, CameraStalledError
from ffenc.frame_rate import FrameRate, parse_frame_rate
from ffenc.video.live_camera import CapturedFrame, LiveCamera

OnStale: TypeAlias = Literal["stop", "continue", "discard"]
"""What happens if a camera gives nothing new for a while: ``stop`` ends the episode at the last step at which every camera was
new; ``discard`` ends it and keeps none of it; ``continue`` repeats the newest frame."""

STALE_AFTER_S = 1.0
"""Time without a new frame after which a camera is stale."""

_LONGEST_SLEEP_S = 0.05  # longest time until a stop is noticed
_STEPS_AT_ONCE = 2  # most held steps that are recorded in one tick, so that they do not fill the queues of the encoders


class FrameTaker(Protocol):
    """Takes the steps of an episode, as `ffenc.dataset.recording.recorder.DatasetRecorder` does."""

    @property
    def add_frame(self) -> Callable[..., bool]:
        """Takes one step, and returns False if it was dropped."""


@dataclass(slots=True, kw_only=True)
class LiveEpisode:
    """Progress of an episode, updated while it is recorded.

    Attributes:
        steps_wanted: number of ticks to record.
        fps: frame rate.
        steps: recorded ticks so far; each one is a frame or a drop.
        dropped: ticks that the recorder dropped because an encoder was behind.
        late: ticks that came at least one frame period late; their frames are newer than their timestamps.
        latest_s: the largest delay of a late tick in seconds.
        repeated: for each camera, recorded ticks at which it had no newer frame than at the tick before.
        repeats: recorded ticks with a repeated frame, with the names of the cameras.
        spreads_s: for each tick, the time between the oldest and the newest of the cameras' frames, by their arrival.
        stopped: whether the caller stopped it early.
        stale: name of the camera that gave nothing new and thereby ended it; ``failure`` is then a `CameraStalledError`.
        failure: error of the camera that ended it.
    """

    steps_wanted: int
    fps: Fraction
    steps: int = 0
    dropped: int = 0
    late: int = 0
    latest_s: float = 0.0
    repeated: dict[str, int] = field(default_factory=dict)
    repeats: list[tuple[int, list[str]]] = field(default_factory=list)
    spreads_s: list[float] = field(default_factory=list)
    stopped: bool = False
    stale: str | None = None
    failure: CameraError | None = None

    @property
    def frames(self) -> int:
        """Number of frames that the recorder took."""
        return self.steps - self.dropped

    @property
    def left_s(self) -> float:
        """Seconds until the last tick."""
        return float((self.steps_wanted - self.steps) / self.fps)


def record_episode(
    recorder: FrameTaker,
    cameras: Mapping[str, LiveCamera],
    *,
    task: str,
    fps: FrameRate,
    duration_s: float,
    stop: Callable[[], bool] = lambda: False,
    on_tick: Callable[[LiveEpisode], None] = lambda _: None,
    on_stale: OnStale = "stop",
    stale_after_s: float = STALE_AFTER_S,
    reopen: Callable[[str], bool] = lambda _: False,
    with_capture_times: bool = False,
) -> LiveEpisode:
    """Record ``duration_s`` seconds: tick k at start + k/fps, on the clock of ``time.monotonic``.

    A late tick is recorded and counted, so the number of ticks depends only on duration and frame rate.  When a camera
    fails, the episode ends with the complete ticks before it.  Unless ``on_stale`` is ``continue``, ticks with a repeated
    frame are held until every camera has given a newer one, so that no frame of a camera that died is recorded.

    Args:
        recorder: gets one frame of every camera, and the task, for every tick.
        cameras: started cameras by the name of their feature, e.g. ``observation.images.laptop``.
        task: text of the task.
        fps: frame rate of the dataset.
        duration_s: length of the episode in seconds.
        stop: called before every tick, and at least 20 times a second; True ends the episode.
        on_tick: called after every tick.
        on_stale: what happens if a camera gives nothing new.
        stale_after_s: for how long, in seconds.
        reopen: called at every tick with the name of a camera that failed, if ``on_stale`` is ``continue``; True if it is being
            opened again.  Its newest frame is repeated until then.
        with_capture_times: give ``add_frame`` also the arrival of each frame, ``captured_ms``, in milliseconds since the first
            tick was due, and the cameras whose frame is ``repeated``.

    Raises:
        FFencError: the recorder failed.  The error of a camera is not raised, see ``failure``.
    """
    rate = parse_frame_rate(fps)
    episode = LiveEpisode(
        steps_wanted=max(1, round(Fraction(duration_s) * rate)),
        fps=rate,
        repeated=dict.fromkeys(cameras, 0),
    )
    start = time.monotonic()
    steps = _Steps(
        recorder,
        episode,
        task=task,
        names=tuple(cameras),
        start=start,
        holds=on_stale != "continue",
        with_capture_times=with_capture_times,
    )
    for step in range(episode.steps_wanted):
        behind_s = _wait_until(start + float(step / rate), stop)
        if behind_s is None:
            episode.stopped = True
            break
        try:
            captured = steps.newest(cameras, reopen)
        except CameraError as err:
            episode.failure = err
            break
        if behind_s * rate >= 1:
            episode.late += 1
            episode.latest_s = max(episode.latest_s, behind_s)
        oldest = min(captured, key=lambda name: captured[name].time_s)
        if on_stale != "continue" and time.monotonic() - captured[oldest].time_s > stale_after_s:
            episode.stale = oldest
            episode.failure = _stalled(cameras[oldest], stale_after_s)
            break
        arrivals = [newest.time_s for newest in captured.values()]
        episode.spreads_s.append(max(arrivals) - min(arrivals))
        steps.take(captured)
        on_tick(episode)
    steps.record_rest(only_certain=episode.failure is not None)
    return episode


class _Steps:
    """Time steps of an episode on their way to the recorder.

    Args:
        recorder: gets the steps.
        episode: its counts are updated.
        task: text of the task.
        names: names of the cameras.
        start: time of the first tick.
        holds: whether steps wait until every camera has given a newer frame.
        with_capture_times: see `record_episode`.
    """

    def __init__(
        self,
        recorder: FrameTaker,
        episode: LiveEpisode,
        *,
        task: str,
        names: tuple[str, ...],
        start: float,
        holds: bool,
        with_capture_times: bool,
    ) -> None:
        self._recorder = recorder
        self._with_capture_times = with_capture_times
        self._episode = episode
        self._task = task
        self._start = start
        self._holds = holds
        self._seen: dict[str, CapturedFrame] = {}
        self._new_at = dict.fromkeys(names, 0)  # the last step at which each camera had a new frame
        self._taken = 0
        self._held: deque[tuple[Mapping[str, CapturedFrame], list[str]]] = deque()

    def newest(self, cameras: Mapping[str, LiveCamera], reopen: Callable[[str], bool]) -> dict[str, CapturedFrame]:
        """Return the newest frame of every camera; the last one again if a camera failed and is being reopened.

        Raises:
            CameraError: a camera failed.
        """
        captured = {}
        for name in cameras:
            try:
                captured[name] = cameras[name].latest()
            except CameraError:
                if self._holds or name not in self._seen or not reopen(name):
                    raise
                captured[name] = self._seen[name]
        return captured

    def take(self, captured: Mapping[str, CapturedFrame]) -> None:
        """Add a step, and record steps that wait for nothing."""
        repeated = [name for name, newest in captured.items() if _is_same(newest, self._seen.get(name))]
        for name, newest in captured.items():
            if name not in repeated:
                self._new_at[name] = self._taken
            self._seen[name] = newest
        self._held.append((captured, repeated))
        self._taken += 1
        for _ in range(min(_STEPS_AT_ONCE, self._certain)):
            self._record_one()

    def record_rest(self, *, only_certain: bool) -> None:
        """Record the held steps, not faster than `take` does.

        Args:
            only_certain: leave out the steps after the last one at which every camera was new.
        """
        for number in range(self._certain if only_certain else len(self._held)):
            if number and number % _STEPS_AT_ONCE == 0:
                time.sleep(float(1 / self._episode.fps))
            self._record_one()

    @property
    def _certain(self) -> int:
        """Number of held steps that wait for no camera."""
        if not self._holds:
            return len(self._held)
        recorded = self._taken - len(self._held)
        return max(0, min(self._new_at.values()) + 1 - recorded)

    def _record_one(self) -> None:
        captured, repeated = self._held.popleft()
        if repeated:
            self._episode.repeats.append((self._episode.steps, repeated))
        frames = {name: newest.frame for name, newest in captured.items()}
        times_ms = {name: round((newest.time_s - self._start) * 1000) for name, newest in captured.items()}
        frame = {**frames, "task": self._task}
        capture = {"captured_ms": times_ms, "repeated": repeated} if self._with_capture_times else {}
        was_taken = self._recorder.add_frame(frame, **capture)
        self._episode.steps += 1
        self._episode.dropped += not was_taken
        for name in repeated:
            self._episode.repeated[name] += 1


def _stalled(camera: LiveCamera, stale_after_s: float) -> CameraError:
    what = f"camera {camera.name} sent nothing new for {stale_after_s:g} s"
    return CameraStalledError(what, source=camera.name, frames_read=camera.frames_read)


def _is_same(newest: CapturedFrame, seen: CapturedFrame | None) -> bool:
    # A camera that was opened again counts its frames from 0.
    return seen is not None and (newest.number, newest.time_s) == (seen.number, seen.time_s)


def wait_for(seconds: float, stop: Callable[[], bool]) -> bool:
    """Wait, and return False if ``stop`` ended the wait early."""
    return _wait_until(time.monotonic() + seconds, stop) is not None


def _wait_until(due: float, stop: Callable[[], bool]) -> float | None:
    """Sleep until ``due``, and return the delay in seconds, or None if ``stop`` ended the wait."""
    while not stop():
        left_s = due - time.monotonic()
        if left_s <= 0:
            return -left_s
        time.sleep(min(left_s, _LONGEST_SLEEP_S))
    return None
