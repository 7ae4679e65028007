"""One episode from live cameras: the newest frame of each, at exactly the dataset's rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol

from ffenc.errors import CameraError
from ffenc.frames import FrameRate, parse_frame_rate
from ffenc.video.live_camera import LiveCamera

_LONGEST_SLEEP_S = 0.05  # how soon a request to stop is noticed


class FrameTaker(Protocol):
    """What takes the steps of an episode: a `ffenc.dataset.recording.recorder.DatasetRecorder`."""

    def add_frame(self, frame: Mapping[str, Any], /) -> bool:
        """Take one step; False: it was dropped, and the recorder has noted it."""


@dataclass(slots=True, kw_only=True)
class LiveEpisode:
    """How an episode goes, kept up to date while it is recorded.

    Attributes:
        steps_wanted: ticks it is to have.
        steps: ticks so far; each either became a frame or is among the dropped.
        dropped: ticks that the recorder did not take, because an encoder was behind.
        late: ticks that came a whole frame or more after their time; the frame taken then is newer than its time.
        latest_s: the worst of them, in seconds behind its time.
        repeated: for each camera, ticks at which it had no newer frame than at the tick before.
        stopped: whether somebody ended it early.
        failure: the camera that ended it.
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
        """Frames that the recorder took."""
        return self.steps - self.dropped

    @property
    def left_s(self) -> float:
        """Time until its last tick."""
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

    A tick that is late is done all the same, and counted: the number of ticks depends on nothing but duration and
    rate.  When a camera fails, the episode ends with the ticks before; all of them are whole.

    Args:
        recorder: gets one frame of every camera, and the task, for every tick.
        cameras: started cameras by the name of their feature, e.g. ``observation.images.laptop``.
        task: what is being done.
        fps: frame rate of the dataset.
        duration_s: length of the episode in seconds.
        stop: asked before every tick, and at least 20 times a second; True ends the episode.
        on_tick: called after every tick.

    Raises:
        FFencError: the recorder failed.  A camera's error does not come out of here, see ``failure``.
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
    """Let time pass; whether all of it did, because nobody asked to stop."""
    return _wait_until(time.monotonic() + seconds, stop) is not None


def _wait_until(due: float, stop: Callable[[], bool]) -> float | None:
    """Sleep until then; by how many seconds it was missed, or None as soon as somebody asks to stop."""
    while not stop():
        left_s = due - time.monotonic()
        if left_s <= 0:
            return -left_s
        time.sleep(min(left_s, _LONGEST_SLEEP_S))
    return None
