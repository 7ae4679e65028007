"""Several datasets become one: checked as a whole first, then joined without touching a bit of a frame."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from ffenc.dataset.format.dataset_tables import load_subtasks, save_subtasks
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.provenance import append_operation
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.format.video_info import encoder_config_from_info
from ffenc.dataset.storage.new_directory import check_new, whole_dataset, work_beside
from ffenc.dataset.transform.companions import copy_common_companions
from ffenc.dataset.transform.compatibility import (
    can_be_encoded_alike,
    colour_tags,
    compare_infos,
    merged_info,
    refuse,
    unlike_properties,
)
from ffenc.dataset.transform.source import DatasetSource, reading
from ffenc.dataset.transform.video_groups import (
    FrameCounter,
    PlacedVideo,
    SourceVideo,
    group_videos,
    place_groups,
    write_groups,
)
from ffenc.dataset.transform.write_tables import SUBTASK_INDEX, Part, VideoPlacement, write_tables
from ffenc.errors import DatasetError, MergeError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.threads import ThreadPool
from ffenc.video.clip import iterate_clips
from ffenc.video.reencode import reencode_video
from ffenc.video.run import ProgressCallback

logger = logging.getLogger(__name__)

_CAMERAS_AT_ONCE = 2

_ALIKE = "re-encode the odd ones, or merge with on_mismatch='reencode' (--on_mismatch=reencode), which does that to them only"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeResult:
    """A merged dataset.

    Attributes:
        root: its directory.
        sources: datasets in it.
        episodes, frames, tasks: what it holds.
        videos: video files in it.
        reencoded: source files that had to be re-encoded; the others have the bits they had.
        other_colour_tags: source files whose colour tags are not those of the first file of their camera: one has none, the
            other is BT.601 of limited range.  Decoders show both alike; each keeps its tags, in files apart.
    """

    root: Path
    sources: int
    episodes: int
    frames: int
    tasks: int
    videos: int
    reencoded: tuple[Path, ...]
    other_colour_tags: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePlan:
    """What a merge will do; everything in it was measured.

    Attributes:
        sources: the datasets, in order.
        info: of the merged dataset, but for the counters.
        tasks: of the merged dataset.
        subtasks: of the merged dataset, if those of the sources differ; None if they have one table, or none.
        videos: for each camera, every source file in order.
        unlike: those of them that have to be re-encoded.
    """

    sources: tuple[DatasetSource, ...]
    info: DatasetInfo
    tasks: tuple[str, ...]
    subtasks: tuple[str, ...] | None
    videos: Mapping[str, tuple[SourceVideo, ...]]
    unlike: frozenset[Path]


def merge_datasets(
    sources: Sequence[str | Path],
    output: str | Path,
    *,
    repo_id: str | None = None,
    concatenate_videos: bool = True,
    concatenate_data: bool = True,
    on_mismatch: Literal["raise", "reencode"] = "raise",
    follow_links: bool = False,
    binaries: Binaries | None = None,
    progress: ProgressCallback | None = None,
) -> MergeResult:
    """Merge datasets into a new one.

    Their videos are joined by stream copy, so everything that a stream copy cannot mend is checked in all files of all sources
    before a byte is written.  Settings of the encoder may differ: ``info.json`` keeps what all agree on.  Places in videos are
    sums of frame counts.  Files that ffenc does not know, such as ``README.md``, come along if they are equal in all sources; a
    warning names the others.

    Args:
        sources: directories of datasets, in order; they are only read.
        output: directory of the new one; must not exist.
        repo_id: the name that the caller gives it; a dataset on disk does not hold its name, so it is only logged.
        concatenate_videos: False keeps a file for each source file.
        concatenate_data: the same for data files.
        on_mismatch: ``"reencode"`` encodes videos whose streams are unlike those of the first source with its settings.
        follow_links: read through links in the sources, for example those of a download cache.
        binaries: the executables; found by `find_binaries` if None.
        progress: called with (frames of video done, frames in all), from other threads.

    Raises:
        MergeError: the sources differ in what a merged dataset must share; nothing was written.
        DatasetError: a source is not whole.
        InputError: a video is damaged, has audio, or does not show frame k at k/fps.
        OutputExistsError: ``output`` exists.
        FFencError: a file could not be made.  In every case there is no output then.
    """
    binaries, output = binaries or find_binaries(), Path(output)
    check_new(output)
    plan = plan_merge(sources, on_mismatch=on_mismatch, follow_links=follow_links, binaries=binaries)
    counter = FrameCounter(sum(v.frames for videos in plan.videos.values() for v in videos), progress)
    with whole_dataset(output) as building, work_beside(building) as work, reading(plan.sources):
        groups = _groups(plan, work, concatenate_videos, binaries)
        expected = {key: place_groups(some, plan.info) for key, some in groups.items()}
        with ThreadPool(max_workers=_CAMERAS_AT_ONCE) as pool:
            writing = {
                key: pool.submit(write_groups, key, some, building, plan.info, binaries=binaries, counter=counter)
                for key, some in groups.items()
            }
            # While ffmpeg copies; what it cannot join is known only afterwards, and rare.
            written = _write_tables(plan, building, expected, separate_data=not concatenate_data)
            placed = {key: future.result() for key, future in writing.items()}
        if placed != expected:
            written = _write_tables(plan, building, placed, separate_data=not concatenate_data)
        copy_common_companions(plan.sources, building)
        other_tags = _other_colour_tags(plan)
        append_operation(
            building,
            "merge",
            sources=[str(source.root) for source in plan.sources],
            reencoded=sorted(map(str, plan.unlike)),
            other_colour_tags=[{"video": str(path), "tags": tags} for path, tags in other_tags.items()],
        )
    logger.info("merged %d datasets into %s%s", len(plan.sources), output, f" ({repo_id})" if repo_id else "")
    return MergeResult(
        root=output,
        sources=len(plan.sources),
        episodes=written.total_episodes,
        frames=written.total_frames,
        tasks=written.total_tasks,
        videos=sum(len({each.file for each in some}) for some in placed.values()),
        reencoded=tuple(sorted(plan.unlike)),
        other_colour_tags=tuple(sorted(other_tags)),
    )


def _other_colour_tags(plan: MergePlan) -> dict[Path, tuple[object, ...]]:
    """The colour tags of each source file that has others than the first file of its camera and keeps them."""
    return {
        video.stream.path: colour_tags(video.stream)
        for videos in plan.videos.values()
        for video in videos
        if colour_tags(video.stream) != colour_tags(videos[0].stream) and video.stream.path not in plan.unlike
    }


def plan_merge(
    sources: Sequence[str | Path],
    *,
    on_mismatch: Literal["raise", "reencode"] = "raise",
    follow_links: bool = False,
    binaries: Binaries,
) -> MergePlan:
    """Check everything that a merge needs; nothing is written.  See `merge_datasets`."""
    if not sources:
        raise MergeError("there are no datasets to merge")
    if on_mismatch not in ("raise", "reencode"):
        raise ValueError(f"on_mismatch is {on_mismatch!r}; it is 'raise' or 'reencode'")
    roots = [Path(root) for root in sources]
    infos = [load_info(root) for root in roots]
    found = compare_infos(infos)
    lasting = {name: values for name, values in found.items() if not can_be_encoded_alike(name)}
    if lasting:
        refuse(lasting, roots, remedy="make them alike first; no merged dataset could say what its values mean")
    if found and on_mismatch == "raise":
        refuse(found, roots, remedy=_ALIKE)
    opened = [DatasetSource.open(root, follow_links=follow_links) for root in roots]
    videos = {key: tuple(_measured(key, opened, binaries)) for key in infos[0].videos}
    unlike = {key: _unlike(key, some, roots, on_mismatch) for key, some in videos.items()}
    tasks = tuple(dict.fromkeys(task for source in opened for task in source.tasks))
    return MergePlan(
        sources=tuple(opened),
        info=merged_info(infos, roots, [key for key, some in unlike.items() if some]).with_standard_paths(),
        tasks=tasks,
        subtasks=_united_subtasks(opened),
        videos=videos,
        unlike=frozenset().union(*unlike.values()),
    )


def _united_subtasks(sources: Sequence[DatasetSource]) -> tuple[str, ...] | None:
    """All subtasks in order of first appearance, or None if all sources have the same.

    Raises:
        MergeError: they differ, and a source lacks the table, or no column is known that has their numbers.
    """
    tables = [load_subtasks(source.root) for source in sources]
    if all(table == tables[0] for table in tables):
        return None
    without = [str(source.root) for source, table in zip(sources, tables, strict=True) if table is None]
    if SUBTASK_INDEX not in sources[0].info.features or without:
        reason = (
            f"{', '.join(without)} has none"
            if without
            else f"no feature {SUBTASK_INDEX!r} says which rows they belong to"
        )
        raise MergeError(
            f"the datasets have different tables meta/subtasks.parquet, and {reason}; make them alike first"
        )
    return tuple(dict.fromkeys(text for table in tables for text in table or ()))


def _measured(key: str, sources: Sequence[DatasetSource], binaries: Binaries) -> list[SourceVideo]:
    files = [(number, file) for number, source in enumerate(sources) for file in source.videos[key]]
    paths = [sources[number].layout.video(key, file) for number, file in files]
    found = []
    for (number, file), path, clip in zip(files, paths, iterate_clips(paths, binaries=binaries), strict=True):
        needed = sources[number].videos[key][file]
        if clip.packets.count < needed:
            raise DatasetError(
                f"{path} has {clip.packets.count} frames, but episodes need {needed} of them; `ffenc verify "
                f"{sources[number].root}` says which",
                path=path,
            )
        if clip.stream.fps != sources[number].info.fps:
            raise DatasetError(
                f"{path} has {clip.stream.fps} frames per second, its dataset {sources[number].info.fps}", path=path
            )
        found.append(SourceVideo(source=number, file=file, stream=clip.stream, frames=clip.packets.count))
    return found


def _unlike(key: str, videos: Sequence[SourceVideo], roots: Sequence[Path], on_mismatch: str) -> set[Path]:
    """The files whose streams are unlike the first one.

    Raises:
        MergeError: there are some, and they may or can not be re-encoded.
    """
    first = videos[0]
    differing = {v.stream.path: unlike_properties(v.stream, first.stream) for v in videos}
    differing = {path: properties for path, properties in differing.items() if properties}
    if not differing:
        return set()
    names = list(dict.fromkeys(name for properties in differing.values() for name in properties))
    fixed = [name for name in names if name in ("width", "height", "frame rate", "rotation")]
    if fixed or on_mismatch == "raise":
        values = {}
        for name in names:
            by_source: list[list[object]] = [[] for _ in roots]
            for video in videos:
                value = differing.get(video.stream.path, {}).get(name, (None,))[0]
                if name not in differing.get(video.stream.path, {}):
                    value = next(p[name][1] for p in differing.values() if name in p)
                if value not in by_source[video.source]:
                    by_source[video.source].append(value)
            values[f"{key}: {name}"] = tuple(some[0] if len(some) == 1 else tuple(some) for some in by_source)
        refuse(values, roots, remedy="no encoder makes these alike" if fixed else _ALIKE)
    return set(differing)


def _groups(
    plan: MergePlan, scratch: Path, concatenate: bool, binaries: Binaries
) -> dict[str, list[list[SourceVideo]]]:
    """The new files of each camera; what is unlike the others is encoded first."""
    groups = {}
    for key, some in plan.videos.items():
        videos = (
            _encoded(plan, key, number, video, scratch, binaries) if video.stream.path in plan.unlike else video
            for number, video in enumerate(some)
        )
        groups[key] = group_videos(videos, plan.info, concatenate=concatenate)
    return groups


def _write_tables(
    plan: MergePlan, building: Path, placed: Mapping[str, Sequence[PlacedVideo]], *, separate_data: bool
) -> DatasetInfo:
    for name in ("data", "meta"):
        shutil.rmtree(building / name, ignore_errors=True)
    parts = [_part(plan, number, placed) for number in range(len(plan.sources))]
    written = write_tables(building, plan.info, parts, plan.tasks, separate_data=separate_data)
    first, target = plan.sources[0].layout.subtasks, DatasetLayout(root=building).subtasks
    if plan.subtasks is not None:
        save_subtasks(building, plan.subtasks)
    elif first.exists():
        shutil.copyfile(first, target)
    return written


def _encoded(
    plan: MergePlan, key: str, number: int, video: SourceVideo, scratch: Path, binaries: Binaries
) -> SourceVideo:
    first = plan.sources[0].info.features[key]
    output = scratch / f"{list(plan.videos).index(key)}-{number:06d}{video.stream.path.suffix}"
    config = encoder_config_from_info(first.info or {})
    starts = [first for first, _ in plan.sources[video.source].spans()[key, video.file] if first > 0]
    reencode_video(video.stream.path, output, config=config, key_frames=starts, binaries=binaries)
    (clip,) = iterate_clips([output], binaries=binaries)
    wanted = plan.videos[key][0].stream
    if (clip.stream.codec, clip.stream.pix_fmt) != (wanted.codec, wanted.pix_fmt):
        raise MergeError(
            f"{video.stream.path} was encoded to {clip.stream.codec} {clip.stream.pix_fmt} where {wanted.codec} "
            f"{wanted.pix_fmt} was needed; the info.json of {plan.sources[0].root} does not say what its videos are",
            path=video.stream.path,
        )
    return replace(video, stream=clip.stream, frames=clip.packets.count)


def _part(plan: MergePlan, number: int, placed: Mapping[str, Sequence[PlacedVideo]]) -> Part:
    def moved(some: Sequence[PlacedVideo]) -> dict[FileId, VideoPlacement]:
        return {
            each.video.file: VideoPlacement(file=each.file, ranges=((0, each.video.frames),), offset=each.offset)
            for each in some
            if each.video.source == number
        }

    source = plan.sources[number]
    subtasks = None
    if plan.subtasks is not None:
        subtasks = np.array([plan.subtasks.index(text) for text in load_subtasks(source.root) or ()], np.int64)
    return Part(source=source, videos={key: moved(some) for key, some in placed.items()}, subtasks=subtasks)
