"""A recording that is killed: ``python benchmarks/victim.py ROOT LOG ENCODER GOP SEED``, see `kills`.

It records episodes of numbered frames as long as it lives, now and then ends its dataset and goes on with it, and writes
down what it has been told so far.  What was written down survives a SIGKILL.
"""

from __future__ import annotations

import os
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))

from robot import create, row

from ffenc import FFencError, VideoEncoderConfig, find_binaries
from ffenc.dataset.recording.recorder import DatasetRecorder
from tests.footage import numbered_frame

CAMERAS = {"left": (96, 128), "right": (96, 128)}
QUEUE_MAXSIZE = 12
PACE_S = 1 / 120
"""Four times real time: more episodes per second, with an encoder that keeps up."""

FED, SAVING, SAVED, CLEARED, FAILED = range(5)

_RECORD = struct.Struct("<Biid")


@dataclass(frozen=True, kw_only=True)
class Event:
    """A line of the log.

    Attributes:
        kind: `FED` a time step was accepted, `SAVING` save_episode returned, `SAVED` its handle said that it is complete,
            `CLEARED` the episode was thrown away, `FAILED` an error came.
        episode: its number.
        step: the time step; for others the number of steps of the episode.
        time_s: by the system's monotonic clock, which all processes share.
    """

    kind: int
    episode: int
    step: int
    time_s: float


def read_log(path: Path) -> list[Event]:
    """Read all complete lines."""
    data = path.read_bytes()
    whole = data[: len(data) // _RECORD.size * _RECORD.size]
    return [Event(kind=k, episode=e, step=s, time_s=t) for k, e, s, t in _RECORD.iter_unpack(whole)]


def number_in_picture(episode: int, step: int, camera: int) -> int:
    """Return the number that a frame shows, 0 to 255."""
    return (step + 37 * episode + 101 * camera) % 256


def config_of(encoder: str, gop: int) -> VideoEncoderConfig:
    """Return the encoder of a victim."""
    return VideoEncoderConfig(vcodec=encoder, g=gop)


def main() -> None:
    """Record until killed."""
    root, log, encoder, gop, seed = sys.argv[1:]
    Victim(Path(root), Path(log), config_of(encoder, int(gop)), Random(int(seed))).run()


class Victim:
    """Records, and writes a log."""

    def __init__(self, root: Path, log: Path, config: VideoEncoderConfig, random: Random) -> None:
        self._root = root
        self._config = config
        self._random = random
        self._log = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._binaries = find_binaries(os.environ["FFENC_FFMPEG"], "none")
        self._options = {"encoder_queue_maxsize": QUEUE_MAXSIZE}
        self._episode = 0

    def run(self) -> None:
        """Record some episodes, finalize the dataset, and resume it."""
        recorder = create(self._root, CAMERAS, self._config, self._binaries, **self._options)
        try:
            while True:
                with recorder:
                    for _ in range(self._random.randint(1, 4)):
                        self._record(recorder)
                recorder = DatasetRecorder.resume(
                    self._root, camera_encoder=self._config, binaries=self._binaries, **self._options
                )
        except FFencError as err:
            self._tell(FAILED, self._episode, 0)
            print(f"{type(err).__name__}: {err}", file=sys.stderr)

    def _record(self, recorder: DatasetRecorder) -> None:
        number, steps = self._episode, self._random.randint(1, 90)
        for step in range(steps):
            frames: dict[str, Any] = {
                name: numbered_frame(number_in_picture(number, step, which), width=width, height=height)
                for which, (name, (height, width)) in enumerate(CAMERAS.items())
            }
            if recorder.add_frame(row(frames, episode=number, step=step)):
                self._tell(FED, number, step)
            time.sleep(PACE_S)
        self._episode += 1
        if self._random.random() < 0.1:
            recorder.clear_episode()
            self._tell(CLEARED, number, steps)
            return
        wait = self._random.random() < 0.3
        handle = recorder.save_episode(wait=wait)
        self._tell(SAVED if handle.done() else SAVING, number, steps)

    def _tell(self, kind: int, episode: int, step: int) -> None:
        os.write(self._log, _RECORD.pack(kind, episode, step, time.monotonic()))


if __name__ == "__main__":
    main()
