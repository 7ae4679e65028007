"""The plan of a stream copy that joins clips: what has to agree, the list file, and exact durations."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

from ffenc.errors import ConcatError
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.plan.graph import VIDEO, Input, ffmpeg_argv, file_url

AGREEMENT: Mapping[str, Callable[[VideoStreamInfo], object]] = MappingProxyType(
    {
        "codec": lambda clip: clip.codec,
        "profile": lambda clip: clip.profile,
        "pixel format": lambda clip: clip.pix_fmt,
        "width": lambda clip: clip.width,
        "height": lambda clip: clip.height,
        "frame rate": lambda clip: clip.fps,
        "time base": lambda clip: clip.time_base,
        "codec tag": lambda clip: clip.codec_tag,
        "extradata": lambda clip: clip.extradata_hash,
        "B-frames": lambda clip: clip.has_b_frames,
        "colour range": lambda clip: clip.color_range,
        "colour matrix": lambda clip: clip.color_space,
        "colour primaries": lambda clip: clip.color_primaries,
        "colour transfer": lambda clip: clip.color_transfer,
        # FFmpeg adds 1:1 to a file that it joins.
        "pixel aspect": lambda clip: clip.sample_aspect_ratio or Fraction(1),
        "rotation": lambda clip: clip.rotation,
    }
)
"""What all clips of one stream copy must share.

FFmpeg joins clips that differ in any of these with exit status 0 on every build tested (4.2 to 9.0): the file then has
one header, that of the first clip, for all of them, and timestamps in its time base.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcatPlan:
    """A join that is known to be right if the clips hold what was measured.

    Attributes:
        argv: the command; it reads `list_path`.
        list_path: where the list has to be written.
        list_text: content of the list.
        output: the file it writes.
        frames: frames of all clips together.
        fps: their frame rate.
    """

    argv: tuple[str, ...]
    list_path: Path
    list_text: str
    output: Path
    frames: int
    fps: Fraction

    def __str__(self) -> str:
        """The command as one would type it into a shell."""
        return shlex.join(self.argv)


def check_agreement(clips: Sequence[VideoStreamInfo], *, may_differ: Collection[str] = ()) -> None:
    """Refuse clips that one stream cannot hold.

    Args:
        clips: what was measured of each.
        may_differ: properties, keys of `AGREEMENT`, that whoever asks proves in another way.

    Raises:
        ConcatError: with every property that differs and each clip's value.
    """
    disagreements = {
        name: [value_of(clip) for clip in clips]
        for name, value_of in AGREEMENT.items()
        if name not in may_differ and len({value_of(clip) for clip in clips}) > 1
    }
    if not disagreements:
        return
    lines = [f"  {name}: {_by_value(clips, values)}" for name, values in disagreements.items()]
    raise ConcatError(
        "these clips cannot be joined by stream copy, because they differ in:\n"
        + "\n".join(lines)
        + "\nre-encode the odd ones with the settings of the others (ffenc reencode)",
        path=clips[0].path,
        disagreements=disagreements,
    )


def _by_value(clips: Sequence[VideoStreamInfo], values: Sequence[object]) -> str:
    groups: dict[object, list[str]] = {}
    for clip, value in zip(clips, values, strict=True):
        groups.setdefault(value, []).append(clip.path.name)
    return "; ".join(
        f"{value if value is not None else 'unspecified'} in {names[0]}"
        + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        for value, names in groups.items()
    )


def plan_concat(
    ffmpeg: Path,
    clips: Sequence[VideoStreamInfo],
    frame_counts: Sequence[int],
    output: Path,
    *,
    list_path: Path,
    paths: Sequence[Path],
    muxer: str,
    may_differ: Collection[str] = (),
) -> ConcatPlan:
    """Plan the join of clips that agree.

    Args:
        ffmpeg: the executable.
        clips: what was measured of each, in order.
        frame_counts: frames really in each.
        output: the file to write.
        list_path: where the list will lie.
        paths: how the list names each clip; see `concat_list`.
        muxer: container of the output.
        may_differ: see `check_agreement`.

    Raises:
        ConcatError: the clips do not agree.
    """
    check_agreement(clips, may_differ=may_differ)
    fps = clips[0].fps
    return ConcatPlan(
        argv=concat_argv(ffmpeg, list_path, output, muxer=muxer, tag=clips[0].codec_tag),
        list_path=list_path,
        list_text=concat_list(paths, frame_counts, fps),
        output=output,
        frames=sum(frame_counts),
        fps=fps,
    )


def concat_argv(ffmpeg: Path, list_path: Path, output: Path, *, muxer: str, tag: str | None) -> tuple[str, ...]:
    """The command that copies what a list names into one file.

    Args:
        ffmpeg: the executable.
        list_path: an ffconcat file.
        output: the file to write.
        muxer: its container.
        tag: the four characters by which the container names the codec; None leaves them to FFmpeg.
    """
    options = (("protocol_whitelist", "file"), ("f", "concat"), ("safe", "0"))
    return ffmpeg_argv(
        ffmpeg,
        inputs=[Input(url=file_url(list_path), options=options, stream=VIDEO)],
        output=file_url(output),
        output_options=[("c:v", "copy"), ("tag:v", tag or "0"), ("movflags", "+faststart"), ("f", muxer)],
    )


def concat_list(paths: Sequence[Path], frame_counts: Sequence[int], fps: Fraction) -> str:
    """The ffconcat file, with a duration per clip such that no error adds up.

    FFmpeg takes a clip's length from its header, which is rounded to milliseconds in one way or another by every
    version.  A ``duration`` line replaces it, with a resolution of 1 us.  Rounding each by itself would still drift, so
    the *ends* are rounded, cumulatively, and every duration is the difference of two ends.

    Args:
        paths: absolute paths without a line break, which the format cannot express.
        frame_counts: frames in each.
        fps: their frame rate.
    """
    return excerpt_list([(path, count, ()) for path, count in zip(paths, frame_counts, strict=True)], fps)


def excerpt_list(excerpts: Iterable[tuple[Path, int, Sequence[str]]], fps: Fraction) -> str:
    """As `concat_list`, with further lines for each entry.

    Args:
        excerpts: (path, frames, lines that say which part of the file they are).
        fps: their frame rate.
    """
    lines = ["ffconcat version 1.0"]
    frames, last_end_us = 0, 0
    for path, count, part in excerpts:
        frames += count
        end_us = int(frames / fps * 1_000_000 + Fraction(1, 2))
        quoted = str(path).replace("'", "'\\''")
        lines += [f"file 'file:{quoted}'", *part, f"duration {microseconds_text(end_us - last_end_us)}"]
        last_end_us = end_us
    return "\n".join(lines) + "\n"


def microseconds_text(microseconds: int) -> str:
    """Seconds with six decimals, as FFmpeg reads them without rounding."""
    sign, size = "-" if microseconds < 0 else "", abs(microseconds)
    return f"{sign}{size // 1_000_000}.{size % 1_000_000:06d}"
