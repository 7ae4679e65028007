"""Join the small files of many episodes into large ones, without touching a bit of a frame.

The packed dataset is made beside the old one, complete and durable, and takes its place in one step: at any moment, and
after any crash, there is one whole dataset.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ffenc.dataset.documents import load_info
from ffenc.dataset.episodes import EpisodeRow, VideoSpan
from ffenc.dataset.layout import DatasetLayout, FileId
from ffenc.dataset.schema import DatasetInfo
from ffenc.dataset.series import MIB, iterate_episode_tables
from ffenc.dataset.store import data_writer, iterate_episodes, save_episodes
from ffenc.dataset.swap import NEW, finish_swap, link_or_copy, sibling, swap
from ffenc.errors import ConcatError, DatasetError, OutputError, ProcessError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.video.concat import concat_videos

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Where a video of the old dataset has gone."""

    file: FileId
    first_frame: int


def pack_dataset(root: str | Path, *, binaries: Binaries | None = None) -> bool:
    """Pack the files of a dataset up to the sizes in its ``info.json``; under its lock.

    Data and episode tables are written anew, videos are joined by one stream copy per new file.  Everything else in the
    dataset's directory comes along as it is.

    Args:
        root: the dataset.
        binaries: the executables; found by `find_binaries` if None.

    Returns:
        False if there was nothing to join.

    Raises:
        DatasetError: the dataset is not whole; nothing has happened.
        FFencError: a file could not be made; nothing has happened.
    """
    root = Path(root)
    finish_swap(root)
    info = load_info(root)
    layout = DatasetLayout.of(root, info)
    groups = {key: list(_groups(layout.video_files(key), info.video_files_size_in_mb)) for key in info.videos}
    has_small = any(len(group) > 1 for each in groups.values() for group in each)
    if not has_small and len(layout.data_files()) <= 1 and len(layout.episodes_files()) <= 1:
        return False
    new = sibling(root, NEW)
    try:
        _write(layout, info, replace(layout, root=new), groups, binaries or find_binaries())
        swap(root, new)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return True


def _write(
    old: DatasetLayout,
    info: DatasetInfo,
    new: DatasetLayout,
    groups: Mapping[str, list[list[Path]]],
    binaries: Binaries,
) -> None:
    parts = {key: _join_videos(key, each, new, info, binaries) for key, each in groups.items()}
    places: list[FileId] = []
    with data_writer(new.root, info) as writer:
        places += [writer.write(table) for table in iterate_episode_tables(old.data_files())]
    if len(places) != info.total_episodes:
        raise DatasetError(
            f"the data of {old.root} have {len(places)} episodes, its info.json says {info.total_episodes}",
            path=old.root,
        )
    save_episodes(new.root, info, _moved(old, info, places, parts))
    _take_along(old, info, new)


def _moved(
    old: DatasetLayout, info: DatasetInfo, places: list[FileId], parts: Mapping[str, Mapping[FileId, _Part]]
) -> Iterator[EpisodeRow]:
    for row in iterate_episodes(old.root, info):
        spans = {}
        for key, span in row.videos.items():
            part = parts[key].get(span.file)
            if part is None:
                raise DatasetError(f"episode {row.episode_index} needs {old.video(key, span.file)}", path=old.root)
            spans[key] = VideoSpan(
                file=part.file,
                from_frame=part.first_frame + span.from_frame,
                to_frame=part.first_frame + span.to_frame,
            )
        yield replace(row, data=places[row.episode_index], videos=spans)


def _groups(videos: list[Path], limit_mb: float) -> Iterator[list[Path]]:
    """Neighbouring videos that fit into one file; LeRobot begins the next one when the sum would reach the limit."""
    group: list[Path] = []
    size = 0
    for path in videos:
        length = path.stat().st_size
        if group and size + length >= limit_mb * MIB:
            yield group
            group, size = [], 0
        group.append(path)
        size += length
    if group:
        yield group


def _join_videos(
    key: str, groups: list[list[Path]], new: DatasetLayout, info: DatasetInfo, binaries: Binaries
) -> dict[FileId, _Part]:
    parts: dict[FileId, _Part] = {}
    file = FileId()
    waiting = list(reversed(groups))
    while waiting:
        group = waiting.pop()
        output = new.video(key, file)
        output.parent.mkdir(parents=True, exist_ok=True)
        try:
            offsets = _join(group, output, binaries)
        except (ConcatError, ProcessError, OutputError) as err:
            if len(group) == 1:
                raise
            # Videos of other settings (allow_mixed), or of a single frame beside others with B-frames.
            logger.warning("%d videos of %s cannot share a file: %s", len(group), key, str(err).splitlines()[0])
            half = len(group) // 2
            waiting += [group[half:], group[:half]]
            continue
        for source, first_frame in zip(group, offsets, strict=True):
            parts[FileId.of(source)] = _Part(file=file, first_frame=first_frame)
        file = file.successor(info.chunks_size)
    return parts


def _join(group: list[Path], output: Path, binaries: Binaries) -> tuple[int, ...]:
    if len(group) == 1:
        link_or_copy(group[0], output)
        return (0,)
    return concat_videos(group, output, binaries=binaries).offsets


def _take_along(old: DatasetLayout, info: DatasetInfo, new: DatasetLayout) -> None:
    """Everything that was not written anew."""
    replaced = {*old.data_files(), *old.episodes_files()}
    for key in info.videos:
        replaced.update(old.video_files(key))
    for path in sorted(old.root.rglob("*")):
        if path not in replaced and (path.is_file() or path.is_symlink()):
            link_or_copy(path, new.root / path.relative_to(old.root))
