"""Check every packet of every video: that each frame is there, on the clock, and of the stream that info.json describes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

from ffenc.dataset.format.video_info import video_info
from ffenc.dataset.verify.checks.documents import picture_size
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

_DECODE_TIMEOUT_S = 3600.0
_NO_DECODER = re.compile(
    r"no decoder|decoder .* not found|hardware accelerated|function not implemented", re.IGNORECASE
)
_AT_ONCE = 64  # files that are waited for; what is known of a file is dropped when it has been checked


def check_packets_of_videos(
    subject: Subject,
    *,
    binaries: Binaries | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    try_decoding: bool = True,
) -> int:
    """Check all videos that episodes need, several at a time.

    Args:
        subject: what is checked.
        binaries: the executables; found when they are needed if None.
        progress: is called with the number of videos done and in all.
        try_decoding: also decode the first frame of each video, or all of a video whose structure is unusual.

    Returns:
        How many were opened.
    """
    uses = [use for use in video_uses(subject) if use.path.is_file() and use.path.stat().st_size]
    measure = Measurer(binaries)
    for done, _ in enumerate(in_parallel(lambda use: _check_video(subject, use, measure, try_decoding), uses), start=1):
        if progress is not None:
            progress(done, len(uses))
    return len(uses)


class Measurer:
    """Measures videos; FFmpeg is started once for all that were written alike, and for those with anything unusual.

    Args:
        binaries: the executables; found when they are needed if None.
    """

    def __init__(self, binaries: Binaries | None = None) -> None:
        self._binaries = binaries
        self.binaries_given = binaries
        self._alike: dict[tuple[object, ...], VideoStreamInfo] = {}
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
        """A stream (of this file or of one just like it) and the packets of this file.

        Raises:
            ProbeError: not a video.
            ProcessError: FFmpeg failed on it.
        """
        index = read_mp4_index(path)
        if index is None:
            return probe_video_and_packets(path, binaries=self.binaries)
        with self._lock:  # so that the first of many files is asked once
            stream = self._alike.get(index.likeness)
            if stream is None:
                stream = self._alike[index.likeness] = probe_video(path, binaries=self.binaries)
        return stream, index.packets

    def packets(self, path: Path) -> PacketIndex:
        """The packets alone, for which a plain MP4 needs no FFmpeg.

        Raises:
            ProbeError: not a video.
            ProcessError: FFmpeg failed on it.
        """
        index = read_mp4_index(path)
        return probe_packets(path, binaries=self.binaries) if index is None else index.packets


def in_parallel(work: Callable[[VideoUse], Any], uses: Iterable[VideoUse]) -> Iterator[Any]:
    """The results in order; a bounded number of them waits."""
    waiting = iter(uses)
    with ThreadPool(max_workers=os.cpu_count() or 1, thread_name_prefix="verify") as pool:
        while some := list(islice(waiting, _AT_ONCE)):
            yield from pool.map(work, some)


def _check_video(subject: Subject, use: VideoUse, measure: Measurer, try_decoding: bool) -> None:
    with subject.checking(str(use.path)):
        try:
            stream, packets = measure.measure(use.path)
        except BinaryNotFoundError:
            raise
        except FFencError as err:
            subject.findings.add("video-unreadable", str(err), camera=use.camera, path=use.path)
            return
        is_whole = _check_frames(subject, use, stream, packets)
        _check_stream(subject, use, stream)
        if is_whole and try_decoding:
            _check_decoding(subject, use, stream, packets, measure)


def _check_decoding(
    subject: Subject, use: VideoUse, stream: VideoStreamInfo, packets: PacketIndex, measure: Measurer
) -> None:
    """Find a video whose packets can be listed though FFmpeg cannot decode them, as with a damaged header.

    The tables of a plain file agree with its media to the byte, so its first frame shows whether the coded headers are
    whole.  In other files a wrong size or place of a sample shows only in the pictures.
    """
    first_only = read_mp4_index(use.path) is not None
    readable, said = readable_frames(
        use.path, stream, Fraction(subject.known_info.fps), measure.binaries, first_only=first_only
    )
    wanted = range(1) if first_only else range(packets.count)
    missing = [number for number in wanted if number not in readable]
    if missing and not (not readable and _NO_DECODER.search(said)):
        reason = said.strip().partition("\n")[0] or "no reason given"
        subject.findings.add(
            "video-damaged",
            f"FFmpeg cannot decode {ranges_text(missing)} of the video: {reason}",
            camera=use.camera,
            frame=missing[0],
            path=use.path,
        )


def readable_frames(
    path: Path, stream: VideoStreamInfo, fps: Fraction, binaries: Binaries, *, first_only: bool = False
) -> tuple[set[int], str]:
    """The numbers of the frames that can be decoded without an error, and what FFmpeg says on standard error.

    Args:
        path: the video.
        stream: of a video like it.
        fps: its frame rate.
        binaries: the executables.
        first_only: end after the first frame that can be decoded.

    Raises:
        ProcessError: FFmpeg could not be started, or did not end.
    """
    demuxer = stream.container.split(",")[0]
    argv = plan_readable_frames(binaries.ffmpeg, path, demuxer=demuxer, first_only=first_only)
    output = run_tool(argv, timeout_s=_DECODE_TIMEOUT_S, check=False)
    lines = output.stdout.decode("ascii", "replace").splitlines()
    base = next((Fraction(line.split(":")[1].strip()) for line in lines if line.startswith("#tb 0:")), None)
    if base is None:  # without a single frame there is no header
        return set(), output.stderr
    rate = base * fps
    given = {round(int(line.split(",")[2]) * rate) for line in lines if line and not line.startswith("#")}
    return given, output.stderr


def ranges_text(numbers: Sequence[int], noun: str = "frame") -> str:
    """Write ascending numbers as ``frames 3-7, 12``."""
    texts = [str(first) if count == 1 else f"{first}-{first + count - 1}" for first, count in ranges_of(numbers)]
    return f"{noun}{'s' if len(numbers) > 1 else ''} {', '.join(texts)}"


def _check_frames(subject: Subject, use: VideoUse, stream: VideoStreamInfo, packets: PacketIndex) -> bool:
    """Whether the packets are right."""
    declared = stream.frames_declared if stream.path == use.path.absolute() else None
    found: list[tuple[str, str, int | None]] = []
    if declared is not None and declared > packets.count + packets.hidden:
        message = f"its header promises {declared} frames, {packets.count} are there"
        found.append(("video-torn", message, packets.count))
    elif packets.errors:
        found.append(("video-damaged", packets.errors, None))
    if packets.hidden:
        found.append(("video-frames-hidden", f"an edit list hides {packets.hidden} of its frames", None))
    needed = use.frames if subject.episodes_whole else None
    if needed is not None and not found and packets.count != needed:
        code = "video-frames-missing" if packets.count < needed else "video-frames-extra"
        message = f"it has {packets.count} frames, and its episodes need {needed}"
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
                f"it begins at frame {span.start} of the video, which needs others to be decoded",
                episode=span.episode.place,
                camera=use.camera,
                path=use.path,
            )
    return not found


def _check_stream(subject: Subject, use: VideoUse, stream: VideoStreamInfo) -> None:
    feature = subject.known_info.features[use.camera]
    measured, said = video_info(stream), feature.info or {}
    size = picture_size(feature)
    if size is not None and (stream.height, stream.width) != size[:2]:
        message = f"its pictures are {stream.width}x{stream.height}, the feature is {size[1]}x{size[0]}"
        subject.findings.add("video-size-foreign", message, camera=use.camera, path=use.path)
    code = "video-codec-foreign"
    for key in ("video.codec", "video.pix_fmt"):
        if said.get(key, measured[key]) != measured[key]:
            message = f"{key} is {measured[key]}, info.json says {said[key]}"
            subject.findings.add(code, message, camera=use.camera, path=use.path)
            return
        code = "video-format-foreign"
    for key in ("video.channels", "has_audio"):
        if said.get(key, measured[key]) != measured[key]:
            message = f"{key} of a video is {measured[key]}, info.json says {said[key]}"
            subject.findings.add("video-info-wrong", message, camera=use.camera, path=use.path)
