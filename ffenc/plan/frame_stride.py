"""Select every n-th frame of a video."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameStride:
    """Every n-th frame, counted from the start of each of several ranges.

    Attributes:
        every: 2 keeps the first, third, fifth ... frame of a range.
        ranges: ascending (first, stop); frames outside of them are dropped.
    """

    every: int
    ranges: tuple[tuple[int, int], ...]

    @property
    def count(self) -> int:
        """Number of kept frames."""
        return sum(self._counts())

    @property
    def starts(self) -> tuple[int, ...]:
        """Number of the first kept frame of each range, among all kept frames."""
        return tuple(accumulate(self._counts()[:-1], initial=0))

    def _counts(self) -> list[int]:
        return [-(-(stop - first) // self.every) for first, stop in self.ranges]

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """(first, count) of the kept frames; a range that continues the one before it joins its run."""
        runs: list[list[int]] = []
        for (first, _), count in zip(self.ranges, self._counts(), strict=True):
            if runs and runs[-1][0] + runs[-1][1] * self.every == first:
                runs[-1][1] += count
            else:
                runs.append([first, count])
        return tuple((first, count) for first, count in runs)
