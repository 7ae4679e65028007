"""Check the packets of every video: number of frames, timestamps, keyframes, and the stream against info.json."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from ffenc.dataset.format.video_info import video_info
from ffenc.dataset.verify.checks.documents import frame_size
from ffenc.dataset.verify.checks.spans import VideoUse, video_uses
from ffenc.dataset.verify.checks.subject import Subject
from ffenc.errors import BinaryNotFoundError, FFencError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.ffprobe import probe_packets, probe_video, probe_video_and_packets
from ffenc.ffmpeg.mp4.sample_tables import read_mp4_index
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.ffmpeg.stream_info import PacketIndex, VideoStreamInfo
from ffenc.plan.clip_frames import ranges_of
from ffenc.plan.decode import plan_readable_frames
from ffenc.threads import ThreadPool
from ffenc.video.run_context import ProgressCallback

_DECODE_TIMEOUT_S = 3600.0
NO_DECODER = re.compile(r"no decoder|decoder .* not found|hardware accelerated|function not implemented", re.IGNORECASE)
_AT_ONCE = 64  # most files whose results are in memory
_FILES_PER_PROCESS = 32  # most files whose first frames one process decodes


def check_packets_of_videos(
    subject: Subject,
    *,
    binaries: Binaries | None = None,
    progress: ProgressCallback | None = None,
    try_decoding: bool = True,
) -> int:
    """Check all videos that episodes need, several at a time, and return their number.

    Args:
        subject: the dataset.
        binaries: the executables; found when they are needed if None.
        progress: called with the number of videos done and the total.
        try_decoding: also decode the first frame of each video, or all frames if the structure of the file is unusual.
    """
    uses = [use for use in video_uses(subject) if use.path.is_file() and use.path.stat().st_size]
    measure = Measurer(binaries)
    whole: list[VideoUse] = []
    checked = in_parallel(lambda use: _check_video(subject, use, measure), uses)
    for done, (use, is_whole) in enumerate(zip(uses, checked, strict=True), start=1):
        if is_whole and try_decoding:
            whole.append(use)
        if progress is not None:
            progress(done, len(uses))
    batches = [whole[start : start + _FILES_PER_PROCESS] for start in range(0, len(whole), _FILES_PER_PROCESS)]
    for _ in in_parallel(lambda some: _check_decoding(subject, some, measure), batches):
        pass
    return len(uses)


_Job = TypeVar("_Job")


class Measurer:
    """Measures videos.  It starts FFmpeg once for all plain MP4 files with equal headers, and for each other file.

    Args:
        binaries: the executables; found when they are needed if None.
    """

    def __init__(self, binaries: Binaries | None = None) -> None:
        self._binaries = binaries
        self.binaries_given = binaries
        self._streams: dict[tuple[object, ...], VideoStreamInfo] = {}
        self._lock = Lock()

    @property
    def binaries(self) -> Binaries:
        """The executables.

        Raises:
            BinaryNotFoundError: there are none.
        """
        if self._binaries is None:
            self._binaries = find_binaries()
        return self._binaries

    def measure(self, path: Path) -> tuple[VideoStreamInfo, PacketIndex]:
        """Return the stream of this file, or of one with equal headers, and the packets of this file.

        Raises:
            ProbeError: the file is not a video.
            ProcessError: FFmpeg failed.
        """
        index = read_mp4_index(path)
        if index is None:
            return probe_video_and_packets(path, binaries=self.binaries)
        with self._lock:  # probe the first of many equal files once
            stream = self._streams.get(index.stream_key)
            if stream is None:
                stream = self._streams[index.stream_key] = probe_video(path, binaries=self.binaries)
        return stream, index.packets

    def packets(self, path: Path) -> PacketIndex:
        """Return the packets; a plain MP4 needs no FFmpeg.

        Raises:
            ProbeError: the file is not a video.
            ProcessError: FFmpeg failed.
        """
        index = read_mp4_index(path)
        return probe_packets(path, binaries=self.binaries) if index is None else index.packets


def in_parallel(work: Callable[[_Job], Any], jobs: Iterable[_Job]) -> Iterator[Any]:
    """Yield the results in order, with a bounded number of them in memory."""
    waiting = iter(jobs)
    with ThreadPool(max_workers=os.cpu_count() or 1, thread_name_prefix="verify") as pool:
        while some := list(islice(waiting, _AT_ONCE)):
            yield from pool.map(work, some)


def _check_video(subject: Subject, use: VideoUse, measure: Measurer) -> bool:
    """Check the packets and the stream of a video; return whether its frames are complete."""
    is_whole = False
    with subject.checking(str(use.path)):
        try:
            stream, packets = measure.measure(use.path)
        except BinaryNotFoundError:
            raise
        except FFencError as err:
            subject.findings.add("video-unreadable", str(err), camera=use.camera, path=use.path)
            return False
        is_whole = _check_frames(subject, use, stream, packets)
        _check_stream(subject, use, stream)
    return is_whole


def _check_decoding(subject: Subject, uses: Sequence[VideoUse], measure: Measurer) -> None:
    """Find videos whose packets can be listed but not decoded, for example because of a damaged header.

    In a plain MP4, the tables match the media to the byte, so the first frame shows whether the coded headers are complete.
    In other files, a wrong size or offset of a sample only shows in the frames.
    """
    plain = [use for use in uses if read_mp4_index(use.path) is not None]
    if len(plain) > 1 and _show_first_frames([use.path for use in plain], measure.binaries):
        uses = [use for use in uses if use not in plain]
    for use in uses:
        with subject.checking(str(use.path)):
            _check_decoding_of(subject, use, measure, first_only=use in plain)


def _show_first_frames(paths: Sequence[Path], binaries: Binaries) -> bool:
    """Return whether the first frame of each plain MP4 file can be decoded, without any message."""
    argv = plan_readable_frames(binaries.ffmpeg, paths, demuxer="mov", first_only=True)
    output = run_tool(argv, timeout_s=_DECODE_TIMEOUT_S, check=False)
    lines = output.stdout.decode("ascii", "replace").splitlines()
    shown = {line.split(",")[0].strip() for line in lines if not line.startswith("#")}
    return len(shown) == len(paths) and not output.stderr.strip() and output.returncode == 0


def _check_decoding_of(subject: Subject, use: VideoUse, measure: Measurer, *, first_only: bool) -> None:
    stream, packets = measure.measure(use.path)
    readable, stderr = readable_frames(
        use.path, stream, Fraction(subject.known_info.fps), measure.binaries, first_only=first_only
    )
    wanted = range(1) if first_only else range(packets.count)
    missing = [number for number in wanted if number not in readable]
    if missing and not (not readable and NO_DECODER.search(stderr)):
        reason = stderr.strip().partition("\n")[0] or "no reason given"
        message = f"FFmpeg cannot decode {ranges_text(missing)} of the video: {reason}"
        subject.findings.add("video-damaged", message, camera=use.camera, frame=missing[0], path=use.path)


def readable_frames(
    path: Path, stream: VideoStreamInfo, fps: Fraction, binaries: Binaries, *, first_only: bool = False
) -> tuple[set[int], str]:
    """Return the numbers of the frames that can be decoded without an error, and FFmpeg's standard error.

    Args:
        path: the video.
        stream: its stream, or that of a file with equal headers.
        fps: its frame rate.
        binaries: the executables.
        first_only: stop after the first frame that can be decoded.

    Raises:
        ProcessError: FFmpeg could not be started, or did not end.
    """
    demuxer = stream.container.split(",")[0]
    argv = plan_readable_frames(binaries.ffmpeg, [path], demuxer=demuxer, first_only=first_only)
    output = run_tool(argv, timeout_s=_DECODE_TIMEOUT_S, check=False)
    lines = output.stdout.decode("ascii", "replace").splitlines()
    base = next((Fraction(line.split(":")[1].strip()) for line in lines if line.startswith("#tb 0:")), None)
    if base is None:  # no frame, so no header
        return set(), output.stderr
    rate = base * fps
    given = {round(int(line.split(",")[2]) * rate) for line in lines if line and not line.startswith("#")}
    return given, output.stderr


def ranges_text(numbers: Sequence[int], noun: str = "frame") -> str:
    """Write ascending numbers as ``frames 3-7, 12``."""
    texts = [str(first) if count == 1 else f"{first}-{first + count - 1}" for first, count in ranges_of(numbers)]
    return f"{noun}{'s' if len(numbers) > 1 else ''} {', '.join(texts)}"


def _check_frames(subject: Subject, use: VideoUse, stream: VideoStreamInfo, packets: PacketIndex) -> bool:
    """Check number and times of frames, and keyframes; return whether the frames are complete."""
    declared = stream.frames_declared if stream.path == use.path.absolute() else None
    found: list[tuple[str, str, int | None]] = []
    if declared is not None and declared > packets.count + packets.hidden:
        message = f"its header says {declared} frames, but it has {packets.count}"
        found.append(("video-torn", message, packets.count))
    elif packets.errors:
        found.append(("video-damaged", packets.errors, None))
    if packets.hidden:
        found.append(("video-frames-hidden", f"an edit list hides {packets.hidden} of its frames", None))
    needed = use.frames if subject.episodes_whole else None
    if needed is not None and not found and packets.count != needed:
        code = "video-frames-missing" if packets.count < needed else "video-frames-extra"
        message = f"it has {packets.count} frames, but its episodes need {needed}"
        found.append((code, message, min(packets.count, needed)))
    off = packets.first_off_grid(Fraction(subject.known_info.fps))
    if off is not None:
        shown, wanted = float(packets.pts_s(off)), float(Fraction(off, subject.known_info.fps))
        found.append(("video-clock-wrong", f"frame {off} is at {shown:.6f} s, expected {wanted:.6f} s", off))
    for code, message, frame in found:
        subject.findings.add(code, message, camera=use.camera, frame=frame, path=use.path)
    keys = set(packets.keyframes)
    for span in use.spans:
        if not found and span.is_right and span.start not in keys:
            subject.findings.add(
                "video-key-frame-missing",
                f"it begins at frame {span.start} of the video, which is not a keyframe",
                episode=span.episode.place,
                camera=use.camera,
                path=use.path,
            )
    return not found


def _check_stream(subject: Subject, use: VideoUse, stream: VideoStreamInfo) -> None:
    feature = subject.known_info.features[use.camera]
    measured, stored = video_info(stream), feature.info or {}
    size = frame_size(feature)
    if size is not None and (stream.height, stream.width) != size[:2]:
        message = f"its frames are {stream.width}x{stream.height}, but the feature is {size[1]}x{size[0]}"
        subject.findings.add("video-size-foreign", message, camera=use.camera, path=use.path)
    code = "video-codec-foreign"
    for key in ("video.codec", "video.pix_fmt"):
        if stored.get(key, measured[key]) != measured[key]:
            message = f"{key} is {measured[key]}, but info.json says {stored[key]}"
            subject.findings.add(code, message, camera=use.camera, path=use.path)
            return
        code = "video-format-foreign"
    for key in ("video.channels", "has_audio"):
        if stored.get(key, measured[key]) != measured[key]:
            message = f"{key} of a video is {measured[key]}, but info.json says {stored[key]}"
            subject.findings.add("video-info-wrong", message, camera=use.camera, path=use.path)
