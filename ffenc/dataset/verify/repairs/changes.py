"""The changes that a repair made or refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change that was made or refused.

    Attributes:
        path: the file, relative to the dataset.
        message: what was changed, or why nothing was changed.
    """

    path: Path
    message: str


@dataclass(slots=True, kw_only=True)
class Changes:
    """Collects changes.

    Attributes:
        root: the dataset; paths are stored relative to it.
        made: changes that were made.
        refused: changes that were refused because the right value is unknown.
    """

    root: Path
    made: list[Change] = field(default_factory=list)
    refused: list[Change] = field(default_factory=list)

    def make(self, path: Path, message: str) -> None:
        """Add a change that was made."""
        self.made.append(Change(path=self._inside(path), message=message))

    def refuse(self, path: Path, message: str) -> None:
        """Add a change that was refused."""
        self.refused.append(Change(path=self._inside(path), message=message))

    def _inside(self, path: Path) -> Path:
        return path.relative_to(self.root) if path.is_relative_to(self.root) else path
