"""Notice that a dataset's directory was moved, deleted or replaced while it is open."""

from __future__ import annotations

import os
import weakref
from pathlib import Path

from ffenc.errors import DatasetError, DatasetMovedError


class DatasetIdentity:
    """Which directory a dataset's path led to when it was opened.

    It holds the directory open, so that an error can name its new place.

    Args:
        root: the dataset.

    Raises:
        DatasetError: it cannot be opened.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            self._descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as err:
            raise DatasetError(f"cannot open the directory {root}: {err.strerror}", path=root) from err
        self._closing = weakref.finalize(self, os.close, self._descriptor)

    def check(self, inside: Path | None = None) -> None:
        """Refuse to go on if the path no longer leads to the same directory.

        Args:
            inside: a path below the root, of what has not joined the dataset yet; the error says where it is now.

        Raises:
            DatasetMovedError: it was moved, deleted or replaced.
        """
        if self._is_here():
            return
        now = self._place()
        kept = None if now is None or inside is None else now / inside.relative_to(self.root)
        if now is None:
            where = "it was deleted, or moved to a place that the system does not know"
        else:
            where = f"it is now {now}, with all finished episodes"
        if kept is not None:
            where += f"; the unfinished episode is in {kept}, and `ffenc salvage {now}` adds it"
        raise DatasetMovedError(
            f"{self.root} was moved, deleted or replaced while the dataset was open: {where}. Nothing was written to "
            f"{self.root}; put the dataset back, or open it at its new place",
            path=self.root,
            now=now,
            kept=kept,
        )

    def close(self) -> None:
        """Let go of the directory; a second call does nothing."""
        self._closing()

    def _is_here(self) -> bool:
        try:
            return os.path.samestat(self.root.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    def _place(self) -> Path | None:
        try:
            place = Path(f"/proc/self/fd/{self._descriptor}").readlink()
            return place if os.path.samestat(place.stat(), os.fstat(self._descriptor)) else None
        except OSError:  # no /proc, or deleted
            return None
