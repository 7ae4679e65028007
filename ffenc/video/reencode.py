"""Re-encode a clip, or an exact range of its frames."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ffenc.config import VideoEncoderConfig
from ffenc.errors import InputError, OutputError, ProbeError, ProcessError, is_disk_full
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.frames import FrameFormat
from ffenc.plan.audio import AudioChoice, describe_streams, plan_audio
from ffenc.plan.encode import EncodePlan, VideoClip, muxer_for, plan_encode
from ffenc.plan.frame_stride import FrameStride
from ffenc.video.clip import MeasuredClip, measure_clip
from ffenc.video.output import PendingFile, check_target
from ffenc.video.run import EncodeResult, ProgressCallback, run_plan
from ffenc.video.selection import prepare
from ffenc.video.undecodable import why_undecodable
from ffenc.video.writer import STALL_TIMEOUT_S

logger = logging.getLogger(__name__)


def reencode_video(
    source: str | Path,
    output: str | Path,
    *,
    config: VideoEncoderConfig | None = None,
    start: int | None = None,
    end: int | None = None,
    size: tuple[int, int] | None = None,
    thinning: FrameStride | None = None,
    key_frames: Sequence[int] = (),
    audio: AudioChoice | None = None,
    overwrite: bool = False,
    encoder_threads: int | None = None,
    binaries: Binaries | None = None,
    stall_timeout_s: float = STALL_TIMEOUT_S,
    progress: ProgressCallback | None = None,
) -> EncodeResult:
    """Decode frames ``[start, end)`` of a clip and re-encode them, with timestamps from 0.

    Args:
        source: a clip with constant frame rate.
        output: ends in ``.mp4`` or ``.mov``; with ``overwrite`` it may be ``source``, which stays whole until it is replaced.
        config: encoder settings; LeRobot's defaults if None.
        start: first frame, counted from 0; None means 0.
        end: frame after the last one; None means all.
        size: (width, height) to scale the pictures to; depth takes the nearest pixel, never one between two.
        thinning: keep one frame out of so many of the whole clip; the rate becomes that much less.
        key_frames: frames of the output, counted from 0, at which it can be cut later on; only the first 8000 fit into a
            command.  librav1e, FFV1 and SVT-AV1 before 3 do not follow: a warning names the missing ones.  With any other
            encoder a missing one is an `OutputError`.
        audio: ``"keep"`` or ``"drop"``; a clip with audio needs a choice.  All tracks are kept, from the first frame to the
            end of the last, padded with silence, and encoded as AAC (PCM stays PCM in MOV); see `ffenc.plan.audio`.
            Subtitles, data, further videos and chapters are always dropped.  The result says what became of each stream.
        overwrite, encoder_threads, binaries, stall_timeout_s: see `VideoWriter`.
        progress: called with (frames encoded, frames in all) about twice a second, from another thread.

    Raises:
        InputError: not a constant-rate clip, a range outside of it, audio without a choice or audio that AAC cannot hold.
        FFencError: see `VideoWriter`.  In every case there is no output then.
    """
    binaries = binaries or find_binaries()
    output = Path(output)
    clip = measure_clip(source, binaries=binaries)
    plan_of = functools.partial(
        _plan,
        output=output,
        config=config,
        start=start,
        end=end,
        size=size,
        thinning=thinning,
        key_frames=key_frames,
        audio=audio,
        encoder_threads=encoder_threads,
        binaries=binaries,
    )
    plan = plan_of(clip)
    check_target(output, overwrite=overwrite)
    with PendingFile(output, overwrite=overwrite) as pending:
        run = functools.partial(
            run_plan, pending=pending, binaries=binaries, stall_timeout_s=stall_timeout_s, progress=progress
        )
        try:
            return run(plan.writing_to(pending.path))
        except (InputError, OutputError, ProbeError, ProcessError) as err:
            if is_disk_full(err):
                raise
            found = why_undecodable(clip, binaries=binaries)
            if found is not None:
                raise found from err
            again = plan_of(replace(clip, is_seekable=False))
            if again == plan:
                raise
            logger.warning("re-encoding %s after a seek failed; trying again from its start: %s", source, err)
        return run(again.writing_to(pending.path))


def plan_reencode(
    source: str | Path,
    output: str | Path,
    *,
    config: VideoEncoderConfig | None = None,
    start: int | None = None,
    end: int | None = None,
    size: tuple[int, int] | None = None,
    thinning: FrameStride | None = None,
    key_frames: Sequence[int] = (),
    audio: AudioChoice | None = None,
    encoder_threads: int | None = None,
    binaries: Binaries | None = None,
) -> EncodePlan:
    """The command of `reencode_video`, without running it."""
    binaries = binaries or find_binaries()
    return _plan(
        measure_clip(source, binaries=binaries),
        output=Path(output),
        config=config,
        start=start,
        end=end,
        size=size,
        thinning=thinning,
        key_frames=key_frames,
        audio=audio,
        encoder_threads=encoder_threads,
        binaries=binaries,
    )


def _plan(
    clip: MeasuredClip,
    *,
    output: Path,
    config: VideoEncoderConfig | None,
    start: int | None,
    end: int | None,
    size: tuple[int, int] | None,
    thinning: FrameStride | None,
    key_frames: Sequence[int],
    audio: AudioChoice | None,
    encoder_threads: int | None,
    binaries: Binaries,
) -> EncodePlan:
    first, stop = _frame_range(clip, start, end)
    if thinning is not None:
        _check_thinning(thinning, clip, whole=start is None and end is None, audio=audio)
    frames = (
        clip.select([(first, stop - first)]) if thinning is None else clip.select(thinning.runs, every=thinning.every)
    )
    if not all(0 <= number < frames.count for number in key_frames):
        raise InputError(
            f"keyframes {sorted(key_frames)} are not within the {frames.count} frames of the output", path=output
        )
    width, height = size or clip.display_size
    fps = clip.stream.fps / frames.every
    sound = plan_audio(
        clip.stream,
        audio,
        muxer=muxer_for(output),
        first_s=clip.clock.time_s(0),
        start_s=frames.start_s,
        duration_s=frames.count / fps,
    )
    prepared = prepare(
        config or VideoEncoderConfig(),
        binaries=binaries,
        frames=FrameFormat(width=width, height=height),
        fps=fps,
        encoder_threads=encoder_threads,
    )
    return plan_encode(
        prepared.config,
        VideoClip(
            frames=frames,
            size=(width, height),
            fps=fps,
            audio=sound,
            other_streams=describe_streams(clip.stream, sound),
            scale_to=size,
            key_frames=tuple(sorted(set(key_frames))),
        ),
        output,
        prepared.capabilities,
        encoder_threads=encoder_threads,
        device_node=prepared.device_node,
        selection=prepared.selection,
    )


def _check_thinning(thinning: FrameStride, clip: MeasuredClip, *, whole: bool, audio: AudioChoice | None) -> None:
    path, before = clip.stream.path, 0
    for first, stop in thinning.ranges:
        if not before <= first < stop <= clip.packets.count:
            raise InputError(f"frames [{first}, {stop}) of {path} are no range of [0, {clip.packets.count})", path=path)
        before = stop
    if thinning.every < 1 or not thinning.ranges or not whole or audio == "keep":
        raise InputError(
            f"{path} can only be thinned as a whole, without audio, by a whole number from 1 on", path=path
        )


def _frame_range(clip: MeasuredClip, start: int | None, end: int | None) -> tuple[int, int]:
    count = clip.packets.count
    first = 0 if start is None else start
    stop = count if end is None else end
    if not 0 <= first < stop <= count:
        raise InputError(
            f"frames [{first}, {stop}) are not within {clip.stream.path}, which has frames [0, {count})",
            path=clip.stream.path,
        )
    return first, stop
