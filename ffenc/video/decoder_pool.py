"""Keep decoder processes and sample tables for later requests."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ffenc.errors import ProcessDiedError
from ffenc.ffmpeg.mp4.sample_tables import SampleTable, read_mp4_index
from ffenc.video.decoder import Decoder, DecoderKey, Views

logger = logging.getLogger(__name__)

_MOST_FRAMES_INDEXED = 4_000_000  # about 50 MB


class DecoderPool:
    """A pool of at most `limit` decoder processes that threads share; it replaces the least recently used one.

    A forked process starts with an empty pool.

    Attributes:
        limit: most processes at once; by default the number of cores that this process may use.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit or _cores()
        self._changed = threading.Condition()
        self._idle: OrderedDict[Decoder, None] = OrderedDict()  # the least recently used first
        self._busy = 0
        self._closes_at_exit = False

    def __len__(self) -> int:
        """Number of processes."""
        return len(self._idle) + self._busy

    def read(self, key: DecoderKey, path: Path, table: SampleTable, numbers: Sequence[int], views: Views) -> None:
        """Decode frames of a file; if the process dies, retry once in another one.

        Args:
            key: stream parameters and output format.
            path, table, numbers, views: see `Decoder.read`.

        Raises:
            OutputError, ProcessDiedError, ProcessTimeoutError, OSError: see `Decoder.read`.
        """
        try:
            with self._borrow(key) as decoder:
                decoder.read(path, table, numbers, views)
        except ProcessDiedError as err:
            logger.info("a decoder process died, retrying in another one: %s", err.message)
            with self._borrow(key) as decoder:
                decoder.read(path, table, numbers, views)

    def close(self) -> None:
        """End all processes that are not in use."""
        with self._changed:
            idle = list(self._idle)
            self._idle.clear()
            self._changed.notify_all()
        for decoder in idle:
            decoder.close()

    @property
    def pids(self) -> list[int]:
        """Process IDs of the processes that are not in use."""
        with self._changed:
            return [decoder.pid for decoder in self._idle]

    @contextmanager
    def _borrow(self, key: DecoderKey) -> Iterator[Decoder]:
        decoder = self._take(key)
        try:
            if decoder is None:
                decoder = self._start(key)
            yield decoder
        except BaseException:
            self._give_back(None)
            if decoder is not None:
                decoder.close()
            raise
        self._give_back(decoder)

    def _take(self, key: DecoderKey) -> Decoder | None:
        """Reserve a place, and return an idle decoder for it; None if the caller has to start one."""
        with self._changed:
            while True:
                found = next((decoder for decoder in reversed(self._idle) if decoder.key == key), None)
                if found is not None:
                    del self._idle[found]
                if found is not None or len(self) < self.limit:
                    self._busy += 1
                    return found
                if self._idle:
                    evicted, _ = self._idle.popitem(last=False)
                    evicted.close()
                    continue
                self._changed.wait()

    def _start(self, key: DecoderKey) -> Decoder:
        decoder = Decoder(key)
        if not self._closes_at_exit:
            # Exit handlers run in reverse order.  The first process has registered its own, which warns if it is still open.
            atexit.register(self.close)
            self._closes_at_exit = True
        return decoder

    def _give_back(self, decoder: Decoder | None) -> None:
        with self._changed:
            self._busy -= 1
            keeps = decoder is not None and not decoder.is_worn and len(self) < self.limit
            if decoder is not None and keeps:
                self._idle[decoder] = None
            self._changed.notify()
        if decoder is not None and not keeps:
            decoder.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileVersion:
    """Size and modification time of a file, which change when it is replaced or written to."""

    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path) -> FileVersion:
        """Return the current version of a file.

        Raises:
            OSError: the file does not exist.
        """
        status = path.stat()
        return cls(size_bytes=status.st_size, modified_ns=status.st_mtime_ns)


class SampleTables:
    """A cache of sample tables by file, which drops the least recently used ones and reads changed files again.

    Args:
        most_frames: most frames in all tables together.
    """

    def __init__(self, most_frames: int = _MOST_FRAMES_INDEXED) -> None:
        self._most_frames = most_frames
        self._lock = threading.Lock()
        self._tables: OrderedDict[Path, tuple[FileVersion, SampleTable]] = OrderedDict()
        self._frames = 0

    def __len__(self) -> int:
        """Number of files."""
        return len(self._tables)

    def get(self, path: Path) -> tuple[FileVersion, SampleTable | None]:
        """Return the version of a file and its sample table; None if it is not a plain MP4 file, see `read_mp4_index`.

        Raises:
            OSError: the file does not exist.
        """
        version = FileVersion.of(path)
        with self._lock:
            known = self._tables.get(path)
            if known is not None and known[0] == version:
                self._tables.move_to_end(path)
                return known
        index = read_mp4_index(path)
        if index is None:
            return version, None
        self.put(path, version, index.table)
        return version, index.table

    def put(self, path: Path, version: FileVersion, table: SampleTable) -> None:
        """Store a table."""
        with self._lock:
            replaced = self._tables.pop(path, None)
            self._frames += len(table) - (len(replaced[1]) if replaced else 0)
            self._tables[path] = version, table
            while self._frames > self._most_frames and len(self._tables) > 1:
                _, (_, dropped) = self._tables.popitem(last=False)
                self._frames -= len(dropped)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


DECODERS = DecoderPool()
"""The pool of this process."""

SAMPLE_TABLES = SampleTables()
"""The tables of this process."""


def _after_fork_in_child() -> None:
    # The processes belong to the parent, and another of its threads may have held a lock.
    DECODERS.__init__(DECODERS.limit)  # type: ignore[misc]
    SAMPLE_TABLES.__init__()  # type: ignore[misc]


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_after_fork_in_child)
