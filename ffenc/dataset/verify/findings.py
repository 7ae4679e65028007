"""Findings, and their collection with a bounded number of each code."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from ffenc.dataset.verify.finding_codes import CODES, Severity

MOST_KEPT = 100
"""Most findings of one code that are kept; further ones are only counted, to bound the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault.

    Attributes:
        code: a key of `CODES`.
        severity: severity of this finding.
        message: what was found, and what was expected.
        remedy: what to do.
        episode: the episode, or None.
        camera: the camera or other feature, or None.
        frame: the frame, or None; counted in the episode if there is one, else in the file.
        path: the file, relative to the dataset, or None.
        last_episode: the last of several consecutive episodes, which begin with ``episode``; else None.
        last_frame: the last of several frames, which begin with ``frame``; else None.
    """

    code: str
    severity: Severity
    message: str
    remedy: str
    episode: int | None = None
    camera: str | None = None
    frame: int | None = None
    path: Path | None = None
    last_episode: int | None = None
    last_frame: int | None = None


@dataclass(slots=True, kw_only=True)
class Findings:
    """Collects findings from any thread, and keeps the first `MOST_KEPT` of each code by their place in the dataset.

    Attributes:
        root: the dataset; paths are stored relative to it.
        counts: number of findings of each code.
        severities: number of findings of each severity.
    """

    root: Path
    counts: dict[str, int] = field(default_factory=dict)
    severities: dict[Severity, int] = field(default_factory=lambda: {"error": 0, "warning": 0, "note": 0})
    _kept: dict[str, list[Finding]] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(
        self,
        code: str,
        message: str,
        *,
        episode: int | None = None,
        camera: str | None = None,
        frame: int | None = None,
        path: Path | None = None,
        severity: Severity | None = None,
        last_episode: int | None = None,
        last_frame: int | None = None,
    ) -> None:
        """Add a finding, see `Finding`.

        Args:
            code: a key of `CODES`.
            message: what was found, and what was expected.
            episode, camera, frame: place of the finding.
            path: the file, absolute or relative.
            severity: None uses the severity of the code.
            last_episode, last_frame: end of a range that begins at ``episode`` or ``frame``.
        """
        kind = CODES[code]
        with self._lock:
            self.severities[severity or kind.severity] += 1
            self.counts[code] = self.counts.get(code, 0) + 1
            inside = path is not None and path.is_relative_to(self.root)
            finding = Finding(
                code=code,
                severity=severity or kind.severity,
                message=message,
                remedy=kind.remedy,
                episode=episode,
                camera=camera,
                frame=frame,
                path=path.relative_to(self.root) if path is not None and inside else path,
                last_episode=last_episode,
                last_frame=last_frame,
            )
            kept = self._kept.setdefault(code, [])
            bisect.insort(kept, finding, key=_place)
            del kept[MOST_KEPT:]

    @property
    def kept(self) -> list[Finding]:
        """Findings in a fixed order: the most severe first, then by code and place."""
        with self._lock:
            found = [finding for kept in self._kept.values() for finding in kept]
        return sorted(
            found, key=lambda finding: (_RANKS[finding.severity], _CODE_RANKS[finding.code], *_place(finding))
        )

    def has(self, *codes: str) -> bool:
        """Return whether one of these codes was found."""
        return any(code in self.counts for code in codes)


_RANKS: dict[Severity, int] = {"error": 0, "warning": 1, "note": 2}
_CODE_RANKS = {code: rank for rank, code in enumerate(CODES)}


def _place(finding: Finding) -> tuple[str, int, str, int, str]:
    """Return the place of a finding in the dataset as a sort key."""
    episode, frame = (-1 if number is None else number for number in (finding.episode, finding.frame))
    return str(finding.path or ""), episode, finding.camera or "", frame, finding.message
