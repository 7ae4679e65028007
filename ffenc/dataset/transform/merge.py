"""Merge datasets: check that all sources are compatible, then join their videos by stream copy and write new tables."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.provenance import append_operation
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.format.video_info import encoder_config_from_info
from ffenc.dataset.storage.new_directory import build_dataset, check_new, work_beside
from ffenc.dataset.transform.companions import copy_common_companions
from ffenc.dataset.transform.compatibility import (
    colour_tags,
    compare_infos,
    is_fixed_by_reencoding,
    merge_error,
    merged_info,
    mismatches,
)
from ffenc.dataset.transform.side_tables import NumberedTables, merge_numbered
from ffenc.dataset.transform.source import DatasetSource, reading
from ffenc.dataset.transform.task_columns import task_columns
from ffenc.dataset.transform.video_groups import (
    FrameCounter,
    PlacedVideo,
    SourceVideo,
    group_videos,
    place_groups,
    write_groups,
)
from ffenc.dataset.transform.write_tables import EpisodeSelection, write_tables
from ffenc.errors import DatasetError, MergeError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.plan.concat import AGREEMENT
from ffenc.threads import ThreadPool
from ffenc.video.clip import iterate_clips
from ffenc.video.reencode import reencode_video
from ffenc.video.run_context import ProgressCallback

logger = logging.getLogger(__name__)

_CAMERAS_AT_ONCE = 2

_REENCODE = "re-encode the mismatched videos, or merge with on_mismatch='reencode' (--on_mismatch=reencode)"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeResult:
    """A merged dataset.

    Attributes:
        root: its directory.
        sources: number of source datasets.
        episodes, frames, tasks, videos: its counts; ``videos`` counts files.
        reencoded: source files that were re-encoded; all others were copied.
        other_colour_tags: source files whose colour tags differ from those of the first file of their camera: one has no tags,
            the other BT.601 with limited range.  Decoders show both in the same way; they are not joined.
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
    """The checked plan of a merge.

    Attributes:
        sources: the datasets, in order.
        info: document of the merged dataset, without its counters.
        tasks: tasks of the merged dataset.
        numbered: its tables such as ``meta/subtasks.parquet``.
        videos: for each camera, every source file in order.
        mismatched: source files that must be re-encoded.
    """

    sources: tuple[DatasetSource, ...]
    info: DatasetInfo
    tasks: tuple[str, ...]
    numbered: NumberedTables
    videos: Mapping[str, tuple[SourceVideo, ...]]
    mismatched: frozenset[Path]


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

    All videos of all sources are checked before anything is written, because they are joined by stream copy.  Encoder settings
    may differ: ``info.json`` keeps those that are equal.  Video timestamps are computed from frame counts.  Other files, such as
    ``README.md``, are copied if they are equal in all sources; a warning names the others.

    Args:
        sources: directories of the datasets, in order; they are only read.
        output: directory of the new dataset; must not exist.
        repo_id: name of the new dataset, for the log only: a dataset on disk does not store its name.
        concatenate_videos: False writes one file per source file.
        concatenate_data: False starts a new data file wherever a source starts one.
        on_mismatch: ``"reencode"`` re-encodes mismatched videos with the settings of the first source.
        follow_links: read through symbolic links in the sources, for example those of a download cache.
        binaries: the executables; found by `find_binaries` if None.
        progress: called with (video frames done, total), from other threads.

    Raises:
        MergeError: the sources are incompatible.
        DatasetError: a source is inconsistent.
        InputError: a video is damaged, has audio, or does not show frame k at k/fps.
        OutputExistsError: ``output`` exists.
        FFencError: a file cannot be written.  After any error nothing is left.
    """
    binaries, output = binaries or find_binaries(), Path(output)
    check_new(output)
    plan = plan_merge(sources, on_mismatch=on_mismatch, follow_links=follow_links, binaries=binaries)
    counter = FrameCounter(sum(v.frames for videos in plan.videos.values() for v in videos), progress)
    with build_dataset(output) as building, work_beside(building) as work, reading(plan.sources):
        groups = _groups(plan, work, concatenate_videos, binaries)
        expected = {key: place_groups(some, plan.info) for key, some in groups.items()}
        with ThreadPool(max_workers=_CAMERAS_AT_ONCE) as pool:
            writing = {
                key: pool.submit(write_groups, key, some, building, plan.info, binaries=binaries, counter=counter)
                for key, some in groups.items()
            }
            # Written while ffmpeg copies, and again in the rare case that it could not join a group.
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
            reencoded=sorted(map(str, plan.mismatched)),
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
        reencoded=tuple(sorted(plan.mismatched)),
        other_colour_tags=tuple(sorted(other_tags)),
    )


def _other_colour_tags(plan: MergePlan) -> dict[Path, tuple[object, ...]]:
    """Return the colour tags of each copied file whose tags differ from those of the first file of its camera."""
    return {
        video.stream.path: colour_tags(video.stream)
        for videos in plan.videos.values()
        for video in videos
        if colour_tags(video.stream) != colour_tags(videos[0].stream) and video.stream.path not in plan.mismatched
    }


def plan_merge(
    sources: Sequence[str | Path],
    *,
    on_mismatch: Literal["raise", "reencode"] = "raise",
    follow_links: bool = False,
    binaries: Binaries,
) -> MergePlan:
    """Check the sources of a merge without writing anything; see `merge_datasets`."""
    if not sources:
        raise MergeError("no datasets to merge; name at least one")
    if on_mismatch not in ("raise", "reencode"):
        raise ValueError(f"unknown on_mismatch {on_mismatch!r}; expected 'raise' or 'reencode'")
    roots = [Path(root) for root in sources]
    infos = [load_info(root) for root in roots]
    found = compare_infos(infos)
    permanent = {name: values for name, values in found.items() if not is_fixed_by_reencoding(name)}
    if permanent:
        raise merge_error(permanent, roots, remedy="make these properties equal first")
    if found and on_mismatch == "raise":
        raise merge_error(found, roots, remedy=_REENCODE)
    opened = [DatasetSource.open(root, follow_links=follow_links) for root in roots]
    with reading(opened):
        videos = {key: tuple(_measured(key, opened, binaries)) for key in infos[0].videos}
        numbered = merge_numbered(opened)
        tasks = tuple(dict.fromkeys(task for source in opened for task in source.tasks))
        task_columns(opened, tasks)  # refuses what cannot be merged
    mismatched = {key: _mismatched(key, some, roots, on_mismatch) for key, some in videos.items()}
    return MergePlan(
        sources=tuple(opened),
        info=merged_info(infos, roots, [key for key, some in mismatched.items() if some]).with_standard_paths(),
        tasks=tasks,
        numbered=numbered,
        videos=videos,
        mismatched=frozenset().union(*mismatched.values()),
    )


def _measured(key: str, sources: Sequence[DatasetSource], binaries: Binaries) -> list[SourceVideo]:
    files = [(number, file) for number, source in enumerate(sources) for file in source.videos[key]]
    paths = [sources[number].layout.video(key, file) for number, file in files]
    found = []
    for (number, file), path, clip in zip(files, paths, iterate_clips(paths, binaries=binaries), strict=True):
        needed = sources[number].videos[key][file]
        if clip.packets.count < needed:
            raise DatasetError(
                f"{path} has {clip.packets.count} frames, but episodes need {needed}; `ffenc verify "
                f"{sources[number].root}` lists them",
                path=path,
            )
        if clip.stream.fps != sources[number].info.fps:
            raise DatasetError(
                f"{path} has {clip.stream.fps} frames per second, but its dataset has {sources[number].info.fps}",
                path=path,
            )
        found.append(SourceVideo.of(clip, file, number))
    return found


def _mismatched(key: str, videos: Sequence[SourceVideo], roots: Sequence[Path], on_mismatch: str) -> set[Path]:
    """Return the files of a camera whose streams do not match the first one.

    Raises:
        MergeError: there are some, and ``on_mismatch`` is ``"raise"`` or re-encoding does not help.
    """
    found = {video.stream.path: mismatches(video.stream, videos[0].stream) for video in videos}
    names = list(dict.fromkeys(name for some in found.values() for name in some))
    permanent = any(name in ("width", "height", "frame rate", "rotation") for name in names)
    if names and (permanent or on_mismatch == "raise"):
        values = {}
        for name in names:
            by_source: list[list[object]] = [[] for _ in roots]
            for video in videos:
                value = AGREEMENT[name](video.stream)
                if value not in by_source[video.source]:
                    by_source[video.source].append(value)
            values[f"{key}: {name}"] = tuple(some[0] if len(some) == 1 else tuple(some) for some in by_source)
        raise merge_error(values, roots, remedy="re-encoding cannot make these equal" if permanent else _REENCODE)
    return {path for path, some in found.items() if some}


def _groups(
    plan: MergePlan, scratch: Path, concatenate: bool, binaries: Binaries
) -> dict[str, list[list[SourceVideo]]]:
    """Return the source videos of each output file, after re-encoding the mismatched ones."""
    groups = {}
    for key, some in plan.videos.items():
        videos = (
            _encoded(plan, key, number, video, scratch, binaries) if video.stream.path in plan.mismatched else video
            for number, video in enumerate(some)
        )
        groups[key] = group_videos(videos, plan.info, concatenate=concatenate)
    return groups


def _write_tables(
    plan: MergePlan, building: Path, placed: Mapping[str, Sequence[PlacedVideo]], *, separate_data: bool
) -> DatasetInfo:
    for name in ("data", "meta"):
        shutil.rmtree(building / name, ignore_errors=True)
    selections = [_selection(plan, number, placed) for number in range(len(plan.sources))]
    written = write_tables(building, plan.info, selections, plan.tasks, separate_data=separate_data)
    plan.numbered.write(building)
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
            f"{video.stream.path} was re-encoded to {clip.stream.codec} {clip.stream.pix_fmt} instead of {wanted.codec} "
            f"{wanted.pix_fmt}; the info.json of {plan.sources[0].root} does not describe its videos",
            path=video.stream.path,
        )
    return replace(video, stream=clip.stream, frames=clip.packets.count)


def _selection(plan: MergePlan, number: int, placed: Mapping[str, Sequence[PlacedVideo]]) -> EpisodeSelection:
    source = plan.sources[number]
    videos = {
        key: {each.video.file: each for each in some if each.video.source == number} for key, some in placed.items()
    }
    return EpisodeSelection(source=source, videos=videos, numbers=plan.numbered.numbers[number])
