"""Recommend settings for this machine under its current load: the first of a preset list whose trial keeps up."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ffenc.bench.measure import Timed, encode_trial
from ffenc.bench.reading import random_frame_ms
from ffenc.bench.rows import plain_fields
from ffenc.bench.sources import Footage, SourceSpec, materialise
from ffenc.bench.sweep import Trial
from ffenc.bench.timing import load_average
from ffenc.config import VideoEncoderConfig
from ffenc.encoders.preset_lists import PRESET_LISTS, Candidate, Use
from ffenc.encoders.table import auto_candidates
from ffenc.errors import CapabilityError, FFencError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.frame_rate import FrameRate, parse_frame_rate
from ffenc.frames import FrameFormat
from ffenc.plan.encode import RawFrames
from ffenc.streaming.encoder import StreamingVideoEncoder
from ffenc.video.proof_memory import remembered_proof
from ffenc.video.run import EncodeResult
from ffenc.video.run_context import RunContext
from ffenc.video.selection import examine_encoders, failed_proof, setup_of

BUDGET_S = 60.0
"""Time limit of a recommendation."""

TRIAL_S = 4.0
"""Seconds of feeding in a trial."""

MARGIN = 1.25
"""Required speed of a trial in multiples of real time; a robot needs the rest for other work."""

_FRAMES = 60
_READS = 40
_SLOWEST = 3.0  # a trial fails if it takes this many times longer than its feeding


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A config and the result of its trial.

    Attributes:
        fields: fields of the config.
        why: advantage of the config.
        realtime: speed of the slowest camera in multiples of real time; None if not measured.
        cpus: processors that all cameras together use; None if not measured.
        gb_per_hour: size of all cameras together, for similar footage; None if not measured.
        frame_ms: median time in which `VideoReader` reads one random frame of a camera, for training; None if not measured,
            or if this FFmpeg cannot decode it.
        refused: why it is not recommended; None for the recommended config.
    """

    fields: dict[str, Any]
    why: str
    realtime: float | None = None
    cpus: float | None = None
    gb_per_hour: float | None = None
    frame_ms: float | None = None
    refused: str | None = None

    @property
    def config(self) -> VideoEncoderConfig:
        """The config to record with."""
        return VideoEncoderConfig.model_validate(self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A recommendation.

    Attributes:
        chosen: the config that keeps up.
        tried: all tried configs, in order; the last one is ``chosen``.
        cameras, size, fps: the requested cameras.
        source: name of the footage.
        load: load average at the start of the trials.
        took_s: duration of all trials.
        unproven: hardware encoders that were tried and were never proven on this machine; see `prove_encoders`.
    """

    chosen: Tried
    tried: tuple[Tried, ...]
    cameras: int
    size: tuple[int, int]
    fps: str
    source: str
    load: float | None
    took_s: float
    unproven: tuple[str, ...] = ()


def recommend(
    *,
    cameras: int = 1,
    size: tuple[int, int] = (640, 480),
    fps: FrameRate = 30,
    use: Use = "training",
    source: Path | None = None,
    binaries: Binaries,
    budget_s: float = BUDGET_S,
    on_trial: Callable[[str], None] | None = None,
) -> Advice:
    """Try the configs of a preset list, the best first, until one keeps up.

    Args:
        cameras: number of cameras.
        size: (width, height) of each camera.
        fps: frame rate of each camera.
        use: purpose of the videos.
        source: a clip to try on; None uses a synthetic scene with sensor noise, which is harder than most.
        binaries: the executables.
        budget_s: time limit of all trials.
        on_trial: called with the settings of the next trial.

    Raises:
        CapabilityError: nothing keeps up; the message lists the trials and what to change.
        FFencError: the clip cannot be read.
    """
    started, load = time.monotonic(), load_average()
    named = {"synthetic": "moving_texture"} if source is None else {"clip": source}
    spec = SourceSpec.model_validate({**named, "size": size, "fps": str(parse_frame_rate(fps)), "frames": _FRAMES})
    tried: list[Tried] = []
    unproven: list[str] = []
    with tempfile.TemporaryDirectory(prefix="ffenc-recommend-") as directory:
        footage = materialise(spec, Path(directory), binaries=binaries)
        for candidate, doubt in _expanded(PRESET_LISTS[use], footage, cameras, binaries, unproven):
            if doubt is not None:
                tried.append(Tried(fields=dict(candidate.fields), why=candidate.why, refused=doubt))
                continue
            left_s = budget_s - (time.monotonic() - started)
            trial = Trial(fields=candidate.fields, encoder_threads=None, cameras=cameras, footage=footage)
            if left_s < TRIAL_S / 2:
                tried.append(
                    Tried(
                        fields=dict(candidate.fields),
                        why=candidate.why,
                        refused="not tried: the time limit was reached",
                    )
                )
                continue
            if on_trial is not None:
                on_trial(plain_fields(candidate.fields))
            seconds = min(TRIAL_S, left_s / _SLOWEST)
            one = _try(trial, candidate, Path(directory), binaries, seconds, is_read=use == "training")
            tried.append(one)
            if one.refused is None:
                return Advice(
                    chosen=one,
                    tried=tuple(tried),
                    cameras=cameras,
                    size=size,
                    fps=str(footage.fps),
                    source=footage.name,
                    load=load,
                    took_s=round(time.monotonic() - started, 1),
                    unproven=tuple(dict.fromkeys(unproven)),
                )
    raise CapabilityError(_nothing(tried, cameras, size, str(footage.fps), load))


def _expanded(
    candidates: tuple[Candidate, ...], footage: Footage, cameras: int, binaries: Binaries, unproven: list[str]
) -> Iterator[tuple[Candidate, str | None]]:
    """Yield the candidates, those for hardware once for each hardware encoder that works here, and why not to try them.

    Names of hardware encoders that were never proven on this machine are appended to ``unproven``.
    """
    form = FrameFormat(width=footage.format.width, height=footage.format.height)
    source = RawFrames(frames=form, fps=footage.fps)
    for candidate in candidates:
        if not candidate.is_hardware:
            yield candidate, None
            continue
        rows = auto_candidates(sys.platform)
        config = VideoEncoderConfig.model_validate(candidate.fields)
        context = RunContext(binaries=binaries)
        for row, examined in zip(
            rows, examine_encoders(config, source, context, cameras=cameras, encoders=rows), strict=True
        ):
            if not examined.works:
                continue
            setup = setup_of(row, binaries, device=examined.device_node)
            if remembered_proof(setup) is None:
                unproven.append(row.name)
            named = Candidate(fields={"vcodec": row.name, **candidate.fields}, why=candidate.why)
            yield named, failed_proof(setup, config, context, cameras=cameras)


def _try(
    trial: Trial, candidate: Candidate, directory: Path, binaries: Binaries, seconds: float, *, is_read: bool
) -> Tried:
    fields, why = dict(candidate.fields), candidate.why
    try:
        timed = encode_trial(trial, directory, binaries=binaries, seconds=seconds, limit_s=seconds * _SLOWEST)
    except TimeoutError:
        refused = f"less than {1 / _SLOWEST:.2f} times real time: it was stopped after {seconds * _SLOWEST:.0f} s"
        return Tried(fields=fields, why=why, refused=refused)
    except FFencError as err:
        return Tried(fields=fields, why=why, refused=str(err).splitlines()[0])
    tried = _judged(timed, trial, fields, why)
    if tried.refused is not None or not is_read:
        return tried
    try:
        frame_ms = random_frame_ms(timed.cameras[0].result.path, binaries=binaries, requests=_READS)
    except FFencError:  # training may run on another machine, with another FFmpeg
        return tried
    return replace(tried, frame_ms=round(frame_ms, 2))


def _judged(timed: Timed[EncodeResult], trial: Trial, fields: dict[str, Any], why: str) -> Tried:
    fps = float(trial.footage.fps)
    frames = sum(fed.frames for fed in timed.cameras)
    size_bytes = sum(fed.result.size_bytes for fed in timed.cameras)
    realtime = timed.fps / fps
    return Tried(
        fields=fields,
        why=why,
        realtime=round(realtime, 2),
        cpus=round(timed.cost.cpu_s / frames * fps * trial.cameras, 2),
        gb_per_hour=round(size_bytes / frames * fps * 3600 * trial.cameras / 1e9, 2),
        refused=f"{realtime:.2f} times real time; {MARGIN} is needed" if realtime < MARGIN else None,
    )


def _nothing(tried: list[Tried], cameras: int, size: tuple[int, int], fps: str, load: float | None) -> str:
    lines = [f"  {plain_fields(one.fields)}: {one.refused}" for one in tried]
    busy = (
        "" if load is None or load < 0.5 else f" The load average was {load:.1f}: stop other programs, and try again."
    )
    remedy = (
        "Use fewer cameras, smaller frames or a lower rate, a machine with more processors or a hardware encoder, or record "
        f"with streaming_encoding=false, which encodes after the episode.{busy}"
    )
    asked = f"{cameras} cameras of {size[0]}x{size[1]} at {fps} frames a second"
    return "\n".join([f"nothing keeps up with {asked} on this machine:", *lines, remedy])


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """Result of a recording with the recommended settings, at the rate of the cameras.

    Attributes:
        seconds: duration.
        steps: number of time steps.
        dropped: number of dropped steps.
        latest_ms: 99th percentile of the delay of a step in a control loop.
        finish_s: time from the last frame until every file was checked.
        gb_per_hour: measured size.
    """

    seconds: float
    steps: int
    dropped: int
    latest_ms: float
    finish_s: float
    gb_per_hour: float


def confirm(advice: Advice, *, seconds: float, source: Path | None, binaries: Binaries) -> Confirmation:
    """Record with the recommended settings at the rate of the cameras, and count dropped steps.

    Args:
        advice: the recommendation.
        seconds: duration of the recording.
        source: the clip of the recommendation.
        binaries: the executables.

    Raises:
        FFencError: the recording failed.
    """
    named = {"synthetic": "moving_texture"} if source is None else {"clip": source}
    spec = SourceSpec.model_validate({**named, "size": advice.size, "fps": advice.fps, "frames": _FRAMES})
    names = [f"camera-{number}" for number in range(advice.cameras)]
    with tempfile.TemporaryDirectory(prefix="ffenc-recommend-") as directory:
        footage = materialise(spec, Path(directory), binaries=binaries)
        frames, late_ms = footage.frames, []
        steps = round(seconds * float(footage.fps))
        with StreamingVideoEncoder(
            footage.fps, camera_encoder=advice.chosen.config, policy="drop", binaries=binaries
        ) as encoder:
            encoder.start_episode(dict.fromkeys(names, footage.format), Path(directory) / "episode")
            started = time.perf_counter()
            for step in range(steps):
                due = started + step / float(footage.fps)
                time.sleep(max(0.0, due - time.perf_counter()))
                encoder.feed_frames(dict.fromkeys(names, frames[step % footage.count]))
                late_ms.append(1000 * (time.perf_counter() - due))
            ended = time.perf_counter()
            recording = encoder.finish_episode().wait()
        finish_s = time.perf_counter() - ended
        size_bytes = sum(camera.path.stat().st_size for camera in recording.cameras.values())
    recorded_s = recording.drop_log.recorded / float(footage.fps)
    return Confirmation(
        seconds=round(ended - started, 1),
        steps=steps,
        dropped=len(recording.drop_log.drops),
        latest_ms=round(float(np.percentile(late_ms, 99)), 1),
        finish_s=round(finish_s, 2),
        gb_per_hour=round(size_bytes / recorded_s * 3600 / 1e9, 2),
    )
