"""The command that `ffenc.video.writer.VideoWriter` starts, for showing it without starting it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from ffenc.config import VideoEncoderConfig
from ffenc.ffmpeg.binaries import Binaries
from ffenc.frames import FrameFormat
from ffenc.plan.encode import EncodePlan, RawFrames, plan_encode
from ffenc.video.selection import prepare


def plan_frames(
    output: Path,
    *,
    frames: FrameFormat,
    fps: Fraction,
    config: VideoEncoderConfig,
    encoder_threads: int | None,
    binaries: Binaries,
) -> EncodePlan:
    """Check and plan what a writer would do with frames of this format.

    Raises:
        FFencError: what the writer would raise.
    """
    prepared = prepare(config, binaries=binaries, frames=frames, fps=fps, encoder_threads=encoder_threads)
    return plan_encode(
        prepared.config,
        RawFrames(frames=frames, fps=fps),
        output,
        prepared.capabilities,
        encoder_threads=encoder_threads,
        device_node=prepared.device_node,
        selection=prepared.selection,
    )
