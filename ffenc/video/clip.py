"""Measure clips: map frame numbers to timestamps, and refuse clips for which that is impossible."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from ffenc.errors import ConcatError, InputError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.ffprobe import probe_video, probe_video_and_packets
from ffenc.ffmpeg.mp4.sample_tables import Mp4Index, SampleTable, read_mp4_index
from ffenc.ffmpeg.other_media import rescue_advice
from ffenc.ffmpeg.stream_info import PacketIndex, VideoStreamInfo
from ffenc.plan.clip_frames import ClipFrames, FrameClock
from ffenc.regular_files import file_path
from ffenc.threads import ThreadPool

_PROBES_AT_ONCE = 4  # a probe mostly waits for its process to start
_MEASURED_AT_ONCE = 64  # clips in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredClip:
    """A clip whose header and packets are consistent, so that frame numbers and times can be converted.

    Attributes:
        stream: its header.
        packets: its frames.
        is_seekable: False if decoding fails from a keyframe but works from the start, as with intra refresh.
    """

    stream: VideoStreamInfo
    packets: PacketIndex
    is_seekable: bool = True

    @property
    def demuxer(self) -> str:
        """FFmpeg's demuxer: the first name of the list that ffprobe prints."""
        return self.stream.container.split(",")[0]

    @property
    def display_size(self) -> tuple[int, int]:
        """(width, height) after the rotation that ffmpeg applies when it decodes."""
        width, height = self.stream.width, self.stream.height
        return (height, width) if self.stream.rotation in (90, 270) else (width, height)

    @property
    def clock(self) -> FrameClock:
        """The timestamp of each frame."""
        base = self.packets.time_base
        return FrameClock(first_pts=self.packets.pts[0], ticks_per_frame=1 / (self.stream.fps * base), time_base=base)

    def access_point(self, frame: int) -> int:
        """Return the frame at which decoding starts for ``frame``; 0 is the start of the file."""
        if not self.is_seekable or self.demuxer not in _INDEXED:
            return 0
        points = self.packets.keyframes if self.stream.codec in _SKIPS_LEADING else self.packets.cut_points
        place = bisect.bisect_right(points, frame)
        return points[place - 1] if place else 0

    def select(self, runs: Sequence[tuple[int, int]], *, every: int = 1) -> ClipFrames:
        """Return frames that are read after one seek to the access point of the first.

        Args:
            runs: ascending (first, count): frames ``first``, ``first + every``, ...
            every: step within a run.
        """
        point = self.access_point(runs[0][0])
        # A demuxer seeks by decoding or by presentation time; this value works for both.
        early = Fraction(1, 4) - self.stream.has_b_frames
        return ClipFrames(
            path=self.stream.path,
            demuxer=self.demuxer,
            size=self.display_size,
            clock=self.clock,
            runs=tuple(runs),
            every=every,
            seek_s=self.clock.time_s(point + early) if point else None,
        )


_INDEXED = ("mov", "matroska", "avi")
"""Demuxers that seek to a keyframe.  Others seek to a time: in MPEG-TS decoding would start between two, on grey frames."""

_SKIPS_LEADING = ("hevc",)
"""Codecs whose decoder drops frames that are stored after a keyframe and refer to frames before it.

Other decoders, such as H.264's with open GOPs, conceal the missing references.  They start only at cut points.
"""


def measure_clip(path: str | Path, *, binaries: Binaries) -> MeasuredClip:
    """Probe a clip and refuse it if frame numbers and times cannot be converted.

    Raises:
        ProbeError: not a video.
        InputError: damaged, without frames, with frames before its first keyframe, or of variable frame rate.
    """
    stream, packets = probe_video_and_packets(path, binaries=binaries)
    if packets.errors or (
        stream.frames_declared is not None and packets.count + packets.hidden < stream.frames_declared
    ):
        claimed = stream.frames_declared
        why = packets.errors or f"its header claims {claimed} frames, but it has {packets.count}"
        raise InputError(
            f"{path} is damaged: {why.rstrip('.')}. Use another copy, or recover the remaining frames. "
            f"{rescue_advice(stream.path, stream.fps)}",
            path=Path(path),
        )
    if packets.count == 0:
        raise InputError(f"{path} has no video frames", path=Path(path))
    leading = packets.keyframes[0] if packets.keyframes and not packets.hidden else 0
    if leading:
        raise InputError(
            f"{path} shows {leading} frames before its first keyframe, which refer to frames that are not in the file; make a "
            "file that begins with a keyframe, for example with: ffmpeg -i in -c:v libx264 -crf 12 out.mp4",
            path=Path(path),
        )
    uneven = _first_uneven(packets, stream.fps)
    if not stream.is_constant_rate or uneven is not None:
        where = "" if uneven is None else f": frame {uneven} is {_off(packets, stream.fps, uneven)} its place"
        raise InputError(
            f"{path} has a variable frame rate (about {float(stream.fps):.3f}){where}; make it constant first, for example with "
            f"ffmpeg -i in -r {round(stream.fps)} out, and check which frames are repeated or dropped",
            path=Path(path),
        )
    return MeasuredClip(stream=stream, packets=packets)


def measure_with_table(path: Path, *, binaries: Binaries) -> tuple[MeasuredClip, SampleTable | None]:
    """Measure a clip, without a process if FFmpeg has measured another file with the same kind of stream.

    Returns:
        The clip, and its sample table; None if it has none that is read as FFmpeg reads it.

    Raises:
        ProbeError, InputError: see `measure_clip`.
    """
    clip, index = _measure_with_index(path, binaries)
    return clip, None if index is None else index.table


def _measure_with_index(path: Path, binaries: Binaries) -> tuple[MeasuredClip, Mp4Index | None]:
    """Measure a clip as `measure_with_table` does; the index is None if FFmpeg does not read the same from the file."""
    index = read_mp4_index(path)
    if index is None:
        return measure_clip(path, binaries=binaries), None
    kind = (binaries, index.stream_key, index.has_square_pixels)
    known = _measured_kinds.get(kind)
    if known is not None and _first_uneven(index.packets, known.fps) is None:
        return _same_as(known, path, index), index
    clip = measure_clip(path, binaries=binaries)
    if clip.packets != index.packets:
        return clip, None
    while len(_measured_kinds) >= _KINDS_KNOWN:
        _measured_kinds.pop(next(iter(_measured_kinds), kind), None)
    _measured_kinds[kind] = clip.stream
    return clip, index


_KINDS_KNOWN = 64
_measured_kinds: dict[tuple[object, ...], VideoStreamInfo] = {}
"""A measured stream for each kind of file: the executables, `Mp4Index.stream_key` and the pixel aspect."""


def _first_uneven(packets: PacketIndex, fps: Fraction) -> int | None:
    """Return the first frame whose time differs from k/fps by more than a quarter of a frame, or None.

    Headers hide a variable rate in some containers; a quarter allows for Matroska's rounding to milliseconds.
    """
    ticks_per_frame = float(1 / (fps * packets.time_base))
    first = packets.pts[0]
    places = enumerate(packets.pts)
    return next((k for k, pts in places if abs(pts - first - k * ticks_per_frame) > ticks_per_frame / 4), None)


def _off(packets: PacketIndex, fps: Fraction, frame: int) -> str:
    late = float((packets.pts[frame] - packets.pts[0]) * packets.time_base * fps - frame)
    return f"{abs(late):.2f} frames {'behind' if late > 0 else 'ahead of'}"


def measure_clips(clips: Sequence[str | Path], *, binaries: Binaries) -> list[MeasuredClip]:
    """Measure all clips and refuse those that cannot be joined exactly.

    Raises:
        InputError: see `concat_videos`.
    """
    return list(iterate_clips(clips, binaries=binaries))


def iterate_clips(clips: Sequence[str | Path], *, binaries: Binaries, check: bool = True) -> Iterator[MeasuredClip]:
    """Measure clips in order, with few in memory at a time.

    Args:
        check: False leaves the check for an `obstacle` to the caller.

    Raises:
        InputError: see `concat_videos`.
    """
    paths = [file_path(clip) for clip in clips]
    if not paths:
        raise InputError("no clips were given to join; name at least one", path=Path())
    first, known = _measure_with_index(paths[0], binaries)
    if check:
        _check_clip(first)
    yield first
    for start in range(1, len(paths), _MEASURED_AT_ONCE):
        some = paths[start : start + _MEASURED_AT_ONCE]
        indices = [read_mp4_index(path) if known is not None else None for path in some]
        alike = [index if known and index and _same_stream(index, known) else None for index in indices]
        with ThreadPool(max_workers=_PROBES_AT_ONCE) as pool:
            others = {
                path: pool.submit(measure_clip, path, binaries=binaries)
                for path, index in zip(some, alike, strict=True)
                if index is None
            }
        for path, index in zip(some, alike, strict=True):
            clip = others[path].result() if index is None else _same_as(first.stream, path, index)
            if check:
                _check_clip(clip)
            yield clip


def _same_stream(index: Mp4Index, known: Mp4Index) -> bool:
    # Without the box, the pixel aspect is that of the codec's headers.
    return index.stream_key == known.stream_key and (index.has_square_pixels or not known.has_square_pixels)


def _same_as(first: VideoStreamInfo, path: Path, index: Mp4Index) -> MeasuredClip:
    """Return a clip whose stream has the same headers as the first; it is measured without a process."""
    stream = replace(
        first,
        path=path.absolute(),
        size_bytes=path.stat().st_size,
        duration_s=index.packets.count / first.fps,
        frames_declared=index.packets.count,
        sample_aspect_ratio=Fraction(1) if index.has_square_pixels else first.sample_aspect_ratio,
    )
    return MeasuredClip(stream=stream, packets=index.packets)


def obstacle(clip: MeasuredClip) -> str | None:
    """Return why a clip cannot be joined exactly with others, or None."""
    path = clip.stream.path
    if clip.stream.audio is not None:
        return (
            f"{path} has audio, whose frames do not end where the video's do; joining copies video only, so drop the audio "
            "first (ffenc reencode --audio=drop)"
        )
    if clip.packets.keyframes[:1] != (0,):
        return (
            f"{path} does not begin with a keyframe, so its first frames would be decoded from those of the previous clip; "
            "re-encode it first"
        )
    off = clip.packets.first_off_grid(clip.stream.fps)
    if off is not None or clip.packets.hidden:
        return (
            f"{path} does not show frame k at exactly k / ({clip.stream.fps}) s "
            f"({f'first at frame {off}' if off is not None else 'an edit list hides frames'}); re-encode it first"
        )
    return None


def _check_clip(clip: MeasuredClip) -> None:
    found = obstacle(clip)
    if found is not None:
        raise ConcatError(found, path=clip.stream.path)


def measure_plain(path: Path, *, binaries: Binaries) -> MeasuredClip:
    """Measure one clip, by its sample tables if possible; only for a clip whose copy is read back later.

    Raises:
        InputError: see `concat_videos`.
    """
    index = read_mp4_index(path)
    if index is None:
        return measure_clips([path], binaries=binaries)[0]
    clip = MeasuredClip(stream=probe_video(path, binaries=binaries), packets=index.packets)
    _check_clip(clip)
    return clip


def read_back(path: Path, first: VideoStreamInfo, *, binaries: Binaries) -> MeasuredClip:
    """Measure a file that was copied from others, by its sample tables if possible: listing packets takes as long as the copy.

    Args:
        first: stream of the file that its first packets were copied from.
    """
    index, known = read_mp4_index(path), read_mp4_index(first.path)
    if index is None:
        stream, packets = probe_video_and_packets(path, binaries=binaries)
        return MeasuredClip(stream=stream, packets=packets)
    if known is not None and _same_stream(index, known):
        return _same_as(first, path, index)
    return MeasuredClip(stream=probe_video(path, binaries=binaries), packets=index.packets)
