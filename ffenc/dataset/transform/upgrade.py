"""Convert a dataset of LeRobot's format 2.1 to 3.0: pack the files of its episodes, and write tables for its JSON lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.dataset_tables import data_writer, save_episodes, save_tasks
from ffenc.dataset.format.documents import save_info, save_stats
from ffenc.dataset.format.episode_columns import EpisodeRow, VideoSpan, episodes_schema
from ffenc.dataset.format.format21 import (
    Episode21,
    Layout21,
    StatisticsLines,
    load_episodes_21,
    load_info_21,
    load_tasks_21,
    read_rows_21,
)
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.provenance import append_operation
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.storage.dataset_tree import check_same_tree, check_tree, resolve_root
from ffenc.dataset.storage.local_root import OLD_VERSION_TAG, check_local
from ffenc.dataset.storage.new_directory import check_new
from ffenc.dataset.transform.in_place import copy_unchanged, new_form
from ffenc.dataset.transform.source import reading
from ffenc.dataset.transform.video_groups import (
    FrameCounter,
    PlacedVideo,
    SourceVideo,
    group_joinable,
    place_groups,
    write_groups,
)
from ffenc.errors import DatasetError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.statistics import StatisticsTotal
from ffenc.threads import ThreadPool
from ffenc.video.clip import MeasuredClip, iterate_clips
from ffenc.video.run_context import ProgressCallback

_CAMERAS_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeResult:
    """A dataset that was converted to format 3.0, or that would be.

    Attributes:
        root: its directory.
        dry_run: everything was checked, and nothing was written.
        episodes, frames, tasks: its counts.
        videos_before, videos: number of video files in the old and in the new format; no frame is re-encoded.
    """

    root: Path
    dry_run: bool
    episodes: int
    frames: int
    tasks: int
    videos_before: int
    videos: int


def upgrade_dataset(
    root: str | Path,
    output: str | Path | None = None,
    *,
    data_files_size_in_mb: float = 100,
    video_files_size_in_mb: float = 200,
    dry_run: bool = False,
    follow_links: bool = False,
    binaries: Binaries | None = None,
    progress: ProgressCallback | None = None,
) -> UpgradeResult:
    """Convert a dataset of LeRobot's format 2.1 to 3.0, atomically into a new dataset or in place.

    The videos of episodes are joined by stream copy up to the size limit, so no frame is re-encoded.  A video that cannot be
    joined to the others keeps its own file.  Timestamps are computed from frame counts.  Documents and tables have the
    values that LeRobot's converter writes.  Other files, such as ``README.md``, are kept.

    Args:
        root: the dataset.
        output: directory of a new dataset; None converts in place.
        data_files_size_in_mb, video_files_size_in_mb: size in MiB at which a new file starts.
        dry_run: check everything, including every row and every video, and write nothing.
        follow_links: read through symbolic links in the dataset, for example those of a download cache.
        binaries: the executables; found by `find_binaries` if None.
        progress: called with (video frames done, total), from other threads.

    Raises:
        DatasetError: the dataset has another format, or its files do not agree: an episode, a row, a frame or a task is
            missing, surplus or listed twice.  The message has the file, and its line or row.
        InputError: a video is damaged.
        OutputExistsError: ``output`` exists.
        FFencError: a file cannot be written.  After any error the dataset is unchanged, and no output is left.
    """
    binaries = binaries or find_binaries()
    final = None if output is None else Path(output)
    if final is not None:
        check_new(final)
    check_local(root, tag=OLD_VERSION_TAG)
    place = resolve_root(root)

    def opened() -> _Source:
        return _Source.open(
            place,
            follow_links=follow_links,
            data_files_size_in_mb=data_files_size_in_mb,
            video_files_size_in_mb=video_files_size_in_mb,
        )

    if dry_run:
        source = opened()
        with reading([source]):
            groups = source.groups(binaries)
            for _ in source.rows():
                pass
        placed = {key: place_groups(some, source.info) for key, some in groups.items()}
    else:
        opened()  # a clear error comes before the lock is taken and a directory is made
        with new_form(place, final) as building:
            source = opened()
            with reading([source]):
                placed = _write(source, building, binaries, progress, in_place=final is None)
    info = source.info
    return UpgradeResult(
        root=final or Path(root),
        dry_run=dry_run,
        episodes=info.total_episodes,
        frames=info.total_frames,
        tasks=info.total_tasks,
        videos_before=sum(map(len, placed.values())),
        videos=sum(len({each.file for each in some}) for some in placed.values()),
    )


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A dataset of format 2.1 whose documents agree.

    Attributes:
        layout: its paths.
        info: its document in format 3.0.
        tasks: its tasks, by number.
        task_columns: a column for each key of a task that LeRobot does not define.
        episodes: its episodes, by number.
        others: type of the column for each key of an episode that LeRobot does not define.
        statistics: the statistics of its episodes.
        digest: digest of its files when it was opened.
    """

    layout: Layout21
    info: DatasetInfo
    tasks: Sequence[str]
    task_columns: pa.Table
    episodes: Sequence[Episode21]
    others: Mapping[str, pa.DataType]
    statistics: StatisticsLines
    digest: str

    @classmethod
    def open(
        cls, root: Path, *, follow_links: bool, data_files_size_in_mb: float, video_files_size_in_mb: float
    ) -> _Source:
        """Read and compare the documents of a dataset, and the names of its files.

        Raises:
            DatasetError: see `upgrade_dataset`.
        """
        info = load_info_21(
            root, data_files_size_in_mb=data_files_size_in_mb, video_files_size_in_mb=video_files_size_in_mb
        )
        layout = Layout21(root=root, chunks_size=info.chunks_size)
        digest = check_tree(root, follow_links=follow_links)
        tasks, keys = load_tasks_21(layout.tasks)
        episodes = load_episodes_21(layout.episodes, info)
        source = cls(
            layout=layout,
            info=info,
            tasks=tasks,
            task_columns=pa.table(_columns(keys, layout.tasks)),
            episodes=episodes,
            others={
                key: column.type for key, column in _columns([e.others for e in episodes], layout.episodes).items()
            },
            statistics=StatisticsLines(layout.statistics, info),
            digest=digest,
        )
        source._check()
        return source

    def check_unchanged(self) -> None:
        """Raise `DatasetError` if another process changed the dataset since it was opened."""
        check_same_tree(self.layout.root, self.digest)

    @cached_property
    def files(self) -> set[Path]:
        """The data files and videos of all episodes."""
        files = {self.layout.data(each.number) for each in self.episodes}
        return files | {self.layout.video(key, each.number) for key in self.info.videos for each in self.episodes}

    def rows(self) -> Iterator[tuple[Episode21, int, pa.Table]]:
        """Yield every episode with the index of its first row, and its rows.

        Raises:
            DatasetError: see `read_rows_21`.
        """
        first = 0
        for episode in self.episodes:
            yield episode, first, read_rows_21(self.layout.data(episode.number), episode, self.info, first=first)
            first += episode.length

    def groups(self, binaries: Binaries) -> dict[str, list[list[SourceVideo]]]:
        """Measure all videos and group those of each camera by output file.

        Raises:
            DatasetError: a video has more or fewer frames than its episode has rows.
            InputError: a video is damaged.
        """
        return {key: group_joinable(self._videos(key, binaries), self.info) for key in self.info.videos}

    def _videos(self, key: str, binaries: Binaries) -> Iterator[tuple[MeasuredClip, FileId]]:
        paths = [self.layout.video(key, each.number) for each in self.episodes]
        for episode, clip in zip(self.episodes, iterate_clips(paths, binaries=binaries, check=False), strict=True):
            path, frames = clip.stream.path, clip.packets.count
            if frames != episode.length:
                raise DatasetError(
                    f"{path} has {frames} frames, but line {episode.line} of {self.layout.episodes} says {episode.length}",
                    path=path,
                )
            yield clip, FileId(file=episode.number)

    def _check(self) -> None:
        """Compare the counters of ``info.json``, the lines, and the names of files."""
        info, layout = self.info, self.layout
        frames = sum(episode.length for episode in self.episodes)
        for name, count, path in (
            ("total_episodes", len(self.episodes), layout.episodes),
            ("total_frames", frames, layout.episodes),
            ("total_tasks", len(self.tasks), layout.tasks),
            ("total_episodes", len(self.statistics), layout.statistics),
        ):
            total = getattr(info, name)
            if total != count:
                raise DatasetError(
                    f"{layout.info} has the {name} {total}, but {path} has {count}; restore the missing part, or correct "
                    "the wrong file",
                    path=path,
                )
        found = set(layout.numbered_files())
        for path in sorted(self.files - found):
            raise DatasetError(f"{path} is missing, but {layout.episodes} lists its episode", path=path)
        for path in sorted(found - self.files):
            raise DatasetError(
                f"{path} does not belong to an episode of {layout.episodes}, or to a camera of {layout.info}; move it away first",
                path=path,
            )


def _write(
    source: _Source, building: Path, binaries: Binaries, progress: ProgressCallback | None, *, in_place: bool
) -> dict[str, list[PlacedVideo]]:
    """Write the new form of a dataset."""
    info, layout = source.info, source.layout
    counter = FrameCounter(info.total_frames * len(info.videos), progress)
    groups = source.groups(binaries)
    with ThreadPool(max_workers=_CAMERAS_AT_ONCE) as pool:
        writing = {
            key: pool.submit(write_groups, key, some, building, info, binaries=binaries, link=in_place, counter=counter)
            for key, some in groups.items()
        }
        placed = {key: future.result() for key, future in writing.items()}
    _write_tables(source, building, {key: {each.video.file: each for each in some} for key, some in placed.items()})
    written = {*source.files, layout.info, layout.episodes, layout.statistics, layout.tasks}
    written.add(DatasetLayout(root=layout.root).stats)
    copy_unchanged(layout.root, building, leave=written, link=in_place)
    append_operation(building, "upgrade", codebase_version=OLD_VERSION_TAG)
    return placed


def _write_tables(source: _Source, root: Path, placed: Mapping[str, Mapping[FileId, PlacedVideo]]) -> None:
    info, total = source.info, StatisticsTotal()
    described = {name for name in episodes_schema(info).names if name.startswith("stats/")}

    def rows() -> Iterator[EpisodeRow]:
        for episode, first, table in source.rows():
            number, statistics = FileId(file=episode.number), source.statistics[episode.number]
            total.add(statistics)
            whole = VideoSpan(file=number, from_frame=0, to_frame=episode.length)
            yield EpisodeRow(
                episode_index=episode.number,
                tasks=episode.tasks,
                length=episode.length,
                data=data.write(table),
                dataset_from_index=first,
                videos={key: videos[number].place(whole) for key, videos in placed.items()},
                statistics=statistics,
                others={name: episode.others.get(name) for name in source.others},
            )

    with data_writer(root, info) as data:
        save_episodes(root, info, rows(), others=source.others, leave_out=described - source.statistics.columns)
    stats = total.result()
    save_stats(root, {name: stats[name] for name in info.features if name in stats})
    save_tasks(root, source.tasks, source.task_columns)
    save_info(root, info)


def _columns(rows: Sequence[Mapping[str, Any]], path: Path) -> dict[str, pa.Array]:
    """Return a column for each key of the rows, with null where a row lacks it.

    Raises:
        DatasetError: the values of a key have different types.
    """
    found: dict[str, pa.Array] = {}
    for key in dict.fromkeys(key for row in rows for key in row):
        try:
            found[key] = pa.array([row.get(key) for row in rows])
        except (pa.ArrowException, TypeError, OverflowError) as err:
            raise DatasetError(f"{path}: the values of {key!r} cannot be one column: {err}", path=path) from err
    return found
