"""The plan of a stream copy of one file into a plain MP4 with its index in front."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from ffenc.plan.encode import container_options
from ffenc.plan.graph import VIDEO, Input, ffmpeg_argv, file_url

# Where 4.2 guesses the frame rate from the first frames, it then finds no duration for the last one of some files (4 or 16
# frames), and the edit list that it writes hides it.
_READING = (("protocol_whitelist", "file"), ("fpsprobesize", "0"), ("f", "mov"))


def plan_remux(
    ffmpeg: Path, source: Path, output: Path, *, muxer: str, fps: Fraction | None = None, fragmented: bool = False
) -> tuple[str, ...]:
    """The command that copies the video of ``source``, a fragmented MP4 or MOV, bit by bit.

    Args:
        ffmpeg: the executable.
        source: what was recorded, whole or cut off between two fragments.
        output: the file to write.
        muxer: container of both.
        fps: frames per second, where it is known; 4.2 cannot tell how long the only frame of a file lasts.
        fragmented: write fragments, see ``FRAGMENTS``.
    """
    return ffmpeg_argv(
        ffmpeg,
        inputs=[Input(url=file_url(source), options=_READING, stream=VIDEO)],
        output=file_url(output),
        output_options=[
            ("c:v", "copy"),
            *([] if fps is None else [("r", str(fps))]),
            *container_options(muxer, fragmented=fragmented),
        ],
    )
