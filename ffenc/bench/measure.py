"""Encode a trial and measure its cost.

One thread per camera writes frames as fast as the encoder takes them, without a lock or a queue, so that only the encoding
is measured.  The children never get real-time priority (`ffenc.ffmpeg.process.priority`), which SVT-AV1
takes as root and which would starve everything else.
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
from ffenc.video.run_context import RunContext
from ffenc.video.writer import VideoWriter

R_co = TypeVar("R_co", covariant=True)
Frames = Iterable[npt.NDArray[Any]]


class Sink(Protocol[R_co]):
    """Takes frames: a `VideoWriter`, or in tests a sink of known speed."""

    def write(self, frame: npt.NDArray[Any], /) -> None:
        """Take a frame."""

    def close(self) -> R_co:
        """End the input, and return the result when all work is done."""

    def abort(self) -> None:
        """Stop without a result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed(Generic[R_co]):
    """Timing of one camera.

    Attributes:
        frames: number of frames written.
        feeding_s: time from opening the sink until it has taken the last frame.
        finishing_s: time from then until it is closed and its file is read back and named.
        result: return value of ``close``.
    """

    frames: int
    feeding_s: float
    finishing_s: float
    result: R_co


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed(Generic[R_co]):
    """Timing of a run of all cameras.

    Attributes:
        cost: cost from before the first sink opens until the last is closed.
        cameras: timing of each camera.
    """

    cost: Cost
    cameras: tuple[Fed[R_co], ...]

    @property
    def fps(self) -> float:
        """Frames per second of the slowest camera."""
        return min(fed.frames / (fed.feeding_s + fed.finishing_s) for fed in self.cameras)


def time_sinks(
    opens: Sequence[Callable[[], Sink[R_co]]],
    frames: Callable[[], Frames],
    *,
    seconds: float | None = None,
    limit_s: float | None = None,
) -> Timed[R_co]:
    """Feed all sinks at the same time, each in its own thread, as fast as they take frames.

    Args:
        opens: for each camera, a function that opens its sink. Opening is part of the measured time.
        frames: returns the frames of a camera.
        seconds: stop feeding after this time; None means after the last frame.
        limit_s: time limit of the run.

    Raises:
        FFencError: a sink failed.
        TimeoutError: the run took longer than ``limit_s``.
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
    """Feeds one sink and measures the times."""

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
        except BaseException as err:  # raised again in the calling thread
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
    """Encode the footage of a trial, once per camera, into ``directory``.

    Args:
        trial: footage and settings.
        directory: gets ``camera-0.mp4`` and so on; existing files are replaced.
        binaries: the executables.
        seconds: see `time_sinks`; the footage is repeated.
        limit_s: see `time_sinks`.

    Raises:
        CapabilityError: this FFmpeg cannot encode it.
        FFencError: the encode failed.
        TimeoutError: the encode took longer than ``limit_s``.
    """
    plan = plan_trial(trial, binaries=binaries)
    frames_fed, form = frames_to_feed(trial)

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
        yield from frames_fed
        while seconds is not None:
            yield from frames_fed

    return time_sinks([opener(number) for number in range(trial.cameras)], frames, seconds=seconds, limit_s=limit_s)


def first_packet_s(trial: Trial, *, binaries: Binaries) -> float:
    """Return the seconds from the first frame until the encoder's first packet, with frames at the source's rate.

    This includes the start of ffmpeg.  The raw stream is written to a pipe, because the muxer of a file would delay packets.
    For most encoders the delay is a number of frames (lookahead) rather than a time.
    """
    plan = plan_trial(trial, binaries=binaries)
    frames_fed, form = frames_to_feed(trial)
    arrived: list[float] = []
    started = time.perf_counter()
    process = FFmpegProcess.start(_to_pipe(plan), stdin=True, stdout="data")

    def watch() -> None:
        if process.read_into(bytearray(1)):
            arrived.append(time.perf_counter())

    watcher = threading.Thread(target=watch, daemon=True)
    try:
        start_thread(watcher)
        for number, frame in enumerate(itertools.cycle(frames_fed)):
            due_s = started + float(number / trial.footage.fps) - time.perf_counter()
            if due_s > 0:
                watcher.join(timeout=due_s)
            if arrived or number > _LONGEST_LOOKAHEAD:
                break
            process.write(form.bytes_of(frame))
        if not arrived:
            process.end_input()
            watcher.join()
    finally:
        process.abort()
        watcher.join()
    if not arrived:
        raise OutputError(f"{plan.encoder.name} returned no packet for {_LONGEST_LOOKAHEAD} frames", path=plan.output)
    return arrived[0] - started


_LONGEST_LOOKAHEAD = 300
"""Frames. The longest lookahead that was measured is about 120, for SVT-AV1 with slow presets."""


def _to_pipe(plan: EncodePlan) -> list[str]:
    """Change a command to write the raw stream to standard output and flush every packet."""
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
    """Plan the command of one camera of a trial, for the container that its encoder prefers.

    Raises:
        CapabilityError: this FFmpeg cannot encode it.
    """
    return plan_for(
        trial.config,
        RawFrames(frames=feed_format(trial), fps=trial.footage.fps),
        None,
        RunContext(binaries=binaries, encoder_threads=trial.encoder_threads),
        cameras=trial.cameras,
    )


def feed_format(trial: Trial) -> FrameFormat:
    """Return the format that the encoder of a trial gets: that of the footage, or depth codes."""
    form, config = trial.footage.format, trial.config
    return replace(form, layout=config.layout) if isinstance(config, DepthEncoderConfig) else form


def frames_to_feed(trial: Trial) -> tuple[npt.NDArray[Any], FrameFormat]:
    """Return all frames as the encoder gets them, and their format; depth is quantized in advance."""
    frames, form, config = trial.footage.frames, feed_format(trial), trial.config
    if isinstance(config, DepthEncoderConfig) and config.quantizes:
        return np.stack([config.quantizer.quantize(frame) for frame in frames]), form
    return frames, form
