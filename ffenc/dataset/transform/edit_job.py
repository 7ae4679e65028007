"""Write datasets with some episodes, or parts of episodes, of another one; videos are cut by stream copy."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ffenc.config import VideoEncoderConfig
from ffenc.dataset.format.camera_frames import span_statistics
from ffenc.dataset.format.dataset_tables import iterate_episodes
from ffenc.dataset.format.episode_columns import VideoSpan
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.parquet_series import iterate_episode_tables
from ffenc.dataset.format.schema import Feature
from ffenc.dataset.format.video_info import encoder_config_from_info
from ffenc.dataset.storage.swap_directory import link_or_copy
from ffenc.dataset.transform.source import DatasetSource
from ffenc.dataset.transform.stored_images import image_statistics
from ffenc.dataset.transform.video_groups import FrameCounter
from ffenc.dataset.transform.write_tables import EpisodeSelection, VideoPlacement, write_tables
from ffenc.errors import DatasetError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.plan.cut import Range
from ffenc.statistics import FeatureStatistics
from ffenc.threads import ThreadPool
from ffenc.video.cut import cut_video
from ffenc.video.run_context import ProgressCallback

logger = logging.getLogger(__name__)

_FILES_AT_ONCE = 2

KeptRows = Mapping[int, Range]
"""For each kept episode, the range of its rows that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditResult:
    """A dataset with some of the episodes of another one.

    Attributes:
        root: its directory.
        episodes, frames, tasks, videos: its counts; ``videos`` counts files.
        reencoded: for each source video that could not be cut by stream copy, the re-encoded frames.
    """

    root: Path
    episodes: int
    frames: int
    tasks: int
    videos: int
    reencoded: Mapping[Path, tuple[Range, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptVideo:
    """The kept frames of one source video.

    Attributes:
        key: its camera.
        path: the source video.
        file: its file number.
        ranges: the kept frames of each episode, ascending.
        is_complete: all frames are kept, so the file is copied.
        trimmed: the kept frames of each episode that loses some of its frames.
    """

    key: str
    path: Path
    file: FileId
    ranges: tuple[Range, ...]
    is_complete: bool
    trimmed: Mapping[int, VideoSpan]

    @property
    def frames(self) -> int:
        """Number of kept frames."""
        return sum(stop - first for first, stop in self.ranges)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditJob:
    """Write new datasets with episodes of one source.

    Attributes:
        source: the dataset.
        binaries: the executables.
        counter: adds up the progress of all videos.
    """

    source: DatasetSource
    binaries: Binaries
    counter: FrameCounter

    @classmethod
    def of(
        cls,
        source: DatasetSource,
        chosen: Sequence[KeptRows],
        binaries: Binaries | None,
        progress: ProgressCallback | None,
    ) -> EditJob:
        """Make a job that writes a dataset for each element of ``chosen``."""
        frames = sum(stop - first for kept in chosen for first, stop in kept.values())
        counter = FrameCounter(frames * len(source.info.videos), progress)
        return cls(source=source, binaries=binaries or find_binaries(), counter=counter)

    def write(self, kept: KeptRows, root: Path, *, final: Path, link: bool = False) -> EditResult:
        """Write the videos and tables of one dataset.

        Args:
            kept: its episodes.
            root: an empty directory, which becomes ``final``.
            final: its later name.
            link: make hard links of complete videos, for a dataset that replaces its source.
        """
        info = self.source.info.with_standard_paths()
        layout = DatasetLayout.of(root, info)
        moved: dict[str, dict[FileId, VideoPlacement]] = {key: {} for key in info.videos}
        jobs: list[tuple[KeptVideo, VideoPlacement, Path]] = []
        for video in self.videos(kept):
            # Without gaps in the file numbers, because LeRobot reads the first file.
            chunk, number = divmod(len(moved[video.key]), info.chunks_size)
            file = FileId(chunk=chunk, file=number)
            place = VideoPlacement(file=file, ranges=video.ranges)
            moved[video.key][video.file] = place
            jobs.append((video, place, layout.video(video.key, file)))
        with ThreadPool(max_workers=_FILES_AT_ONCE) as pool:
            written = list(pool.map(lambda job: self._write_video(*job, link=link), jobs))
        statistics: dict[str, dict[int, FeatureStatistics]] = {key: {} for key in moved}
        for (video, *_), (_, measured) in zip(jobs, written, strict=True):
            statistics[video.key].update(measured)
        selection = EpisodeSelection(source=self.source, videos=moved, keep=kept, frame_statistics=statistics)
        statistics |= image_statistics(selection, work=root, binaries=self.binaries)
        new = write_tables(root, info, [selection], self._tasks(kept))
        return EditResult(
            root=final,
            episodes=new.total_episodes,
            frames=new.total_frames,
            tasks=new.total_tasks,
            videos=len(jobs),
            reencoded={video.path: ranges for (video, *_), (ranges, _) in zip(jobs, written, strict=True) if ranges},
        )

    def videos(self, kept: KeptRows) -> Iterator[KeptVideo]:
        """Yield the videos that contain kept episodes, in order."""
        spans: dict[tuple[str, FileId], list[Range]] = {}
        trimmed: dict[tuple[str, FileId], dict[int, VideoSpan]] = {}
        mixed: set[tuple[str, FileId]] = set()
        for row in iterate_episodes(self.source.root, self.source.info, statistics=False):
            rows = kept.get(row.episode_index)
            for key, span in row.videos.items():
                if rows != (0, row.length):
                    mixed.add((key, span.file))
                if rows is not None:
                    part = span.part(*rows)
                    spans.setdefault((key, span.file), []).append((part.from_frame, part.to_frame))
                    if part != span:
                        trimmed.setdefault((key, span.file), {})[row.episode_index] = part
        for key, file in sorted(spans):
            ranges = tuple(sorted(spans[key, file]))
            is_complete = (key, file) not in mixed
            if is_complete:
                ranges = ((0, ranges[-1][1]),)
            yield KeptVideo(
                key=key,
                path=self.source.layout.video(key, file),
                file=file,
                ranges=ranges,
                is_complete=is_complete,
                trimmed=trimmed.get((key, file), {}),
            )

    def _write_video(
        self, video: KeptVideo, place: VideoPlacement, output: Path, *, link: bool
    ) -> tuple[tuple[Range, ...], dict[int, FeatureStatistics]]:
        """Write one video; return the re-encoded frames, and the statistics of the trimmed episodes."""
        report = self.counter.of(output)
        output.parent.mkdir(parents=True, exist_ok=True)
        if video.is_complete:
            (link_or_copy if link else shutil.copyfile)(video.path, output)
            report(video.frames, None)
            return (), {}
        feature = self.source.info.features[video.key]
        config = _stored_config(feature)
        result = cut_video(video.path, output, video.ranges, config=config, binaries=self.binaries, progress=report)
        report(video.frames, None)
        if result.reencoded:
            logger.log(
                logging.INFO if video.trimmed else logging.WARNING,
                "re-encoded the frames %s of %s, because they are not between two keyframes that are kept",
                ", ".join(f"{first} to {stop - 1}" for first, stop in result.reencoded),
                video.path,
            )
        new_spans = [place.place(span) for span in video.trimmed.values()]
        measured = span_statistics(output, feature, new_spans, binaries=self.binaries)
        return result.reencoded, dict(zip(video.trimmed, measured, strict=True))

    def _tasks(self, kept: KeptRows) -> list[str]:
        """Return the tasks of the kept rows, in their old order."""
        used: set[int] = set()
        for table in iterate_episode_tables(self.source.layout.data_files(), columns=["task_index"]):
            rows = kept.get(table["episode_index"][0].as_py())
            if rows is not None:
                used.update(table["task_index"].slice(rows[0], rows[1] - rows[0]).unique().to_pylist())
        return [task for number, task in enumerate(self.source.tasks) if number in used]


def _stored_config(feature: Feature) -> VideoEncoderConfig | None:
    """Return the settings of a camera, needed only to re-encode; None if the stored values are not valid."""
    try:
        return encoder_config_from_info(feature.info or {})
    except ValidationError as err:
        logger.debug("the stored encoder settings are not valid: %s", err)
        return None


def complete_rows(source: DatasetSource, episodes: Collection[int]) -> KeptRows:
    """Keep all rows of some episodes."""
    rows = iterate_episodes(source.root, source.info, statistics=False)
    return {row.episode_index: (0, row.length) for row in rows if row.episode_index in episodes}


def known_episodes(episodes: Collection[int], source: DatasetSource, what: str) -> set[int]:
    """Check the numbers of episodes; ``what`` is their purpose, for the message.

    Raises:
        DatasetError: there are none, or one does not exist.
    """
    total = source.info.total_episodes
    wrong: list[int] = [number for number in episodes if isinstance(number, bool) or not isinstance(number, int)]
    unknown = wrong or sorted(set(episodes) - set(range(total)))
    if unknown:
        raise DatasetError(
            f"{source.root} has the episodes 0 to {total - 1}, but not {', '.join(map(str, unknown))}", path=source.root
        )
    if not episodes:
        raise DatasetError(f"no episodes {what} are given; name at least one", path=source.root)
    return set(episodes)
