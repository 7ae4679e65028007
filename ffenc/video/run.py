"""Run one plan to the end and believe only what was read back."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from ffenc.encoders.table import find_encoder
from ffenc.errors import EncoderOptionError, InputError, OutputError, PixelFormatError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.encoder_report import find_report
from ffenc.ffmpeg.ffprobe import probe_video_and_packets
from ffenc.ffmpeg.process.child import Usage
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess, Finished
from ffenc.ffmpeg.process.priority import Priority
from ffenc.ffmpeg.process.progress import Progress
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.json_text import as_json
from ffenc.plan.clip_frames import MISSING_REFERENCE
from ffenc.plan.effective import compare_with_report
from ffenc.plan.encode import EncodePlan, VideoClip, frames_expected
from ffenc.plan.resolve import ResolvedEncoder
from ffenc.plan.selection import Selection
from ffenc.video.output import PendingFile, check_audio
from ffenc.video.stream_check import check_stream, missing_key_frames

logger = logging.getLogger(__name__)

ProgressCallback = Callable[[int, int | None], None]
"""Called with (frames done, frames in all or None)."""

# Exit status 0 and yet not what was asked: FFmpeg only writes a line about it.
_CHANGED_PICTURE = "Changing video frame properties on the fly"
_CHANGED_FORMAT = "Incompatible pixel format"
_SAID: set[str] = set()
_SILENT_LOSSES = (_CHANGED_PICTURE, _CHANGED_FORMAT, "has not been used for any stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeResult:
    """A video file that was written, read back and found right.

    Attributes:
        path: the file.
        frames: frames in it; as many as were given.
        fps: frames per second.
        size_bytes: size of the file.
        encoder: FFmpeg's encoder, its options, and the config as it took effect.
        stream: what was measured from the file.
        argv: the command that wrote it.
        usage: CPU time and memory of the ffmpeg process.
        other_streams: what became of each stream of the source that is not the video, such as ``"audio track 1 (opus, 48000
            Hz, stereo): encoded as aac"`` or ``"subtitle (subrip): dropped"``.
        selection: the encoders that were tried before this one was chosen, with their reasons; None where a software
            encoder was named.
    """

    path: Path
    frames: int
    fps: Fraction
    size_bytes: int
    encoder: ResolvedEncoder
    stream: VideoStreamInfo
    argv: tuple[str, ...]
    usage: Usage
    other_streams: tuple[str, ...] = ()
    selection: Selection | None = None

    @property
    def duration_s(self) -> Fraction:
        """Length of the video in seconds."""
        return self.frames / self.fps

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON values, as ``--json`` prints it and job records store it."""
        document: dict[str, Any] = as_json(self)
        encoder = document.pop("encoder")
        return {
            **document,
            "duration_s": float(self.duration_s),
            "encoder": encoder["name"],
            "encoder_options": dict(self.encoder.options),
            "config": encoder["config"],
        }


def start_plan(
    plan: EncodePlan,
    *,
    stdin: bool,
    stall_timeout_s: float,
    progress: ProgressCallback | None = None,
    priority: Priority = Priority(),  # noqa: B008  it is immutable
    kept_open: Sequence[int] = (),
) -> FFmpegProcess:
    """Start the plan's command, watching for the lines by which an encoder says that it ignored an option."""
    total = frames_expected(plan.source)

    def report(update: Progress) -> None:
        if progress is not None:
            progress(update.frame, total)

    made_up = MISSING_REFERENCE if isinstance(plan.source, VideoClip) else ()
    patterns = [re.compile(text) for text in (*plan.encoder.complaints, *_SILENT_LOSSES, *made_up)]
    return FFmpegProcess.start(
        plan.argv,
        stdin=stdin,
        stdout="progress",
        stall_timeout_s=stall_timeout_s,
        on_progress=report,
        stderr_errors=patterns,
        priority=priority,
        kept_open=kept_open,
    )


def run_plan(
    plan: EncodePlan,
    pending: PendingFile,
    binaries: Binaries,
    *,
    stall_timeout_s: float,
    progress: ProgressCallback | None = None,
) -> EncodeResult:
    """Run a plan that needs no frames from us, and check its file.

    Raises:
        ProcessError: ffmpeg failed, died or hung.
        EncoderOptionError: the encoder said that it ignored an option.
        OutputError: the file is not what was asked for.
    """
    say_reductions(plan.encoder)
    with start_plan(plan, stdin=False, stall_timeout_s=stall_timeout_s, progress=progress) as process:
        finished = process.finish()
        check_complaints(process, plan)
    return check_result(plan, pending, binaries, finished, frames=frames_expected(plan.source) or 0)


def check_complaints(process: FFmpegProcess, plan: EncodePlan) -> None:
    """Turn a line such as "Error parsing option ..." into an error; ffmpeg itself ends with status 0 after it.

    Raises:
        EncoderOptionError: the encoder ignored an option.
        PixelFormatError: ffmpeg chose another pixel format.
        InputError: a frame in the middle has another size or pixel format than the first; or the decoder of a clip made
            up a frame, because one that it refers to is missing.
    """
    if not process.stderr_matches:
        return
    line = process.stderr_matches[0].strip()
    name = plan.encoder.name
    if _CHANGED_PICTURE in line:
        width, height = plan.source.size
        raise InputError(
            f"not every frame has the size and pixel format of the first ({width}x{height}); ffmpeg would rescale the "
            "others, so make them alike first",
            path=plan.output,
        )
    if isinstance(plan.source, VideoClip) and any(text in line for text in MISSING_REFERENCE):
        path = plan.source.frames.path
        raise InputError(f"a frame of {path} refers to one that is missing or damaged; FFmpeg says: {line}", path=path)
    if _CHANGED_FORMAT in line:
        raise PixelFormatError(f"ffmpeg: {line}", pix_fmt=plan.encoder.feed_pix_fmt)
    raise EncoderOptionError(
        f"{name} of this FFmpeg did not take an option: {line}\ncommand: {plan}",
        option="extra_options",
        value=dict(plan.encoder.config.extra_options),
        encoder=name,
    )


def check_result(
    plan: EncodePlan, pending: PendingFile, binaries: Binaries, finished: Finished, *, frames: int
) -> EncodeResult:
    """Read the file back, compare it with the plan, and give it its name.

    Raises:
        OutputError: see `check_stream`; also a forced keyframe that is missing.
    """
    stream, packets = probe_video_and_packets(pending.path, binaries=binaries)
    check_stream(plan, stream, packets, frames=frames, path=pending.final)
    if isinstance(plan.source, VideoClip):
        check_audio(stream, plan.source.audio, path=pending.final)
    if missing := missing_key_frames(plan, packets):
        if plan.encoder.expected.follows_forced:
            raise OutputError(
                f"{plan.encoder.name} put no keyframe at {len(missing)} of the frames where one was forced (first: "
                f"{missing[0]}); {pending.final} was not written",
                path=pending.final,
            )
        logger.warning(
            "%s put no keyframe at %d of the frames of %s where one was wanted (first: %d); cuts there will encode "
            "the frames up to the next one again",
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
        other_streams=plan.source.other_streams if isinstance(plan.source, VideoClip) else (),
        selection=plan.selection,
    )


def say_reductions(encoder: ResolvedEncoder, *, once: bool = False) -> None:
    """Log one line for every extra option whose effective value is not the one given.

    Args:
        encoder: with its reductions.
        once: leave out what this process has logged already, for recordings of many episodes.
    """
    for sentence in encoder.reductions:
        if not once or sentence not in _SAID:
            logger.warning("%s", sentence)
        _SAID.add(sentence)


def _as_reported(encoder: ResolvedEncoder, path: Path) -> ResolvedEncoder:
    """Return the encoder with the settings that its library wrote into the stream, which may be others than those asked for."""
    spec = find_encoder(encoder.name)
    if spec is None or spec.report is None or not encoder.requests:
        return encoder
    report = find_report(path, spec.report)
    if report is None:
        return encoder
    reported = compare_with_report(encoder, spec, report)
    say_reductions(reported)
    return replace(reported, reductions=(*encoder.reductions, *reported.reductions))
