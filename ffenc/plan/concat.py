"""Plan a stream copy that joins clips: the properties that must match, the list file, and exact durations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

from ffenc.errors import ConcatError
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.plan.graph import ffmpeg_argv, file_input, file_url

B_FRAMES = "B-frames"
_COLOURS = frozenset({"colour range", "colour matrix"})
_METADATA_FILTERS = {"h264": "h264_metadata", "hevc": "hevc_metadata", "av1": "av1_metadata"}
_BT601 = ("smpte170m", "bt470bg")
_BT601_MATRIX, _UNSPECIFIED_MATRIX = 6, 2  # ITU-T H.273

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
        B_FRAMES: lambda clip: clip.has_b_frames,
        "colour range": lambda clip: clip.color_range,
        "colour matrix": lambda clip: clip.color_space,
        "colour primaries": lambda clip: clip.color_primaries,
        "colour transfer": lambda clip: clip.color_transfer,
        # FFmpeg adds 1:1 to a file that it joins.
        "pixel aspect": lambda clip: clip.sample_aspect_ratio or Fraction(1),
        "rotation": lambda clip: clip.rotation,
    }
)
"""Properties that must be equal for all clips of one stream copy.

FFmpeg 4.2 to 9.0 joins clips that differ in any of these and exits with status 0.  The file then has only the header and
the time base of the first clip.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcatPlan:
    """One command that joins clips.

    Attributes:
        argv: the command; it reads `list_path`.
        list_path: where to write the list.
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


def check_agreement(clips: Sequence[VideoStreamInfo], *, may_differ: Collection[str] = ()) -> None:
    """Refuse clips that cannot share one stream.

    Args:
        may_differ: keys of `AGREEMENT` that the caller checks in another way.

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
        + "\nre-encode the mismatched clips with the settings of the others (ffenc reencode)",
        path=clips[0].path,
        disagreements=disagreements,
    )


def _by_value(clips: Sequence[VideoStreamInfo], values: Sequence[object]) -> str:
    groups: dict[object, list[str]] = {}
    are_unique = len({clip.path.name for clip in clips}) == len({clip.path for clip in clips})
    for clip, value in zip(clips, values, strict=True):
        groups.setdefault(value, []).append(clip.path.name if are_unique else str(clip.path))
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
    """Plan the join of clips with equal properties.

    Args:
        clips: what was measured of each, in order.
        paths: name of each clip in the list; see `concat_list`.
        may_differ: see `check_agreement`.  With `B_FRAMES`, the decode times are written again, and with
            colours, the colours in the headers.

    Raises:
        ConcatError: the clips differ.
    """
    check_agreement(clips, may_differ=may_differ)
    fps = clips[0].fps
    filters = []
    if B_FRAMES in may_differ:
        filters.append(decode_times(max(clip.has_b_frames for clip in clips), 1 / (fps * clips[0].time_base)))
    if not _COLOURS.isdisjoint(may_differ):
        filters += same_colours(clips)
    return ConcatPlan(
        argv=concat_argv(
            ffmpeg,
            list_path,
            output,
            muxer=muxer,
            tag=clips[0].codec_tag,
            filters=filters,
        ),
        list_path=list_path,
        list_text=concat_list(paths, frame_counts, fps),
        output=output,
        frames=sum(frame_counts),
        fps=fps,
    )


def decode_times(delay: int, ticks_per_frame: Fraction) -> str:
    """Return a packet filter that gives packet n the decode time of frame n - ``delay``; FFmpeg has it from 5.0 on.

    A clip that is shorter than the encoder's B-frames has no delay, so its decode times would meet those of the next clip.
    """
    return f"setts=pts=PTS:dts=(N-{delay})*{ticks_per_frame}"


def same_colours(clips: Sequence[VideoStreamInfo]) -> list[str]:
    """Return packet filters that write one colour matrix and range into the headers of all clips.

    There are none if the clips mean different colours.  They mean the same if all are BT.601 in limited range, which decoders
    assume for clips without tags, or depth, whose samples are never converted.
    """
    codec, is_depth = clips[0].codec, clips[0].channels == 1
    is_bt601 = all(clip.color_range in (None, "tv") and clip.color_space in (None, *_BT601) for clip in clips)
    if codec not in _METADATA_FILTERS or not (is_depth or is_bt601):
        return []
    is_full = next((clip.color_range for clip in clips if clip.color_range), "tv") == "pc"
    full = f"color_range={'pc' if is_full else 'tv'}" if codec == "av1" else f"video_full_range_flag={int(is_full)}"
    matrix = _UNSPECIFIED_MATRIX if is_depth else _BT601_MATRIX
    return [f"{_METADATA_FILTERS[codec]}=matrix_coefficients={matrix}:{full}"]


def concat_argv(
    ffmpeg: Path, list_path: Path, output: Path, *, muxer: str, tag: str | None, filters: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the command that copies the files of a list into one file.

    Args:
        tag: codec tag (FourCC) in the container; None leaves it to FFmpeg.
        filters: packet filters, in order.
    """
    bsf = [("bsf:v", ",".join(filters))] if filters else []
    return ffmpeg_argv(
        ffmpeg,
        inputs=[file_input(list_path, "concat", ("safe", "0"))],
        output=file_url(output),
        output_options=[("c:v", "copy"), ("tag:v", tag or "0"), *bsf, ("movflags", "+faststart"), ("f", muxer)],
    )


def concat_list(paths: Sequence[Path], frame_counts: Sequence[int], fps: Fraction) -> str:
    """Return the ffconcat file, with a duration per clip whose rounding errors do not add up.

    FFmpeg takes a clip's length from its header, which every version rounds to milliseconds.  A ``duration`` line, with a
    resolution of 1 us, replaces it.  The cumulative *ends* are rounded, and every duration is the difference of two ends.

    Args:
        paths: absolute paths without a line break, which the format cannot express.
    """
    return excerpt_list([(path, count, ()) for path, count in zip(paths, frame_counts, strict=True)], fps)


def excerpt_list(excerpts: Iterable[tuple[Path, int, Sequence[str]]], fps: Fraction) -> str:
    """Return an ffconcat file like `concat_list`, for parts of files.

    Args:
        excerpts: (path, frames, ``inpoint`` and ``outpoint`` lines).
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
    """Return seconds with six decimals, which FFmpeg reads without rounding."""
    sign, size = "-" if microseconds < 0 else "", abs(microseconds)
    return f"{sign}{size // 1_000_000}.{size % 1_000_000:06d}"
