"""Detect that the directory of an open dataset was moved, deleted or replaced."""

from __future__ import annotations

import os
import shlex
import weakref
from pathlib import Path

from ffenc.errors import DatasetError, DatasetMovedError


class DatasetIdentity:
    """The directory at a dataset's path when it was opened.

    The directory is kept open, so that an error can name its new path.

    Args:
        root: the dataset.

    Raises:
        DatasetError: the directory cannot be opened.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            self._descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as err:
            raise DatasetError(f"cannot open the directory {root}: {err.strerror}", path=root) from err
        self._closing = weakref.finalize(self, os.close, self._descriptor)

    def check(self, inside: Path | None = None) -> None:
        """Check that the path still leads to the same directory.

        Args:
            inside: directory of an unfinished episode below the root; the error names its new path.

        Raises:
            DatasetMovedError: the directory was moved, deleted or replaced.
        """
        if self.is_here:
            return
        now = self._place()
        kept = None if now is None or inside is None else now / inside.relative_to(self.root)
        where = (
            "it was deleted, or moved to an unknown path"
            if now is None
            else f"it is now {now}, with all finished episodes"
        )
        if kept is not None:
            where += f"; the unfinished episode is in {kept}, and `ffenc salvage {shlex.quote(str(now))}` adds it"
        raise DatasetMovedError(
            f"{self.root} was moved, deleted or replaced while the dataset was open: {where}. Nothing was written to "
            f"{self.root}; move the dataset back, or open it at its new path",
            path=self.root,
            now=now,
            kept=kept,
        )

    def close(self) -> None:
        """Close the directory; a second call does nothing."""
        self._closing()

    @property
    def is_here(self) -> bool:
        """Whether the path still leads to the same directory."""
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
