"""Run an encode plan, read its file back, and compare the file with the plan."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ffenc.encoders.table import find_encoder
from ffenc.errors import EncoderOptionError, InputError, OutputError, PixelFormatError
from ffenc.ffmpeg.encoder_report import find_report
from ffenc.ffmpeg.ffprobe import probe_video_and_packets
from ffenc.ffmpeg.process.child import Usage
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess, Finished
from ffenc.ffmpeg.process.progress import Progress
from ffenc.plan.clip_frames import MISSING_REFERENCE
from ffenc.plan.effective import compare_with_report
from ffenc.plan.encode import EncodePlan, VideoClip
from ffenc.plan.resolve import ResolvedEncoder
from ffenc.plan.selection import Selection
from ffenc.video.output import PendingFile, WrittenVideo, check_audio
from ffenc.video.run_context import RunContext
from ffenc.video.stream_check import check_stream, missing_key_frames

logger = logging.getLogger(__name__)

# FFmpeg reports these faults only by a line on standard error and exits with status 0.
_CHANGED_FRAME = "Changing video frame properties on the fly"
_CHANGED_FORMAT = "Incompatible pixel format"
_LOGGED: set[str] = set()
_SILENT_LOSSES = (_CHANGED_FRAME, _CHANGED_FORMAT, "has not been used for any stream")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EncodeResult(WrittenVideo):
    """An encoded video file, with as many frames as were given.

    Attributes:
        path, frames, fps, size_bytes, stream: see `WrittenVideo`.
        encoder: FFmpeg's encoder, its options, and the config as it took effect.
        argv: the command that wrote it.
        usage: CPU time and memory of the ffmpeg process.
        other_streams: outcome for each stream of the source that is not the video, such as ``"audio track 1 (opus, 48000
            Hz, stereo): encoded as aac"`` or ``"subtitle (subrip): dropped"``.
        selection: the encoders that were tried, each with its reason; None for a named software encoder.
    """

    encoder: ResolvedEncoder
    argv: tuple[str, ...]
    usage: Usage
    other_streams: tuple[str, ...] = ()
    selection: Selection | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON values, as ``--json`` prints it and job records store it."""
        document = WrittenVideo.to_json(self)
        encoder = document.pop("encoder")
        return {
            **document,
            "encoder": encoder["name"],
            "encoder_options": dict(self.encoder.options),
            "config": encoder["config"],
        }


def start_plan(plan: EncodePlan, context: RunContext, *, stdin: bool, kept_open: Sequence[int] = ()) -> FFmpegProcess:
    """Start the plan's command and watch standard error for lines that report an ignored option."""
    total = plan.source.count

    def report(update: Progress) -> None:
        if context.progress is not None:
            context.progress(update.frame, total)

    concealed = MISSING_REFERENCE if isinstance(plan.source, VideoClip) else ()
    patterns = [re.compile(text) for text in (*plan.encoder.complaints, *_SILENT_LOSSES, *concealed)]
    return FFmpegProcess.start(
        plan.argv,
        stdin=stdin,
        stdout="progress",
        stall_timeout_s=context.stall_timeout_s,
        on_progress=report,
        stderr_errors=patterns,
        priority=context.priority,
        kept_open=kept_open,
    )


def run_plan(plan: EncodePlan, pending: PendingFile, context: RunContext) -> EncodeResult:
    """Run a plan whose source ffmpeg reads itself, and check its file.

    Raises:
        ProcessError: ffmpeg failed, died or hung.
        EncoderOptionError: the encoder reported that it ignored an option.
        OutputError: the file differs from the plan.
    """
    log_reductions(plan.encoder)
    with start_plan(plan, context, stdin=False) as process:
        finished = process.finish()
        check_complaints(process, plan)
    return check_result(plan, pending, context, finished, frames=plan.source.count or 0)


def check_complaints(process: FFmpegProcess, plan: EncodePlan) -> None:
    """Raise an error for a line such as "Error parsing option ...", after which ffmpeg exits with status 0.

    Raises:
        EncoderOptionError: the encoder ignored an option.
        PixelFormatError: ffmpeg chose another pixel format.
        InputError: a frame has another size or pixel format than the first, or refers to a frame that is missing.
    """
    if not process.stderr_matches:
        return
    line = process.stderr_matches[0].strip()
    name = plan.encoder.name
    if _CHANGED_FRAME in line:
        width, height = plan.source.size
        raise InputError(
            f"not every frame has the size and pixel format of the first ({width}x{height}), and ffmpeg would rescale the "
            "others; convert them first",
            path=plan.output,
        )
    if isinstance(plan.source, VideoClip) and any(text in line for text in MISSING_REFERENCE):
        path = plan.source.frames.path
        raise InputError(f"a frame of {path} refers to one that is missing or damaged; FFmpeg says: {line}", path=path)
    if _CHANGED_FORMAT in line:
        raise PixelFormatError(f"ffmpeg: {line}", pix_fmt=plan.encoder.feed_pix_fmt)
    raise EncoderOptionError(
        f"{name} of this FFmpeg did not accept an option: {line}\ncommand: {plan}",
        option="extra_options",
        value=dict(plan.encoder.config.extra_options),
        encoder=name,
    )


def check_result(
    plan: EncodePlan, pending: PendingFile, context: RunContext, finished: Finished, *, frames: int
) -> EncodeResult:
    """Read the file back, compare it with the plan, and give it its name.

    Raises:
        OutputError: see `check_stream`; or a forced keyframe is missing.
    """
    stream, packets = probe_video_and_packets(pending.path, binaries=context.binaries)
    check_stream(plan, stream, packets, frames=frames, path=pending.final)
    if isinstance(plan.source, VideoClip):
        check_audio(stream, plan.source.audio, path=pending.final)
    if missing := missing_key_frames(plan, packets):
        if plan.encoder.expected.follows_forced:
            raise OutputError(
                f"{plan.encoder.name} wrote no keyframe at {len(missing)} of the frames where one was forced (first: "
                f"{missing[0]}); {pending.final} was not written",
                path=pending.final,
            )
        logger.warning(
            "%s wrote no keyframe at %d of the frames of %s where one was requested (first: %d); cuts there will re-encode "
            "the frames up to the next keyframe",
            plan.encoder.name,
            len(missing),
            pending.final,
            missing[0],
        )
    encoder = _as_reported(plan.encoder, pending.path)
    pending.commit()
    return EncodeResult(
        path=pending.final,
        frames=frames,
        fps=plan.fps,
        size_bytes=pending.final.stat().st_size,
        encoder=encoder,
        stream=replace(stream, path=pending.final.absolute()),
        argv=plan.argv,
        usage=finished.usage,
        other_streams=plan.source.other_streams,
        selection=plan.selection,
    )


def log_reductions(encoder: ResolvedEncoder, *, once: bool = False) -> None:
    """Log one line for every extra option whose effective value differs from the one given.

    Args:
        once: skip lines that this process has logged before, for recordings of many episodes.
    """
    for sentence in encoder.reductions:
        if not once or sentence not in _LOGGED:
            logger.warning("%s", sentence)
        _LOGGED.add(sentence)


def _as_reported(encoder: ResolvedEncoder, path: Path) -> ResolvedEncoder:
    """Return the encoder with the settings that its library wrote into the stream."""
    spec = find_encoder(encoder.name)
    if spec is None or spec.report is None or not encoder.requests:
        return encoder
    report = find_report(path, spec.report)
    if report is None:
        return encoder
    reported = compare_with_report(encoder, spec, report)
    log_reductions(reported)
    return replace(reported, reductions=(*encoder.reductions, *reported.reductions))
