"""Pack the small files of many episodes into large ones; videos are joined by stream copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from ffenc.dataset.format.dataset_tables import data_writer, iterate_episodes, other_episode_columns, save_episodes
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.episode_columns import EpisodeRow, VideoSpan
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.parquet_series import MIB, iterate_episode_tables
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.storage.dataset_tree import check_tree, resolve_root
from ffenc.dataset.storage.lock import DatasetLock
from ffenc.dataset.transform.in_place import copy_unchanged, locked_dataset, new_form
from ffenc.dataset.transform.video_groups import PlacedVideo, group_joinable, write_groups
from ffenc.errors import DatasetError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.video.clip import iterate_clips


def pack_dataset(
    root: str | Path,
    *,
    lock: DatasetLock | None = None,
    follow_links: bool = False,
    binaries: Binaries | None = None,
) -> bool:
    """Pack the files of a dataset in place, up to the file sizes in its ``info.json``.

    Data and episode tables are rewritten, and videos are joined by one stream copy per new file.  All other files are
    unchanged.  One complete dataset exists at every moment, also after a crash.

    Args:
        root: the dataset.
        lock: of the dataset, if the caller holds it.
        follow_links: read through symbolic links in the dataset.
        binaries: the executables; found by `find_binaries` if None.

    Returns:
        False if there is nothing to join.

    Raises:
        DatasetLockedError: another process is writing into the dataset.
        DatasetError: the dataset is inconsistent, or contains symbolic links and ``follow_links`` is False.
        FFencError: a file cannot be written.  After any error the dataset is unchanged.
    """
    root = resolve_root(root)
    with ExitStack() as stack:
        held = lock or stack.enter_context(locked_dataset(root))
        info = load_info(root)
        check_tree(root, follow_links=follow_links)
        layout = DatasetLayout.of(root, info)
        many_tables = len(layout.data_files()) > 1 or len(layout.episodes_files()) > 1
        if not many_tables and not any(_has_small(layout.video_files(key), info) for key in info.videos):
            return False
        with new_form(root, None, lock=held) as new:
            _write(layout, info, replace(layout, root=new), binaries or find_binaries())
    return True


def _has_small(videos: Sequence[Path], info: DatasetInfo) -> bool:
    """Return True if two consecutive videos fit into one file."""
    sizes = [path.stat().st_size for path in videos]
    return any(one + next_one < info.video_files_size_in_mb * MIB for one, next_one in pairwise(sizes))


def _write(old: DatasetLayout, info: DatasetInfo, new: DatasetLayout, binaries: Binaries) -> None:
    placed = {key: _join_videos(key, old, new, info, binaries) for key in info.videos}
    places: list[FileId] = []
    with data_writer(new.root, info, like=old) as writer:
        places += [writer.write(table) for table in iterate_episode_tables(old.data_files())]
    if len(places) != info.total_episodes:
        raise DatasetError(
            f"the data files of {old.root} have {len(places)} episodes, but info.json says {info.total_episodes}",
            path=old.root,
        )
    save_episodes(new.root, info, _moved(old, info, places, placed), others=other_episode_columns(old.root, info))
    written = {*old.data_files(), *old.episodes_files()}
    for key in info.videos:
        written.update(old.video_files(key))
    copy_unchanged(old.root, new.root, leave=written, link=True)


def _moved(
    old: DatasetLayout, info: DatasetInfo, places: list[FileId], placed: Mapping[str, Mapping[FileId, PlacedVideo]]
) -> Iterator[EpisodeRow]:
    for row in iterate_episodes(old.root, info):
        spans: dict[str, VideoSpan] = {}
        for key, span in row.videos.items():
            if span.file not in placed[key]:
                raise DatasetError(
                    f"episode {row.episode_index} needs {old.video(key, span.file)}, which is missing", path=old.root
                )
            spans[key] = placed[key][span.file].place(span)
        yield replace(row, data=places[row.episode_index], videos=spans)


def _join_videos(
    key: str, old: DatasetLayout, new: DatasetLayout, info: DatasetInfo, binaries: Binaries
) -> dict[FileId, PlacedVideo]:
    clips = iterate_clips(old.video_files(key), binaries=binaries, check=False)
    numbered = ((clip, old.video_number(key, clip.stream.path)) for clip in clips)
    groups = group_joinable(((clip, file) for clip, file in numbered if file is not None), info)
    placed = write_groups(key, groups, new.root, info, binaries=binaries, link=True)
    return {each.video.file: each for each in placed}
