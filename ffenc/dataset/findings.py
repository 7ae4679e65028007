"""What can be wrong with a dataset: a stable code for each fault, and findings of such faults.

``error`` means that LeRobot fails or gives wrong values, ``warning`` that it reads right but something is missing or will go
wrong when the dataset is edited, ``note`` that nothing is wrong for any reader we know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning", "note"]
Level: TypeAlias = Literal["metadata", "packets", "decode"]

LEVELS: tuple[Level, ...] = ("metadata", "packets", "decode")
"""How deep a dataset is read: its tables, every packet of its videos, every picture."""

MOST_KEPT = 100
"""Findings of one code that are kept; further ones are only counted, so that a large broken dataset costs no memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A kind of fault.

    Attributes:
        name: stable, for programs.
        severity: unless a finding says otherwise.
        level: the least deep level that finds it.
        meaning: one line.
        remedy: what to do.
        repaired: `repair_dataset` sets it right, where that is unambiguous.
    """

    name: str
    severity: Severity
    level: Level
    meaning: str
    remedy: str
    repaired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault.

    Attributes:
        code: a key of `CODES`.
        severity: how bad it is.
        message: what was found, and what was expected.
        remedy: what to do.
        episode: the episode concerned, or None.
        camera: the camera or other feature concerned, or None.
        frame: the frame concerned, or None: of the episode if there is one, else of the file.
        path: the file concerned, relative to the dataset, or None.
    """

    code: str
    severity: Severity
    message: str
    remedy: str
    episode: int | None = None
    camera: str | None = None
    frame: int | None = None
    path: Path | None = None


@dataclass(slots=True, kw_only=True)
class Findings:
    """Collects findings, from any thread; only `MOST_KEPT` of each code are kept.

    Attributes:
        root: the dataset; paths are kept relative to it.
        kept: the findings, in the order in which they came.
        counts: for each code, how many there were.
        severities: for each severity, how many there were.
    """

    root: Path
    kept: list[Finding] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    severities: dict[Severity, int] = field(default_factory=lambda: {"error": 0, "warning": 0, "note": 0})
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(
        self,
        code: str,
        message: str,
        *,
        episode: int | None = None,
        camera: str | None = None,
        frame: int | None = None,
        path: Path | None = None,
        severity: Severity | None = None,
    ) -> None:
        """Take one finding.

        Args:
            code: a key of `CODES`.
            message: what was found, and what was expected.
            episode, camera, frame, path: see `Finding`; the path may be absolute.
            severity: where it is not that of the code.
        """
        kind = CODES[code]
        with self._lock:
            self.severities[severity or kind.severity] += 1
            self.counts[code] = self.counts.get(code, 0) + 1
            if self.counts[code] <= MOST_KEPT:
                inside = path is not None and path.is_relative_to(self.root)
                finding = Finding(
                    code=code,
                    severity=severity or kind.severity,
                    message=message,
                    remedy=kind.remedy,
                    episode=episode,
                    camera=camera,
                    frame=frame,
                    path=path.relative_to(self.root) if path is not None and inside else path,
                )
                self.kept.append(finding)

    def has(self, *codes: str) -> bool:
        """Whether one of these codes was found."""
        return any(code in self.counts for code in codes)


_AGAIN = "copy or download the file again; if there is no good copy, delete the episodes that need it"
_ROWS = "nothing says what was meant: delete the episodes concerned, or restore the file from a copy"
_REPAIR = "`ffenc repair` sets it right"
_EDIT = "edit meta/info.json by hand, or restore it from a copy"


def _rows() -> Iterator[tuple[str, Severity, Level, str, str]]:
    yield from _documents()
    yield from _tables()
    yield from _statistics()
    yield from _videos()


def _documents() -> Iterator[tuple[str, Severity, Level, str, str]]:
    level: Level = "metadata"
    yield (
        "dataset-missing",
        "error",
        level,
        "no directory, or no meta/info.json in it",
        "name the directory of a dataset",
    )
    yield "dataset-version", "error", level, "another version of the format than v3.0", "convert it with LeRobot"
    yield "dataset-in-use", "note", level, "a writer is at work, or was killed", "let it finish, then verify again"
    yield "check-failed", "error", level, "a check could not be made", "restore the file that the message names"
    yield "info-unreadable", "error", level, "info.json is no JSON, or a value in it is missing or wrong", _EDIT
    yield "info-key-unknown", "note", level, "a key that LeRobot does not know and drops", "keep what it says elsewhere"
    yield "feature-default", "error", level, "a default feature is missing or of another type", _EDIT
    yield "feature-type", "error", level, "a type or shape that no table or video can hold", _EDIT
    yield "video-path-missing", "error", level, "there are video features and video_path is null", _EDIT
    yield "counter-wrong", "error", level, "a total in info.json is not the number of rows", _REPAIR
    yield "splits-wrong", "warning", level, "the splits do not cover the episodes", _REPAIR
    yield "leftover-temporary", "warning", level, "a temporary file of a writer that was killed", _REPAIR
    yield (
        "leftover-images",
        "warning",
        level,
        "staged images or videos of a LeRobot recorder that was killed",
        ("`ffenc repair` removes what is empty; look at the rest before you delete it"),
    )
    yield (
        "leftover-recording",
        "warning",
        level,
        "a recording that never joined the dataset",
        ("`ffenc salvage` makes a video of it; delete it if it is not needed"),
    )
    yield (
        "leftover-commit",
        "error",
        level,
        "an episode joined the dataset only in part",
        ("open it once with DatasetRecorder.resume, which completes the commit"),
    )


def _tables() -> Iterator[tuple[str, Severity, Level, str, str]]:
    level: Level = "metadata"
    yield "tasks-missing", "error", level, "there are episodes and no meta/tasks.parquet", _AGAIN
    yield "tasks-unreadable", "error", level, "tasks.parquet is damaged or lacks a column", _AGAIN
    yield "tasks-order", "error", level, "tasks do not stand in the order of task_index: wrong texts are read", _REPAIR
    yield "tasks-gap", "error", level, "task_index does not count 0, 1, 2, ...", _ROWS
    yield "tasks-index-missing", "error", level, "the texts are no pandas index: numbers are read for tasks", _REPAIR
    yield "task-repeated", "error", level, "a text has two numbers", _ROWS
    yield "task-unused", "note", level, "a task that no frame has", "harmless"
    yield (
        "file-name-foreign",
        "error",
        level,
        "a parquet file that belongs to no series, and is read all the same",
        ("move it out of the dataset"),
    )
    yield "episodes-missing", "error", level, "there is no file of episodes", _AGAIN
    yield "episodes-unreadable", "error", level, "a file of episodes is damaged or has no footer", _AGAIN
    yield "episodes-column-missing", "error", level, "the table of episodes lacks a column", _AGAIN
    yield "episodes-column-extra", "note", level, "a column of a feature that is not there", "harmless"
    yield "episodes-column-type", "error", level, "a column of the table of episodes has a wrong type", _AGAIN
    yield (
        "episodes-files-differ",
        "error",
        level,
        "files of episodes have different columns and cannot be joined",
        _AGAIN,
    )
    yield "episode-value-wrong", "error", level, "a value in the table of episodes is missing or impossible", _AGAIN
    yield "episode-index-wrong", "error", level, "episodes do not count 0, 1, 2, ...", _ROWS
    yield "episode-length-wrong", "error", level, "length is not dataset_to_index - dataset_from_index", _REPAIR
    yield "episode-range-wrong", "error", level, "rows of an episode do not begin where those before it end", _REPAIR
    yield "episode-data-file-wrong", "error", level, "the rows of an episode are not in the file it names", _REPAIR
    yield "episode-meta-file-wrong", "warning", level, "an episode names another file of episodes than its own", _REPAIR
    yield "episode-tasks-wrong", "warning", level, "the tasks of an episode are not those of its rows", _REPAIR
    yield "data-missing", "error", level, "there is no data file", _AGAIN
    yield "data-unreadable", "error", level, "a data file is damaged or has no footer", _AGAIN
    yield "data-column-missing", "error", level, "a feature has no column", _AGAIN
    yield (
        "data-column-extra",
        "error",
        level,
        "a column is no feature: LeRobot refuses the dataset",
        ("add the feature to info.json, or drop the column"),
    )
    yield "data-column-type", "error", level, "a column does not have the type of its feature", _ROWS
    yield "data-value-missing", "error", level, "holes in a column, or rows of a wrong length", _ROWS
    yield "data-not-finite", "warning", level, "NaN or infinity, which spoils statistics and training", _ROWS
    yield "data-rows-wrong", "error", level, "an episode has more or fewer rows than its length", _ROWS
    yield "data-episode-wrong", "error", level, "episode_index of a row is not its episode", _ROWS
    yield "data-frame-index-wrong", "error", level, "frame_index does not count 0, 1, 2, ... in an episode", _ROWS
    yield "data-index-wrong", "error", level, "index is not the number of the row", _ROWS
    yield "data-timestamp-wrong", "error", level, "timestamp is not frame_index / fps", _ROWS
    yield "data-task-unknown", "error", level, "task_index of a row is not in tasks.parquet", _ROWS


def _statistics() -> Iterator[tuple[str, Severity, Level, str, str]]:
    level: Level = "metadata"
    yield "stats-missing", "warning", level, "there is no stats.json, and training normalises by it", _REPAIR
    yield "stats-unreadable", "error", level, "stats.json is no JSON, or not of statistics", _REPAIR
    yield "stats-feature-missing", "warning", level, "stats.json lacks a feature", _REPAIR
    yield "stats-feature-extra", "note", level, "stats.json has a feature that is not there", "harmless"
    yield "stats-shape-wrong", "error", level, "statistics do not have the shape of their feature", _REPAIR
    yield "stats-incomplete", "note", level, "there are no quantiles, as before LeRobot had them", _REPAIR
    yield "stats-wrong", "error", level, "stats.json does not describe the data", _REPAIR
    yield "episode-stats-missing", "warning", level, "an episode lacks statistics: merged ones will lack it", _REPAIR
    yield "episode-stats-wrong", "warning", level, "statistics of an episode do not describe its rows", _REPAIR
    yield (
        "pictures-foreign",
        "error",
        "decode",
        "pictures of an episode are not those its statistics are of",
        ("put the right video in its place; if only the statistics are old, delete their columns and repair"),
    )


def _videos() -> Iterator[tuple[str, Severity, Level, str, str]]:
    level: Level = "metadata"
    yield "video-missing", "error", level, "a video that episodes need is not there", _AGAIN
    yield "video-unused", "warning", level, "a video that no episode needs", "delete it if nothing is in it"
    yield "video-info-missing", "warning", level, "a camera has no info block: it cannot be merged", _REPAIR
    yield (
        "video-info-wrong",
        "warning",
        level,
        "the info block of a camera is not what its features or videos are",
        _REPAIR,
    )
    yield "video-time-off-grid", "error", level, "an episode begins or ends in a video between two frames", _REPAIR
    yield "video-time-drift", "warning", level, "the same, but within LeRobot's tolerance of 0.1 ms", _REPAIR
    yield (
        "video-range-wrong",
        "error",
        level,
        "an episode has another number of frames than of rows in a video",
        _REPAIR,
    )
    yield "video-range-gap", "warning", level, "frames of a video between two episodes", _REPAIR
    yield "video-range-overlap", "error", level, "two episodes share frames of a video", _REPAIR
    level = "packets"
    yield "video-unreadable", "error", level, "no video, or torn so that nothing can be read", _AGAIN
    yield "video-torn", "error", level, "a video ends before the frames that its header promises", _AGAIN
    yield "video-damaged", "error", level, "FFmpeg complains about a video", _AGAIN
    yield "video-frames-missing", "error", level, "a video has fewer frames than its episodes", _AGAIN
    yield (
        "video-frames-extra",
        "warning",
        level,
        "a video has more frames than its episodes",
        ("look whether pictures and rows belong together; `ffenc reencode-dataset` drops the surplus"),
    )
    yield "video-frames-hidden", "error", level, "an edit list hides frames", "`ffenc reencode-dataset` removes them"
    yield (
        "video-clock-wrong",
        "error",
        level,
        "frame k is not at k/fps seconds",
        "`ffenc reencode-dataset` sets the clock",
    )
    yield (
        "video-codec-foreign",
        "warning",
        level,
        "a video has another codec than info.json says",
        ("`ffenc reencode-dataset` makes all of one kind"),
    )
    yield "video-size-foreign", "error", level, "a video has pictures of another size than its feature", _AGAIN
    yield (
        "video-format-foreign",
        "warning",
        level,
        "a video has another pixel format than info.json says",
        ("`ffenc reencode-dataset` makes all of one kind"),
    )
    yield (
        "video-key-frame-missing",
        "note",
        level,
        "an episode does not begin with a key frame: slow to cut",
        "harmless",
    )
    yield "frame-unreadable", "error", "decode", "a frame cannot be decoded", _AGAIN


CODES: Mapping[str, Code] = MappingProxyType(
    {
        name: Code(
            name=name, severity=severity, level=level, meaning=meaning, remedy=remedy, repaired="repair`" in remedy
        )
        for name, severity, level, meaning, remedy in _rows()
    }
)
"""Every code, in the order in which the checks go on."""
