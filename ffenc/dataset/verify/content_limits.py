"""Limits of the checks of what frames and rows contain, which level ``decode`` makes."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentLimits:
    """What level ``decode`` accepts in frames and rows.

    Attributes:
        frozen_s: frames, states and actions that do not change for at least this time are reported, and cameras that show the
            same for at least this time.
        blank_s: blank frames of an episode that last at least this time in total are reported.
        jump_steps: a timestamp that advances by more than this number of usual steps is reported.

    Raises:
        ValueError: a limit is not a positive number.
    """

    frozen_s: float = 1.0
    blank_s: float = 0.1
    jump_steps: float = 3.0

    def __post_init__(self) -> None:
        """Check the limits."""
        for name, value in asdict(self).items():
            if not value > 0:
                raise ValueError(f"{name} is {value}; it must be a positive number")
