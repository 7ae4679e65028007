"""The benchmark measures the right speed for encoders of known speed."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from ffenc.bench.measure import time_sinks
from ffenc.errors import ProcessDiedError
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess, Finished

FRAME = np.zeros((32, 32, 3), np.uint8)
FRAMES = 20
Fake = Callable[..., list[str]]


class KnownEncoder:
    """Encoder that takes a frame, runs a step, and takes the next frame."""

    def __init__(self, command: list[str]) -> None:
        self.process = FFmpegProcess.start(command, stdin=True)

    def write(self, frame: np.ndarray, /) -> None:
        self.process.write(frame)

    def close(self) -> Finished:
        return self.process.finish()

    def abort(self) -> None:
        self.process.abort()


def steps(step: str, frames: int = FRAMES) -> list[str]:
    return [f"read:{FRAME.nbytes}", step] * frames


def timed(fake: Fake, *names: str, frames: int = FRAMES):
    opens = [lambda step=step: KnownEncoder(fake(*steps(step, frames))) for step in names]
    return time_sinks(opens, lambda: [FRAME] * frames)


def test_sleeping_encoder_has_expected_speed(fake: Fake):
    run = timed(fake, "sleep:0.05")
    assert FRAMES * 0.05 <= run.cost.wall_s < 2 * FRAMES * 0.05
    assert 10 < run.fps <= 20
    (camera,) = run.cameras
    assert camera.frames == FRAMES
    # Its pipe takes all frames at once, so what it has not slept through yet is counted as finishing.
    assert camera.feeding_s + camera.finishing_s == pytest.approx(run.cost.wall_s, abs=0.1)


def test_twice_the_frames_take_twice_as_long(fake: Fake):
    once, twice = (timed(fake, "sleep:0.05", frames=frames).cost.wall_s for frames in (FRAMES, 2 * FRAMES))
    assert twice - once == pytest.approx(FRAMES * 0.05, rel=0.35)


def test_cpu_time_of_child_doubles_with_work(fake: Fake):
    once, twice = (timed(fake, "busy:0.02", frames=frames) for frames in (FRAMES, 2 * FRAMES))
    used = [run.cameras[0].result.usage for run in (once, twice)]
    seconds = [usage.cpu_user_s + usage.cpu_system_s for usage in used]
    assert seconds[0] >= FRAMES * 0.02
    assert seconds[1] - seconds[0] == pytest.approx(FRAMES * 0.02, rel=0.35)
    assert once.cost.child_cpu_s == pytest.approx(seconds[0], abs=0.02)


def test_slowest_of_several_cameras_counts(fake: Fake):
    run = timed(fake, "sleep:0.01", "sleep:0.05", "sleep:0.01")
    assert 10 < run.fps <= 20
    assert run.cameras[0].feeding_s + run.cameras[0].finishing_s < run.cameras[1].feeding_s + run.cameras[1].finishing_s


def test_feeding_ends_at_time_limit(fake: Fake):
    run = time_sinks([lambda: KnownEncoder(fake("read-all"))], lambda: itertools.repeat(FRAME), seconds=0.3)
    assert 0.3 < run.cameras[0].feeding_s < 1.5
    assert run.cameras[0].frames > 1


def test_slow_trial_is_ended(fake: Fake, within):
    with within(5), pytest.raises(TimeoutError, match=r"not done after 0\.3 s"):
        time_sinks([lambda: KnownEncoder(fake("read-all", "sleep:60"))], lambda: [FRAME], limit_s=0.3)


def test_dead_encoder_is_an_error_and_others_end(fake: Fake):
    opens = [lambda: KnownEncoder(fake("exit:3")), lambda: KnownEncoder(fake("read-all"))]
    with pytest.raises(ProcessDiedError, match="3"):
        time_sinks(opens, lambda: [FRAME] * 200)
