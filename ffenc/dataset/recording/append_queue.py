"""Episodes join their dataset one after the other, in a thread of their own."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from ffenc.dataset.recording.append_episode import EpisodeAppender, EpisodeSummary
from ffenc.dataset.recording.open_episode import OpenEpisode
from ffenc.dataset.recording.rows import EpisodeRows
from ffenc.dataset.storage.identity import DatasetIdentity
from ffenc.errors import DatasetMovedError, EpisodeError, FFencError, is_disk_full
from ffenc.streaming.drop_log import EpisodeRecording
from ffenc.streaming.pending_result import PendingResult
from ffenc.threads import start_thread

logger = logging.getLogger(__name__)


class EpisodeQueue:
    """The only user of an `EpisodeAppender`."""

    def __init__(self, joiner: EpisodeAppender, identity: DatasetIdentity) -> None:
        self._joiner = joiner
        self._identity = identity
        self._handles: deque[PendingResult[EpisodeSummary]] = deque()
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"episodes of {joiner.root.name}", daemon=True)
        start_thread(self._thread)

    @property
    def unfinished(self) -> int:
        """Episodes that have not joined yet."""
        return sum(not handle.done() for handle in self._handles)

    def add(self, episode: OpenEpisode) -> None:
        """Let an episode join when its cameras are complete and the episodes before it have joined.

        A second call for the same episode does nothing; its outcome is ``episode.joined``.
        """

        def join() -> EpisodeSummary:
            try:
                episode.close()
                recording = None if episode.recorded is None else episode.recorded.wait()
                return self._joiner.join(episode.directory.path, episode.rows, recording)
            except Exception as err:
                raise self.kept(episode, err) from err

        def work() -> None:
            if not episode.joined.done():
                episode.joined.run(join)

        if episode.joined not in self._handles:
            self._handles.append(episode.joined)
        self._waiting.put(work)

    def add_restored(
        self, directory: Path, rows: EpisodeRows, recording: EpisodeRecording | None
    ) -> PendingResult[EpisodeSummary]:
        """Let an episode join that is complete."""
        handle: PendingResult[EpisodeSummary] = PendingResult(f"episode in {directory}")
        self._waiting.put(lambda: handle.run(lambda: self._joiner.join(directory, rows, recording)))
        return handle

    def raise_unseen(self) -> None:
        """Raise the error of an episode that nobody has seen."""
        while self._handles and self._handles[0].done():
            error = self._handles.popleft().unseen_error()
            if error is not None:
                raise error

    def log_unseen(self) -> None:
        """Log the errors of episodes that were not raised yet, while another error is being raised."""
        for handle in self._handles:
            if (error := handle.unseen_error()) is not None:
                logger.error("%s", error)

    def end(self) -> None:
        """Wait until all have joined; a second call does nothing."""
        self._waiting.put(None)
        self._thread.join()

    def kept(self, episode: OpenEpisode, why: BaseException | str) -> FFencError:
        """Keep an episode that cannot join, and return the error to raise.

        Args:
            episode: its cameras and its log are closed.
            why: the reason.
        """
        root, length = self._joiner.root, len(episode)
        try:
            self._identity.check(inside=episode.directory.path)
            if episode.directory.is_committing:
                return EpisodeError(
                    f"an episode of {length} frames is complete, but could not join {root} yet: {why}; the next episode, "
                    f"DatasetRecorder.resume or `ffenc salvage {root}` moves its files to their places",
                    episode_index=self._joiner.info.total_episodes,
                    path=root,
                    kept=episode.directory.path,
                )
            directory = episode.directory.keep_aside(str(why))
        except DatasetMovedError as err:
            return err
        except FFencError as err:
            logger.warning("%s", err)
            directory = episode.directory
        said = str(why).replace(str(episode.directory.path), str(directory.path))  # where the files are now
        room = "make room on the disk, then run" if is_disk_full(why) else "run"
        return EpisodeError(
            f"an episode of {length} frames did not join {root}; what was recorded of it is kept in {directory.path} ({room} "
            f"`ffenc salvage {root}` or call recover() to add what can be used): {said}",
            episode_index=self._joiner.info.total_episodes,
            path=root,
            kept=directory.path,
        )

    def _run(self) -> None:
        while (work := self._waiting.get()) is not None:
            work()
