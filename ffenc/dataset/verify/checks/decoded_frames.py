"""Decode every frame: each must be readable, and the frames of an episode must match its recorded statistics.

Nothing else distinguishes two exchanged videos of equal length, or the stored images of two cameras.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.dataset.format.camera_frames import depth_settings, frame_layout
from ffenc.dataset.format.provenance import load_provenance, provenance_path
from ffenc.dataset.verify.checks.content_report import report_content
from ffenc.dataset.verify.checks.documents import frame_size
from ffenc.dataset.verify.checks.episode_frames import Comparisons, DecodedEpisode, EpisodeFrames
from ffenc.dataset.verify.checks.frame_content import EpisodeContent
from ffenc.dataset.verify.checks.packets import Measurer, in_parallel, ranges_text, readable_frames
from ffenc.dataset.verify.checks.row_content import RowContent
from ffenc.dataset.verify.checks.spans import FrameSpan, VideoUse, video_uses
from ffenc.dataset.verify.checks.statistics import recorded_statistics
from ffenc.dataset.verify.checks.stored_images import decode_images, image_cameras
from ffenc.dataset.verify.checks.subject import Subject
from ffenc.errors import FFencError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.statistics import FeatureStatistics
from ffenc.video.reader import VideoReader
from ffenc.video.run_context import ProgressCallback

_MEAN, _STD = 0.008, 0.06
_MEAN_BY_SIDE = 0.25
"""Largest change of mean and deviation by lossy coding up to crf 30, as a fraction of the value range.

That of the mean grows by 0.25 divided by the shorter side in pixels.  Measured with libx264, libx265 and libsvtav1: 0.004 at
128x96, 0.009 at 64x48, and with libx264 0.024 at 16x16.
"""

_MOST, _MOST_BY_SIDE = 0.05, 0.8
"""The same for any crf: the mean changed by up to 0.045 at 320x240 and 0.1 at 16x16, at crf 51."""

_USUAL = 4.0
"""An episode that differs by this factor more than half of the episodes of its camera is reported."""

_NOTICED, _NEARER = 0.004, 4.0
"""An exchange is reported from this difference on, if the statistics of another video are nearer by this factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Decoded and recorded statistics of one episode and camera.

    Each is (mean, deviation) by channels, as fractions of the value range.  ``side`` is the shorter side of a frame in pixels.
    """

    place: int
    camera: str
    path: Path
    side: int
    decoded: npt.NDArray[np.float64]
    recorded: npt.NDArray[np.float64]

    @property
    def off(self) -> float:
        return float(np.abs(self.decoded - self.recorded).max())

    @property
    def off_by(self) -> tuple[float, float]:
        """The largest differences of the mean and of the deviation."""
        mean, std = np.abs(self.decoded - self.recorded).max(axis=1).tolist()
        return mean, std


def check_decoded_frames(
    subject: Subject,
    rows: RowContent | None = None,
    *,
    binaries: Binaries | None = None,
    progress: ProgressCallback | None = None,
) -> None:
    """Decode all videos and stored images that episodes need, and check their frames.

    They are compared with the recorded statistics, the rows, each other and the other cameras.

    Args:
        subject: the dataset; its rows have been checked.
        rows: contents of the rows; None skips the checks of contents.
        binaries: the executables; found by `find_binaries` if None.
        progress: called with the number of videos and cameras with images done, and the total.
    """
    tools = Measurer(binaries).binaries
    damaged = {finding.path for finding in subject.findings.kept if finding.code == "video-unreadable"}
    uses = [
        use
        for use in video_uses(subject)
        if use.path.is_file() and use.path.stat().st_size and use.path.relative_to(subject.root) not in damaged
    ]
    recorded = {place: _of_cameras(subject, row) for place, row in recorded_statistics(subject)}
    comparisons = Comparisons(provenance=_provenance(subject), limits=None if rows is None else rows.limits)
    sources = [
        *((str(use.path), _decode(subject, use, tools, comparisons)) for use in uses),
        *((camera, decode_images(subject, camera, tools, comparisons)) for camera in image_cameras(subject)),
    ]
    seen: list[_Seen] = []
    contents: list[EpisodeContent] = []

    def check(source: tuple[str, Iterator[DecodedEpisode]]) -> tuple[list[_Seen], list[EpisodeContent]]:
        name, episodes = source
        compared: list[_Seen] = []
        shown: list[EpisodeContent] = []
        with subject.checking(f"the frames of {name}"):
            for decoded in episodes:
                _report_ties(subject, decoded)
                expected = recorded.get(decoded.episode.place, {}).get(decoded.camera)
                if expected is not None:
                    compared.append(_compared(subject, decoded, expected))
                if decoded.content is not None:
                    shown.append(decoded.content)
        return compared, shown

    for done, (compared, shown) in enumerate(in_parallel(check, sources), start=1):
        seen += [result for result in compared if result.recorded.shape == result.decoded.shape]
        contents += shown
        if progress is not None:
            progress(done, len(sources))
    _report(subject, seen)
    if rows is not None:
        with subject.checking("what frames and rows contain"):
            report_content(subject, contents, rows, comparisons.provenance)


def measured_statistics(
    subject: Subject, binaries: Binaries, cameras: Collection[str]
) -> Iterator[tuple[int, str, FeatureStatistics]]:
    """Yield (place, camera, statistics) of the decoded frames of every episode, for some cameras."""
    for use in video_uses(subject):
        if use.camera not in cameras or not use.path.is_file():
            continue
        for decoded in _decode(subject, use, binaries):
            yield decoded.episode.place, use.camera, decoded.statistics


def _of_cameras(subject: Subject, row: Mapping[str, Any]) -> dict[str, npt.NDArray[np.float64]]:
    """Return mean and deviation of each camera; those of all episodes are in memory, the other statistics are not."""
    known = {name: row.get(name) for name, each in subject.known_info.features.items() if each.is_camera}
    return {name: _mean_and_std(value) for name, value in known.items() if isinstance(value, FeatureStatistics)}


def _mean_and_std(statistics: FeatureStatistics) -> npt.NDArray[np.float64]:
    return np.array([statistics.mean.ravel(), statistics.std.ravel()])


def _provenance(subject: Subject) -> Mapping[int, Mapping[str, Any]]:
    """Return what was kept of each episode; damage is reported, because frames and rows are then not compared."""
    path = provenance_path(subject.root)
    unreadable: list[int] = []
    try:
        known = load_provenance(subject.root, unreadable=unreadable)
    except (OSError, ValueError) as err:
        subject.findings.add("provenance-unreadable", f"frames are not compared with their rows: {err}", path=path)
        return {}
    missing = [number for number in range(subject.known_info.total_episodes) if number not in known]
    if unreadable and missing:
        subject.findings.add(
            "provenance-unreadable",
            f"{ranges_text(unreadable, 'line')} cannot be read, and nothing is known of {len(missing)} episodes: their frames "
            "are not compared with their rows",
            episode=missing[0],
            path=path,
        )
    return known


def _report_ties(subject: Subject, decoded: DecodedEpisode) -> None:
    found = decoded.ties.misaligned()
    if found is not None:
        row, nearest = found
        subject.findings.add(
            "pictures-misaligned",
            f"the image recorded with row {row} is now in frame {nearest}",
            episode=decoded.episode.place,
            camera=decoded.camera,
            frame=row,
            path=decoded.path,
        )


def _decode(
    subject: Subject, use: VideoUse, binaries: Binaries, comparisons: Comparisons | None = None
) -> Iterator[DecodedEpisode]:
    """Decode a video once, and yield what is known of the frames of each episode."""
    feature = subject.known_info.features[use.camera]
    waiting = [span for span in use.spans if span.is_right]
    number = 0
    frames: EpisodeFrames | None = None
    try:
        reader = VideoReader(use.path, layout=frame_layout(feature), binaries=binaries)
        for frame in reader:
            while waiting and number >= (waiting[0].stop or 0):  # it overlaps the episode before
                waiting.pop(0)
            if waiting and number >= (waiting[0].start or 0):
                if frames is None:
                    frames = EpisodeFrames(subject, waiting[0].episode, use.camera, use.path, comparisons)
                frames.add(frame)
                if number + 1 == waiting[0].stop:
                    if frames.is_complete:
                        yield frames.decoded()
                    waiting.pop(0)
                    frames = None
            number += 1
    except FFencError as err:
        _locate(subject, use, err, binaries)


def _compared(subject: Subject, decoded: DecodedEpisode, recorded: npt.NDArray[np.float64]) -> _Seen:
    feature, scale = subject.known_info.features[decoded.camera], 1.0
    if decoded.is_depth:
        settings = depth_settings(feature)
        is_metres = feature.is_video and (feature.info or {}).get("depth_unit", "mm") != "mm"
        unit = 1.0 if is_metres else 1000.0
        scale = (settings["depth_max"] - settings["depth_min"]) * unit
    return _Seen(
        place=decoded.episode.place,
        camera=decoded.camera,
        path=decoded.path,
        side=min((frame_size(feature) or (1, 1, 1))[:2]),
        decoded=_mean_and_std(decoded.statistics) / scale,
        recorded=recorded / scale,
    )


def _report(subject: Subject, seen: list[_Seen]) -> None:
    """Report episodes far from their statistics, and pairs whose statistics seem exchanged."""
    limits = {camera: _limits([one for one in seen if one.camera == camera]) for camera in {one.camera for one in seen}}
    noticed = [one for one in seen if one.off > _NOTICED]
    nearest = {id(one): _nearest(one, seen) for one in noticed}
    for one in noticed:
        other = nearest[id(one)]
        exchanged = other is not None and nearest.get(id(other)) is one
        is_foreign = any(off > limit for off, limit in zip(one.off_by, limits[one.camera], strict=True))
        if is_foreign or exchanged:
            hint = "" if other is None else f"; its frames match {other.camera} in episode {other.place}"
            message = f"mean or deviation differs from the recorded value by {one.off:.3f} of the value range{hint}"
            subject.findings.add("pictures-foreign", message, episode=one.place, camera=one.camera, path=one.path)


def _limits(seen: Sequence[_Seen]) -> tuple[float, float]:
    """Return the largest differences of mean and deviation in one camera that compression explains.

    Strong compression changes all episodes, so the limits depend on the median.
    """
    side = seen[0].side
    means, stds = (sorted(values) for values in zip(*(one.off_by for one in seen), strict=True))
    least = (_MEAN + _MEAN_BY_SIDE / side, _STD)
    most = (_MOST + _MOST_BY_SIDE / side, _STD * _USUAL)
    if len(means) == 1:  # nothing tells strong compression from other frames
        return least
    mean, std = (
        max(low, min(_USUAL * values[(len(values) - 1) // 2], high))
        for values, low, high in zip((means, stds), least, most, strict=True)
    )
    return mean, std


def _nearest(one: _Seen, seen: list[_Seen]) -> _Seen | None:
    """Return the episode and camera whose recorded statistics are much nearer to these frames, or None."""
    alike = [other for other in seen if other is not one and other.recorded.shape == one.decoded.shape]
    if not alike:
        return None
    distances = np.abs(np.stack([other.recorded for other in alike]) - one.decoded).max(axis=(1, 2))
    best = int(distances.argmin())
    return alike[best] if distances[best] * _NEARER < one.off else None


def _locate(subject: Subject, use: VideoUse, err: FFencError, binaries: Binaries) -> None:
    """Report the frames that cannot be decoded."""
    try:
        missing, reordered, count = _missing_frames(subject, use, binaries)
    except FFencError as cause:  # FFmpeg 4.2 does not always report the size of such a stream
        subject.findings.add("video-unreadable", str(cause), camera=use.camera, path=use.path)
        return
    reason = str(err).splitlines()[0]
    if len(missing) == count:
        message = f"{binaries.ffmpeg} decodes none of its {count} frames: {reason}"
        subject.findings.add("video-undecodable", message, camera=use.camera, path=use.path)
        return
    if not missing:
        subject.findings.add("frame-unreadable", f"decoding fails: {reason}", camera=use.camera, path=use.path)
    near = ", or one of the next few, because frames are reordered" if reordered else ""
    for span, frames in _by_episode(use, missing):
        subject.findings.add(
            "frame-unreadable",
            f"{ranges_text(frames)} of the {'video' if span is None else 'episode'} cannot be decoded{near}: {reason}",
            episode=None if span is None else span.episode.place,
            camera=use.camera,
            frame=frames[0],
            path=use.path,
        )


def _by_episode(use: VideoUse, numbers: Sequence[int]) -> Iterator[tuple[FrameSpan | None, list[int]]]:
    """Group frames of a video by episode and number them from its start; frames in no episode keep their numbers."""
    spans = [span for span in use.spans if span.is_right]
    starts = [span.start or 0 for span in spans]

    def place(number: int) -> int:
        found = bisect.bisect_right(starts, number) - 1
        return found if found >= 0 and number < (spans[found].stop or 0) else -1

    for found, group in itertools.groupby(numbers, key=place):
        first = 0 if found < 0 else starts[found]
        yield None if found < 0 else spans[found], [number - first for number in group]


def _missing_frames(subject: Subject, use: VideoUse, binaries: Binaries) -> tuple[list[int], bool, int]:
    """Return the frames that cannot be decoded, whether frames are reordered, and the number of frames.

    Raises:
        FFencError: the file cannot be measured.
    """
    stream, packets = Measurer(binaries).measure(use.path)
    given, _ = readable_frames(use.path, stream, Fraction(subject.known_info.fps), binaries)
    return sorted(set(range(packets.count)) - given), bool(stream.has_b_frames), packets.count
