"""Open a dataset as the read-only source of another one, and check that its metadata are consistent."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Protocol

import numpy as np

from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.dataset_tables import iterate_episodes, load_tasks
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.episode_columns import EpisodeRow
from ffenc.dataset.format.frame_columns import column_values
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.parquet_series import iterate_episode_tables
from ffenc.dataset.format.schema import DEFAULT_FEATURES, DatasetInfo
from ffenc.dataset.storage.dataset_tree import check_same_tree, check_tree, resolve_root
from ffenc.errors import DatasetError


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSource:
    """A dataset with consistent counters, episodes and video spans.

    Attributes:
        root: its directory.
        info: its ``info.json``.
        tasks: its tasks, by number.
        videos: for each camera, its files in ascending order with the least number of frames that the episodes need.
        digest: digest of its files when it was opened.
    """

    root: Path
    info: DatasetInfo
    tasks: tuple[str, ...]
    videos: Mapping[str, Mapping[FileId, int]]
    digest: str

    @classmethod
    def open(cls, root: str | Path, *, follow_links: bool = False) -> DatasetSource:
        """Read and check the metadata of a dataset.

        Args:
            root: its directory; symbolic links are resolved.
            follow_links: read through symbolic links in the dataset.

        Raises:
            DatasetError: it is not a dataset, unfinished or inconsistent, or contains devices, sockets, named pipes, or
                symbolic links that may not be followed.
        """
        root = resolve_root(root)
        load_info(root)  # has a clearer error than check_tree for a missing dataset
        digest = check_tree(root, follow_links=follow_links)
        info = load_info(root)
        videos: dict[str, dict[FileId, int]] = {key: {} for key in info.videos}
        episodes = frames = 0
        for row in iterate_episodes(root, info, statistics=False):
            _check_row(row, root, episode=episodes, first=frames)
            episodes, frames = episodes + 1, frames + row.length
            for key, span in row.videos.items():
                videos[key][span.file] = max(videos[key].get(span.file, 0), span.to_frame)
        if (episodes, frames) != (info.total_episodes, info.total_frames):
            raise _inconsistent(
                root,
                f"info.json counts {info.total_episodes} episodes and {info.total_frames} frames, but the tables have "
                f"{episodes} and {frames}",
            )
        if not episodes:
            raise DatasetError(f"{root} has no episodes", path=root)
        ordered = {key: {file: files[file] for file in sorted(files)} for key, files in videos.items()}
        return cls(root=root, info=info, tasks=tuple(load_tasks(root)), videos=ordered, digest=digest)

    @property
    def layout(self) -> DatasetLayout:
        """Return its paths."""
        return DatasetLayout.of(self.root, self.info)

    def episodes(self) -> Iterator[tuple[EpisodeRow, pa.Table]]:
        """Yield every episode with its rows, one at a time.

        Raises:
            DatasetError: the data files do not have the rows that the episodes declare.
        """
        tables = iterate_episode_tables(self.layout.data_files())
        for row, table in zip_longest(iterate_episodes(self.root, self.info), tables):
            if row is None:
                raise _inconsistent(self.root, "the data files have rows of an episode that is not listed")
            if table is None or not self._belong(row, table):
                raise _inconsistent(self.root, f"the data files do not have the rows of episode {row.episode_index}")
            yield row, table

    def check_unchanged(self) -> None:
        """Check that no other process changed the dataset since it was opened; a source is not locked.

        Raises:
            DatasetError: it was changed, moved or replaced.
        """
        check_same_tree(self.root, self.digest)

    def spans(self) -> dict[tuple[str, FileId], list[tuple[int, int]]]:
        """Return the frames (first, stop) of the episodes in each camera and file, ascending."""
        found: dict[tuple[str, FileId], list[tuple[int, int]]] = {}
        for row in iterate_episodes(self.root, self.info, statistics=False):
            for key, span in row.videos.items():
                found.setdefault((key, span.file), []).append((span.from_frame, span.to_frame))
        return {place: sorted(some) for place, some in found.items()}

    def _belong(self, row: EpisodeRow, table: pa.Table) -> bool:
        if len(table) != row.length:
            return False
        episode, index = (column_values(table, name, DEFAULT_FEATURES[name]) for name in ("episode_index", "index"))
        expected = np.arange(row.dataset_from_index, row.dataset_to_index)
        return bool(episode[0] == row.episode_index and np.array_equal(index, expected))


class ReadSource(Protocol):
    """A dataset that is read without a lock."""

    def check_unchanged(self) -> None:
        """Raise `DatasetError` if another process changed it since it was opened."""


@contextmanager
def reading(sources: Iterable[ReadSource]) -> Iterator[None]:
    """Check after a block that the sources are unchanged; a change replaces any error that it has caused.

    Raises:
        DatasetError: see `ReadSource.check_unchanged`.
    """
    try:
        yield
    except Exception as err:
        try:
            for source in sources:
                source.check_unchanged()
        except DatasetError as changed:
            raise changed from err
        raise
    for source in sources:
        source.check_unchanged()


def _check_row(row: EpisodeRow, root: Path, *, episode: int, first: int) -> None:
    if (row.episode_index, row.dataset_from_index) != (episode, first):
        raise _inconsistent(
            root,
            f"row {episode} of the episodes is episode {row.episode_index} starting at data row {row.dataset_from_index}; "
            f"expected episode {episode} starting at {first}",
        )
    for key, span in row.videos.items():
        if span.to_frame - span.from_frame != row.length:
            raise _inconsistent(
                root,
                f"episode {episode} has {row.length} rows, but {span.to_frame - span.from_frame} frames of {key}",
            )


def _inconsistent(root: Path, what: str) -> DatasetError:
    return DatasetError(
        f"{root} is inconsistent: {what}; `ffenc verify {shlex.quote(str(root))}` lists all faults", path=root
    )
