"""The result of selecting an encoder: each candidate with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One encoder that was considered.

    Attributes:
        encoder: FFmpeg's name.
        works: whether its trial succeeded; None if the trial ran out of time, so that it may succeed later.
        reason: why the trial failed, or what it proved.
        device_node: the device file it works on, if it needs one.
    """

    encoder: str
    works: bool | None
    reason: str
    device_node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The encoder that was chosen, with every candidate's reason.

    Attributes:
        encoder: the encoder that was chosen.
        device_node: the device file it works on, if it needs one.
        candidates: every encoder that was considered, in order; the last one works and was chosen.
    """

    encoder: str
    device_node: str | None
    candidates: tuple[Candidate, ...]

    @property
    def refused(self) -> tuple[tuple[str, str], ...]:
        """(encoder, reason) of every preferred encoder that did not pass."""
        return tuple((candidate.encoder, candidate.reason) for candidate in self.candidates if not candidate.works)
