"""Episodes join their dataset one after the other, in a thread of their own."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from ffenc.dataset.joining import EpisodeJoiner, EpisodeSummary
from ffenc.dataset.open_episode import OpenEpisode
from ffenc.dataset.recovery import keep_aside
from ffenc.dataset.rows import EpisodeRows
from ffenc.errors import EpisodeError
from ffenc.streaming.handle import Handle
from ffenc.streaming.ledger import EpisodeRecording

logger = logging.getLogger(__name__)


class EpisodeQueue:
    """The only one who uses an `EpisodeJoiner`."""

    def __init__(self, joiner: EpisodeJoiner) -> None:
        self._joiner = joiner
        self._handles: deque[Handle[EpisodeSummary]] = deque()
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"episodes of {joiner.root.name}", daemon=True)
        self._thread.start()

    @property
    def unfinished(self) -> int:
        """Episodes that have not joined yet."""
        return sum(not handle.done() for handle in self._handles)

    def add(self, episode: OpenEpisode, recorded: Handle[EpisodeRecording] | None) -> Handle[EpisodeSummary]:
        """Let an episode join when its cameras are complete and the episodes before it have joined."""

        def work() -> EpisodeSummary:
            episode.log.close()
            try:
                recording = None if recorded is None else recorded.wait()
                return self._joiner.join(episode.directory, episode.rows, recording)
            except Exception as err:
                raise self._kept(episode, err) from err

        handle = self._put(work, f"episode in {episode.directory}")
        self._handles.append(handle)
        return handle

    def add_restored(
        self, directory: Path, rows: EpisodeRows, recording: EpisodeRecording | None
    ) -> Handle[EpisodeSummary]:
        """Let an episode join that is complete."""
        return self._put(lambda: self._joiner.join(directory, rows, recording), f"episode in {directory}")

    def raise_unseen(self) -> None:
        """Raise the error of an episode that nobody has seen."""
        while self._handles and self._handles[0].done():
            error = self._handles.popleft().unseen_error()
            if error is not None:
                raise error

    def log_unseen(self) -> None:
        """The same for whoever has an error of his own already."""
        for handle in self._handles:
            if (error := handle.unseen_error()) is not None:
                logger.error("%s", error)

    def end(self) -> None:
        """Wait until all have joined; a second call does nothing."""
        self._waiting.put(None)
        self._thread.join()

    def _put(self, work: Callable[[], EpisodeSummary], what: str) -> Handle[EpisodeSummary]:
        handle: Handle[EpisodeSummary] = Handle(what)
        self._waiting.put(lambda: handle.run(work))
        return handle

    def _run(self) -> None:
        while (work := self._waiting.get()) is not None:
            work()

    def _kept(self, episode: OpenEpisode, why: Exception) -> EpisodeError:
        kept = keep_aside(episode.directory, str(why))
        index, root = self._joiner.info.total_episodes, self._joiner.root
        return EpisodeError(
            f"an episode of {len(episode.rows)} frames did not join {root}; what was recorded of it is kept in {kept} "
            f"(recover() or `ffenc salvage` adds what can be used): {why}",
            episode_index=index,
            path=root,
            kept=kept,
        )
