"""The episode that is being recorded: its directory, and its time steps in memory and on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ffenc.config import VideoEncoderConfig
from ffenc.dataset.format.frame_ties import ties_of
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.recording.append_episode import EpisodeSummary
from ffenc.dataset.recording.episode_directory import EpisodeDirectory
from ffenc.dataset.recording.rows import EpisodeRows, Row, RowLog, drop_line, given_columns, row_line
from ffenc.errors import EpisodeError
from ffenc.streaming.drop_log import Drop, EpisodeRecording
from ffenc.streaming.pending_result import PendingResult


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A time step, or one that was left out.

    Attributes:
        row: None if it was left out.
        rows: rows so far, this one included.
        end: the offset in the log behind it.
    """

    row: Row | None
    rows: int
    end: int


_NO_STEP = _Step(row=None, rows=0, end=0)


class OpenEpisode:
    """Made when an episode begins; the cameras write into its directory.  A `ffenc.streaming.episode.StepRecord`.

    A step is in `_steps` or it is not, by one call of ``append``; the number of its frame, its row and its place in the log
    follow from that.  So an interrupt anywhere leaves all of them in agreement.

    Attributes:
        directory: where all of it is until it joins the dataset.
        recorded: the outcome of its cameras; None for a dataset without any.
        joined: the outcome of its joining.
        ending: what the caller decided, which is completed by the next call if an interrupt cut it short.
    """

    def __init__(
        self, root: Path, info: DatasetInfo, configs: Mapping[str, VideoEncoderConfig], *, number: int
    ) -> None:
        """Make the directory.

        Args:
            root: the dataset.
            info: of the dataset.
            configs: what the cameras are encoded with.
            number: of the episode, for people.

        Raises:
            OutputError: the file system refused.
        """
        self.directory = EpisodeDirectory.create(root, number, configs)
        self.recorded: PendingResult[EpisodeRecording] | None = None
        self.joined: PendingResult[EpisodeSummary] = PendingResult(f"episode in {self.directory.path}")
        self.ending: Literal["saved", "cleared"] | None = None
        self._info = info
        self._columns = tuple(given_columns(info))
        self._cameras = tuple(name for name, feature in info.features.items() if feature.is_camera)
        self._steps: list[_Step] = []
        self._next: tuple[Row, int] | None = None
        self._written: _Step | None = None
        try:
            self._log = RowLog(self.directory.rows)
        except BaseException:
            self.directory.remove()
            raise

    def __len__(self) -> int:
        return self._last.rows

    @property
    def rows(self) -> EpisodeRows:
        """The rows of all steps that were taken."""
        return EpisodeRows(info=self._info, rows=[step.row for step in self._steps if step.row is not None])

    def stage(self, frame: Mapping[str, Any], task: str) -> None:
        """Copy the row of a frame that was checked; it does not count yet."""
        number = len(self)
        row = Row.of(frame, task, self._columns)
        self._next = replace(row, shown=ties_of(number, {name: frame[name] for name in self._cameras})), number

    def write(self, number: int) -> None:
        """Write the staged row, which belongs to frame ``number``.

        Raises:
            FrameError: JSON cannot hold a value.
            OutputError: the disk is full, or it failed; the step is not taken then.
            EpisodeError: it is not the next frame's.
        """
        if self._next is None or number != len(self):
            raise EpisodeError(
                f"row {len(self)} was to be taken with frame {number}; save_episode() saves the {len(self)} steps before it",
                episode_index=self._info.total_episodes,
                path=self.directory.path,
            )
        row, staged_as = self._next
        if staged_as != number:  # a step before it was completed in between
            row = replace(row, shown=None)
        end = self._log.write(row_line(number, row), at=self._last.end)
        self._written = _Step(row=row, rows=number + 1, end=end)

    def write_drop(self, drop: Drop) -> None:
        """Write that a step is left out; errors as `write`."""
        end = self._log.write(drop_line(drop), at=self._last.end)
        self._written = _Step(row=None, rows=len(self), end=end)

    def take(self) -> None:
        """Count what was written last; a second call does nothing."""
        if self._written is not None and self._last is not self._written:
            self._steps.append(self._written)

    def close(self) -> None:
        """Sync and close the log; a second call does nothing.

        Raises:
            OutputError: the file system refused.
        """
        self._log.close(at=self._last.end)

    def discard(self) -> None:
        """Remove all of it; a second call does nothing."""
        self._log.release()
        self.directory.remove()

    @property
    def _last(self) -> _Step:
        return self._steps[-1] if self._steps else _NO_STEP
