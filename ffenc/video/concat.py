"""Concatenate clips by stream copy."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from ffenc.errors import ConcatError, ProcessDiedError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.mp4.sample_tables import read_mp4_index
from ffenc.ffmpeg.process.ffmpeg_process import STALL_TIMEOUT_S, FFmpegProcess
from ffenc.ffmpeg.process.progress import Progress
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.plan.concat import B_FRAMES, ConcatPlan, plan_concat
from ffenc.plan.encode import muxer_for
from ffenc.regular_files import file_path
from ffenc.video.clip import measure_clips, read_back
from ffenc.video.output import PendingFile, WrittenVideo, check_packets, check_target
from ffenc.video.run_context import ProgressCallback, RunContext

_TIMES_COLLIDE = "Non-monoton"  # "Non-monotonous DTS" up to FFmpeg 5.1, "Non-monotonic DTS" in 8.1 and 9.0
_CODEC_NOT_IN_CONTAINER = "codec not currently supported in container"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ConcatResult(WrittenVideo):
    """A joined video file.

    Attributes:
        path, frames, fps, size_bytes, stream: see `WrittenVideo`.
        clips: number of clips in it.
        offsets: number of each clip's first frame in the file.
    """

    clips: int
    offsets: tuple[int, ...]


def concat_videos(
    clips: Sequence[str | Path],
    output: str | Path,
    *,
    overwrite: bool = False,
    may_differ: Collection[str] = (),
    binaries: Binaries | None = None,
    stall_timeout_s: float = STALL_TIMEOUT_S,
    progress: ProgressCallback | None = None,
) -> ConcatResult:
    """Join clips by stream copy: packets are unchanged, and frame k is at exactly k/fps.

    Codec, profile, pixel format, size, frame rate, time base, extradata, colour and B-frames of all clips are compared
    before anything is written.  The packet count and timestamps of the file are checked afterwards.

    Args:
        clips: files in order; clips with audio are refused, because only video is copied.
        output: ends in ``.mp4`` or ``.mov``.
        overwrite: replace an existing file.
        may_differ: keys of `ffenc.plan.concat.AGREEMENT` that may differ.  The caller then has to decode the joined file,
            which is the only proof that it is right.
        binaries: the executables; found by `find_binaries` if None.
        stall_timeout_s: longest time without progress.
        progress: called with (frames copied, frames in all), from another thread.

    Raises:
        ConcatError: the clips differ, it has the values of each; or some are too short for the B-frames of the others.
        InputError: no clips, or a clip is damaged, has a variable frame rate or audio, or does not start at 0.
        OutputError: the joined file is wrong; it was removed.
    """
    binaries = binaries or find_binaries()
    output = file_path(output, written=True)
    muxer_for(output)
    check_target(output, overwrite=overwrite)
    measured = [(clip.stream, clip.packets.count) for clip in measure_clips(clips, binaries=binaries)]
    return join_measured(
        measured,
        output,
        RunContext(binaries=binaries, stall_timeout_s=stall_timeout_s, progress=progress),
        overwrite=overwrite,
        may_differ=may_differ,
    )


def join_measured(
    clips: Sequence[tuple[VideoStreamInfo, int]],
    output: Path,
    context: RunContext,
    *,
    overwrite: bool = False,
    may_differ: Collection[str] = (),
) -> ConcatResult:
    """Join clips as `concat_videos` does, given the stream and the number of frames of each."""
    counts = [count for _, count in clips]
    with (
        tempfile.TemporaryDirectory(prefix="ffenc-concat-") as directory,
        PendingFile(output, overwrite=overwrite) as pending,
    ):
        plan = plan_concat(
            context.binaries.ffmpeg,
            [stream for stream, _ in clips],
            counts,
            pending.path,
            list_path=Path(directory) / "list.ffconcat",
            paths=[nameable(stream.path, Path(directory), number) for number, (stream, _) in enumerate(clips)],
            muxer=muxer_for(output),
            may_differ=may_differ,
        )
        try:
            run_copy(plan, clips[0][0], context)
        except ProcessDiedError as err:
            if _TIMES_COLLIDE not in err.stderr_tail or B_FRAMES in may_differ:
                raise
            raise _too_short(clips) from err
        joined = read_back(pending.path, clips[0][0], binaries=context.binaries)
        check_packets(joined.packets, path=output, fps=plan.fps, frames=plan.frames)
        index = read_mp4_index(pending.path)
        if index is not None and not index.is_evenly_timed and B_FRAMES not in may_differ:
            raise _too_short(clips)
        pending.commit()
    return ConcatResult(
        path=output,
        clips=len(counts),
        frames=plan.frames,
        offsets=tuple(accumulate(counts[:-1], initial=0)),
        fps=plan.fps,
        size_bytes=output.stat().st_size,
        stream=replace(joined.stream, path=output.absolute()),
    )


def _too_short(clips: Sequence[tuple[VideoStreamInfo, int]]) -> ConcatError:
    """Return the error for clips too short for any B-frames, although ffprobe reports those of their settings.

    At the end of such a clip, decode times collide, or leave a gap that makes a frame too long.
    """
    shortest, frames = min(clips, key=lambda clip: clip[1])
    return ConcatError(
        "these clips cannot be joined by stream copy, because some are too short for the B-frames of the others; the shortest "
        f"is {shortest.path.name} with {frames} frame{'' if frames == 1 else 's'}; re-encode the clips without B-frames "
        "(ffenc reencode --camera_encoder.extra_options='{\"bf\": 0}')",
        path=shortest.path,
        disagreements={B_FRAMES: [clip.has_b_frames for clip, _ in clips]},
    )


def nameable(path: Path, directory: Path, number: int) -> Path:
    """Return a path that an ffconcat list can hold: the file's own, or a link in ``directory`` if it has a line break."""
    absolute = path.absolute()
    if str(absolute).isprintable():
        return absolute
    link = directory / f"{number:06d}.clip"
    link.symlink_to(absolute)
    return link


def run_copy(plan: ConcatPlan, clip: VideoStreamInfo, context: RunContext) -> None:
    """Write the list of a plan and run its command.

    Args:
        clip: the first clip that is copied.

    Raises:
        ConcatError: the output's container cannot hold the codec.
        ProcessError: ffmpeg failed, died or hung.
    """
    progress = context.progress

    def report(update: Progress) -> None:
        if progress is not None:
            progress(update.frame, plan.frames)

    plan.list_path.write_bytes(os.fsencode(plan.list_text))
    with FFmpegProcess.start(
        plan.argv, stdout="progress", stall_timeout_s=context.stall_timeout_s, on_progress=report
    ) as process:
        try:
            process.finish()
        except ProcessDiedError as err:
            if _CODEC_NOT_IN_CONTAINER not in err.stderr_tail:
                raise
            other = ".mp4" if plan.output.suffix.lower() == ".mov" else ".mov"
            raise ConcatError(
                f"{clip.path} is {clip.codec}, which a file named {plan.output.suffix} cannot hold; re-encode it first "
                f"(ffenc reencode), or name an output that ends in {other}",
                path=clip.path,
            ) from err
    if progress is not None:  # FFmpeg 7.0 counts no frames while it copies
        progress(plan.frames, plan.frames)
