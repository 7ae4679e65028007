"""What a repair did, and what it would not do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that was set right, or refused.

    Attributes:
        path: the file, relative to the dataset.
        message: what was done, or why nothing was.
    """

    path: Path
    message: str


@dataclass(slots=True, kw_only=True)
class Changes:
    """Collects them.

    Attributes:
        root: the dataset; paths are kept relative to it.
        made: what was set right.
        refused: what was not, because nothing says what would be right.
    """

    root: Path
    made: list[Change] = field(default_factory=list)
    refused: list[Change] = field(default_factory=list)

    def make(self, path: Path, message: str) -> None:
        """Take note of something that was set right."""
        self.made.append(Change(path=self._inside(path), message=message))

    def refuse(self, path: Path, message: str) -> None:
        """Take note of something that was not."""
        self.refused.append(Change(path=self._inside(path), message=message))

    def _inside(self, path: Path) -> Path:
        return path.relative_to(self.root) if path.is_relative_to(self.root) else path
