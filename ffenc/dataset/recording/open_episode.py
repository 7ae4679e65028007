"""The episode that is being recorded: its directory, and its time steps in memory and on disk."""

from __future__ import annotations

import _thread
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ffenc.config import VideoEncoderConfig
from ffenc.dataset.format.frame_ties import ties_of
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.recording.append_episode import EpisodeSummary
from ffenc.dataset.recording.episode_directory import EpisodeDirectory
from ffenc.dataset.recording.rows import Capture, EpisodeRows, Row, RowLog, drop_line, given_columns, row_line
from ffenc.errors import EpisodeError
from ffenc.streaming.drop_log import Drop, EpisodeRecording
from ffenc.streaming.pending_result import PendingResult
from ffenc.threads import limits_reported, require_threads


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A time step that was taken or dropped.

    Attributes:
        row: None if it was dropped.
        rows: rows so far, including this one.
        end: offset in the log behind it.
    """

    row: Row | None
    rows: int
    end: int


_NO_STEP = _Step(row=None, rows=0, end=0)


class EpisodeStart:
    """Starts an episode in a thread of its own, beside the control loop.

    The thread is not a `PromptThread`, which starts two threads one after the other: the next frame may come at once.

    Args:
        make: starts the episode.
    """

    def __init__(self, make: Callable[[], OpenEpisode]) -> None:
        self._make = make
        self._result: PendingResult[OpenEpisode] = PendingResult("start of an episode")
        self._is_starting = False
        # An interrupted `start` may have started a thread; only the first one works.
        self._claim = _thread.allocate_lock()

    def start(self) -> None:
        """Start the thread.  A second call does nothing, also after an interrupt of the first.

        Raises:
            ThreadStartError: the system refuses the thread, or a library has replaced threads.
        """
        if not self._is_starting:
            require_threads()
            with limits_reported("the start of an episode"):
                _thread.start_new_thread(self._run, ())
            self._is_starting = True

    def wait(self) -> OpenEpisode:
        """Return the episode, or raise why it could not be started."""
        self.start()  # an interrupt may have prevented it
        return self._result.wait()

    def settle(self) -> None:
        """Wait until the episode is started, or could not be; `wait` raises why."""
        self.start()
        self._result.settle()

    def _run(self) -> None:
        if self._claim.acquire(blocking=False):
            self._result.run(self._make)


class OpenEpisode:
    """The directory and the rows of the open episode; a `ffenc.streaming.episode.StepRecord`.

    One call of ``append`` puts a step into `_steps`.  Its frame number, its row and its offset in the log follow from that, so
    they agree wherever an interrupt hits.

    Attributes:
        directory: holds all files until the episode is appended.
        recorded: result of the cameras; None for a dataset without cameras.
        appended: result of appending the episode to the dataset.
        ending: what the caller decided; if an interrupt cut it short, the next call completes it.
    """

    def __init__(
        self, root: Path, info: DatasetInfo, configs: Mapping[str, VideoEncoderConfig], *, number: int
    ) -> None:
        """Make the directory and the log; see `EpisodeDirectory.create`.

        Raises:
            OutputError: the file system refused.
        """
        self.directory = EpisodeDirectory.create(root, number, configs)
        self.recorded: PendingResult[EpisodeRecording] | None = None
        self.appended: PendingResult[EpisodeSummary] = PendingResult(f"episode in {self.directory.path}")
        self.ending: Literal["saved", "cleared"] | None = None
        self._info = info
        self._columns = tuple(given_columns(info))
        self._cameras = tuple(name for name, feature in info.features.items() if feature.is_camera)
        self._steps: list[_Step] = []
        self._next: tuple[Row, int] | None = None
        self._written: _Step | None = None
        try:
            self._log = RowLog(self.directory.rows, first=self.directory.sync_names)
        except BaseException:
            self.directory.remove()
            raise

    def __len__(self) -> int:
        return self._last.rows

    @property
    def rows(self) -> EpisodeRows:
        """Rows of all steps that were taken."""
        rows = [step.row for step in self._steps if step.row is not None]
        return EpisodeRows(info=self._info, rows=rows)

    def stage(self, frame: Mapping[str, Any], task: str, capture: Capture | None = None) -> None:
        """Copy the row of a checked frame; it does not count yet."""
        number = len(self)
        row = Row.of(frame, task, self._columns)
        shown = ties_of(number, {name: frame[name] for name in self._cameras})
        self._next = replace(row, shown=shown, capture=capture), number

    def write(self, number: int) -> None:
        """Write the staged row, which belongs to frame ``number``.

        Raises:
            FrameError: JSON cannot hold a value.
            OutputError: the disk is full or failed; the step is not taken.
            EpisodeError: the row does not belong to the next frame.
        """
        if self._next is None or number != len(self):
            raise EpisodeError(
                f"row {len(self)} does not belong to frame {number}; save_episode() saves the {len(self)} steps before it",
                episode_index=self._info.total_episodes,
                path=self.directory.path,
            )
        row, staged_as = self._next
        if staged_as != number:  # a step before it was completed in between
            row = replace(row, shown=None)
        end = self._log.write(row_line(number, row), at=self._last.end)
        self._written = _Step(row=row, rows=number + 1, end=end)

    def write_drop(self, drop: Drop) -> None:
        """Write a dropped step; raises as `write`."""
        end = self._log.write(drop_line(drop), at=self._last.end)
        self._written = _Step(row=None, rows=len(self), end=end)

    def take(self) -> None:
        """Count the step that was written last; a second call does nothing."""
        if self._written is not None and self._last is not self._written:
            self._steps.append(self._written)

    def close(self) -> None:
        """Sync and close the log; a second call does nothing.

        Raises:
            OutputError: the file system refused.
        """
        self._log.close(at=self._last.end)

    def discard(self, *, remove: bool = True) -> None:
        """Close the log and remove the directory; a second call does nothing.

        Args:
            remove: False if the dataset was moved: what is at the path now may be somebody else's.
        """
        self._log.release()
        if remove:
            self.directory.remove()

    @property
    def _last(self) -> _Step:
        return self._steps[-1] if self._steps else _NO_STEP
