"""Measure a media file with one run of ffprobe, or of ffmpeg if ffprobe is missing.

The keys that ffprobe prints change with almost every release, so every key but ``codec_type`` and ``codec_name`` may be
missing.  A missing key that describes the stream is an error.  Measured with ffprobe 5.1 and 8.1.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

from ffenc.errors import ProbeError
from ffenc.ffmpeg.banner import probe_video_and_packets_with_ffmpeg, probe_video_with_ffmpeg
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.media_input import (
    MediaFile,
    complaints,
    crashed,
    input_arguments,
    media_file,
    no_video,
    refusal,
    undescribed,
)
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.ffmpeg.stream_info import (
    AudioStreamInfo,
    Packet,
    PacketIndex,
    VideoStreamInfo,
    clock_s,
    component_count,
    frame_rate,
    other_stream,
    sample_bits,
    whole_frames_duration_s,
)
from ffenc.json_text import load_json

_Json: TypeAlias = Mapping[str, Any]


def probe_video(path: str | os.PathLike[str], *, binaries: Binaries | None = None) -> VideoStreamInfo:
    """Return what the header of a media file says about its first video stream.

    Args:
        path: a media file; an attached cover picture does not count as video.
        binaries: the executables; found by `find_binaries` if None.

    Raises:
        ProbeError: missing, empty, not a media file, cut off before its index, or without video.
        ProcessError: the tool could not be started or did not end in time.
    """
    media = media_file(path)
    tools = find_binaries() if binaries is None else binaries
    if tools.ffprobe is None:
        return probe_video_with_ffmpeg(media, tools.ffmpeg)
    document, _ = _run_ffprobe(tools.ffprobe, media, packets=False)
    return parse_video_stream(document, media=media)


def probe_packets(path: str | os.PathLike[str], *, binaries: Binaries | None = None) -> PacketIndex:
    """List every frame in the first video stream, without decoding any.

    Raises:
        ProbeError: as `probe_video`; also a packet without presentation time.
        ProcessError: the tool could not be started or did not end in time.
    """
    return probe_video_and_packets(path, binaries=binaries)[1]


def probe_video_and_packets(
    path: str | os.PathLike[str], *, binaries: Binaries | None = None
) -> tuple[VideoStreamInfo, PacketIndex]:
    """Return the header and all frames of the first video stream, with one process.

    It reads the complete file once; 100,000 packets take ffprobe 5.1 0.7 s (measured).

    Raises:
        ProbeError: as `probe_video`; also a packet without presentation time.
        ProcessError: the tool could not be started or did not end in time.
    """
    media = media_file(path)
    tools = find_binaries() if binaries is None else binaries
    if tools.ffprobe is None:
        return probe_video_and_packets_with_ffmpeg(media, tools.ffmpeg)
    document, errors = _run_ffprobe(tools.ffprobe, media, packets=True)
    return parse_video_stream(document, media=media), parse_packets(document, media=media, errors=errors)


def ffprobe_command(ffprobe: Path, path: Path, *, packets: bool) -> tuple[str, ...]:
    """Return the command whose output `parse_video_stream` and `parse_packets` read.

    With ``+discardcorrupt`` every build skips a packet whose bytes are cut off; otherwise ffprobe 5.1 lists it like any
    other, and 8.1 with a flag (measured).  Adler-32 is the only hash of ffmpeg's framecrc, so both ways give the same text.
    It is also fast: ffprobe hashes every packet, and with MD5 60 MB took half as long again.
    """
    return (
        *(str(ffprobe), "-hide_banner", "-loglevel", "level+warning"),
        *("-show_data_hash", "adler32", "-show_format", "-show_streams"),
        *(("-show_entries", "packet=stream_index,pts,size,flags") if packets else ()),
        *("-print_format", "json=compact=1", "-fflags", "+discardcorrupt"),
        *input_arguments(path),
    )


def _run_ffprobe(ffprobe: Path, media: MediaFile, *, packets: bool) -> tuple[_Json, str]:
    command = ffprobe_command(ffprobe, media.path, packets=packets)
    output = run_tool(command, timeout_s=media.timeout_s, check=False)
    if output.returncode < 0:
        raise crashed(media, ffprobe, output.returncode)
    try:
        document = load_json(output.stdout)
    except ValueError as err:
        raise ProbeError(
            f"{media.path} could not be measured: {ffprobe} printed no JSON (exit status {output.returncode}); "
            f"its errors: {complaints(output.stderr) or 'none'}",
            path=media.path,
        ) from err
    if not document.get("streams"):
        raise refusal(media, output.stderr)
    errors = complaints(output.stderr)
    if output.returncode != 0 and not errors:
        errors = f"ffprobe exited with status {output.returncode}"
    return document, errors


def parse_video_stream(document: _Json, *, media: MediaFile) -> VideoStreamInfo:
    """Read ffprobe's streams and format.

    Raises:
        ProbeError: no video stream except attached pictures, or one without size, pixel format or frame rate.
    """
    stream = _video_stream(document, media)
    audio = [_audio_stream(s) for s in document["streams"] if s.get("codec_type") == "audio"]
    time_base = _fraction(stream.get("time_base"))
    width, height, pix_fmt = stream.get("width"), stream.get("height"), stream.get("pix_fmt")
    if not (width and height and pix_fmt and time_base):
        raise undescribed(media, stream["codec_name"])
    frames = int(stream["nb_frames"]) if "nb_frames" in stream else None
    declared_s = _duration_s(stream, time_base)
    average, nominal = _fraction(stream.get("avg_frame_rate")), _fraction(stream.get("r_frame_rate"))
    rate = frame_rate(average, nominal, frames=frames, duration_s=declared_s)
    if rate is None:
        raise undescribed(media, stream["codec_name"])
    fps, is_constant_rate = rate
    return VideoStreamInfo(
        path=media.path,
        codec=stream["codec_name"],
        profile=_name(stream.get("profile")),
        codec_tag=_codec_tag(stream),
        pix_fmt=pix_fmt,
        channels=component_count(pix_fmt),
        width=width,
        height=height,
        fps=fps,
        is_constant_rate=is_constant_rate,
        time_base=time_base,
        start_s=_start_s(stream, time_base, document),
        duration_s=whole_frames_duration_s(declared_s, fps=fps, is_constant_rate=is_constant_rate, frames=frames),
        has_b_frames=stream.get("has_b_frames", 0),
        color_range=_name(stream.get("color_range")),
        color_space=_name(stream.get("color_space")),
        color_primaries=_name(stream.get("color_primaries")),
        color_transfer=_name(stream.get("color_transfer")),
        sample_aspect_ratio=_fraction(stream.get("sample_aspect_ratio")),
        rotation=_rotation(stream),
        extradata_hash=stream.get("extradata_hash"),
        container=document.get("format", {}).get("format_name", ""),
        size_bytes=media.size_bytes,
        audio=next(iter(audio), None),
        frames_declared=frames,
        more_audio=tuple(audio[1:]),
        other_streams=tuple(
            other_stream(s.get("codec_type"), s.get("codec_name"))
            for s in document["streams"]
            if s is not stream and s.get("codec_type") != "audio"
        ),
    )


def parse_packets(document: _Json, *, media: MediaFile, errors: str = "") -> PacketIndex:
    """Read ffprobe's packets of the first video stream.

    Raises:
        ProbeError: no such stream, or a packet without presentation time.
    """
    stream = _video_stream(document, media)
    time_base = _fraction(stream.get("time_base"))
    if time_base is None:
        raise undescribed(media, stream["codec_name"])
    packets = _packets(document, stream.get("index", 0))
    return PacketIndex.from_packets(packets, path=media.path, time_base=time_base, errors=errors)


def _packets(document: _Json, stream_index: int) -> Iterator[Packet]:
    for packet in document.get("packets", ()):
        if packet.get("stream_index") == stream_index:
            flags = packet.get("flags", "")
            yield Packet(packet.get("pts"), int(packet.get("size", 0)), "K" in flags, "D" in flags)


def _video_stream(document: _Json, media: MediaFile) -> _Json:
    streams = document["streams"]
    for stream in streams:
        is_picture = stream.get("disposition", {}).get("attached_pic")
        if stream.get("codec_type") == "video" and "codec_name" in stream and not is_picture:
            found: _Json = stream
            return found
    raise no_video(media, (stream.get("codec_type", "unknown") for stream in streams))


def _audio_stream(stream: _Json) -> AudioStreamInfo:
    return AudioStreamInfo(
        codec=stream.get("codec_name", "unknown"),
        channels=stream.get("channels", 0),
        sample_rate=int(stream.get("sample_rate", 0)),
        bit_rate=int(stream["bit_rate"]) if "bit_rate" in stream else None,
        bit_depth=sample_bits(stream.get("sample_fmt", "")),
        channel_layout=_name(stream.get("channel_layout")),
    )


def _name(value: Any) -> str | None:
    """Return a name; None if it is missing, ``unknown``, or a number that FFmpeg has no name for."""
    return None if value is None or value == "unknown" or value.lstrip("-").isdigit() else value


def _fraction(value: str | None) -> Fraction | None:
    """Parse ``"30000/1001"`` or ``"1:1"``; None if missing or zero in either part (``"0/0"`` of an audio stream)."""
    numerator, _, denominator = (value or "").replace(":", "/").partition("/")
    if not (numerator.isdigit() and denominator.isdigit()) or int(numerator) * int(denominator) == 0:
        return None
    return Fraction(int(numerator), int(denominator))


def _codec_tag(stream: _Json) -> str | None:
    tag: str | None = stream.get("codec_tag_string")
    return None if stream.get("codec_tag") in (None, "0x0000") else tag


def _start_s(stream: _Json, time_base: Fraction, document: _Json) -> Fraction | None:
    if "start_pts" in stream:
        return Fraction(stream["start_pts"]) * time_base
    # In a Matroska file of one frame, only the container has a start time.
    start_s = document.get("format", {}).get("start_time")
    return None if start_s is None else Fraction(start_s)


def _duration_s(stream: _Json, time_base: Fraction) -> Fraction | None:
    if "duration_ts" in stream:
        return Fraction(stream["duration_ts"]) * time_base
    return clock_s(stream.get("tags", {}).get("DURATION", ""))


def _rotation(stream: _Json) -> int:
    for side_data in stream.get("side_data_list", ()):
        if "rotation" in side_data:
            return int(side_data["rotation"]) % 360
    # Up to 4.4 there is also a tag, which counts clockwise.
    rotate = stream.get("tags", {}).get("rotate", "0")
    return -int(rotate) % 360 if rotate.lstrip("-").isdigit() else 0
