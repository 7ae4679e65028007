"""Append episodes to their dataset in order, in a background thread."""

from __future__ import annotations

import logging
import shlex
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

from ffenc.dataset.recording.append_episode import EpisodeAppender, EpisodeSummary
from ffenc.dataset.recording.episode_directory import EpisodeDirectory
from ffenc.dataset.recording.open_episode import OpenEpisode
from ffenc.dataset.recording.rows import EpisodeRows
from ffenc.dataset.storage.identity import DatasetIdentity
from ffenc.errors import DatasetMovedError, EpisodeError, FFencError, is_disk_full
from ffenc.streaming.drop_log import EpisodeRecording
from ffenc.streaming.pending_result import PendingResult
from ffenc.threads import start_thread

logger = logging.getLogger(__name__)


class EpisodeQueue:
    """Runs an `EpisodeAppender` in its thread; nothing else may use the appender."""

    def __init__(self, appender: EpisodeAppender, identity: DatasetIdentity) -> None:
        self._appender = appender
        self._identity = identity
        self._results: deque[PendingResult[EpisodeSummary]] = deque()
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"episodes of {appender.root.name}", daemon=True)
        start_thread(self._thread)

    @property
    def unfinished(self) -> int:
        """Number of episodes that are not appended yet."""
        return sum(not result.done() for result in self._results)

    def add(self, episode: OpenEpisode) -> None:
        """Append an episode once its cameras are complete and all episodes before it are appended.

        The result is ``episode.appended``.  A second call for the same episode does nothing.
        """

        def append() -> EpisodeSummary:
            try:
                episode.close()
                recording = None if episode.recorded is None else episode.recorded.wait()
                return self._appender.append(episode.directory, episode.rows, recording)
            except Exception as err:
                raise self.kept(episode, err) from err

        def work() -> None:
            if not episode.appended.done():
                episode.appended.run(append)

        if episode.recorded is not None:
            episode.recorded.hand_over()
        if episode.appended not in self._results:
            self._results.append(episode.appended)
        self._waiting.put(work)

    def add_restored(
        self, directory: EpisodeDirectory, rows: EpisodeRows, recording: EpisodeRecording | None
    ) -> PendingResult[EpisodeSummary]:
        """Append an episode whose files are complete."""
        result: PendingResult[EpisodeSummary] = PendingResult(f"episode in {directory.path}")
        self._waiting.put(lambda: result.run(lambda: self._appender.append(directory, rows, recording)))
        return result

    def raise_unseen(self) -> None:
        """Raise the first error that was neither raised nor logged."""
        while self._results and self._results[0].done():
            error = self._results.popleft().unseen_error()
            if error is not None:
                raise error

    def log_unseen(self) -> None:
        """Log the errors that were not raised yet, while another error is being raised."""
        for result in self._results:
            if (error := result.unseen_error()) is not None:
                logger.error("%s", error)

    def end(self) -> None:
        """Wait until all episodes are appended; a second call does nothing."""
        self._waiting.put(None)
        self._thread.join()

    def kept(self, episode: OpenEpisode, why: BaseException | str) -> FFencError:
        """Keep an episode aside that cannot be appended, and return the error to raise.

        Args:
            episode: the episode, with cameras and log closed.
            why: the reason.
        """
        root, length = self._appender.root, len(episode)
        try:
            self._identity.check(inside=episode.directory.path)
            if episode.directory.is_committing:
                return EpisodeError(
                    f"an episode of {length} frames is complete but not yet appended to {root}: {why}; the next episode, "
                    f"DatasetRecorder.resume or `ffenc salvage {shlex.quote(str(root))}` moves its files to their places",
                    episode_index=self._appender.info.total_episodes,
                    path=root,
                    kept=episode.directory.path,
                )
            directory = episode.directory.keep_aside(str(why))
        except DatasetMovedError as err:
            return err
        except FFencError as err:
            logger.warning("%s", err)
            directory = episode.directory
        reason = str(why).replace(str(episode.directory.path), str(directory.path))  # where the files are now
        room = "make room on the disk, then run" if is_disk_full(why) else "run"
        return EpisodeError(
            f"an episode of {length} frames was not appended to {root}; its recording is kept in {directory.path} ({room} "
            f"`ffenc salvage {shlex.quote(str(root))}` or call recover() to append what can be used): {reason}",
            episode_index=self._appender.info.total_episodes,
            path=root,
            kept=directory.path,
        )

    def _run(self) -> None:
        while (work := self._waiting.get()) is not None:
            work()
