"""A bounded ring of numbered frames between two threads, in slots that are allocated once.

Frame ``n`` lies in slot ``n % slots``.  Each side only advances counters of its own, so no lock can be left taken by an
interrupt, and handing over a frame a second time changes nothing.
"""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

QueuePolicy: TypeAlias = Literal["block", "drop", "raise"]
"""What a full queue does to the next frame: ``block`` waits (nothing is ever lost), ``drop`` leaves the whole time step out
for all cameras and says so, ``raise`` raises `ffenc.errors.QueueFullError`."""

POLICIES: tuple[QueuePolicy, ...] = ("block", "drop", "raise")

_Array: TypeAlias = npt.NDArray[Any]


class FrameQueue:
    """Frames of one shape and dtype from one thread to another; a frame is copied once, on the way in.

    The feeding thread uses `stage` and `publish`, the other one `take`, `frame` and `release_before`.

    Args:
        shape, dtype: of every frame.
        maxsize: frames that may wait.
        history: further slots, for frames that were taken and may be needed once more.

    Attributes:
        published: frames handed over so far, which is the number of the next one.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], *, maxsize: int, history: int = 0) -> None:
        self.maxsize = maxsize
        # One more than may wait or be kept: that of the frame that is being written.
        self._slots = np.empty((maxsize + 1 + history, *shape), dtype)
        # Touched now, because the first write into a page costs as much as copying into it.
        self._slots.fill(0)
        self.reset()

    def reset(self) -> None:
        """Start again at frame 0, for the next episode; no thread may be using it."""
        self.published = 0
        self._taken = 0
        self._released = 0
        self._has_ended = False
        self._wakes: SimpleQueue[None] = SimpleQueue()

    @property
    def depth(self) -> int:
        """Frames that wait."""
        return self.published - self._taken

    @property
    def is_full(self) -> bool:
        """Whether `stage` would find no room now."""
        return self.depth >= self.maxsize or self.published - self._released >= len(self._slots)

    @property
    def is_idle(self) -> bool:
        """Whether every frame that was handed over was taken and released."""
        return self._released == self.published

    def stage(self, frame: _Array) -> bool:
        """Copy the next frame into its slot, where the other thread does not see it yet; False if there is no room.

        Staging again replaces the frame; one that is never published was never there.
        """
        if self.is_full:
            return False
        np.copyto(self._slots[self.published % len(self._slots)], frame)
        return True

    def publish(self, number: int) -> None:
        """Hand over the staged frame, which gets this number; a second call with the same number does nothing."""
        self.published = number + 1
        self._wakes.put(None)

    def end(self) -> None:
        """Say that there will be no more frames; a second call does nothing."""
        self._has_ended = True
        self._wakes.put(None)

    def take(self, timeout_s: float) -> int | None:
        """Return the number of the oldest frame that was not taken, or None at the end.

        Raises:
            queue.Empty: nothing came within ``timeout_s``.
        """
        while self._taken == self.published:
            # In this order: a frame that was published before the end is seen.
            if self._has_ended and self._taken == self.published:
                return None
            self._wakes.get(timeout=timeout_s)
        number = self._taken
        self._taken = number + 1
        return number

    def frame(self, number: int) -> _Array:
        """Return a frame that was taken and not yet released."""
        frame: _Array = self._slots[number % len(self._slots)]
        return frame

    def release_before(self, number: int) -> None:
        """Let the slots of all frames before this one be used again."""
        self._released = number
