"""Copy the frames of a recording into a regular video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess
from ffenc.plan.audio import AudioPlan
from ffenc.plan.encode import muxer_for
from ffenc.plan.remux import plan_remux
from ffenc.video.run_context import RunContext


def copy_recording(
    source: Path,
    output: Path,
    context: RunContext,
    *,
    fps: Fraction,
    fragmented: bool = False,
    start_s: Fraction | None = None,
    audio: AudioPlan | None = None,
) -> None:
    """Copy the video of a recording bit by bit into a regular file with its index at the front, or into fragments.

    Args:
        source, output, fps, fragmented, start_s, audio: see `plan_remux`.

    Raises:
        ProcessError: ffmpeg failed, died or hung.
    """
    argv = plan_remux(
        context.binaries.ffmpeg,
        source,
        output,
        fps=fps,
        muxer=muxer_for(output),
        fragmented=fragmented,
        start_s=start_s,
        audio=audio,
    )
    with FFmpegProcess.start(
        argv, stdout="progress", stall_timeout_s=context.stall_timeout_s, priority=context.priority
    ) as process:
        process.finish()
