"""The values that measuring a media file returns: streams, packets and frame rates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

from ffenc.errors import ProbeError
from ffenc.ffmpeg.other_media import rescue_advice


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioStreamInfo:
    """An audio stream of a file.

    Attributes:
        codec: FFmpeg's name of the codec, such as ``"aac"``.
        channels: number of audio channels.
        sample_rate: samples per second and channel.
        bit_rate: bits per second as declared by the container, or None.  Without ffprobe it is rounded down to kbit/s, as
            ffmpeg prints it.
        bit_depth: bits of one *decoded* sample (32 for AAC, which decodes to float), None if unknown.
        channel_layout: such as ``"stereo"``, None if the file names none.
    """

    codec: str
    channels: int
    sample_rate: int
    bit_rate: int | None = None
    bit_depth: int | None = None
    channel_layout: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoStreamInfo:
    """The header of the first video stream of a file that is not an attached picture.

    A header can be wrong, for example in a truncated file; `PacketIndex` lists the frames that exist.

    Attributes:
        path: the file, absolute.
        codec: name of the bitstream standard: ``av1 h264 hevc vp9 ffv1 mpeg4 mjpeg`` ...
        profile: such as ``"High"``; None if the codec has none that FFmpeg can name.
        codec_tag: FourCC in the container (``avc1``, ``hev1``); None in Matroska.
        pix_fmt: pixel format after decoding.  It can differ from the one requested at encode time: gray H.264 is
            ``yuvj420p`` (measured with 4.4 to 9.0).
        channels: components per pixel of ``pix_fmt``: 3 for yuv420p, 1 for gray12le.
        width: pixels per row as stored, before any rotation.
        height: rows as stored, before any rotation.
        fps: frames per second; the average when the rate is not constant.
        is_constant_rate: False if the header shows a variable rate; then frame k is not at k/fps.
        time_base: seconds per tick of the stream.
        start_s: first presentation time in seconds, None if the container has none.
        duration_s: seconds from the start of the first frame to the end of the last one, None if unknown.  Without ffprobe
            it is the duration of the packets, which is shorter for a truncated file.
        has_b_frames: reordering delay of the decoder in frames; 0 means packets are in presentation order.  Without
            ffprobe it is 0 for a file of one frame.
        color_range: ``"tv"``, ``"pc"`` or None when unspecified, as the next three.
        color_space: matrix coefficients.
        color_primaries: primaries.
        color_transfer: transfer characteristics.
        sample_aspect_ratio: width to height of one pixel, None if unspecified.
        rotation: degrees by which a player rotates frames counter-clockwise, 0 to 359.
        extradata_hash: ``"adler32:<hex>"`` of the codec's out-of-band headers; None if it has none.
        container: FFmpeg's demuxer names, such as ``"mov,mp4,m4a,3gp,3g2,mj2"``.
        size_bytes: size of the file.
        audio: the first audio stream, or None.
        frames_declared: number of frames in the header; None if it has none (Matroska, fragmented MP4; without ffprobe, all
            but MP4).
        more_audio: the audio streams after the first.
        other_streams: kind and codec of every stream that is neither this one nor audio, such as ``"subtitle (subrip)"``;
            includes a second video and a cover image.
    """

    path: Path
    codec: str
    profile: str | None
    codec_tag: str | None
    pix_fmt: str
    channels: int
    width: int
    height: int
    fps: Fraction
    is_constant_rate: bool
    time_base: Fraction
    start_s: Fraction | None
    duration_s: Fraction | None
    has_b_frames: int
    color_range: str | None
    color_space: str | None
    color_primaries: str | None
    color_transfer: str | None
    sample_aspect_ratio: Fraction | None
    rotation: int
    extradata_hash: str | None
    container: str
    size_bytes: int
    audio: AudioStreamInfo | None
    frames_declared: int | None
    more_audio: tuple[AudioStreamInfo, ...] = ()
    other_streams: tuple[str, ...] = ()

    @property
    def has_audio(self) -> bool:
        """Whether the file has an audio stream."""
        return self.audio is not None

    @property
    def audio_tracks(self) -> tuple[AudioStreamInfo, ...]:
        """All audio streams."""
        return () if self.audio is None else (self.audio, *self.more_audio)


class Packet(NamedTuple):
    """One packet of the video stream, in the order of the file.

    Attributes:
        pts: presentation time in ticks; None if the file gives none.
        size_bytes: coded size.
        is_key: decoding can start here.
        is_hidden: an edit list hides it: it is decoded but never shown.
    """

    pts: int | None
    size_bytes: int
    is_key: bool
    is_hidden: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketIndex:
    """The frames in the video stream of a file, found by reading its packets without decoding.

    A packet that is cut off by the end of the file is not included, so that ``count`` of a truncated file is less than
    ``frames_declared``.

    Attributes:
        time_base: seconds per tick.
        pts: presentation times in ticks of the frames that are shown, ascending.
        keyframes: positions in ``pts`` of the frames at which decoding can start.
        size_bytes: bytes of all packets of the stream.
        hidden: number of packets that an edit list hides (a stream-copied trim leaves them); they are not in ``pts``.
        errors: FFmpeg's errors while reading, one per line; empty for an intact file, and for one that was cut off exactly
            between two packets, which only ``count`` shows.
        is_reordered: packets are stored in another order than their frames are shown, as with B-frames.
        cut_points: keyframes at which the file can be cut: every frame shown before it is stored before it, and every other
            frame after it.  (With an open GOP, frames stored after a keyframe are shown before it.)
    """

    time_base: Fraction
    pts: tuple[int, ...]
    keyframes: tuple[int, ...]
    size_bytes: int
    hidden: int = 0
    errors: str = ""
    cut_points: tuple[int, ...] = ()
    is_reordered: bool = False

    @classmethod
    def from_packets(
        cls, packets: Iterable[Packet], *, path: Path, time_base: Fraction, errors: str = ""
    ) -> PacketIndex:
        """Index packets given in the order of the file.

        Raises:
            ProbeError: a packet has no presentation time, as with B-frames in AVI, ASF and MPEG-PS.
        """
        shown: list[tuple[int, bool]] = []
        size_bytes = hidden = 0
        for number, packet in enumerate(packets):
            size_bytes += packet.size_bytes
            if packet.is_hidden:
                hidden += 1
            elif packet.pts is None:
                raise ProbeError(
                    f"{path}: video packet {number} has no presentation time, as with B-frames in AVI, ASF and MPEG-PS, so "
                    f"the times of its frames are unknown. {rescue_advice(path)}",
                    path=path,
                )
            else:
                shown.append((packet.pts, packet.is_key))
        cut_points = () if hidden else tuple(find_cut_points(shown))
        is_reordered = any(later < earlier for (earlier, _), (later, _) in pairwise(shown))
        shown.sort()
        return cls(
            time_base=time_base,
            pts=tuple(pts for pts, _ in shown),
            keyframes=tuple(k for k, (_, is_key) in enumerate(shown) if is_key),
            size_bytes=size_bytes,
            hidden=hidden,
            errors=errors,
            cut_points=cut_points,
            is_reordered=is_reordered,
        )

    @property
    def count(self) -> int:
        """Number of frames in the file."""
        return len(self.pts)

    def pts_s(self, index: int) -> Fraction:
        """Return the exact presentation time of frame ``index`` in seconds."""
        return self.pts[index] * self.time_base

    def first_off_grid(self, fps: Fraction) -> int | None:
        """Return the first frame k that is not at exactly k/fps seconds, or None; a late start counts from frame 0."""
        ticks_per_frame = 1 / (fps * self.time_base)
        step, divisor = ticks_per_frame.numerator, ticks_per_frame.denominator
        return next((k for k, pts in enumerate(self.pts) if pts * divisor != k * step), None)


def find_cut_points(stored: Sequence[tuple[int, bool]]) -> list[int]:
    """Return the places at which a stream can be cut; see `PacketIndex`.

    Args:
        stored: (presentation time, is a keyframe) of every packet, in the order of the file.
    """
    points: list[int] = []
    earliest: int | None = None  # of all packets from here to the end
    latest = list(accumulate((pts for pts, _ in stored), max))
    for place in range(len(stored) - 1, -1, -1):
        pts, is_key = stored[place]
        earliest = pts if earliest is None else min(earliest, pts)
        if is_key and earliest == pts and (place == 0 or latest[place - 1] < pts):
            points.append(place)
    points.reverse()
    return points


_COMPONENTS = (
    (re.compile(r"gray|mono|pal8"), 1),
    (re.compile(r"ya(8|16|f)"), 2),
    (re.compile(r"yuva|ayuv|vuya|uyva|rgba|bgra|argb|abgr|gbrap"), 4),
)


def component_count(pix_fmt: str) -> int:
    """Return the components per pixel of an FFmpeg pixel format, which LeRobot calls channels.

    Agrees with ``NB_COMPONENTS`` of every software format that FFmpeg 4.2 to 9.0 lists.
    """
    return next((count for prefix, count in _COMPONENTS if prefix.match(pix_fmt)), 3)


_SAMPLE_BITS = {"u8": 8, "s16": 16, "s32": 32, "s64": 64, "flt": 32, "dbl": 64}


def sample_bits(sample_fmt: str) -> int | None:
    """Return the bits of one sample of an FFmpeg sample format: 32 for ``fltp``; None if unknown."""
    return _SAMPLE_BITS.get(sample_fmt.removesuffix("p"))


def other_stream(kind: str | None, codec: str | None) -> str:
    """Describe a stream that is not read by its kind and codec: ``"subtitle (subrip)"``."""
    return f"{kind or 'unknown'} ({codec if codec not in (None, 'none') else 'unknown'})"


def clock_s(text: str) -> Fraction | None:
    """Return ``"00:00:00.667000000"``, Matroska's tag for a duration, in seconds; None if it is not one."""
    try:
        hours, minutes, seconds = (Fraction(part) for part in text.split(":"))
    except (ValueError, ZeroDivisionError):
        return None
    return hours * 3600 + minutes * 60 + seconds


def frame_rate(
    average: Fraction | None, nominal: Fraction | None, *, frames: int | None, duration_s: Fraction | None
) -> tuple[Fraction, bool] | None:
    """Return the frame rate of a header, and whether it is constant.

    Args:
        average: ``avg_frame_rate``, frames over duration.
        nominal: ``r_frame_rate``, the slowest rate that can express every timestamp.
        frames: declared number of frames, if any.
        duration_s: declared duration, if any.

    Returns:
        (rate, is constant), or None if the header has no rate.  The two rates of a constant stream are equal.  Edit lists,
        which FFmpeg 8 and older round to milliseconds, distort the average; so the nominal rate also counts as constant
        if it matches the number of frames to within half a frame.
    """
    if average is None or nominal is None:
        rate = average or nominal
        return None if rate is None else (rate, False)
    if average == nominal:
        return average, True
    if frames is not None and duration_s is not None and abs(frames - nominal * duration_s) < Fraction(1, 2):
        return nominal, True
    return average, False


def whole_frames_duration_s(
    declared_s: Fraction | None, *, fps: Fraction, is_constant_rate: bool, frames: int | None
) -> Fraction | None:
    """Return the exact duration of all frames if the declared one was only rounded, else the declared one.

    FFmpeg 8 and older write the edit list in milliseconds: 20 frames at 30 per second with B-frames then declare 10230 of
    10240 ticks (measured).  A duration that differs by half a frame or more is kept.
    """
    if declared_s is None or frames is None or not is_constant_rate:
        return declared_s
    exact_s = frames / fps
    return exact_s if abs(exact_s - declared_s) * fps < Fraction(1, 2) else declared_s
