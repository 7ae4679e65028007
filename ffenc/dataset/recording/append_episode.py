"""What a recorded episode becomes in its dataset: checked, written beside it, then moved into it in one commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ffenc.dataset.format.dataset_tables import load_tasks, other_episode_columns, save_tasks
from ffenc.dataset.format.documents import load_info, load_stats, save_info, save_stats
from ffenc.dataset.format.episode_columns import EpisodeRow, VideoSpan, episodes_table
from ffenc.dataset.format.frame_columns import data_table
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.parquet_series import save_table
from ffenc.dataset.format.provenance import append_provenance, episode_document
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.format.video_info import InfoLayout, chosen_layout, in_layout, layout_of, video_info
from ffenc.dataset.recording.commit import COMMIT, commit, finish_commits
from ffenc.dataset.recording.rows import EpisodeRows
from ffenc.dataset.storage.identity import DatasetIdentity
from ffenc.errors import DatasetError, EpisodeError
from ffenc.statistics import FeatureStatistics, aggregate_statistics, vector_statistics
from ffenc.streaming.camera import CameraRecording
from ffenc.streaming.drop_log import EpisodeRecording
from ffenc.streaming.images import ImageFolder
from ffenc.video.run import EncodeResult

_DATA, _EPISODES = "data.parquet", "episodes.parquet"
_MEASURED = frozenset(
    {"video.codec", "video.pix_fmt", "video.height", "video.width", "video.fps", "depth_unit"}
)  # what all episodes must have in common


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSummary:
    """An episode that has joined its dataset.

    Attributes:
        episode_index: its number.
        frames: in it.
        dropped: time steps that were left out.
        videos: the file of each camera.
        size_bytes: of these files together.
    """

    episode_index: int
    frames: int
    dropped: int
    videos: Mapping[str, Path]
    size_bytes: int


class EpisodeAppender:
    """Adds episodes to a dataset, one after the other; the lock of the dataset is held by whoever uses it.

    Each episode is one file in every series, which is legal and costs the same for every episode;
    `ffenc.dataset.transform.pack` joins them later.

    Attributes:
        info: of the dataset, as of the last episode that joined it.
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
        """Read where the dataset ends.

        Args:
            root: the dataset.
            ffmpeg_version: for the provenance.
            allow_mixed: take videos of another codec or pixel format than those before.
            info_layout: of the ``info`` blocks of cameras, see `RecorderOptions`.
            identity: notices that the dataset was moved; None: a move is not noticed.

        Raises:
            DatasetError: it cannot be read.
        """
        self.root = root
        self.info: DatasetInfo = load_info(root)
        self._layout = DatasetLayout.of(root, self.info)
        self._ffmpeg_version = ffmpeg_version
        self._allow_mixed = allow_mixed
        self._identity = identity
        self._decided: tuple[Path, DatasetInfo, list[str], dict[str, FeatureStatistics]] | None = None
        self._tasks = load_tasks(root, to_write=True) if self._layout.tasks.exists() else []
        self._markers = chosen_layout([each.info for each in self.info.videos.values()], info_layout)
        self._stats = load_stats(root) or {}
        self._others = other_episode_columns(root, self.info)
        layout = self._layout
        layout.check_growing()
        self._data = self._behind(layout.data_number, layout.data_files())
        self._meta = self._behind(layout.episodes_number, layout.episodes_files())
        self._videos = {
            key: self._behind(partial(layout.video_number, key), layout.video_files(key)) for key in self.info.videos
        }

    def join(self, staging: Path, rows: EpisodeRows, recording: EpisodeRecording | None) -> EpisodeSummary:
        """Let an episode join the dataset.

        Args:
            staging: the directory in which it was recorded, in the dataset's file system; it is gone afterwards.
            rows: one per time step.
            recording: what became of the cameras; None for a dataset without any.

        Raises:
            EpisodeError: it does not fit; the dataset is as it was, and ``staging`` is as it was.
            DatasetMovedError: the dataset is not at its place any more; nothing was written.
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
        columns |= {name: _pictures(each.result) for name, each in cameras.items() if name in before.columns}
        stats = aggregate_statistics([self._stats, row.statistics]) if self._stats else dict(row.statistics)
        after = before.with_totals(
            episodes=index + 1, frames=row.dataset_to_index, tasks=max(len(tasks), before.total_tasks)
        )
        save_table(staging / _DATA, data_table(after, columns))
        save_table(staging / _EPISODES, episodes_table([row], after, self._others))
        save_stats(staging, {name: stats[name] for name in after.features if name in stats})
        save_info(staging, after)
        if tasks != self._tasks:
            save_tasks(staging, tasks)
        self._check_place(staging)
        if recording is not None:
            ties = {number: row.shown for number, row in enumerate(rows.rows) if row.shown}
            document = episode_document(recording, ties, episode_index=index, ffmpeg_version=self._ffmpeg_version)
            append_provenance(self.root, document)
        videos = {key: self._layout.video(key, file) for key, file in self._videos.items()}
        # From here on the episode counts as soon as its list of renames is there, even if not all of them succeed.
        self._decided = staging / COMMIT, after, tasks, stats
        commit(self.root, staging, self._renames(staging, {cameras[key].path: path for key, path in videos.items()}))
        self._advance(after, tasks, stats)
        return EpisodeSummary(
            episode_index=index,
            frames=len(rows),
            dropped=0 if recording is None else len(recording.ledger.drops),
            videos=videos,
            size_bytes=sum(path.stat().st_size for path in videos.values()),
        )

    def _finish_commit(self) -> None:
        """Complete the commit of the episode before, if the file system had refused a part of it."""
        if self._decided is not None:
            listed, info, tasks, stats = self._decided
            if listed.exists():
                finish_commits(self.root)
                self._advance(info, tasks, stats)
            self._decided = None

    def _check_place(self, staging: Path) -> None:
        if self._identity is not None:
            self._identity.check(inside=staging)

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

    def _renames(self, staging: Path, videos: Mapping[Path, Path]) -> list[tuple[str, Path]]:
        """In the order in which readers may see them."""
        here, staged = self._layout, DatasetLayout(root=staging)
        renames = [(path.name, final) for path, final in videos.items()]
        if staged.tasks.exists():
            renames.append((str(staged.tasks.relative_to(staging)), here.tasks))
        renames += [(_DATA, here.data(self._data)), (_EPISODES, here.episodes(self._meta))]
        renames.append((str(staged.stats.relative_to(staging)), here.stats))
        return [*renames, (str(staged.info.relative_to(staging)), here.info)]

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
            raise DatasetError(f"{unnamed} is not named as info.json says, so it belongs to no series", path=unnamed)
        last = max((number for number in numbers.values() if number is not None), default=None)
        return FileId() if last is None else last.successor(self.info.chunks_size)

    def _check(self, index: int, staging: Path, rows: EpisodeRows, frames: Mapping[str, int]) -> None:
        cameras = {name for name, feature in self.info.features.items() if feature.is_camera}
        if frames.keys() != cameras:
            raise EpisodeError(
                f"episode {index} has the cameras {sorted(frames)}, the dataset {self.root} has {sorted(cameras)}",
                episode_index=index,
                path=self.root,
            )
        wrong = {name: count for name, count in frames.items() if count != len(rows)}
        if wrong or not len(rows):
            said = ", ".join(f"{name} has {count}" for name, count in wrong.items()) or "there is none"
            raise EpisodeError(
                f"episode {index} has {len(rows)} rows, but not as many frames: {said}; it did not join {self.root} and is in "
                f"{staging}",
                episode_index=index,
                path=self.root,
            )

    def _with_cameras(self, index: int, cameras: Mapping[str, CameraRecording]) -> DatasetInfo:
        """The info blocks of the first episode; the later ones must be like it."""
        info = self.info
        for name, camera in cameras.items():
            feature = info.features[name]
            known = feature.info or {}
            measured = {"depth_unit": _depth_unit(camera.dtype)} if feature.is_depth else {}
            if isinstance(camera.result, EncodeResult):
                config = camera.result.encoder.config
                measured |= in_layout(
                    video_info(camera.result.stream, config, is_depth_map=feature.is_depth), self._markers
                )
            if not measured.keys() & known.keys() & _MEASURED:
                block = in_layout(known | measured, self._markers if feature.is_video else layout_of([known]))
                info = info.with_feature_info(name, block) if measured else info
                continue
            unlike = {
                key: (known.get(key), measured.get(key)) for key in _MEASURED if known.get(key) != measured.get(key)
            }
            if unlike and not self._allow_mixed:
                said = ", ".join(f"{key} is {new!r} and not {old!r}" for key, (old, new) in sorted(unlike.items()))
                raise EpisodeError(
                    f"episode {index} does not go with what {self.root} has of {name}: {said}; record it like the others, or "
                    "resume with allow_mixed=True",
                    episode_index=index,
                    path=self.root,
                )
        return info


def _depth_unit(dtype: str) -> str:
    # LeRobot: the first frame settles it, floats are metres.
    return "m" if dtype.startswith("float") else "mm"


def _statistics(
    info: DatasetInfo, columns: Mapping[str, Any], cameras: Mapping[str, CameraRecording]
) -> dict[str, FeatureStatistics]:
    """In the order of the features."""
    known = {name: camera.statistics for name, camera in cameras.items()}
    known |= {name: vector_statistics(values) for name, values in columns.items() if info.features[name].is_numeric}
    return {name: known[name] for name in info.features if name in known}


def _pictures(result: EncodeResult | ImageFolder) -> list[bytes]:
    assert isinstance(result, ImageFolder)
    return [path.read_bytes() for path in result.files()]
