"""Decide which clips become videos of a dataset unchanged, by stream copy, and say why the others are encoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ffenc.config import VideoEncoderConfig
from ffenc.dataset.convert.conversion import EpisodeSource, FrameSeries
from ffenc.dataset.format.schema import Feature
from ffenc.dataset.recording.resume_settings import resolved
from ffenc.dataset.transform.compatibility import COLOUR_TAGS, colour_tags, shown_colour
from ffenc.errors import InputError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.mp4.decoding_start import STARTS
from ffenc.ffmpeg.mp4.sample_tables import Mp4Index, read_mp4_index
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.plan.resolve import ResolvedEncoder
from ffenc.video.clip import MeasuredClip
from ffenc.video.decoder import can_decode
from ffenc.video.reader import VideoReader

Passthrough: TypeAlias = Literal["auto", "never", "require"]
"""Copy clips that conform (``auto``), no clip (``never``), or all of them, or refuse (``require``)."""

_MOST_LISTED = 20
_BT601 = ("tv", "smpte170m", "smpte170m", "smpte170m")


def choose_copies(
    episodes: Sequence[EpisodeSource],
    features: Mapping[str, Mapping[str, Any]],
    config: VideoEncoderConfig,
    *,
    fps: int,
    passthrough: Passthrough,
    binaries: Binaries,
) -> list[EpisodeSource]:
    """Return the episodes with the clips that are copied, and the reasons for the others.

    Args:
        episodes: checked by `check_episodes`.
        features: as `check_episodes` returns them.
        config: encoder settings of all cameras.
        fps: frame rate of the dataset.
        passthrough: which clips may be copied.
        binaries: the executables.

    Raises:
        InputError: all clips have to be copied, and some cannot; it names each with its reasons.
        CapabilityError: this FFmpeg cannot do what ``config`` asks for.
    """
    if passthrough == "never":
        return list(episodes)
    wanted = {
        name: resolved(config, Feature.model_validate(features[name]), fps, binaries) for name in episodes[0].cameras
    }
    chosen = []
    for episode in episodes:
        reasons = {name: _reasons(series, wanted[name], config) for name, series in episode.cameras.items()}
        copies = {
            name: series
            for name, series in episode.cameras.items()
            if isinstance(series, VideoReader) and not reasons[name]
        }
        chosen.append(replace(episode, copies=copies, reasons={name: why for name, why in reasons.items() if why}))
    if passthrough == "require":
        _require_copies(chosen)
    return chosen


def _reasons(series: FrameSeries, wanted: ResolvedEncoder, config: VideoEncoderConfig) -> tuple[str, ...]:
    if isinstance(series, VideoReader):
        return reasons_to_encode(series.clip, wanted, config)
    return ("it is a folder of images",)


def _require_copies(episodes: Sequence[EpisodeSource]) -> None:
    encoded = {
        episode.cameras[name].path: "; ".join(why) for episode in episodes for name, why in episode.reasons.items()
    }
    if encoded:
        lines = [f"  {path}: {why}" for path, why in list(encoded.items())[:_MOST_LISTED]]
        more = [f"  and {len(encoded) - len(lines)} more"] if len(encoded) > len(lines) else []
        raise InputError(
            "\n".join(
                [
                    f"{len(encoded)} inputs cannot be copied, and passthrough is 'require' (--passthrough):",
                    *lines,
                    *more,
                    "give encoder settings that the clips have, or encode these inputs with --passthrough=auto",
                ]
            ),
            path=next(iter(encoded)),
        )


def reasons_to_encode(clip: MeasuredClip, wanted: ResolvedEncoder, config: VideoEncoderConfig) -> tuple[str, ...]:
    """Return why a clip cannot be copied into a dataset; empty if it can.

    Args:
        clip: what was measured of it; its frame rate is that of the dataset.
        wanted: the encoder of the camera, with its settings as they take effect.
        config: the settings as given.  A GOP size counts if it was given; quality and speed of a clip are unknown.
    """
    if clip.packets.hidden:
        return (f"an edit list hides {clip.packets.hidden} of its frames",)
    index = read_mp4_index(clip.stream.path)
    if index is None or index.packets != clip.packets or index.table.codec not in STARTS:
        found = [clip.demuxer] if clip.demuxer != "mov" else ["audio"] if clip.stream.has_audio else []
        found += clip.stream.other_streams
        seen = ", ".join(found) or "fragments or an edit list"
        return (f"it is not a plain MP4 or MOV file with one track of H.264, HEVC, AV1 or VP9 ({seen})",)
    gop = config.g if config.was_given("g") else None
    return (*_stream_reasons(clip.stream, wanted), *_frame_reasons(clip, index, gop=gop))


def _stream_reasons(stream: VideoStreamInfo, wanted: ResolvedEncoder) -> Iterator[str]:
    for what, found, expected in (
        ("codec", stream.codec, wanted.codec),
        ("pixel format", stream.pix_fmt, wanted.config.pix_fmt),
    ):
        if found != expected:
            yield f"its {what} is {found}, and the settings ask for {expected}"
    if stream.rotation:
        yield f"players rotate it by {stream.rotation} degrees"
    if stream.sample_aspect_ratio not in (None, Fraction(1)):
        yield f"its pixels are not square ({stream.sample_aspect_ratio})"
    if shown_colour(stream) != _BT601:
        tags = ", ".join(
            f"{name} {tag}" for name, tag in zip(COLOUR_TAGS, colour_tags(stream), strict=True) if tag is not None
        )
        yield f"its colours are not BT.601 with limited range ({tags})"


def _frame_reasons(clip: MeasuredClip, index: Mp4Index, *, gop: int | None) -> Iterator[str]:
    packets, fps = clip.packets, clip.stream.fps
    off = packets.first_off_grid(fps)
    if off is not None:
        yield f"frame {off} is at {float(packets.pts_s(off)):.6f} s and not at {float(off / fps):.6f} s"
    if packets.keyframes[:1] != (0,) or not can_decode(index.table):
        yield "it does not begin with a keyframe"
    elif packets.keyframes != packets.cut_points or not _all_start(clip.stream.path, index):
        yield "it has open GOPs: frames after a keyframe refer to frames before it"
    longest = max(
        (
            later - first
            for first, later in zip(packets.keyframes, (*packets.keyframes[1:], packets.count), strict=True)
        ),
        default=0,
    )
    if gop is not None and longest > gop:
        yield f"its GOPs have up to {longest} frames, and the settings ask for {gop}"


def _all_start(path: Path, index: Mp4Index) -> bool:
    """Return whether a decoder can start at every keyframe, by the type of its coded frame."""
    table = index.table
    is_start = STARTS[table.codec]
    with path.open("rb") as file:
        for frame in table.keyframes.tolist():
            sample = int(table.samples[frame])
            first, stop = table.offsets[sample : sample + 2].tolist()
            file.seek(first)
            if not is_start(file.read(stop - first)):
                return False
    return True
