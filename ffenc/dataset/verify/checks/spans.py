"""Check the times of episodes in videos, without opening a video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ffenc.dataset.format.episode_columns import TOLERANCE_S
from ffenc.dataset.format.layout import FileId
from ffenc.dataset.verify.checks.documents import frame_size, some
from ffenc.dataset.verify.checks.subject import Episode, Span, Subject

_TOLERANCE_S = float(TOLERANCE_S)
_ROUNDING_S = 1e-6
"""Rounding errors of summed float64 durations stay well below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSpan:
    """The frames of one episode in a video.

    Attributes:
        episode: the episode.
        start: first frame; None if its time is between two frames.
        stop: end of the range, exclusive; None if its time is between two frames.
    """

    episode: Episode
    start: int | None
    stop: int | None

    @property
    def is_right(self) -> bool:
        """Whether the range is known and as long as the episode."""
        known = self.start is not None and self.stop is not None and self.episode.length is not None
        return known and (self.stop or 0) - (self.start or 0) == self.episode.length


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoUse:
    """A video and the episodes in it, by the table of episodes.

    Attributes:
        camera: name of the camera.
        file: number of the file.
        path: the file.
        spans: frames of the episodes, in the order of their start times.
    """

    camera: str
    file: FileId
    path: Path
    spans: tuple[FrameSpan, ...]

    @property
    def frames(self) -> int | None:
        """Number of frames that the episodes need; None if it is unknown."""
        if all(span.is_right for span in self.spans):
            return max(span.stop or 0 for span in self.spans)
        lengths = [span.episode.length for span in self.spans]
        return None if None in lengths else sum(length or 0 for length in lengths)


def video_uses(subject: Subject) -> Iterator[VideoUse]:
    """Yield every video that an episode needs, by camera and number."""
    if subject.known_info.video_path is None:
        return
    fps = subject.known_info.fps
    for camera in subject.known_info.videos:
        by_file: dict[FileId, list[tuple[float, FrameSpan]]] = {}
        for episode in subject.episodes:
            span = episode.spans[camera]
            frames = FrameSpan(episode=episode, start=_frame(span.from_s, fps), stop=_frame(span.to_s, fps))
            by_file.setdefault(span.file, []).append((span.from_s, frames))
        for file, spans in sorted(by_file.items()):
            ordered = [frames for _, frames in sorted(spans, key=lambda pair: pair[0])]
            path = subject.layout.video(camera, file)
            yield VideoUse(camera=camera, file=file, path=path, spans=tuple(ordered))


def _off_grid_s(time_s: float, fps: int) -> float:
    return abs(time_s - round(time_s * fps) / fps)


def _frame(time_s: float, fps: int) -> int | None:
    return None if _off_grid_s(time_s, fps) > _TOLERANCE_S or time_s < -_TOLERANCE_S else round(time_s * fps)


def check_spans(subject: Subject) -> None:
    """Check the files, times and neighbours of every episode in the videos."""
    used: set[Path] = set()
    for use in video_uses(subject):
        used.add(use.path)
        episodes = some([span.episode.place for span in use.spans])
        if subject.is_meta_only:
            pass
        elif not use.path.is_file():
            subject.findings.add("video-missing", f"episodes {episodes} need it", camera=use.camera, path=use.path)
        elif use.path.stat().st_size == 0:
            subject.findings.add("video-unreadable", "the file is empty", camera=use.camera, path=use.path)
        for span in use.spans:
            _check_times(subject, use, span, span.episode.spans[use.camera])
        if subject.episodes_whole:
            _check_neighbours(subject, use)
    if subject.is_meta_only:
        return
    if subject.episodes_whole and (used or not subject.known_info.videos):
        _check_unused(subject, used)


def _check_times(subject: Subject, use: VideoUse, span: FrameSpan, recorded: Span) -> None:
    fps, place = subject.known_info.fps, span.episode.place
    off_s = max(_off_grid_s(recorded.from_s, fps), _off_grid_s(recorded.to_s, fps))
    code = ""
    if off_s <= _ROUNDING_S and span.is_right:
        return
    times = f"from {recorded.from_s:.9g} s to {recorded.to_s:.9g} s"
    if span.start is None or span.stop is None:
        code, message = "video-time-off-grid", f"{times} is not at frames of {fps} per second"
    elif off_s > _ROUNDING_S:
        code, message = "video-time-drift", f"{times} is {off_s * 1e6:.1f} us off the frames"
    if code:
        subject.findings.add(code, message, episode=place, camera=use.camera, path=use.path)
    if span.start is not None and span.stop is not None and span.episode.length is not None and not span.is_right:
        message = f"{times} are {span.stop - span.start} frames, but the episode has {span.episode.length} rows"
        subject.findings.add("video-range-wrong", message, episode=place, camera=use.camera, path=use.path)


def _check_neighbours(subject: Subject, use: VideoUse) -> None:
    reached: int | None = 0
    for span in use.spans:
        if span.is_right and span.start is not None and reached is not None and span.start != reached:
            code = "video-range-gap" if span.start > reached else "video-range-overlap"
            message = f"it begins at frame {span.start} of the video, but the episode before it ends at frame {reached}"
            subject.findings.add(code, message, episode=span.episode.place, camera=use.camera, path=use.path)
        reached = span.stop if span.is_right else None


def _check_unused(subject: Subject, used: set[Path]) -> None:
    """Find unused videos of all cameras, also of removed cameras."""
    info = subject.known_info
    found = {path for key in info.videos if info.video_path for path in subject.layout.video_files(key)}
    found.update(
        path for path in (subject.root / "videos").rglob("*.mp4") if path.is_file()
    )  # the folder of a camera may have this name
    for path in sorted(found - used):
        if not path.name.startswith("."):
            subject.findings.add("video-unused", "no episode has frames in it", path=path)


def check_video_info(subject: Subject) -> None:
    """Check the info block of each camera against ``info.json`` itself."""
    info, path = subject.known_info, subject.layout.info
    for name, feature in info.videos.items():
        block = feature.info
        if not block:
            if subject.episodes:
                subject.findings.add("video-info-missing", "LeRobot needs it to merge and edit", camera=name, path=path)
            continue
        size = frame_size(feature)
        expected: dict[str, object] = {"video.fps": info.fps}
        if size is not None:
            expected |= {"video.height": size[0], "video.width": size[1]}
        for key, value in expected.items():
            if block.get(key, value) != value:
                message = f"{key} is {block[key]!r}, but the dataset has {value}"
                subject.findings.add("video-info-wrong", message, camera=name, path=path)
