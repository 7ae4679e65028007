"""Concatenate source videos into output files by stream copy."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from pathlib import Path

from ffenc.dataset.format.episode_columns import VideoSpan
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.parquet_series import MIB
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.storage.swap_directory import link_or_copy
from ffenc.dataset.transform.compatibility import PROVED_BY_DECODING, colour_tags, mismatches
from ffenc.errors import ConcatError, OutputError, ProcessDiedError, ProcessError, is_disk_full
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.plan.concat import AGREEMENT, B_FRAMES
from ffenc.video.clip import MeasuredClip, iterate_clips, obstacle
from ffenc.video.concat import join_measured
from ffenc.video.frame_comparison import check_frames
from ffenc.video.run_context import ProgressCallback, RunContext

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceVideo:
    """A video file of a source dataset.

    Attributes:
        source: number of the dataset.
        file: its file number in the dataset.
        stream: its measured stream, or that of its re-encoded version.
        frames: number of frames.
    """

    source: int
    file: FileId
    stream: VideoStreamInfo
    frames: int

    @classmethod
    def of(cls, clip: MeasuredClip, file: FileId, source: int = 0) -> SourceVideo:
        """Describe a measured file."""
        return cls(source=source, file=file, stream=clip.stream, frames=clip.packets.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedVideo:
    """The place of a `SourceVideo` in an output file.

    Attributes:
        video: the source file.
        file: the output file.
        offset: frame of the output file at which it starts.
    """

    video: SourceVideo
    file: FileId
    offset: int

    def place(self, span: VideoSpan) -> VideoSpan:
        """Return the place of an episode in the output file."""
        return VideoSpan(file=self.file, from_frame=self.offset + span.from_frame, to_frame=self.offset + span.to_frame)


class FrameCounter:
    """Add up the progress of several files that are processed concurrently, for a callback with the ``total``."""

    def __init__(self, total: int, progress: ProgressCallback | None) -> None:
        self._total, self._progress = total, progress
        self._done: dict[object, int] = {}
        self._guard = threading.Lock()

    def of(self, key: object) -> Callable[[int, int | None], None]:
        """Return the progress callback of one file."""

        def report(done: int, _: int | None = None) -> None:
            with self._guard:
                self._done[key] = done
                if self._progress is not None:
                    self._progress(sum(self._done.values()), self._total)

        return report


def group_videos(
    videos: Iterable[SourceVideo], info: DatasetInfo, *, concatenate: bool = True
) -> list[list[SourceVideo]]:
    """Group the videos of a camera by output file.

    As in LeRobot, a video starts a new file if the sum of the sizes would reach the limit of ``info``.  It also starts a new
    file if a stream copy cannot join it to the previous ones, or if ``concatenate`` is False.
    """
    limit_bytes = info.video_files_size_in_mb * MIB if concatenate else 0
    groups: list[list[SourceVideo]] = []
    size = 0.0
    for video in videos:
        length = video.stream.size_bytes
        if not groups or size + length >= limit_bytes or _cannot_share(video, groups[-1][0]):
            groups.append([])
            size = 0
        groups[-1].append(video)
        size += length
    return groups


def group_joinable(clips: Iterable[tuple[MeasuredClip, FileId]], info: DatasetInfo) -> list[list[SourceVideo]]:
    """Group videos as `group_videos` does; one that cannot be joined exactly keeps its own file, with a warning.

    Args:
        clips: the videos of one camera in order, with their file numbers; not checked for an `obstacle`.
        info: document with the size limit of a file.
    """
    groups: list[list[SourceVideo]] = []
    for found, some in groupby(clips, lambda each: obstacle(each[0])):
        if found is not None:
            logger.warning("a video keeps its own file: %s", found)
        videos = (SourceVideo.of(clip, file) for clip, file in some)
        groups += group_videos(videos, info, concatenate=found is None)
    return groups


def _cannot_share(video: SourceVideo, first: SourceVideo) -> bool:
    # If colour tags change within a file, FFmpeg 7.0 and later start a new filter graph, and readers lose frames.
    return bool(mismatches(video.stream, first.stream)) or colour_tags(video.stream) != colour_tags(first.stream)


def place_groups(groups: Iterable[Sequence[SourceVideo]], info: DatasetInfo) -> list[PlacedVideo]:
    """Return the place of every video if each group becomes one file."""
    placed: list[PlacedVideo] = []
    file = FileId()
    for group in groups:
        offsets = accumulate((video.frames for video in group[:-1]), initial=0)
        placed += [PlacedVideo(video=v, file=file, offset=o) for v, o in zip(group, offsets, strict=True)]
        file = file.successor(info.chunks_size)
    return placed


def write_groups(
    key: str,
    groups: Sequence[Sequence[SourceVideo]],
    root: Path,
    info: DatasetInfo,
    *,
    binaries: Binaries,
    link: bool = False,
    counter: FrameCounter | None = None,
) -> list[PlacedVideo]:
    """Write all videos of one camera and return their places; a group that cannot be joined is split.

    With ``link``, files that are not joined are hard-linked, which requires a new form that replaces its source.

    Raises:
        FFencError: a file cannot be written.
    """
    layout = DatasetLayout.of(root, info)
    counter = counter or FrameCounter(0, None)
    written: list[Sequence[SourceVideo]] = []
    file = FileId()
    waiting = list(reversed(groups))
    while waiting:
        group = waiting.pop()
        output = layout.video(key, file)
        output.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write(group, output, binaries, counter.of((key, file)), link=link)
        except (ConcatError, OutputError, ProcessError) as err:
            if len(group) == 1 or is_disk_full(err):
                raise
            output.unlink(missing_ok=True)
            logger.warning("%d videos of %s cannot share a file: %s", len(group), key, str(err).splitlines()[0])
            waiting += reversed(_split(group))
            continue
        written.append(group)
        file = file.successor(info.chunks_size)
    return place_groups(written, info)


def _split(group: Sequence[SourceVideo]) -> list[Sequence[SourceVideo]]:
    """Split a group where the headers change, or in the middle if they are equal."""
    same_headers: list[Sequence[SourceVideo]] = [list(some) for _, some in groupby(group, _headers)]
    half = len(group) // 2
    return same_headers if len(same_headers) > 1 else [group[:half], group[half:]]


def _headers(video: SourceVideo) -> tuple[object, ...]:
    return tuple(AGREEMENT[name](video.stream) for name in sorted({*PROVED_BY_DECODING, B_FRAMES}))


def _write(
    group: Sequence[SourceVideo], output: Path, binaries: Binaries, report: ProgressCallback, *, link: bool
) -> None:
    if len(group) == 1:
        (link_or_copy if link else shutil.copyfile)(group[0].stream.path, output)
        report(group[0].frames, None)
        return
    clips, context = [(video.stream, video.frames) for video in group], RunContext(binaries=binaries, progress=report)
    must_decode = len({_headers(video) for video in group}) > 1
    try:
        join_measured(clips, output, context, may_differ=PROVED_BY_DECODING)
    except (ConcatError, ProcessDiedError):
        # Some have no B-frames because they are too short.
        join_measured(clips, output, context, may_differ={*PROVED_BY_DECODING, B_FRAMES})
        must_decode = True
    if must_decode:
        (made,) = iterate_clips([output], binaries=binaries)
        parts = iterate_clips([video.stream.path for video in group], binaries=binaries)
        check_frames(made, [(part, (0, part.packets.count)) for part in parts], binaries=binaries)
