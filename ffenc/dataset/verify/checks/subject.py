"""What the checks of one dataset know of it, and tell each other."""

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
    """Where an episode says that its pictures are.

    Attributes:
        file: the video.
        from_s, to_s: seconds in it, as they stand in the table.
    """

    file: FileId
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A row of the table of episodes, as it stands there.

    Attributes:
        place: its place in reading order, by which LeRobot finds it.
        index: what it says its number is.
        length: rows it says it has; None if that is not certain.
        from_index: the number that it says its first row has.
        data: the file that it says its rows are in.
        tasks: texts.
        spans: for each camera.
        path: the file that has it.
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
        findings: what is wrong with it.
        info: None until it has been read, and if it cannot be.
        tasks: the texts, by their task_index; None if they are not known.
        episodes: the rows of the table, in reading order.
        episodes_whole: all rows are there; if not, what follows from their number is not checked.
        rows: rows of data, or None if they cannot be counted.
        impossible: features that nothing can hold, which are not looked at any further.
    """

    root: Path
    findings: Findings
    info: DatasetInfo | None = None
    tasks: list[str] | None = None
    episodes: list[Episode] = field(default_factory=list)
    episodes_whole: bool = False
    rows: int | None = None
    impossible: set[str] = field(default_factory=set)

    @property
    def known_info(self) -> DatasetInfo:
        """``info``, which the checks need.

        Raises:
            DatasetError: it was there before, and cannot be read any more.
        """
        if self.info is None:
            raise DatasetError(f"{self.layout.info} has gone or changed while it was read", path=self.root)
        return self.info

    @property
    def layout(self) -> DatasetLayout:
        """Where its files are."""
        return DatasetLayout(root=self.root) if self.info is None else DatasetLayout.of(self.root, self.info)

    @property
    def lengths_known(self) -> bool:
        """Whether every episode is there and says how long it is."""
        return self.episodes_whole and all(episode.length is not None for episode in self.episodes)

    @property
    def episodes_in_order(self) -> bool:
        """Whether every episode is there and has its rows behind those before it, whatever number it says."""
        return self.lengths_known and not self.findings.has("episode-range-wrong")

    @contextmanager
    def checking(self, what: str) -> Iterator[None]:
        """Make a finding of any exception in the block, because a dataset may hold anything.

        Only what is wrong with this machine and not with the dataset is let through.
        """
        try:
            yield
        except (BinaryNotFoundError, DependencyError):
            raise
        except Exception as err:
            said = str(err) or "no reason given"
            self.findings.add("check-failed", f"checking {what} ended with {type(err).__name__}: {said}")
