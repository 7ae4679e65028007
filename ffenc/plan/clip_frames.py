"""Select frames of a clip by number: where decoding starts, and filters that take each frame by its timestamp.

This is the only place where "frame k" becomes a seek.  Frames are never found by counting the decoder's output:

- The graph sees the timestamps of the container (``-copyts``), and ``-seek_timestamp`` seeks by them.  It does not matter
  which stream of the file starts first.
- A frame is taken only if its timestamp is that of the next frame wanted.  A seek that lands too late, or a decoder that
  drops or adds a frame, results in fewer frames than planned, never in other ones.  The caller compares the count.
- If a stream changes its size or pixel format, FFmpeg rebuilds the graph.  The new graph waits for the first frame, which
  has passed, and `size_guard` cannot be built for another size.

Measured with FFmpeg 4.2.2, 5.1, 7.0.2, 8.1.2 and 9.0.2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ffenc.errors import InputError
from ffenc.plan.graph import STRICT, Filter, Input, file_input, seek_options

MOST_RUNS = 3000
"""Most separate ranges in one command: Linux limits one argument to 128 KiB."""

MISSING_REFERENCE = (
    "Could not find ref with POC",
    "Missing reference picture",
    "reference picture missing",
    "co located POCs unavailable",
    "unref short failure",
    "number of reference frames",
    "Requested reference",
    "concealing ",
    "error while decoding MB",
    "Warning MVs not available",
    "discarding one",
)
"""Messages of decoders that conceal a missing reference frame and exit with status 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameClock:
    """The timestamp of each frame of a constant-rate clip.

    Attributes:
        first_pts: timestamp of frame 0, in ticks of the stream.
        ticks_per_frame: exact, so not always an integer; a frame is off by at most a quarter of it.
        time_base: seconds per tick.
    """

    first_pts: int
    ticks_per_frame: Fraction
    time_base: Fraction

    def time_s(self, frame: Fraction | int) -> Fraction:
        """Return the timestamp of a frame in the container."""
        return (self.first_pts + frame * self.ticks_per_frame) * self.time_base


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFrames:
    """Frames of one clip that are read after one seek.

    Attributes:
        path: the file.
        demuxer: its container, by FFmpeg's name.
        size: (width, height) of every frame, any rotation applied.
        clock: its timestamps.
        runs: ascending (first, count): frames ``first``, ``first + every``, ... of the clip.
        every: step within a run.
        seek_s: timestamp to seek to, in the container; None decodes from the start.
    """

    path: Path
    demuxer: str
    size: tuple[int, int]
    clock: FrameClock
    runs: tuple[tuple[int, int], ...]
    every: int = 1
    seek_s: Fraction | None = None

    @property
    def count(self) -> int:
        """Number of frames."""
        return sum(count for _, count in self.runs)

    @property
    def first(self) -> int:
        """Number of the first frame."""
        return self.runs[0][0]

    @property
    def last(self) -> int:
        """Number of the last frame."""
        first, count = self.runs[-1]
        return first + (count - 1) * self.every

    def numbers(self) -> Iterator[int]:
        """Return the number of each frame."""
        return (first + step * self.every for first, count in self.runs for step in range(count))

    @property
    def start_s(self) -> Fraction:
        """Timestamp of the first of these frames in the container."""
        return self.clock.time_s(self.first)

    def input(self, *filters: Filter) -> Input:
        """Return the input that reads these frames; the command needs ``keep_timestamps``.

        Args:
            filters: further filters for the frames.

        Raises:
            InputError: more than `MOST_RUNS` runs.
        """
        return file_input(
            self.path,
            self.demuxer,
            *STRICT,
            *seek_options(self.seek_s),
            filters=(*self._end(), size_guard(self.size), self._selection(), *filters),
        )

    def _end(self) -> tuple[Filter, ...]:
        """End the input after the last frame."""
        end = self.clock.first_pts + (self.last + Fraction(1, 2)) * self.clock.ticks_per_frame
        return (("trim", {"end_pts": str(math.ceil(end))}),)

    def _selection(self) -> Filter:
        """Take a frame if its timestamp is that of the next frame wanted, and stop after the last."""
        if len(self.runs) > MOST_RUNS:
            raise InputError(
                f"{len(self.runs)} separate ranges of {self.path} do not fit into one command; take at most {MOST_RUNS}",
                path=self.path,
            )
        jumps: list[str] = []
        taken = position = 0
        for first, count in self.runs:
            jump = first - taken * self.every - position
            if jump or not jumps:
                jumps.append(f"gte(selected_n,{taken})*{jump}" if taken else str(jump))
            position += jump
            taken += count
        step = self.clock.ticks_per_frame
        seen = f"(pts-({self.clock.first_pts}))*{step.denominator}/{step.numerator}"
        wanted = f"selected_n*{self.every}+{_sum(jumps)}"
        return "select", {"expr": f"lt(selected_n,{taken})*lte(abs({seen}-({wanted})),0.26)"}


def size_guard(size: tuple[int, int]) -> Filter:
    """Return a filter that does nothing to frames of the expected (width, height) and fails for another size."""
    width, height = size
    only = f"if(eq(iw,{width})*eq(ih,{height}),{width},0)"
    return "crop", {"w": only, "h": str(height), "x": "0", "y": "0", "exact": "1"}


def ranges_of(numbers: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return ascending frame numbers as runs (first, count)."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == sum(runs[-1]):
            runs[-1][1] += 1
        else:
            runs.append([number, 1])
    return tuple((first, count) for first, count in runs)


def _sum(terms: Sequence[str]) -> str:
    """Add terms as a balanced tree, because FFmpeg evaluates a sum of thousands by recursion."""
    if len(terms) == 1:
        return terms[0]
    half = len(terms) // 2
    return f"({_sum(terms[:half])}+{_sum(terms[half:])})"
