"""Delete episodes of a dataset or split it into several, always into new datasets; videos are cut by stream copy."""

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
from ffenc.dataset.storage.new_directory import build_dataset, check_new
from ffenc.dataset.transform.companions import copy_companions
from ffenc.dataset.transform.source import DatasetSource, reading
from ffenc.dataset.transform.video_groups import FrameCounter
from ffenc.dataset.transform.write_tables import EpisodeSelection, VideoPlacement, write_tables
from ffenc.errors import DatasetError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.plan.cut import join_ranges
from ffenc.threads import ThreadPool
from ffenc.video.cut import cut_video
from ffenc.video.names import check_path_part
from ffenc.video.run_context import ProgressCallback

logger = logging.getLogger(__name__)

_FILES_AT_ONCE = 2

Range = tuple[int, int]


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


def delete_episodes(
    source: str | Path,
    episodes: Collection[int],
    output: str | Path,
    *,
    follow_links: bool = False,
    binaries: Binaries | None = None,
    progress: ProgressCallback | None = None,
) -> EditResult:
    """Write a copy of a dataset without some episodes.

    Videos are cut at keyframes by stream copy; recorded episodes always start at one.  If an episode does not, its frames up to
    the next keyframe are re-encoded with the dataset's own settings.  The remaining episodes are renumbered, and unused tasks
    are removed.  Other files, such as ``README.md``, are copied.

    Args:
        source: directory of the dataset; it is only read.
        episodes: numbers of the episodes to delete.
        output: directory of the new dataset; must not exist.
        follow_links: read through symbolic links in the source, for example those of a download cache.
        binaries: the executables; found by `find_binaries` if None.
        progress: called with (video frames done, total), from other threads.

    Raises:
        DatasetError: ``episodes`` is empty, names every episode or one that does not exist; or the dataset is inconsistent.
        OutputExistsError: ``output`` exists.
        FFencError: a file cannot be written.  After any error nothing is left.
    """
    check_new(Path(output))
    opened = DatasetSource.open(source, follow_links=follow_links)
    deleted = _known(episodes, opened, "to delete")
    kept = [number for number in range(opened.info.total_episodes) if number not in deleted]
    if not kept:
        raise DatasetError(
            f"all {len(deleted)} episodes of {source} would be deleted; keep at least one", path=opened.root
        )
    with build_dataset(Path(output)) as building, reading([opened]):
        job = _Job.of(opened, {"": kept}, binaries, progress)
        return job.write("", kept, building, final=Path(output))


def split_dataset(
    source: str | Path,
    splits: Mapping[str, float | Sequence[int]],
    output: str | Path,
    *,
    follow_links: bool = False,
    binaries: Binaries | None = None,
    progress: ProgressCallback | None = None,
) -> dict[str, EditResult]:
    """Split a dataset into several, each in its own directory below ``output``; see `delete_episodes`.

    Args:
        source: directory of the dataset; it is only read.
        splits: for each name, either its episode numbers or its share.  As in LeRobot, shares are taken in order, rounded down
            to complete episodes, and the last split gets the rest.
        output: parent directory of the new datasets; must not exist.
        follow_links: see `delete_episodes`.
        binaries: the executables; found by `find_binaries` if None.
        progress: see `delete_episodes`.

    Returns:
        The new dataset of each name.

    Raises:
        DatasetError: the shares do not add up to 1, a split is empty, an episode is in two splits or does not exist; or the
            dataset is inconsistent.
        UnsafePathError: a name cannot be that of a directory.
        OutputExistsError: ``output`` exists.
        FFencError: a file cannot be written.  After any error nothing is left.
    """
    output = Path(output)
    check_new(output)
    for name in splits:
        check_path_part(name, "the name of a split, which becomes a directory")
    opened = DatasetSource.open(source, follow_links=follow_links)
    chosen = plan_splits(splits, opened)
    with build_dataset(output) as building, reading([opened]):
        job = _Job.of(opened, chosen, binaries, progress)
        made = {}
        for name, kept in chosen.items():
            (building / name).mkdir()
            made[name] = job.write(name, kept, building / name, final=output / name)
        return made


def plan_splits(splits: Mapping[str, float | Sequence[int]], source: DatasetSource) -> dict[str, list[int]]:
    """Return the episodes of each split, ascending.

    Raises:
        DatasetError: see `split_dataset`.
    """
    total = source.info.total_episodes
    shares = {name: share for name, share in splits.items() if isinstance(share, int | float)}
    if not splits or (shares and len(shares) != len(splits)):
        raise DatasetError("give either a share or a list of episodes for every split", path=source.root)
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
    # Exact decimals: 0.29 of 100 episodes is 29, but int(0.29 * 100) is 28.
    exact = {name: Fraction(str(share)) for name, share in shares.items()}
    if sum(exact.values()) != 1 or min(exact.values()) < 0:
        raise DatasetError(
            f"the shares {', '.join(map(str, shares.values()))} must be positive and add up to 1; in total they are "
            f"{float(sum(exact.values()))}"
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
            f"{source.root} has the episodes 0 to {total - 1}, but not {', '.join(map(str, unknown))}", path=source.root
        )
    if not episodes:
        raise DatasetError(f"no episodes {what} are given; name at least one", path=source.root)
    return set(episodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Video:
    """The kept frames of one source video; a complete video is copied."""

    key: str
    source: Path
    file: FileId
    ranges: tuple[Range, ...]
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """Write new datasets with episodes of one source."""

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
    ) -> _Job:
        wanted = {number for kept in chosen.values() for number in kept}
        rows = iterate_episodes(source.root, source.info, statistics=False)
        frames = sum(row.length for row in rows if row.episode_index in wanted)
        counter = FrameCounter(frames * len(source.info.videos), progress)
        return cls(source=source, binaries=binaries or find_binaries(), counter=counter)

    def write(self, name: str, kept: Sequence[int], root: Path, *, final: Path) -> EditResult:
        """Write one dataset with the episodes ``kept`` into ``root``, which becomes ``final``."""
        keep = frozenset(kept)
        info = self.source.info.with_standard_paths()
        layout = DatasetLayout.of(root, info)
        moved: dict[str, dict[FileId, VideoPlacement]] = {key: {} for key in self.source.info.videos}
        jobs: list[tuple[_Video, Path]] = []
        for video in self._videos(keep):
            # Without gaps in the file numbers, because LeRobot reads the first file.
            file = _successor(moved[video.key], self.source.info.chunks_size)
            moved[video.key][video.file] = VideoPlacement(file=file, ranges=video.ranges)
            jobs.append((video, layout.video(video.key, file)))
        with ThreadPool(max_workers=_FILES_AT_ONCE) as pool:
            encoded = list(pool.map(lambda job: self._write_video(name, *job), jobs))
        selection = EpisodeSelection(source=self.source, videos=moved, keep=keep)
        written = write_tables(root, info, [selection], self._tasks(keep))
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
        """Yield the videos that contain kept episodes, in order."""
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
            complete = (key, file) not in mixed
            if complete:
                ranges = ((0, ranges[-1][1]),)
            path = self.source.layout.video(key, file)
            yield _Video(key=key, source=path, file=file, ranges=ranges, complete=complete)

    def _write_video(self, name: str, video: _Video, output: Path) -> tuple[Range, ...]:
        report = self.counter.of((name, video.key, video.file))
        frames = sum(stop - first for first, stop in video.ranges)
        output.parent.mkdir(parents=True, exist_ok=True)
        if video.complete:
            shutil.copyfile(video.source, output)
            report(frames, None)
            return ()
        config = _stored_config(self.source.info.features[video.key])
        result = cut_video(video.source, output, video.ranges, config=config, binaries=self.binaries, progress=report)
        report(frames, None)
        if result.reencoded:
            logger.warning(
                "re-encoded the frames %s of %s, because the kept part does not start at a keyframe",
                ", ".join(f"{first} to {stop - 1}" for first, stop in result.reencoded),
                video.source,
            )
        return result.reencoded

    def _tasks(self, keep: Collection[int]) -> list[str]:
        """Return the tasks of the kept episodes, in their old order."""
        used: set[int] = set()
        for table in iterate_episode_tables(self.source.layout.data_files(), columns=["task_index"]):
            if table["episode_index"][0].as_py() in keep:
                used.update(table["task_index"].unique().to_pylist())
        return [task for number, task in enumerate(self.source.tasks) if number in used]


def _successor(moved: Mapping[FileId, VideoPlacement], chunks_size: int) -> FileId:
    return max(each.file for each in moved.values()).successor(chunks_size) if moved else FileId()


def _stored_config(feature: Feature) -> VideoEncoderConfig | None:
    """Return the settings of a camera, needed only to re-encode; None if the stored values are not valid."""
    try:
        return encoder_config_from_info(feature.info or {})
    except ValidationError as err:
        logger.debug("the stored encoder settings are not valid: %s", err)
        return None
