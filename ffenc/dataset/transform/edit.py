"""Leave episodes out of a dataset, or divide it: always a new dataset, and what is kept keeps its bits."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pydantic import ValidationError

from ffenc.config import VideoEncoderConfig
from ffenc.dataset.format.dataset_tables import iterate_episodes
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.parquet_series import iterate_episode_tables
from ffenc.dataset.format.schema import Feature
from ffenc.dataset.format.video_info import encoder_config_from_info
from ffenc.dataset.storage.new_directory import check_new, whole_dataset
from ffenc.dataset.transform.companions import copy_companions
from ffenc.dataset.transform.source import DatasetSource, reading
from ffenc.dataset.transform.video_groups import FrameCounter
from ffenc.dataset.transform.write_tables import Part, VideoPlacement, write_tables
from ffenc.errors import DatasetError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.plan.cut import join_ranges
from ffenc.threads import ThreadPool
from ffenc.video.cut import cut_video
from ffenc.video.names import check_path_part
from ffenc.video.run import ProgressCallback

logger = logging.getLogger(__name__)

_FILES_AT_ONCE = 2

Range = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditResult:
    """A dataset with some of the episodes of another one.

    Attributes:
        root: its directory.
        episodes, frames, tasks: what it holds.
        videos: video files in it.
        reencoded: for each source video that could not be copied, the frames of it that were re-encoded.
    """

    root: Path
    episodes: int
    frames: int
    tasks: int
    videos: int
    reencoded: Mapping[Path, tuple[Range, ...]]


def delete_episodes(
    source: str | Path,
    episodes: Collection[int],
    output: str | Path,
    *,
    follow_links: bool = False,
    binaries: Binaries | None = None,
    progress: ProgressCallback | None = None,
) -> EditResult:
    """Make a dataset without some of the episodes of another one.

    Videos are cut at keyframes by stream copy; an episode that was recorded by itself always begins at one.  Where one does
    not, its frames up to the next keyframe are re-encoded with the dataset's own settings.  The episodes that are kept are
    numbered again, in their order; tasks that none of them has are left out.  Files that ffenc does not know, such as
    ``README.md``, come along.

    Args:
        source: directory of the dataset; it is only read.
        episodes: numbers of those to leave out.
        output: directory of the new one; must not exist.
        follow_links: read through links in the source, for example those of a download cache.
        binaries: the executables; found by `find_binaries` if None.
        progress: called with (frames of video done, frames in all), from other threads.

    Raises:
        DatasetError: no episodes are named, or all, or one that does not exist; or the dataset is not whole.
        OutputExistsError: ``output`` exists.
        FFencError: a file could not be made.  In every case there is no output then.
    """
    check_new(Path(output))
    opened = DatasetSource.open(source, follow_links=follow_links)
    left_out = _known(episodes, opened, "to leave out")
    kept = [number for number in range(opened.info.total_episodes) if number not in left_out]
    if not kept:
        raise DatasetError(f"all {len(left_out)} episodes of {source} are to be left out", path=opened.root)
    with whole_dataset(Path(output)) as building, reading([opened]):
        work = _Work.of(opened, {"": kept}, binaries, progress)
        return work.write("", kept, building, final=Path(output))


def split_dataset(
    source: str | Path,
    splits: Mapping[str, float | Sequence[int]],
    output: str | Path,
    *,
    follow_links: bool = False,
    binaries: Binaries | None = None,
    progress: ProgressCallback | None = None,
) -> dict[str, EditResult]:
    """Divide a dataset into several, each in a directory of its own below ``output``; see `delete_episodes`.

    Args:
        source: directory of the dataset; it is only read.
        splits: for each name either its episodes, or its share.  Shares are taken from the first episode on; each gets its
            whole episodes and the last one what remains, as in LeRobot.
        output: directory of the new ones; must not exist.
        follow_links: see `delete_episodes`.
        binaries: the executables; found by `find_binaries` if None.
        progress: see `delete_episodes`.

    Returns:
        For each name, what was made.

    Raises:
        DatasetError: shares that do not add up to 1, a split without episodes, an episode in two splits or one that does not
            exist; or the dataset is not whole.
        UnsafePathError: a name that cannot be one of a directory.
        OutputExistsError: ``output`` exists.
        FFencError: a file could not be made.  In every case there is no output then.
    """
    output = Path(output)
    check_new(output)
    for name in splits:
        check_path_part(name, "the name of a split, which becomes a directory")
    opened = DatasetSource.open(source, follow_links=follow_links)
    chosen = plan_splits(splits, opened)
    with whole_dataset(output) as building, reading([opened]):
        work = _Work.of(opened, chosen, binaries, progress)
        made = {}
        for name, kept in chosen.items():
            (building / name).mkdir()
            made[name] = work.write(name, kept, building / name, final=output / name)
        return made


def plan_splits(splits: Mapping[str, float | Sequence[int]], source: DatasetSource) -> dict[str, list[int]]:
    """The episodes of each split, ascending.

    Raises:
        DatasetError: see `split_dataset`.
    """
    total = source.info.total_episodes
    shares = {name: share for name, share in splits.items() if isinstance(share, int | float)}
    if not splits or (shares and len(shares) != len(splits)):
        raise DatasetError("splits have to be given, all by share or all by lists of episodes", path=source.root)
    if shares:
        chosen = _by_share(shares, total)
    else:
        listed = {name: episodes for name, episodes in splits.items() if not isinstance(episodes, int | float)}
        chosen = {name: sorted(_known(episodes, source, f"of {name!r}")) for name, episodes in listed.items()}
    empty = [name for name, episodes in chosen.items() if not episodes]
    if empty:
        raise DatasetError(f"the split {empty[0]!r} has no episodes; {source.root} has {total}", path=source.root)
    everything = [number for episodes in chosen.values() for number in episodes]
    twice = sorted({number for number in everything if everything.count(number) > 1})
    if twice:
        raise DatasetError(f"episode {twice[0]} is in more than one split", path=source.root)
    return chosen


def _by_share(shares: Mapping[str, float], total: int) -> dict[str, list[int]]:
    # As they are written: 0.29 of 100 are 29 and not 28.
    exact = {name: Fraction(str(share)) for name, share in shares.items()}
    if sum(exact.values()) != 1 or min(exact.values()) < 0:
        raise DatasetError(
            f"the shares {', '.join(map(str, shares.values()))} have to be positive and add up to 1, so that it is clear where "
            "each episode goes"
        )
    chosen, first = {}, 0
    for number, (name, share) in enumerate(exact.items(), start=1):
        stop = total if number == len(exact) else first + int(total * share)
        chosen[name] = list(range(first, stop))
        first = stop
    return chosen


def _known(episodes: Collection[int], source: DatasetSource, what: str) -> set[int]:
    total = source.info.total_episodes
    wrong: list[int] = [number for number in episodes if isinstance(number, bool) or not isinstance(number, int)]
    unknown = wrong or sorted(set(episodes) - set(range(total)))
    if unknown:
        raise DatasetError(
            f"{source.root} has the episodes 0 to {total - 1}, and no {', '.join(map(str, unknown))}", path=source.root
        )
    if not episodes:
        raise DatasetError(f"no episodes {what} were named", path=source.root)
    return set(episodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Video:
    """What becomes of one source video: its kept frames, or all of it as it is."""

    key: str
    source: Path
    file: FileId
    ranges: tuple[Range, ...]
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What the new datasets of one source share."""

    source: DatasetSource
    binaries: Binaries
    counter: FrameCounter

    @classmethod
    def of(
        cls,
        source: DatasetSource,
        chosen: Mapping[str, Sequence[int]],
        binaries: Binaries | None,
        progress: ProgressCallback | None,
    ) -> _Work:
        wanted = {number for kept in chosen.values() for number in kept}
        rows = iterate_episodes(source.root, source.info, statistics=False)
        frames = sum(row.length for row in rows if row.episode_index in wanted)
        counter = FrameCounter(frames * len(source.info.videos), progress)
        return cls(source=source, binaries=binaries or find_binaries(), counter=counter)

    def write(self, name: str, kept: Sequence[int], root: Path, *, final: Path) -> EditResult:
        """Write one dataset with these episodes."""
        keep = frozenset(kept)
        info = self.source.info.with_standard_paths()
        layout = DatasetLayout.of(root, info)
        moved: dict[str, dict[FileId, VideoPlacement]] = {key: {} for key in self.source.info.videos}
        jobs: list[tuple[_Video, Path]] = []
        for video in self._videos(keep):
            # Without gaps in the numbers: LeRobot looks into the first file of all.
            file = _successor(moved[video.key], self.source.info.chunks_size)
            moved[video.key][video.file] = VideoPlacement(file=file, ranges=video.ranges)
            jobs.append((video, layout.video(video.key, file)))
        with ThreadPool(max_workers=_FILES_AT_ONCE) as pool:
            encoded = list(pool.map(lambda job: self._write_video(name, *job), jobs))
        part = Part(source=self.source, videos=moved, keep=keep)
        written = write_tables(root, info, [part], self._tasks(keep))
        if self.source.layout.subtasks.exists():
            shutil.copyfile(self.source.layout.subtasks, layout.subtasks)
        copy_companions(self.source, root)
        return EditResult(
            root=final,
            episodes=written.total_episodes,
            frames=written.total_frames,
            tasks=written.total_tasks,
            videos=len(jobs),
            reencoded={video.source: ranges for (video, _), ranges in zip(jobs, encoded, strict=True) if ranges},
        )

    def _videos(self, keep: Collection[int]) -> Iterator[_Video]:
        """The videos that hold something to keep, in order."""
        spans: dict[tuple[str, FileId], list[Range]] = {}
        mixed: set[tuple[str, FileId]] = set()
        for row in iterate_episodes(self.source.root, self.source.info, statistics=False):
            for key, span in row.videos.items():
                if row.episode_index in keep:
                    spans.setdefault((key, span.file), []).append((span.from_frame, span.to_frame))
                else:
                    mixed.add((key, span.file))
        for key, file in sorted(spans):
            ranges = tuple(join_ranges(sorted(spans[key, file])))
            whole = (key, file) not in mixed
            if whole:
                ranges = ((0, ranges[-1][1]),)
            yield _Video(key=key, source=self.source.layout.video(key, file), file=file, ranges=ranges, whole=whole)

    def _write_video(self, name: str, video: _Video, output: Path) -> tuple[Range, ...]:
        report = self.counter.of((name, video.key, video.file))
        frames = sum(stop - first for first, stop in video.ranges)
        output.parent.mkdir(parents=True, exist_ok=True)
        if video.whole:
            shutil.copyfile(video.source, output)
            report(frames, None)
            return ()
        config = _stored_config(self.source.info.features[video.key])
        result = cut_video(video.source, output, video.ranges, config=config, binaries=self.binaries, progress=report)
        report(frames, None)
        if result.reencoded:
            logger.warning(
                "the frames %s of %s were re-encoded, because no keyframe begins what is kept of them",
                ", ".join(f"{first} to {stop - 1}" for first, stop in result.reencoded),
                video.source,
            )
        return result.reencoded

    def _tasks(self, keep: Collection[int]) -> list[str]:
        """The tasks that rows of the kept episodes have, in their old order."""
        used: set[int] = set()
        for table in iterate_episode_tables(self.source.layout.data_files(), columns=["task_index"]):
            if table["episode_index"][0].as_py() in keep:
                used.update(table["task_index"].unique().to_pylist())
        return [task for number, task in enumerate(self.source.tasks) if number in used]


def _successor(moved: Mapping[FileId, VideoPlacement], chunks_size: int) -> FileId:
    return max(each.file for each in moved.values()).successor(chunks_size) if moved else FileId()


def _stored_config(feature: Feature) -> VideoEncoderConfig | None:
    """The settings of a camera, which only encoding needs; None if no config can have what is stored."""
    try:
        return encoder_config_from_info(feature.info or {})
    except ValidationError as err:
        logger.debug("the stored settings cannot be used: %s", err)
        return None
