"""Plan the audio of a clip: align every track with the kept frames to the sample, and encode it.

Audio is decoded and encoded, never copied: packets do not begin or end where frames do, and only some players keep a late
start or a gap.  Each output track begins with the first frame and ends with the last one.  Sound outside of that range is
cut off; silence fills a late start, a gap and an early end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Literal

from ffenc.errors import InputError
from ffenc.ffmpeg.stream_info import AudioStreamInfo, VideoStreamInfo
from ffenc.plan.graph import Input, Option, file_input, seek_options

AudioChoice = Literal["keep", "drop"]
"""What to do with the audio of a clip."""

AAC_RATES = (7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
"""Sample rates of AAC (ISO/IEC 14496-3, table 1.18)."""

_AAC_MOST_CHANNELS = 8
_AAC_MOST_BITS = 6  # per sample and channel: 6144 in a block of 1024
_BIT_RATE = 128_000  # per channel

_PCM = {"mov": ("s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be", "alaw", "mulaw")}
"""PCM codecs that a muxer stores on every build.  MP4 takes PCM from FFmpeg 6 on, but few players read it."""

_LEAD_S = 10
"""Seconds before the first frame at which reading begins: a seek follows the video, and audio may be stored behind it."""

_JITTER_S = 0.002
"""Timestamp errors that are not corrected; Matroska and FLV round timestamps to milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTrack:
    """One audio track and its encoder.

    Attributes:
        source: the track in the clip.
        encoder: FFmpeg's encoder, named like its codec.
        sample_rate: samples per second of the output.
    """

    source: AudioStreamInfo
    encoder: str
    sample_rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioPlan:
    """All audio tracks of a clip, for a range of its frames.

    Attributes:
        tracks: in the order of the clip.
        start_s: timestamp of the first kept frame, in the container.
        duration_s: length of the kept frames.
        seek_s: timestamp at which reading begins; None reads from the start of the file.
    """

    tracks: tuple[AudioTrack, ...]
    start_s: Fraction
    duration_s: Fraction
    seek_s: Fraction | None = None


def plan_audio(
    clip: VideoStreamInfo,
    choice: AudioChoice | None,
    *,
    muxer: str,
    first_s: Fraction,
    start_s: Fraction,
    duration_s: Fraction,
) -> AudioPlan | None:
    """Plan what happens to the audio of a clip.

    Args:
        clip: what was measured.
        choice: keep or drop it; a clip with audio needs a choice.
        first_s: timestamp of the first frame of the clip, in the container.
        start_s: timestamp of the first kept frame.
        duration_s: length of the kept frames.

    Returns:
        None if no audio is written.

    Raises:
        InputError: audio without a choice, nothing to keep, or a track that cannot be kept.
    """
    if not clip.audio_tracks:
        if choice == "keep":
            raise InputError(f"{clip.path} has no audio to keep; leave out audio='keep' (--audio=keep)", path=clip.path)
        return None
    if choice is None:
        found = ", ".join(map(describe_audio, clip.audio_tracks))
        raise InputError(
            f"{clip.path} has audio ({found}); say audio='keep' or audio='drop' (--audio=keep or --audio=drop)",
            path=clip.path,
        )
    if choice == "drop":
        return None
    tracks = tuple(
        _plan_track(track, number, clip, muxer=muxer) for number, track in enumerate(clip.audio_tracks, start=1)
    )
    seek_s = start_s - _LEAD_S
    return AudioPlan(
        tracks=tracks,
        start_s=start_s,
        duration_s=duration_s,
        seek_s=seek_s if seek_s > max(first_s, Fraction(0)) else None,
    )


def _plan_track(track: AudioStreamInfo, number: int, clip: VideoStreamInfo, *, muxer: str) -> AudioTrack:
    if not track.sample_rate or not track.channels:
        raise InputError(
            f"audio track {number} of {clip.path} ({track.codec}) has no known sample rate or channels, so it cannot be "
            "decoded; say audio='drop' (--audio=drop)",
            path=clip.path,
        )
    if track.codec.removeprefix("pcm_") in _PCM.get(muxer, ()):
        return AudioTrack(source=track, encoder=track.codec, sample_rate=track.sample_rate)
    if track.channels > _AAC_MOST_CHANNELS:
        raise InputError(
            f"audio track {number} of {clip.path} ({describe_audio(track)}) cannot become AAC, which holds at most "
            f"{_AAC_MOST_CHANNELS} channels; say audio='drop' (--audio=drop), or mix it down first: "
            f"ffmpeg -i IN -map 0 -c copy -c:a flac -ac 2 OUT.mkv",
            path=clip.path,
        )
    rate = next((rate for rate in AAC_RATES if rate >= track.sample_rate), AAC_RATES[-1])
    return AudioTrack(source=track, encoder="aac", sample_rate=rate)


def describe_audio(track: AudioStreamInfo) -> str:
    """Describe a track: ``aac, 48000 Hz, stereo``."""
    layout = track.channel_layout or f"{track.channels} channel{'' if track.channels == 1 else 's'}"
    return f"{track.codec}, {track.sample_rate} Hz, {layout}"


def audio_input(plan: AudioPlan, path: Path, demuxer: str) -> Input:
    """Return a separate input for the audio, independent of the seek for video; the command needs ``keep_timestamps``."""
    return file_input(path, demuxer, *seek_options(plan.seek_s), stream="a")


def audio_options(plan: AudioPlan | None) -> list[Option]:
    """Return the encoder and filters of every track."""
    if plan is None:
        return []
    return [option for number, track in enumerate(plan.tracks) for option in _track_options(plan, track, number)]


def _track_options(plan: AudioPlan, track: AudioTrack, number: int) -> list[Option]:
    options: list[Option] = [(f"c:a:{number}", track.encoder), (f"filter:a:{number}", _align(plan, track.sample_rate))]
    if track.encoder == "aac":
        bit_rate = track.source.channels * min(_BIT_RATE, _AAC_MOST_BITS * track.sample_rate)
        options.append((f"b:a:{number}", str(bit_rate)))
    return options


def _align(plan: AudioPlan, rate: int) -> str:
    """Return filters that move a sample of time t to ``t - start_s``, from 0 to the end of the frames.

    ``aresample`` cuts off everything before 0, and fills gaps and cuts overlaps longer than `_JITTER_S`.
    """
    start = plan.start_s
    resample = f"aresample={rate}:async=1:first_pts=0:min_comp=0.00001:min_hard_comp={_JITTER_S}"
    clock = f"asetpts=PTS-round(({start.numerator}/{start.denominator})/TB)"
    return f"{clock},{resample},apad,atrim=end_sample={ceil(plan.duration_s * rate)}"


def describe_streams(clip: VideoStreamInfo, plan: AudioPlan | None) -> tuple[str, ...]:
    """Describe what happens to every stream of a clip except its video."""
    kept: Sequence[AudioTrack | None] = [None] * len(clip.audio_tracks) if plan is None else plan.tracks
    audio = [
        f"audio track {number} ({describe_audio(source)}): " + ("dropped" if track is None else _outcome(track))
        for number, (source, track) in enumerate(zip(clip.audio_tracks, kept, strict=True), start=1)
    ]
    return (*audio, *(f"{stream}: dropped" for stream in clip.other_streams))


def _outcome(track: AudioTrack) -> str:
    resampled = "" if track.sample_rate == track.source.sample_rate else f", resampled to {track.sample_rate} Hz"
    unchanged = track.encoder == track.source.codec != "aac"
    return f"kept as {track.encoder}" if unchanged else f"encoded as {track.encoder}{resampled}"
