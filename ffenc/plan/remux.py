"""The plan of a stream copy of one file into a plain MP4 with its index in front."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from ffenc.plan.audio import AudioPlan, audio_input, audio_options
from ffenc.plan.encode import container_options
from ffenc.plan.graph import VIDEO, Input, Option, ffmpeg_argv, file_url


def plan_remux(
    ffmpeg: Path,
    source: Path,
    output: Path,
    *,
    fps: Fraction,
    muxer: str,
    fragmented: bool = False,
    start_s: Fraction | None = None,
    audio: AudioPlan | None = None,
) -> tuple[str, ...]:
    """The command that copies the video of ``source``, a fragmented MP4 or MOV, bit by bit.

    Args:
        ffmpeg: the executable.
        source: what was recorded, whole or cut off between two fragments.
        output: the file to write.
        fps: frame rate of both; it moves no timestamp, but says how long the last frame is shown, which FFmpeg 4.2 forgets
            (and then hides that frame).
        muxer: container of both.
        fragmented: write fragments, see ``FRAGMENTS``.
        start_s: timestamp of the first frame, which becomes 0; None if it is the first of the file.
        audio: audio to write beside the video, encoded.
    """
    options: list[Option] = [("protocol_whitelist", "file"), ("f", "mov")]
    if start_s:
        options.append(("itsoffset", f"{-float(start_s):.6f}"))
    return ffmpeg_argv(
        ffmpeg,
        inputs=[Input(url=file_url(source), options=tuple(options), stream=VIDEO)],
        output=file_url(output),
        output_options=[
            ("c:v", "copy"),
            ("r", str(fps)),
            ("map_chapters", "-1"),
            *container_options(muxer, fragmented=fragmented),
            *audio_options(audio),
        ],
        audio=None if audio is None else audio_input(audio, source, "mov"),
        keep_timestamps=start_s is not None,
    )
