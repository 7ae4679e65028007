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
from ffenc.ffmpeg.process.ffmpeg_process import STALL_TIMEOUT_S
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.plan.audio import AudioChoice, describe_streams, plan_audio
from ffenc.plan.encode import EncodePlan, VideoClip, muxer_for
from ffenc.plan.frame_checks import bit_depth
from ffenc.plan.frame_stride import FrameStride
from ffenc.regular_files import file_path
from ffenc.video.clip import MeasuredClip, measure_clip
from ffenc.video.output import PendingFile, check_target
from ffenc.video.planning import plan_for
from ffenc.video.run import EncodeResult, run_plan
from ffenc.video.run_context import ProgressCallback, RunContext
from ffenc.video.undecodable import why_undecodable

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
    """Re-encode frames ``[start, end)`` of a clip, with timestamps from 0.

    Args:
        source: a clip with constant frame rate.
        output: ends in ``.mp4`` or ``.mov``; with ``overwrite`` it may be ``source``, which is unchanged until it is replaced.
        config: encoder settings; LeRobot's defaults if None.
        start: first frame, counted from 0; None means 0.
        end: frame after the last one; None means all.
        size: (width, height) to scale frames to; depth is not interpolated.
        thinning: keep every n-th frame of the complete clip, and divide the frame rate by n.
        key_frames: frames of the output, counted from 0, at which it can be cut later.  Only the first 8000 are passed on.
            librav1e, FFV1 and SVT-AV1 before 3 ignore them, with a warning.  With any other encoder a missing one is an
            `OutputError`.
        audio: ``"keep"`` or ``"drop"``; a clip with audio needs a choice.  All tracks are kept, from the first frame to the
            end of the last, padded with silence, and encoded as AAC (PCM stays PCM in MOV); see `ffenc.plan.audio`.
            Subtitles, data, further videos and chapters are always dropped.  ``other_streams`` of the result lists them.
        overwrite, encoder_threads, binaries, stall_timeout_s: see `VideoWriter`.
        progress: called with (frames encoded, frames in all) about twice a second, from another thread.

    Raises:
        InputError: not a constant-rate clip, depth with a pixel format of 8 bits, a range outside of it, audio without a
            choice or audio that AAC cannot hold.
        FFencError: see `VideoWriter`.  After any error the output does not exist.
    """
    context = RunContext(
        binaries=binaries or find_binaries(),
        encoder_threads=encoder_threads,
        stall_timeout_s=stall_timeout_s,
        progress=progress,
    )
    output = file_path(output, written=True)
    clip = measure_clip(source, binaries=context.binaries)
    plan_of = functools.partial(
        plan_reencode,
        output=output,
        config=config,
        start=start,
        end=end,
        size=size,
        thinning=thinning,
        key_frames=key_frames,
        audio=audio,
        encoder_threads=encoder_threads,
        binaries=context.binaries,
    )
    plan = plan_of(clip)
    check_target(output, overwrite=overwrite)
    with PendingFile(output, overwrite=overwrite) as pending:
        try:
            return run_plan(plan.writing_to(pending.path), pending, context)
        except (InputError, OutputError, ProbeError, ProcessError) as err:
            if is_disk_full(err):
                raise
            found = why_undecodable(clip, binaries=context.binaries)
            if found is not None:
                raise found from err
            again = plan_of(replace(clip, is_seekable=False))
            if again == plan:
                raise
            logger.warning("re-encoding %s after a seek failed; trying again from its start: %s", source, err)
        return run_plan(again.writing_to(pending.path), pending, context)


def plan_reencode(
    source: str | Path | MeasuredClip,
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
    """Return the command of `reencode_video` without running it; ``source`` can be a clip that was measured before."""
    binaries, output = binaries or find_binaries(), file_path(output, written=True)
    clip = source if isinstance(source, MeasuredClip) else measure_clip(source, binaries=binaries)
    _check_depth(clip.stream, config or VideoEncoderConfig())
    first, stop = _frame_range(clip, start, end)
    if thinning is not None:
        _check_stride(thinning, clip, whole=start is None and end is None, audio=audio)
    frames = (
        clip.select([(first, stop - first)]) if thinning is None else clip.select(thinning.runs, every=thinning.every)
    )
    if not all(0 <= number < frames.count for number in key_frames):
        raise InputError(
            f"key_frames {sorted(key_frames)} are not all within the {frames.count} frames of the output", path=output
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
    return plan_for(
        config,
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
        RunContext(binaries=binaries, encoder_threads=encoder_threads),
    )


def _check_depth(stream: VideoStreamInfo, config: VideoEncoderConfig) -> None:
    bits, kept = bit_depth(stream.pix_fmt), bit_depth(config.pix_fmt)
    if stream.channels == 1 and kept <= 8 < bits:
        raise InputError(
            f"{stream.path} has one channel of {bits} bits ({stream.pix_fmt}), which is depth; pix_fmt={config.pix_fmt} would "
            f"keep {kept} of them; encode it with DepthEncoderConfig, or another pix_fmt (--camera_encoder.pix_fmt)",
            path=stream.path,
        )


def _check_stride(stride: FrameStride, clip: MeasuredClip, *, whole: bool, audio: AudioChoice | None) -> None:
    path, before = clip.stream.path, 0
    for first, stop in stride.ranges:
        if not before <= first < stop <= clip.packets.count:
            raise InputError(
                f"frames [{first}, {stop}) of {path} are not an ascending range within [0, {clip.packets.count})",
                path=path,
            )
        before = stop
    if stride.every < 1 or not stride.ranges or not whole or audio == "keep":
        raise InputError(
            f"every n-th frame of {path} can be kept only without start, end and audio, and with n of 1 or more",
            path=path,
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
