"""Validate a recorded episode, stage its tables and documents, and commit it to its dataset."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ffenc.dataset.format.dataset_tables import further_episode_columns, load_task_columns, load_tasks, save_tasks
from ffenc.dataset.format.documents import load_info, load_stats, save_info, save_stats
from ffenc.dataset.format.episode_columns import EpisodeRow, VideoSpan, episodes_table
from ffenc.dataset.format.frame_columns import data_table
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.parquet_series import save_table
from ffenc.dataset.format.provenance import append_provenance, episode_document
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.format.video_info import (
    LEROBOT_BACKEND,
    InfoLayout,
    depth_markers,
    markers_to_write,
    video_info,
    with_depth_markers,
)
from ffenc.dataset.recording.commit import commit, finish_commits
from ffenc.dataset.recording.episode_directory import EpisodeDirectory
from ffenc.dataset.recording.rows import EpisodeRows
from ffenc.dataset.storage.identity import DatasetIdentity
from ffenc.dataset.transform.compatibility import ENCODER_KEYS
from ffenc.dataset.transform.row_statistics import statistics_of_rows
from ffenc.errors import DatasetError, EpisodeError
from ffenc.statistics import FeatureStatistics, aggregate_statistics, vector_statistics
from ffenc.streaming.camera import CameraRecording
from ffenc.streaming.drop_log import EpisodeRecording
from ffenc.streaming.images import ImageFolder
from ffenc.video.output import WrittenVideo
from ffenc.video.run import EncodeResult

_MEASURED = frozenset(  # equal in all episodes
    {"video.codec", "video.pix_fmt", "video.height", "video.width", "video.fps", "depth_unit"}
)

_UNKNOWN: Mapping[str, object] = {**ENCODER_KEYS, "video.video_backend": LEROBOT_BACKEND}
"""Encoder settings of a video that was copied from a clip."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSummary:
    """An episode that was appended to its dataset.

    Attributes:
        episode_index: number of the episode.
        frames: number of its frames.
        dropped: number of dropped time steps.
        videos: video file of each camera.
        size_bytes: size of all these files.
    """

    episode_index: int
    frames: int
    dropped: int
    videos: Mapping[str, Path]
    size_bytes: int


class EpisodeAppender:
    """Appends episodes to a dataset, one after the other.  The caller holds the lock of the dataset.

    Each episode becomes one file in every series.  LeRobot reads that, and it costs the same for every episode.
    `ffenc.dataset.transform.pack` concatenates the files later.

    Attributes:
        info: ``meta/info.json`` as of the last appended episode.
    """

    def __init__(
        self,
        root: Path,
        *,
        ffmpeg_version: str,
        allow_mixed: bool = False,
        identity: DatasetIdentity | None = None,
        info_layout: InfoLayout | None = None,
    ) -> None:
        """Read the documents of the dataset and the end of each of its series.

        Args:
            root: the dataset.
            ffmpeg_version: recorded in the provenance.
            allow_mixed: accept videos whose codec or pixel format differs from the dataset's.
            info_layout: layout of the ``info`` blocks of cameras, see `RecorderOptions`.
            identity: detects that the dataset was moved; None skips the check.

        Raises:
            DatasetError: the dataset cannot be read.
        """
        self.root = root
        self.info: DatasetInfo = load_info(root)
        self._layout = DatasetLayout.of(root, self.info)
        self._ffmpeg_version = ffmpeg_version
        self._allow_mixed = allow_mixed
        self._identity = identity
        self._decided: tuple[EpisodeDirectory, DatasetInfo, list[str], dict[str, FeatureStatistics]] | None = None
        has_tasks = self._layout.tasks.exists()
        self._tasks = load_tasks(root) if has_tasks else []
        self._task_columns = load_task_columns(root) if has_tasks else None
        self._markers = markers_to_write([each.info for each in self.info.videos.values()], info_layout)
        self._stats = statistics_of_rows(root, self.info, load_stats(root) or {})
        if self.info.splits.keys() - {"train"}:
            logger.warning("the splits %s of %s are not kept when an episode is added", self.info.splits, root)
        self._others, self._leave_out = further_episode_columns(root, self.info)
        layout = self._layout
        layout.check_growing()
        self._data = self._behind(layout.data_number, layout.data_files())
        self._meta = self._behind(layout.episodes_number, layout.episodes_files())
        self._videos = {
            key: self._behind(partial(layout.video_number, key), layout.video_files(key)) for key in self.info.videos
        }

    def append(
        self, staging: EpisodeDirectory, rows: EpisodeRows, recording: EpisodeRecording | None
    ) -> EpisodeSummary:
        """Append an episode to the dataset.

        Args:
            staging: the directory of the episode, on the dataset's file system; it is removed.
            rows: one per time step.
            recording: files of the cameras; None for a dataset without cameras.

        Raises:
            EpisodeError: the episode does not fit; the dataset and ``staging`` are unchanged.
            DatasetMovedError: the dataset was moved; nothing was written.
            OutputError: the file system refused.
        """
        self._check_place(staging)
        self._finish_commit()
        index = self.info.total_episodes
        cameras = {} if recording is None else recording.cameras
        self._check(index, staging, rows, {name: camera.frames for name, camera in cameras.items()})
        before = self._with_cameras(index, cameras)
        tasks = list(dict.fromkeys([*self._tasks, *rows.tasks]))
        numbers = {task: number for number, task in enumerate(tasks)}
        columns = rows.arrays(episode_index=index, first_index=before.total_frames, task_numbers=numbers)
        row = self._row(before, rows, _statistics(before, columns, cameras))
        columns |= {name: _images(each.result) for name, each in cameras.items() if name in before.columns}
        stats = aggregate_statistics([self._stats, row.statistics]) if self._stats else dict(row.statistics)
        after = before.with_totals(
            episodes=index + 1, frames=row.dataset_to_index, tasks=max(len(tasks), before.total_tasks)
        )
        save_table(staging.data, data_table(after, columns))
        save_table(staging.episodes, episodes_table([row], after, self._others, leave_out=self._leave_out))
        save_stats(staging.path, {name: stats[name] for name in after.features if name in stats})
        save_info(staging.path, after)
        if tasks != self._tasks:
            save_tasks(staging.path, tasks, self._task_columns)
        self._check_place(staging)
        if recording is not None:
            ties = {number: row.shown for number, row in enumerate(rows.rows) if row.shown}
            document = episode_document(
                recording,
                ties,
                captured_ms=[capture.times_ms for capture in rows.captures],
                repeated=[capture.repeated for capture in rows.captures],
                episode_index=index,
                ffmpeg_version=self._ffmpeg_version,
            )
            append_provenance(self.root, document)
        videos = {key: self._layout.video(key, file) for key, file in self._videos.items()}
        # The episode counts once its list of renames is written, even if not all renames succeed.
        self._decided = staging, after, tasks, stats
        commit(self.root, staging, self._renames(staging, {cameras[key].path: path for key, path in videos.items()}))
        self._advance(after, tasks, stats)
        return EpisodeSummary(
            episode_index=index,
            frames=len(rows),
            dropped=0 if recording is None else len(recording.drop_log.drops),
            videos=videos,
            size_bytes=sum(path.stat().st_size for path in videos.values()),
        )

    def _finish_commit(self) -> None:
        """Complete the commit of the previous episode, if the file system refused a part of it."""
        if self._decided is not None:
            staging, info, tasks, stats = self._decided
            if staging.is_committing:
                finish_commits(self.root)
                self._advance(info, tasks, stats)
            self._decided = None

    def _check_place(self, staging: EpisodeDirectory) -> None:
        if self._identity is not None:
            self._identity.check(inside=staging.path)

    def _row(self, info: DatasetInfo, rows: EpisodeRows, statistics: dict[str, FeatureStatistics]) -> EpisodeRow:
        return EpisodeRow(
            episode_index=info.total_episodes,
            tasks=tuple(dict.fromkeys(rows.tasks)),
            length=len(rows),
            data=self._data,
            dataset_from_index=info.total_frames,
            videos={key: VideoSpan(file=file, from_frame=0, to_frame=len(rows)) for key, file in self._videos.items()},
            meta=self._meta,
            statistics=statistics,
        )

    def _renames(self, staging: EpisodeDirectory, videos: Mapping[Path, Path]) -> list[tuple[str, Path]]:
        """Return the renames of the commit, in the order in which readers may see them."""
        here, staged = self._layout, DatasetLayout(root=staging.path)
        renames = list(videos.items())
        if staged.tasks.exists():
            renames.append((staged.tasks, here.tasks))
        renames += [(staging.data, here.data(self._data)), (staging.episodes, here.episodes(self._meta))]
        renames += [(staged.stats, here.stats), (staged.info, here.info)]
        return [(str(source.relative_to(staging.path)), final) for source, final in renames]

    def _advance(self, info: DatasetInfo, tasks: list[str], stats: dict[str, FeatureStatistics]) -> None:
        size = info.chunks_size
        self._decided = None
        self._tasks, self._stats = tasks, stats
        self._data, self._meta = self._data.successor(size), self._meta.successor(size)
        self._videos = {key: file.successor(size) for key, file in self._videos.items()}
        self.info = info

    def _behind(self, number_of: Callable[[Path], FileId | None], files: list[Path]) -> FileId:
        numbers = {path: number_of(path) for path in files}
        unnamed = next((path for path, number in numbers.items() if number is None), None)
        if unnamed is not None:
            raise DatasetError(
                f"the name of {unnamed} does not match the path in info.json; rename or move it", path=unnamed
            )
        last = max((number for number in numbers.values() if number is not None), default=None)
        return FileId() if last is None else last.successor(self.info.chunks_size)

    def _check(self, index: int, staging: EpisodeDirectory, rows: EpisodeRows, frames: Mapping[str, int]) -> None:
        cameras = {name for name, feature in self.info.features.items() if feature.is_camera}
        if frames.keys() != cameras:
            raise EpisodeError(
                f"episode {index} has the cameras {sorted(frames)}, the dataset {self.root} has {sorted(cameras)}",
                episode_index=index,
                path=self.root,
            )
        wrong = {name: count for name, count in frames.items() if count != len(rows)}
        if wrong or not len(rows):
            counts = ", ".join(f"{name} has {count}" for name, count in wrong.items()) or "it is empty"
            raise EpisodeError(
                f"episode {index} has {len(rows)} rows but not as many frames: {counts}; it was not appended to {self.root} "
                f"and is in {staging.path}",
                episode_index=index,
                path=self.root,
            )

    def _with_cameras(self, index: int, cameras: Mapping[str, CameraRecording]) -> DatasetInfo:
        """Set the info blocks of cameras from the first episode, and check later episodes against them."""
        info = self.info
        for name, camera in cameras.items():
            feature = info.features[name]
            known = feature.info or {}
            measured = {"depth_unit": _depth_unit(camera.dtype)} if feature.is_depth else {}
            is_copied = isinstance(camera.result, WrittenVideo) and not isinstance(camera.result, EncodeResult)
            if isinstance(camera.result, WrittenVideo):
                config = camera.result.encoder.config if isinstance(camera.result, EncodeResult) else None
                block = video_info(camera.result.stream, config, is_depth_map=feature.is_depth)
                measured |= with_depth_markers({**block, **(_UNKNOWN if is_copied else {})}, self._markers)
            if not measured.keys() & known.keys() & _MEASURED:
                block = with_depth_markers(
                    known | measured, self._markers if feature.is_video else depth_markers([known])
                )
                info = info.with_feature_info(name, block) if measured else info
                continue
            different = [key for key in sorted(_MEASURED) if known.get(key) != measured.get(key)]
            if different and not self._allow_mixed:
                mismatch = ", ".join(f"{key} is {measured.get(key)!r}, not {known.get(key)!r}" for key in different)
                raise EpisodeError(
                    f"episode {index} does not match {name} of {self.root}: {mismatch}; record it with the same settings, or "
                    "resume with allow_mixed=True",
                    episode_index=index,
                    path=self.root,
                )
            if is_copied:
                info = info.with_feature_info(name, {**known, **ENCODER_KEYS})
        return info


def _depth_unit(dtype: str) -> str:
    # As in LeRobot: floats are metres.
    return "m" if dtype.startswith("float") else "mm"


def _statistics(
    info: DatasetInfo, columns: Mapping[str, Any], cameras: Mapping[str, CameraRecording]
) -> dict[str, FeatureStatistics]:
    """Return the statistics of all features, in the order of the features."""
    known = {name: camera.statistics for name, camera in cameras.items()}
    known |= {name: vector_statistics(values) for name, values in columns.items() if info.features[name].is_numeric}
    return {name: known[name] for name in info.features if name in known}


def _images(result: WrittenVideo | ImageFolder) -> list[bytes]:
    assert isinstance(result, ImageFolder)
    return [path.read_bytes() for path in result.files()]
