"""A dataset that is read to make another one of it; it is never written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.dataset_tables import iterate_episodes, load_tasks
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.episode_columns import EpisodeRow
from ffenc.dataset.format.frame_columns import column_values
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.parquet_series import iterate_episode_tables
from ffenc.dataset.format.schema import DEFAULT_FEATURES, DatasetInfo
from ffenc.dataset.storage.dataset_tree import check_tree, resolve_root
from ffenc.errors import DatasetError


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSource:
    """A dataset whose episodes, counters and places in videos agree with each other.

    Attributes:
        root: its directory.
        info: its ``info.json``.
        tasks: its tasks; number i is at place i.
        videos: for each camera the files that episodes lie in, ascending, and how many frames each must have at least.
        digest: of its files when it was opened.
    """

    root: Path
    info: DatasetInfo
    tasks: tuple[str, ...]
    videos: Mapping[str, Mapping[FileId, int]]
    digest: str

    @classmethod
    def open(cls, root: str | Path, *, follow_links: bool = False) -> DatasetSource:
        """Read all of a dataset's metadata once.

        Args:
            root: its directory; `root` of the result is what it leads to through all links.
            follow_links: read through links in the dataset.

        Raises:
            DatasetError: it is not a dataset, not finished, contradicts itself, or contains links that may not be followed,
                devices, sockets or named pipes.
        """
        root = resolve_root(root)
        load_info(root)  # its error is clearer if there is no dataset
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
            raise _contradiction(
                root,
                f"info.json says {info.total_episodes} episodes of {info.total_frames} frames, but its tables have {episodes} "
                f"of {frames}",
            )
        if not episodes:
            raise DatasetError(f"{root} has no episodes", path=root)
        ordered = {key: {file: files[file] for file in sorted(files)} for key, files in videos.items()}
        return cls(root=root, info=info, tasks=tuple(load_tasks(root, to_write=True)), videos=ordered, digest=digest)

    @property
    def layout(self) -> DatasetLayout:
        """Its paths."""
        return DatasetLayout.of(self.root, self.info)

    def episodes(self) -> Iterator[tuple[EpisodeRow, pa.Table]]:
        """Every episode with its frames, one at a time.

        Raises:
            DatasetError: the frames are not those that the episodes say they are.
        """
        tables = iterate_episode_tables(self.layout.data_files())
        for row, table in zip_longest(iterate_episodes(self.root, self.info), tables):
            if row is None or table is None or not self._belong(row, table):
                which = (
                    "there are frames of an episode that is not listed"
                    if row is None
                    else f"episode {row.episode_index}"
                )
                raise _contradiction(self.root, f"the data files do not have the frames of the episodes ({which})")
            yield row, table

    def check_unchanged(self) -> None:
        """Make sure that what was read is still there: a dataset that is only read is not locked.

        Raises:
            DatasetError: another process has changed, moved or replaced it.
        """
        if check_tree(self.root, follow_links=True) != self.digest:
            raise DatasetError(
                f"{self.root} was changed by another process while it was read; try again", path=self.root
            )

    def spans(self) -> dict[tuple[str, FileId], list[tuple[int, int]]]:
        """For each camera and file of it the frames (first, stop) of its episodes, ascending."""
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


@contextmanager
def reading(sources: Iterable[DatasetSource]) -> Iterator[None]:
    """Read datasets in a block; it fails if one has changed, whatever error the change has led to.

    Raises:
        DatasetError: see `DatasetSource.check_unchanged`.
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
        raise _contradiction(
            root,
            f"at place {episode} stands episode {row.episode_index} with rows from {row.dataset_from_index} on, instead of "
            f"{first}",
        )
    for key, span in row.videos.items():
        if span.to_frame - span.from_frame != row.length:
            raise _contradiction(
                root,
                f"episode {episode} has {row.length} rows, but {span.to_frame - span.from_frame} frames of {key}",
            )


def _contradiction(root: Path, what: str) -> DatasetError:
    return DatasetError(f"{root} contradicts itself: {what}; `ffenc verify {root}` lists all that is wrong", path=root)
