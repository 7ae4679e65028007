"""Recorders with a common interface: nothing, a copy, PyAV, ffenc."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from control import Cameras, Footage, ffmpeg_pids, load, run_loop
from footage import frames_of
from machine import busy_cpu_s, thread_policies, wait_until_quiet
from measure import cost_of
from pyav_cameras import PyAVCameras
from settings import Settings

from ffenc import Binaries, FrameFormat, VideoEncoderConfig
from ffenc.streaming.encoder import StreamingVideoEncoder

EMPTY, COPY, PYAV, OURS = "nothing", "bare copy", "PyAV threads", "ffenc"
METHODS = (EMPTY, COPY, PYAV, OURS)

QUEUE_MAXSIZE = 30


@dataclass(frozen=True, kw_only=True)
class Case:
    """Cameras and their encoder.

    Attributes:
        cameras: how many, of 640x480.
        encoder: the same one for all.
        preset: LeRobot's default, or None for the encoder's own.
        threads: of each encoder; None leaves it to the encoder.
    """

    cameras: int
    encoder: str
    preset: int | None = None
    threads: int | None = None

    @property
    def name(self) -> str:
        """Return a label such as ``3 x libx264``."""
        threads = "" if self.threads is None else f", {self.threads} thread"
        return f"{self.cameras} x {self.encoder}{threads}"

    @property
    def config(self) -> VideoEncoderConfig:
        """Return LeRobot's settings: crf 30, g 2."""
        return VideoEncoderConfig(vcodec=self.encoder, preset=self.preset, crf=30, g=2)

    @property
    def options(self) -> dict[str, str]:
        """Return the options that LeRobot passes to PyAV (``configs/video.py``)."""
        options = {"crf": "30", "g": "2"} | ({} if self.preset is None else {"preset": str(self.preset)})
        if self.encoder == "libsvtav1":
            lp = "" if self.threads is None else f":lp={self.threads}"
            return options | {"svtav1-params": f"fast-decode=0{lp}"}
        return options | ({} if self.threads is None else {"threads": str(self.threads)})


@dataclass(frozen=True, kw_only=True)
class Job:
    """Measurement of a fresh process; it is pickled.

    Attributes:
        method: one of `METHODS`.
        case: cameras and their encoder.
        seconds: length of the loop.
        clip: the frames, in a ``.npy`` file.
        directory: for the videos.
        binaries: the executables.
        policy: what ffenc does when a queue is full; PyAV drops.
        patience_s: longest time to wait for the others on the machine to be quiet.
    """

    method: str
    case: Case
    seconds: float
    clip: Path
    directory: Path
    binaries: Binaries
    policy: str = "drop"
    patience_s: float = 0

    def fresh(self, number: int) -> Job:
        """Return a copy with its own directory."""
        directory = self.directory / f"{number:03d}-{self.method.replace(' ', '-')}"
        directory.mkdir(parents=True)
        return replace(self, directory=directory)


class Recorder(Protocol):
    """One episode of some cameras."""

    def feed(self, frames: Cameras) -> None:
        """Take one time step."""

    def dropped(self) -> int:
        """Return the number of dropped time steps (ffenc) or frames (PyAV)."""

    def finish(self) -> None:
        """End the episode on the control thread."""

    def wait(self) -> None:
        """Wait until the videos are complete."""


class _Nothing:
    def feed(self, frames: Cameras) -> None:
        pass

    def dropped(self) -> int:
        return 0

    def finish(self) -> None:
        pass

    def wait(self) -> None:
        pass


class _BareCopy(_Nothing):
    """Copy every frame into a ring buffer as long as the queues of the others."""

    def __init__(self, footage: Footage) -> None:
        shape = (QUEUE_MAXSIZE, footage.height, footage.width, 3)
        self._rings = {name: np.ones(shape, np.uint8) for name in footage.names}
        self._step = 0

    def feed(self, frames: Cameras) -> None:
        slot = self._step % QUEUE_MAXSIZE
        for name, frame in frames.items():
            np.copyto(self._rings[name][slot], frame)
        self._step += 1


class _PyAV(_Nothing):
    def __init__(self, job: Job, footage: Footage) -> None:
        self.cameras = PyAVCameras(
            footage.names,
            job.directory,
            encoder=job.case.encoder,
            options=job.case.options,
            width=footage.width,
            height=footage.height,
        )

    def feed(self, frames: Cameras) -> None:
        self.cameras.feed_frames(frames)

    def dropped(self) -> int:
        return self.cameras.dropped

    def finish(self) -> None:
        self.cameras.finish_episode()


class _Ours:
    def __init__(self, job: Job, footage: Footage) -> None:
        form = FrameFormat(width=footage.width, height=footage.height)
        self._encoder = StreamingVideoEncoder(
            30,
            camera_encoder=job.case.config,
            queue_maxsize=QUEUE_MAXSIZE,
            encoder_threads=job.case.threads,
            policy=job.policy,
            binaries=job.binaries,
        )
        self._encoder.start_episode(dict.fromkeys(footage.names, form), job.directory)
        self._handle: Any = None
        self.recording: Any = None

    def feed(self, frames: Cameras) -> None:
        self._encoder.feed_frames(frames)

    def dropped(self) -> int:
        return int(self._encoder.status().dropped)

    def finish(self) -> None:
        self._handle = self._encoder.finish_episode()

    def wait(self) -> None:
        self.recording = self._handle.wait()
        self._encoder.close()


def recorder_of(job: Job, footage: Footage) -> Any:
    """Return the recorder of a job, with a started episode."""
    if job.method == EMPTY:
        return _Nothing()
    if job.method == COPY:
        return _BareCopy(footage)
    return _PyAV(job, footage) if job.method == PYAV else _Ours(job, footage)


def measure_loop(job: Job) -> tuple[dict[str, float], str]:
    """Run a loop with one method in a fresh process; return its figures and the scheduling of all threads."""
    footage = Footage(job.clip, job.case.cameras)
    note: dict[str, float] = {"load": load()}
    policies: list[str] = []

    def work() -> None:
        before = time.perf_counter()
        recorder = recorder_of(job, footage)
        note["start_episode"] = 1000 * (time.perf_counter() - before)
        note.update(run_loop(lambda step: recorder.feed(footage.at(step)), job.seconds).note())
        pids = ["self", *ffmpeg_pids(job.binaries.ffmpeg)]
        policies.append(" | ".join(thread_policies(pid) for pid in pids))
        note["drops"] = recorder.dropped()
        before = time.perf_counter()
        recorder.finish()
        note["finish_episode"] = 1000 * (time.perf_counter() - before)
        recorder.wait()
        note["files complete after"] = 1000 * (time.perf_counter() - before)

    gc.collect()
    wait_until_quiet(job.patience_s)
    before = busy_cpu_s()
    cost = cost_of(work)
    note["CPU"] = cost.cpu_s
    note["others' CPU"] = 100 * (busy_cpu_s() - before - cost.cpu_s) / cost.wall_s
    return note, policies[0]


def clip_for(settings: Settings, *, count: int = 150) -> Path:
    """Write the footage once into a file that every fresh process loads."""
    path = settings.scratch / "clip.npy"
    if not path.exists():
        np.save(path, frames_of(settings.clip, count, 640, 480))
    return path
