"""The dataset that is checked: what the checks read and pass on to each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.verify.findings import Findings
from ffenc.errors import BinaryNotFoundError, DatasetError, DependencyError


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The place of an episode's frames in a video, as the table says.

    Attributes:
        file: number of the video file.
        from_s, to_s: start and end in seconds.
    """

    file: FileId
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A row of the table of episodes, with unchecked values.

    Attributes:
        place: its place in reading order, by which LeRobot finds it.
        index: ``episode_index``.
        length: number of its rows; None if the table contradicts itself.
        from_index: index of its first row.
        data: number of its data file.
        tasks: texts of its tasks.
        spans: its place in the video of each camera.
        path: the file of the table that contains the row.
    """

    place: int
    index: int
    length: int | None
    from_index: int
    data: FileId
    tasks: tuple[str, ...]
    spans: Mapping[str, Span]
    path: Path


@dataclass(slots=True, kw_only=True)
class Subject:
    """A dataset that is being checked.

    Attributes:
        root: its directory.
        findings: all findings.
        info: ``info.json``; None until it was read, or if it cannot be read.
        video_keys: names of its video cameras.
        tasks: texts by task_index; None if they are unknown.
        episodes: rows of the table of episodes, in reading order.
        episodes_whole: whether all rows could be read; if not, checks that need all of them are skipped.
        rows: number of data rows; None if they cannot be counted.
        videos: number of video files that were opened.
        is_meta_only: whether the folder has only ``meta/``, and the level accepts that.
        impossible: features that no table or video can hold; they are not checked further.
    """

    root: Path
    findings: Findings
    info: DatasetInfo | None = None
    video_keys: tuple[str, ...] = ()
    tasks: list[str] | None = None
    episodes: list[Episode] = field(default_factory=list)
    episodes_whole: bool = False
    rows: int | None = None
    videos: int = 0
    is_meta_only: bool = False
    impossible: set[str] = field(default_factory=set)

    @property
    def known_info(self) -> DatasetInfo:
        """``info`` for checks that need it.

        Raises:
            DatasetError: ``info.json`` was not read.
        """
        if self.info is None:
            raise DatasetError(f"{self.layout.info} was removed or changed while the dataset was read", path=self.root)
        return self.info

    @property
    def layout(self) -> DatasetLayout:
        """The layout of its files."""
        return DatasetLayout(root=self.root) if self.info is None else DatasetLayout.of(self.root, self.info)

    @property
    def lengths_known(self) -> bool:
        """Whether all episodes and their lengths are known."""
        return self.episodes_whole and all(episode.length is not None for episode in self.episodes)

    @property
    def episodes_in_order(self) -> bool:
        """Whether all episodes are known, and their row ranges follow each other."""
        return self.lengths_known and not self.findings.has("episode-range-wrong")

    @contextmanager
    def checking(self, what: str) -> Iterator[None]:
        """Turn any exception of the block into a finding, except for missing software on this machine."""
        try:
            yield
        except (BinaryNotFoundError, DependencyError):
            raise
        except Exception as err:
            self.findings.add(
                "check-failed", f"checking {what} failed with {type(err).__name__}: {str(err) or 'no reason given'}"
            )
