"""Record one episode from live cameras: the newest frame of each, at exactly the dataset's frame rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol

from ffenc.errors import CameraError
from ffenc.frame_rate import FrameRate, parse_frame_rate
from ffenc.video.live_camera import LiveCamera

_LONGEST_SLEEP_S = 0.05  # longest time until a stop is noticed


class FrameTaker(Protocol):
    """Takes the steps of an episode, as `ffenc.dataset.recording.recorder.DatasetRecorder` does."""

    def add_frame(self, frame: Mapping[str, Any], /) -> bool:
        """Take one step; False if the recorder dropped it."""


@dataclass(slots=True, kw_only=True)
class LiveEpisode:
    """Progress of an episode, updated while it is recorded.

    Attributes:
        steps_wanted: number of ticks to record.
        fps: frame rate.
        steps: ticks so far; each one is a frame or a drop.
        dropped: ticks that the recorder dropped because an encoder was behind.
        late: ticks that came at least one frame period late; their frames are newer than their timestamps.
        latest_s: the largest delay of a late tick in seconds.
        repeated: for each camera, ticks at which it had no newer frame than at the tick before.
        stopped: whether the caller stopped it early.
        failure: error of the camera that ended it.
    """

    steps_wanted: int
    fps: Fraction
    steps: int = 0
    dropped: int = 0
    late: int = 0
    latest_s: float = 0.0
    repeated: dict[str, int] = field(default_factory=dict)
    stopped: bool = False
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
) -> LiveEpisode:
    """Record ``duration_s`` seconds: tick k at start + k/fps, on the clock of ``time.monotonic``.

    A late tick is recorded and counted, so the number of ticks depends only on duration and frame rate.  When a camera
    fails, the episode ends with the complete ticks before it.

    Args:
        recorder: gets one frame of every camera, and the task, for every tick.
        cameras: started cameras by the name of their feature, e.g. ``observation.images.laptop``.
        task: text of the task.
        fps: frame rate of the dataset.
        duration_s: length of the episode in seconds.
        stop: called before every tick, and at least 20 times a second; True ends the episode.
        on_tick: called after every tick.

    Raises:
        FFencError: the recorder failed.  The error of a camera is not raised, see ``failure``.
    """
    rate = parse_frame_rate(fps)
    episode = LiveEpisode(
        steps_wanted=max(1, round(Fraction(duration_s) * rate)), fps=rate, repeated=dict.fromkeys(cameras, 0)
    )
    seen = dict.fromkeys(cameras, -1)
    start = time.monotonic()
    for step in range(episode.steps_wanted):
        behind_s = _wait_until(start + float(step / rate), stop)
        if behind_s is None:
            episode.stopped = True
            break
        try:
            captured = {name: camera.latest() for name, camera in cameras.items()}
        except CameraError as err:
            episode.failure = err
            break
        if behind_s * rate >= 1:
            episode.late += 1
            episode.latest_s = max(episode.latest_s, behind_s)
        for name, newest in captured.items():
            episode.repeated[name] += newest.number == seen[name]
            seen[name] = newest.number
        frames = {name: newest.frame for name, newest in captured.items()}
        was_taken = recorder.add_frame({**frames, "task": task})
        episode.steps += 1
        episode.dropped += not was_taken
        on_tick(episode)
    return episode


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
