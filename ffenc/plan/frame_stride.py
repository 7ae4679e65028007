"""Which frames stay when a video is made slower by a whole number."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameStride:
    """One frame out of so many, counted again in each of several ranges.

    Attributes:
        every: 2 keeps the first, third, fifth ... frame of a range.
        ranges: (first, stop) of frames, ascending; other frames are left out.
    """

    every: int
    ranges: tuple[tuple[int, int], ...]

    @property
    def count(self) -> int:
        """Frames that are kept."""
        return sum(self._counts())

    @property
    def starts(self) -> tuple[int, ...]:
        """Where each range begins among the frames that are kept."""
        return tuple(accumulate(self._counts()[:-1], initial=0))

    def _counts(self) -> list[int]:
        return [-(-(stop - first) // self.every) for first, stop in self.ranges]

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """(first, count) of the frames that are kept; ranges that continue the one before are one run."""
        runs: list[list[int]] = []
        for (first, _), count in zip(self.ranges, self._counts(), strict=True):
            if runs and runs[-1][0] + runs[-1][1] * self.every == first:
                runs[-1][1] += count
            else:
                runs.append([first, count])
        return tuple((first, count) for first, count in runs)
