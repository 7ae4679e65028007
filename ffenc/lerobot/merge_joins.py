"""Join the videos of a merge in threads while LeRobot writes the tables.

LeRobot appends one source after the other, and copies the file again each time.  Which sources share a file is known before
it writes, so ffenc joins each file once.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ffenc.threads import ThreadPool

if TYPE_CHECKING:
    from typing_extensions import Self

_DIRECTORY = ".joined"  # in the new dataset while the merge runs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Join:
    """One file of the new dataset, joined in a thread: its sources, the path until it is complete, and the pending result."""

    sources: Sequence[Path]
    joined: Path
    done: Future[None]


class MergeJoins:
    """The video files of a running merge; a context manager that ends its threads and removes its temporary files.

    Args:
        join: function that joins files into another one.
        limit_bytes: size at which LeRobot begins another file; 0 if it joins nothing.
        files_per_chunk: largest number of files in a directory.
    """

    def __init__(
        self, join: Callable[[Sequence[Path], Path], None], *, limit_bytes: float, files_per_chunk: int
    ) -> None:
        self._join = join
        self._limit_bytes = limit_bytes
        self._files_per_chunk = files_per_chunk
        self._pool = ThreadPool(os.cpu_count() or 1, thread_name_prefix="ffenc join")
        self._root: Path | None = None
        self._planned: dict[str, Sequence[Path]] = {}
        self._begun: dict[Path, _Join] = {}
        self._appended: dict[Path, list[Path]] = {}

    def plan(self, key: str, paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
        """Plan one join for each group of a camera's files that LeRobot's size limit puts into one file; yield the groups."""
        utils = import_module("lerobot.datasets.utils")
        chunk = file = 0
        for group in self._groups(paths):
            if len(group) > 1:
                name = utils.DEFAULT_VIDEO_PATH.format(video_key=key, chunk_index=chunk, file_index=file)
                self._planned[name] = group
                yield group
            chunk, file = utils.update_chunk_file_indices(chunk, file, self._files_per_chunk)

    def _groups(self, paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
        group: list[Path] = []
        size = 0
        for path in paths:
            more = path.stat().st_size
            if group and size + more >= self._limit_bytes:
                yield group
                group, size = [], 0
            group.append(path)
            size += more
        yield group

    def begin(self, root: Path) -> None:
        """Begin the planned joins in the directory of the new dataset, which exists."""
        self._root = root
        for number, (name, sources) in enumerate(self._planned.items()):
            joined = root / _DIRECTORY / f"{number}.mp4"
            joined.parent.mkdir(exist_ok=True)
            self._begun[root / name] = _Join(
                sources=sources, joined=joined, done=self._pool.submit(self._join, sources, joined)
            )

    def append(self, output: Path, source: Path) -> None:
        """Note that LeRobot appends a source to a file; `finish` writes the joined file."""
        self._appended.setdefault(output, []).append(source)

    def size_bytes(self, path: Path) -> int:
        """Return the size of a file and of all that is appended to it."""
        return sum(part.stat().st_size for part in (path, *self._appended.get(path, ())))

    def finish(self) -> None:
        """Put the joined files in their places.

        Raises:
            FFencError: files cannot be joined.
        """
        for output, appended in self._appended.items():
            begun = self._begun.get(output)
            if (
                begun is not None
                and list(begun.sources[1:]) == appended
                and filecmp.cmp(begun.sources[0], output, shallow=False)  # LeRobot's copy of the first source
            ):
                begun.done.result()
                begun.joined.replace(output)
            else:  # LeRobot grouped the sources in another way than planned
                self._join([output, *appended], output)

    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        for begun in self._begun.values():
            begun.done.cancel()
        self._pool.__exit__(kind, *error)
        if self._root is not None:
            shutil.rmtree(self._root / _DIRECTORY, ignore_errors=True)
