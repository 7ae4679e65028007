"""Measure a file with ffmpeg instead of ffprobe, in one run: a stream copy into ``framecrc``.

ffmpeg describes the streams in its banner on standard error, and framecrc prints the exact time base and every packet on
standard output.  Their format is stable from FFmpeg 4.2 to 9.0 (measured with 4.2.2, 5.1, 7.0.2, 8.1.2 and 9.0.2), except
for indentation, stream ids and the name of the rotation.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from ffenc.ffmpeg.framecrc import CopiedPackets, parse_framecrc
from ffenc.ffmpeg.media_input import MediaFile, complaints, crashed, input_arguments, no_video, refusal, undescribed
from ffenc.ffmpeg.mp4.boxes import declared_frames
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

_INPUT = re.compile(r"\[info\] Input #0, (?P<container>.+?), from '")
_INPUT_ENDS = re.compile(r"\[info\] (?:Output #0|Stream mapping)")
_STREAM = re.compile(
    r"\[info\] +Stream #0:(?P<index>\d+)(?:\[0x[0-9a-f]+\])?(?:\([^)]*\))?: (?P<kind>\w+): (?P<text>.*)"
)
_ROTATION = re.compile(r"\[info\] +(?:displaymatrix|Display Matrix): rotation of (-?[\d.]+) degrees")
_DURATION = re.compile(r"\[info\] +DURATION +: (\S+)$")
_GUESSED_LAYOUT = re.compile(r"(?:aist#0:|Guessed Channel Layout for Input Stream #0\.)(\d+)")

_NOTES = r"(?:\((?:[^()]|\([^()]*\))*\))"  # 4.2 prints "(tv, (null))" for a colour space it has no name for
_VIDEO = re.compile(
    rf"(?P<codec>[^ ,]+)(?P<notes>(?: {_NOTES})*), (?P<pix_fmt>\w+)(?P<colour>{_NOTES}?), "
    r"(?P<width>\d+)x(?P<height>\d+)(?P<rest>.*)"
)
_AUDIO = re.compile(
    r"(?P<codec>[^ ,]+)[^,]*, (?P<rate>\d+) Hz, (?P<layout>[^,]+?)"
    r"(?:, (?P<sample_fmt>[a-z]\w*)(?: \(\d+ bit\))?)?(?:, (?P<kbit_rate>\d+) kb/s)?"
    r"(?:, start -?[\d.]+)?(?: \([a-z ]+\))*$"
)
_TAG = re.compile(r" \((\S+) / 0x[0-9A-F]+\)$")
_ASPECT = re.compile(r"SAR (\d+):(\d+) DAR ")
_RATE = re.compile(r", ([\d.]+)(k?) (fps|tbr)\b")

# One name is printed for matrix, primaries and transfer if they are equal: by number up to 4.2, by name since then.
_SINGLE_NAMES = {name: (name,) * 3 for name in ("bt709", "bt470bg", "smpte170m", "smpte240m")}
_SINGLE_NAMES |= {"fcc": ("fcc", "bt470m", "bt470m"), "ycgco": ("ycgco", "film", "linear")}

_LAYOUT_CHANNELS = {"mono": 1, "stereo": 2, "downmix": 2, "binaural": 2, "quad": 4, "quad(side)": 4, "hexagonal": 6}
_LAYOUT_CHANNELS |= {"octagonal": 8, "cube": 8, "hexadecagonal": 16}


@dataclass(frozen=True, slots=True, kw_only=True)
class BannerStream:
    """One stream of the input, as the banner describes it.

    Attributes:
        index: number of the stream in the file.
        kind: ``"Video"``, ``"Audio"``, ``"Subtitle"`` ...
        text: the description after the kind.
        rotation: degrees counter-clockwise, 0 to 359.
        duration_s: from Matroska's ``DURATION`` tag, else None.
        layout_is_guessed: the file has no channel layout, and ffmpeg guessed it from the number of channels.
    """

    index: int
    kind: str
    text: str
    rotation: int = 0
    duration_s: Fraction | None = None
    layout_is_guessed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """ffmpeg's description of its input.

    Attributes:
        container: the demuxer's names.
        streams: all streams, in the order of the file.
    """

    container: str
    streams: tuple[BannerStream, ...]

    def first(self, kind: str) -> BannerStream | None:
        """Return the first stream of a kind that is not an attached picture."""
        return next((s for s in self.streams if s.kind == kind and "(attached pic)" not in s.text), None)


def probe_video_with_ffmpeg(media: MediaFile, ffmpeg: Path) -> VideoStreamInfo:
    """Return what the header of a file says about its video stream, by ffmpeg alone.

    Raises:
        ProbeError: not a media file, cut off before its index, or without video.
        ProcessError: ffmpeg could not be started or did not end in time.
    """
    return _measure(media, ffmpeg)[0]


def probe_video_and_packets_with_ffmpeg(media: MediaFile, ffmpeg: Path) -> tuple[VideoStreamInfo, PacketIndex]:
    """Return the header and all frames of the video stream, by one run of ffmpeg.

    Raises:
        ProbeError: as `probe_video_with_ffmpeg`; also a packet without presentation time.
        ProcessError: ffmpeg could not be started or did not end in time.
    """
    info, copied, errors = _measure(media, ffmpeg)
    index = PacketIndex.from_packets(
        (Packet(p.pts, p.size_bytes, p.is_key, p.is_hidden) for p in copied.packets),
        path=media.path,
        time_base=copied.time_base,
        errors=errors,
    )
    return info, index


def _measure(media: MediaFile, ffmpeg: Path) -> tuple[VideoStreamInfo, CopiedPackets, str]:
    with _printable_name(media.path) as path:
        output = run_tool(ffmpeg_command(ffmpeg, path), timeout_s=media.timeout_s, check=False)
    if output.returncode < 0:
        raise crashed(media, ffmpeg, output.returncode)
    banner = parse_banner(output.stderr)
    if banner is None:
        raise refusal(media, output.stderr)
    stream = banner.first("Video")
    if stream is None:
        raise no_video(media, (s.kind.lower() for s in banner.streams))
    copied = parse_framecrc(output.stdout.decode("ascii", errors="replace"))
    info = None if copied is None else describe_video(banner, stream, copied, media=media)
    if copied is None or info is None:
        raise undescribed(media, stream.text.partition(",")[0])
    errors = complaints(output.stderr)
    if output.returncode != 0 and not errors:
        errors = f"ffmpeg exited with status {output.returncode}"
    return info, copied, errors


def ffmpeg_command(ffmpeg: Path, path: Path) -> tuple[str, ...]:
    """Return the command whose two outputs are read here.

    ``-copyts`` keeps a start other than zero, ``-copyinkf`` the packets before the first keyframe.  ``V`` skips attached
    pictures, and ``+discardcorrupt`` skips a packet whose bytes are cut off.
    """
    return (
        *(str(ffmpeg), "-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info"),
        *("-fflags", "+discardcorrupt"),
        *input_arguments(path),
        *("-map", "0:V:0", "-c", "copy", "-copyts", "-copyinkf", "-f", "framecrc", "-"),
    )


@contextmanager
def _printable_name(path: Path) -> Iterator[Path]:
    """Yield a name for the file that is safe in the banner, which prints it raw: a newline in it could imitate a stream."""
    if str(path).isprintable():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="ffenc-") as folder:
        link = Path(folder) / "input"
        link.symlink_to(path)
        yield link


def parse_banner(stderr: str) -> Banner | None:
    """Read the description of the input from what ffmpeg wrote with ``-loglevel level+info``.

    Returns:
        None if ffmpeg did not open the input.
    """
    lines = stderr.split("\n")
    begin = next((i for i, line in enumerate(lines) if _INPUT.match(line)), None)
    if begin is None:
        return None
    end = next((i for i in range(begin, len(lines)) if _INPUT_ENDS.match(lines[i])), len(lines))
    starts = [i for i in range(begin, end) if _STREAM.match(lines[i])]
    guessed = {int(found[1]) for line in lines if "Guessed" in line and (found := _GUESSED_LAYOUT.search(line))}
    container = _INPUT.match(lines[begin])
    assert container is not None
    return Banner(
        container=container["container"],
        streams=tuple(_stream(lines[a:b], guessed) for a, b in pairwise([*starts, end])),
    )


def _stream(lines: Sequence[str], guessed: set[int]) -> BannerStream:
    head = _STREAM.match(lines[0])
    assert head is not None
    rotation = next((found[1] for line in lines if (found := _ROTATION.match(line))), "0")
    duration = next((found[1] for line in lines if (found := _DURATION.match(line))), "")
    return BannerStream(
        index=int(head["index"]),
        kind=head["kind"],
        text=head["text"],
        rotation=round(float(rotation)) % 360,
        duration_s=clock_s(duration),
        layout_is_guessed=int(head["index"]) in guessed,
    )


def describe_video(
    banner: Banner, stream: BannerStream, copied: CopiedPackets, *, media: MediaFile
) -> VideoStreamInfo | None:
    """Join the banner of a video stream with its packets; None if size, pixel format or rate are missing."""
    video = _VIDEO.match(stream.text)
    rate = _frame_rate(stream.text, copied)
    if video is None or video["pix_fmt"] == "none" or rate is None:
        return None
    fps, is_constant_rate = rate
    frames = declared_frames(media.path) if "mp4" in banner.container else None
    profile, codec_tag = _profile_and_tag(video["notes"])
    color_range, color_space, color_primaries, color_transfer = _colours(video["colour"])
    audio = [_audio(s) for s in banner.streams if s.kind == "Audio"]
    declared_s = copied.span_s() if stream.duration_s is None else stream.duration_s
    return VideoStreamInfo(
        path=media.path,
        codec=video["codec"],
        profile=profile,
        codec_tag=codec_tag,
        pix_fmt=video["pix_fmt"],
        channels=component_count(video["pix_fmt"]),
        width=int(video["width"]),
        height=int(video["height"]),
        fps=fps,
        is_constant_rate=is_constant_rate,
        time_base=copied.time_base,
        start_s=copied.shown[0][0] * copied.time_base if copied.shown else None,
        duration_s=whole_frames_duration_s(declared_s, fps=fps, is_constant_rate=is_constant_rate, frames=frames),
        has_b_frames=copied.reorder_depth(),
        color_range=color_range,
        color_space=color_space,
        color_primaries=color_primaries,
        color_transfer=color_transfer,
        sample_aspect_ratio=_aspect_ratio(video["rest"]),
        rotation=stream.rotation,
        extradata_hash=copied.extradata_hash,
        container=banner.container,
        size_bytes=media.size_bytes,
        audio=next(iter(audio), None),
        frames_declared=frames,
        more_audio=tuple(audio[1:]),
        other_streams=tuple(
            other_stream(s.kind.lower(), _codec_name(s.text))
            for s in banner.streams
            if s is not stream and s.kind != "Audio"
        ),
    )


def _frame_rate(text: str, copied: CopiedPackets) -> tuple[Fraction, bool] | None:
    """Return the rate: the banner rounds it to two decimals, and the packets make it exact."""
    printed = {kind: Fraction(number) * (1000 if kilo else 1) for number, kilo, kind in _RATE.findall(text)}
    average, nominal = printed.get("fps"), printed.get("tbr")
    return frame_rate(
        average and (copied.exact_rate(average) if average == nominal else copied.average_rate(average)),
        nominal and copied.exact_rate(nominal),
        frames=len(copied.shown),
        duration_s=copied.span_s(),
    )


def _profile_and_tag(notes: str) -> tuple[str | None, str | None]:
    """Read ``(libdav1d) (Main) (av01 / 0x31307661)``: a decoder is in lower case, a profile never is."""
    tag = _TAG.search(notes)
    names = [note[1:-1] for note in re.findall(_NOTES, notes[: tag.start()] if tag else notes)]
    profile = next((name for name in names if not re.fullmatch(r"[a-z][a-z0-9_.-]*|\d+", name)), None)
    return profile, tag and tag[1]


def _colours(notes: str) -> tuple[str | None, str | None, str | None, str | None]:
    """Read range, matrix, primaries and transfer from ``(tv, bt709/bt709/iec61966-2-1, progressive)``; None if unspecified."""
    fields = [field for field in notes[1:-1].split(", ") if field]
    color_range = next((field for field in fields if field in {"tv", "pc"}), None)
    names = next((field.split("/") for field in fields if "/" in field), None)
    if names is None:
        names = next((list(_SINGLE_NAMES[field]) for field in fields if field in _SINGLE_NAMES), ["unknown"] * 3)
    matrix, primaries, transfer = (None if name == "unknown" else name for name in names)
    return color_range, matrix, primaries, transfer


def _aspect_ratio(text: str) -> Fraction | None:
    """Return the last ratio printed: the container's, which follows the codec's, takes precedence."""
    ratios = _ASPECT.findall(text)
    return Fraction(int(ratios[-1][0]), int(ratios[-1][1])) if ratios else None


def _codec_name(text: str) -> str:
    return re.split(r"[ ,]", text, maxsplit=1)[0]


def _audio(stream: BannerStream) -> AudioStreamInfo:
    audio = _AUDIO.match(stream.text)
    if audio is None:
        return AudioStreamInfo(codec=_codec_name(stream.text), channels=0, sample_rate=0)
    channels, layout = _channels(audio["layout"])
    return AudioStreamInfo(
        codec=audio["codec"],
        channels=channels,
        sample_rate=int(audio["rate"]),
        bit_rate=int(audio["kbit_rate"]) * 1000 if audio["kbit_rate"] else None,
        bit_depth=sample_bits(audio["sample_fmt"] or ""),
        channel_layout=None if stream.layout_is_guessed else layout,
    )


def _channels(layout: str) -> tuple[int, str | None]:
    """Return the number of channels, and the layout's name if any: ``5.1(side)`` is 6, ``3 channels`` has no name."""
    if counted := re.fullmatch(r"(\d+) channels?", layout):
        return int(counted[1]), None
    if dotted := re.match(r"\d+(?:\.\d+)+", layout):
        return sum(int(part) for part in dotted[0].split(".")), layout
    return _LAYOUT_CHANNELS.get(layout, 0), layout
