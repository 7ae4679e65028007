"""Prove that an encoder works here: encode a few frames with the real plan and check the file.

FFmpeg lists every encoder that was compiled in, whether it works or not.  Drivers are known to ignore the GOP size or the
bit rate, to pad the frame, to return a green, damaged or old frame, or to fail only in the second session.  ffmpeg then
exits with status 0.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.config import VideoEncoderConfig
from ffenc.encoders.table import device_of, find_encoder
from ffenc.errors import FFencError, InputError, OutputError, ProcessDiedError
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.ffprobe import probe_video_and_packets
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess
from ffenc.frames import FrameFormat
from ffenc.plan.encode import EncodePlan, RawFrames, plan_encode
from ffenc.threads import start_thread
from ffenc.video.clip import MeasuredClip
from ffenc.video.reader import VideoReader
from ffenc.video.run import check_complaints, start_plan
from ffenc.video.run_context import RunContext
from ffenc.video.similarity import find_wrong_frame
from ffenc.video.stream_check import check_stream

Frame = npt.NDArray[Any]

TRIAL_STALL_TIMEOUT_S = 10.0
"""Longest time without progress.  Some drivers hang instead of failing (seen: Vulkan on a software rasteriser)."""

TIME_LIMIT_S = 20.0
"""Longest time for all frames of a hardware trial.  Exceeding it proves nothing: the machine may be under load."""

SOFTWARE_TIME_LIMIT_S = 60.0
"""Longest time for a trial of software, whose slow presets take seconds per frame."""

MOST_FRAMES = 61
"""Frames of the longest trial: 2g + 1 for ``g=30``; one more than the GOP of drivers that ignore a longer ``g``."""

_FEWEST_FRAMES = 5
_FRAMES_WITHOUT_GOP = 10
_MOST_PIXELS = 120_000_000  # of all frames together; a trial of 3840x2160 takes 14 frames
_MOST_COMPARED = 6
_MOST_WAITING = 60  # further frames while an encoder of several cameras has not written a packet yet
_WAITING_STEP_S = 0.1
NO_DECODER = re.compile(r"[Dd]ecoder.*not found|[Nn]o decoder|doesn't support hardware accelerated")
"""Lines by which FFmpeg reports that it has no decoder; the last is its own AV1 decoder, which only drives hardware."""

# PSNR that every software encoder exceeds on `TrialScene`, measured from 64x64 to 640x480: at the coarse end of its crf
# range, and in the first 60 % of it.
_COARSE_DB, _FINE_DB, _FINE_UP_TO = 11.0, 21.0, 0.6


class TrialTooSlowError(FFencError):
    """A trial that made progress but exceeded its time limit."""


class TrialScene:
    """Frames that reveal faults: coloured tiles without symmetry that move diagonally.

    Args:
        frames: their format.
    """

    def __init__(self, frames: FrameFormat) -> None:
        self.frames = frames
        # Even steps, so that shared chroma samples move with the frame.
        side = min(frames.width, frames.height)
        tile = max(4, min(32, side // 6 // 2 * 2))
        self._period = 4 * tile
        self._step = max(2, tile * 3 // 16 // 2 * 2), max(2, tile * 7 // 16 // 2 * 2)  # down, right
        self._canvas = self._paint(tile)

    def frame(self, number: int) -> Frame:
        """Return frame ``number`` as an array of the format."""
        top, left = ((number * step) % self._period for step in self._step)
        height, width = self.frames.height, self.frames.width
        return np.ascontiguousarray(self._canvas[top : top + height, left : left + width])

    def _paint(self, tile: int) -> Frame:
        rng = np.random.default_rng(7)
        channels = self.frames.shape[2:]
        height, width = self.frames.height + self._period, self.frames.width + self._period
        rows, columns = -(-height // tile), -(-width // tile)
        brightness = rng.uniform(0.16, 0.84, (rows, columns))
        tiles = (
            brightness if not channels else brightness[..., None] + rng.uniform(-0.14, 0.14, (rows, columns, *channels))
        )
        canvas = tiles.repeat(tile, 0).repeat(tile, 1)[:height, :width]
        if channels == (4,):
            canvas[..., 3] = 1  # opaque: most formats have no alpha
        return (canvas.clip(0, 1) * self.frames.largest_sample).astype(self.frames.dtype)


def try_encoder(
    config: VideoEncoderConfig,
    source: RawFrames,
    context: RunContext,
    *,
    capabilities: Capabilities,
    device_node: str | None = None,
    cameras: int = 1,
) -> str:
    """Encode a few frames with the real plan and compare the file with what was sent.

    Args:
        config: the settings of the real job, with a named encoder.
        source: format and rate of the real frames.
        context: the executables and the number of threads of the real job.
        capabilities: of this FFmpeg, with the encoder's listing.
        cameras: encodes that have to work at the same time.

    Returns:
        What the trial proved, one sentence without a full stop.

    Raises:
        FFencError: the encoder does not work; `TrialTooSlowError` if it exceeded the time limit.
    """
    spec = find_encoder(config.vcodec)
    with tempfile.TemporaryDirectory(prefix="ffenc-trial-") as directory:
        suffix = spec.muxers[0] if spec else "mp4"
        plan = plan_encode(
            config,
            source,
            Path(directory) / f"trial-0.{suffix}",
            capabilities,
            encoder_threads=context.encoder_threads,
            device_node=device_node,
        )
        plans = [plan.writing_to(plan.output.with_name(f"trial-{number}.{suffix}")) for number in range(cameras)]
        scene = TrialScene(source.frames)
        trial = RunContext(binaries=context.binaries, stall_timeout_s=TRIAL_STALL_TIMEOUT_S)
        count = _encode(plans, scene, trial_length(plan), trial)
        sent = [scene.frame(number) for number in range(count)]
        proofs = [_check_file(each, sent, trial) for each in plans]
        return proofs[0]


def trial_length(plan: EncodePlan) -> int:
    """Return the number of frames of a trial: for hardware up to the third keyframe, unless that is too many."""
    g = plan.encoder.expected.g
    if not _is_hardware(plan):
        return _FEWEST_FRAMES  # no driver involved; the check after every encode covers the rest
    width, height = plan.source.size
    wanted = _FRAMES_WITHOUT_GOP if g is None else min(2 * g + 1, MOST_FRAMES)
    return max(_FEWEST_FRAMES, min(wanted, _MOST_PIXELS // (width * height)))


def _is_hardware(plan: EncodePlan) -> bool:
    return device_of(plan.encoder.name) is not None


def lowest_psnr_db(plan: EncodePlan) -> float:
    """Return the PSNR below which a frame of the trial is another frame, or far worse than requested."""
    spec, crf = find_encoder(plan.encoder.name), plan.encoder.config.crf
    if plan.encoder.expected.bits_per_s is not None:
        return _FINE_DB
    if spec is None or spec.quality is None or crf is None:
        return _COARSE_DB
    low, high = spec.quality.crf
    coarseness = max(0.0, ((crf - low) / (high - low) - _FINE_UP_TO) / (1 - _FINE_UP_TO))
    return _FINE_DB - coarseness * (_FINE_DB - _COARSE_DB)


def _encode(plans: Sequence[EncodePlan], scene: TrialScene, count: int, context: RunContext) -> int:
    """Encode the scene with every plan at the same time, and return the number of frames.

    No input ends before every encoder has given a packet, so that all of them are open at once.
    """
    with contextlib.ExitStack() as stack:
        processes: list[FFmpegProcess] = []
        limit_s = TIME_LIMIT_S if _is_hardware(plans[0]) else SOFTWARE_TIME_LIMIT_S
        watch = stack.enter_context(_time_limit(processes, limit_s))
        for plan in plans:
            process = start_plan(plan, context, stdin=True)
            processes.append(stack.enter_context(process))
        sent = 0
        while sent < count or (len(plans) > 1 and sent < count + _MOST_WAITING and not all(map(_has_begun, processes))):
            if sent >= count:
                time.sleep(_WAITING_STEP_S)
            frame = scene.frames.bytes_of(scene.frame(sent))
            for process in processes:
                process.write(frame)
            sent += 1
        for process, plan in zip(processes, plans, strict=True):
            process.finish()
            check_complaints(process, plan)
        watch()
    return sent


def _has_begun(process: FFmpegProcess) -> bool:
    return process.progress is not None and process.progress.frame > 0


@contextlib.contextmanager
def _time_limit(processes: Sequence[FFmpegProcess], limit_s: float) -> Iterator[Callable[[], None]]:
    """Abort the processes when the time is over; yield a function that ends the watch."""
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        for process in tuple(processes):
            process.abort()

    timer = threading.Timer(limit_s, expire)
    timer.daemon = True
    start_thread(timer)
    try:
        yield timer.cancel
    except ProcessDiedError as err:
        if expired.is_set():
            raise TrialTooSlowError(f"too slow now: not done after {limit_s:.0f} s; try again") from err
        raise
    finally:
        timer.cancel()
        timer.join()


def _check_file(plan: EncodePlan, sent: Sequence[Frame], context: RunContext) -> str:
    stream, packets = probe_video_and_packets(plan.output, binaries=context.binaries)
    check_stream(plan, stream, packets, frames=len(sent))
    _check_bit_rate(plan, 8 * packets.size_bytes * plan.fps / len(sent))
    assert isinstance(plan.source, RawFrames)
    form, key_frames = plan.source.frames, set(packets.keyframes)
    numbers = _frames_to_compare(packets.keyframes, len(sent))
    try:
        clip = MeasuredClip(stream=stream, packets=packets)
        reader = VideoReader(
            plan.output,
            layout=form.layout,
            method="process",
            clip=clip,
            binaries=context.binaries,
            stall_timeout_s=context.stall_timeout_s,
        )
        decoded = reader.frames(numbers)
    except ProcessDiedError as err:
        if NO_DECODER.search(err.stderr_tail):
            return f"its trial succeeded, but frames were not compared: this FFmpeg cannot decode {plan.encoder.codec}"
        raise OutputError(f"its stream cannot be decoded: {err.stderr_tail or err}", path=plan.output) from err
    except InputError as err:
        raise OutputError(damage_of(err), path=plan.output) from err
    for number, shown in zip(numbers, decoded, strict=True):
        wrong = find_wrong_frame(
            sent,
            shown,
            number,
            largest=form.largest_sample,
            lowest_db=lowest_psnr_db(plan),
            is_key_frame=number in key_frames,
        )
        if wrong:
            raise OutputError(f"{plan.encoder.name} encodes other frames than were sent: {wrong}", path=plan.output)
    return "its trial succeeded"


def damage_of(error: InputError) -> str:
    """Return what is wrong with a file that an encoder just wrote, without the advice for files of the user."""
    fault = str(error).partition("; ")[0]
    return "its stream is damaged: " + fault.removeprefix(f"{error.path}: ")


def _check_bit_rate(plan: EncodePlan, bits_per_s: Fraction) -> None:
    wanted = plan.encoder.expected.bits_per_s
    if wanted is not None and bits_per_s * 10 < wanted:
        raise OutputError(
            f"{plan.encoder.name} wrote {float(bits_per_s):.0f} bit/s instead of {wanted}", path=plan.output
        )


def _frames_to_compare(key_frames: Sequence[int], count: int) -> list[int]:
    """Return keyframes, the last frame, and the frames farthest from a keyframe, sorted."""
    numbers = [*key_frames[:3], count - 1, *(number - 1 for number in key_frames[1:3]), 1]
    return sorted({number for number in list(dict.fromkeys(numbers))[:_MOST_COMPARED] if 0 <= number < count})
