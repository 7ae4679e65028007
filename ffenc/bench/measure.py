"""Encode what a trial says, and measure what recording feels.

Nothing of ours is in the way of what is measured: one thread per camera writes its frames as fast as its encoder takes
them, without a lock or a queue.  The children never get real-time priority (`ffenc.ffmpeg.process.priority`), which SVT-AV1 takes
as root and by which it would starve everything else, the clock that measures it included.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ffenc.bench.sweep import Trial
from ffenc.bench.timing import Cost, cost_of
from ffenc.config import DepthEncoderConfig
from ffenc.errors import OutputError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess
from ffenc.frames import FrameFormat
from ffenc.plan.encode import EncodePlan, RawFrames
from ffenc.threads import start_thread
from ffenc.video.planning import plan_for
from ffenc.video.run import EncodeResult
from ffenc.video.writer import VideoWriter

R_co = TypeVar("R_co", covariant=True)
Frames = Iterable[npt.NDArray[Any]]


class Sink(Protocol[R_co]):
    """What frames are written to: a `VideoWriter`, or in tests something whose speed is known."""

    def write(self, frame: npt.NDArray[Any], /) -> None:
        """Take one frame."""

    def close(self) -> R_co:
        """Take no more; returns when all is done."""

    def abort(self) -> None:
        """Give up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed(Generic[R_co]):
    """How one camera fared.

    Attributes:
        frames: written.
        feeding_s: from opening the sink until it had taken the last frame.
        finishing_s: from there until it was closed, its file read back and named.
        result: what closing it gave.
    """

    frames: int
    feeding_s: float
    finishing_s: float
    result: R_co


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed(Generic[R_co]):
    """All cameras of one run.

    Attributes:
        cost: of everything, from before the first sink was opened until the last was closed.
        cameras: each one.
    """

    cost: Cost
    cameras: tuple[Fed[R_co], ...]

    @property
    def fps(self) -> float:
        """Frames a second that every camera can count on: those of the slowest one."""
        return min(fed.frames / (fed.feeding_s + fed.finishing_s) for fed in self.cameras)


def time_sinks(
    opens: Sequence[Callable[[], Sink[R_co]]],
    frames: Callable[[], Frames],
    *,
    seconds: float | None = None,
    limit_s: float | None = None,
) -> Timed[R_co]:
    """Feed every sink in a thread of its own, all at once, as fast as they take it.

    Args:
        opens: opens a sink, one for each camera; that is measured too, as it is when an episode starts.
        frames: the frames, again for each camera.
        seconds: stop feeding after this time; None: after the last frame.
        limit_s: abort what is not done by then.

    Raises:
        FFencError: whatever a sink raised.
        TimeoutError: it took longer than ``limit_s``.
    """
    cameras = [_Camera(opens=one, frames=frames, seconds=seconds) for one in opens]

    def run() -> None:
        for camera in cameras:
            start_thread(camera)
        ends = None if limit_s is None else time.monotonic() + limit_s
        for camera in cameras:
            camera.join(None if ends is None else max(0.0, ends - time.monotonic()))
        if any(camera.is_alive() for camera in cameras):
            for camera in cameras:
                camera.abort()
            raise TimeoutError(f"not done after {limit_s} s")

    cost = cost_of(run)
    for camera in cameras:
        if camera.error is not None:
            raise camera.error
    return Timed(cost=cost, cameras=tuple(camera.fed for camera in cameras if camera.fed is not None))


class _Camera(threading.Thread, Generic[R_co]):
    """Feeds one sink, and notes when."""

    def __init__(self, *, opens: Callable[[], Sink[R_co]], frames: Callable[[], Frames], seconds: float | None) -> None:
        super().__init__(daemon=True)
        self._opens = opens
        self._frames = frames
        self._seconds = seconds
        self._sink: Sink[R_co] | None = None
        self.fed: Fed[R_co] | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.fed = self._feed()
        except BaseException as err:  # it is raised in the thread that asked
            self.error = err
            if self._sink is not None:
                self._sink.abort()

    def abort(self) -> None:
        if self._sink is not None:
            self._sink.abort()
        self.join()

    def _feed(self) -> Fed[R_co]:
        started = time.perf_counter()
        self._sink = sink = self._opens()
        count = 0
        for frame in self._frames():
            sink.write(frame)
            count += 1
            if self._seconds is not None and time.perf_counter() - started > self._seconds:
                break
        last = time.perf_counter()
        result = sink.close()
        return Fed(frames=count, feeding_s=last - started, finishing_s=time.perf_counter() - last, result=result)


def encode_trial(
    trial: Trial,
    directory: Path,
    *,
    binaries: Binaries,
    seconds: float | None = None,
    limit_s: float | None = None,
) -> Timed[EncodeResult]:
    """Encode the footage of a trial, once for every camera, into ``directory``.

    Args:
        trial: what to encode, and how.
        directory: gets ``camera-0.mp4`` and so on; other files of these names are replaced.
        binaries: the executables.
        seconds: as for `time_sinks`; the frames are played over and over then.
        limit_s: as for `time_sinks`.

    Raises:
        CapabilityError: this FFmpeg cannot do it.
        FFencError: it failed.
        TimeoutError: it took longer than ``limit_s``.
    """
    plan = plan_trial(trial, binaries=binaries)
    pictures, form = frames_to_feed(trial)

    def opener(number: int) -> Callable[[], VideoWriter]:
        def opened() -> VideoWriter:
            writer = VideoWriter(
                directory / f"camera-{number}.{plan.muxer}",
                fps=trial.footage.fps,
                config=trial.config,
                size=(form.width, form.height),
                layout=form.layout,
                overwrite=True,
                encoder_threads=trial.encoder_threads,
                binaries=binaries,
                cameras=trial.cameras,
            )
            writer.start()
            return writer

        return opened

    def frames() -> Frames:
        yield from pictures
        while seconds is not None:
            yield from pictures

    return time_sinks([opener(number) for number in range(trial.cameras)], frames, seconds=seconds, limit_s=limit_s)


def first_packet_s(trial: Trial, *, binaries: Binaries) -> float:
    """Seconds from the first frame, while frames come at the source's rate, until the encoder gives its first packet.

    The start of ffmpeg is in it, as it is when an episode starts.  The bare stream goes to a pipe here: a file's muxer
    would hold packets back.  Encoders look ahead, so for most of them this is a number of frames rather than a time.
    """
    plan = plan_trial(trial, binaries=binaries)
    pictures, form = frames_to_feed(trial)
    arrived: list[float] = []
    started = time.perf_counter()
    process = FFmpegProcess.start(_to_pipe(plan), stdin=True, stdout="data")

    def watch() -> None:
        if process.read_into(bytearray(1)):
            arrived.append(time.perf_counter())

    watcher = threading.Thread(target=watch, daemon=True)
    try:
        start_thread(watcher)
        for number, picture in enumerate(itertools.cycle(pictures)):
            due_s = started + float(number / trial.footage.fps) - time.perf_counter()
            if due_s > 0:
                watcher.join(timeout=due_s)
            if arrived or number > _LONGEST_LOOKAHEAD:
                break
            process.write(form.bytes_of(picture))
        if not arrived:
            process.end_input()
            watcher.join()
    finally:
        process.abort()
        watcher.join()
    if not arrived:
        raise OutputError(f"{plan.encoder.name} gave no packet for {_LONGEST_LOOKAHEAD} frames", path=plan.output)
    return arrived[0] - started


_LONGEST_LOOKAHEAD = 300
"""Frames; the longest seen is that of SVT-AV1 with slow presets, about 120."""


def _to_pipe(plan: EncodePlan) -> list[str]:
    """The same command with the bare stream on standard output, packet after packet as they come."""
    options, skip = [], 0
    for option, value in itertools.zip_longest(plan.argv[:-1], plan.argv[1:-1]):
        if skip:
            skip -= 1
        elif option in ("-progress", "-movflags"):
            skip = 1
        elif option == "-f" and value == plan.muxer:
            options += ["-flush_packets", "1", "-f", "rawvideo"]
            skip = 1
        else:
            options.append(option)
    return [*options, "pipe:1"]


def plan_trial(trial: Trial, *, binaries: Binaries) -> EncodePlan:
    """The command of one camera of a trial, into the container that its encoder prefers.

    Raises:
        CapabilityError: this FFmpeg cannot do it.
    """
    return plan_for(
        trial.config,
        RawFrames(frames=feed_format(trial), fps=trial.footage.fps),
        None,
        binaries=binaries,
        encoder_threads=trial.encoder_threads,
        cameras=trial.cameras,
    )


def feed_format(trial: Trial) -> FrameFormat:
    """What the encoder of a trial is fed with: the footage's own frames, or codes of its depths."""
    form, config = trial.footage.format, trial.config
    return replace(form, layout=config.layout) if isinstance(config, DepthEncoderConfig) else form


def frames_to_feed(trial: Trial) -> tuple[npt.NDArray[Any], FrameFormat]:
    """All frames as they are fed, and their form; depths are made codes beforehand."""
    frames, form, config = trial.footage.frames, feed_format(trial), trial.config
    if isinstance(config, DepthEncoderConfig) and config.quantizes:
        return np.stack([config.quantizer.quantize(frame) for frame in frames]), form
    return frames, form
