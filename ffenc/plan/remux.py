"""The plan of a stream copy of one file into a plain MP4 with its index in front."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from ffenc.plan.encode import container_options
from ffenc.plan.graph import VIDEO, Input, ffmpeg_argv, file_url


def plan_remux(
    ffmpeg: Path, source: Path, output: Path, *, fps: Fraction, muxer: str, fragmented: bool = False
) -> tuple[str, ...]:
    """The command that copies the video of ``source``, a fragmented MP4 or MOV, bit by bit.

    Args:
        ffmpeg: the executable.
        source: what was recorded, whole or cut off between two fragments.
        output: the file to write.
        fps: frame rate of both; it moves no time stamp, but says how long the last frame is shown, which FFmpeg 4.2 forgets
            (and then hides that frame).
        muxer: container of both.
        fragmented: write fragments, see ``FRAGMENTS``.
    """
    return ffmpeg_argv(
        ffmpeg,
        inputs=[Input(url=file_url(source), options=(("protocol_whitelist", "file"), ("f", "mov")), stream=VIDEO)],
        output=file_url(output),
        output_options=[("c:v", "copy"), ("r", str(fps)), *container_options(muxer, fragmented=fragmented)],
    )
