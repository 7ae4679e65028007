"""Plan the stream copy of one file into an MP4 or MOV with its index at the front."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from ffenc.plan.audio import AudioPlan, audio_input, audio_options
from ffenc.plan.encode import container_options
from ffenc.plan.graph import Option, ffmpeg_argv, file_input, file_url


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
    """Return the command that copies the video of ``source``, a fragmented MP4 or MOV, bit by bit.

    Args:
        source: the recording, complete or cut off between two fragments.
        fps: frame rate of both. It sets the duration of the last frame; without it, FFmpeg 4.2 hides that frame.
        fragmented: write fragments, see ``FRAGMENTS``.
        start_s: timestamp of the first frame, which becomes 0; None keeps timestamps.
        audio: audio to encode beside the video.
    """
    options: list[Option] = [("itsoffset", f"{-float(start_s):.6f}")] if start_s else []
    return ffmpeg_argv(
        ffmpeg,
        inputs=[file_input(source, "mov", *options)],
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
