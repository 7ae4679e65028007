"""Pass numbered frames between two threads through a bounded ring of preallocated slots.

Frame ``n`` is in slot ``n % slots``.  Each thread advances only its own counters.  So no lock is needed, which an interrupt
could leave acquired, and publishing a frame twice has no effect.
"""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

QueuePolicy: TypeAlias = Literal["block", "drop", "raise"]
"""Action for the next frame if a queue is full: ``block`` waits until there is room, so that no frame is lost; ``drop`` drops
and reports the time step of all cameras; ``raise`` raises `ffenc.errors.QueueFullError`.  The last two first wait ``wait_s``."""

POLICIES: tuple[QueuePolicy, ...] = ("block", "drop", "raise")

_Array: TypeAlias = npt.NDArray[Any]


class FrameQueue:
    """Passes frames of one shape and dtype from one thread to another; only `stage` copies them.

    A slot is allocated by `allocate`, or else when its first frame comes.

    The feeding thread uses `stage` and `publish`; the other thread uses `take`, `frame` and `release_before`.

    Args:
        shape, dtype: shape and dtype of every frame.
        maxsize: most waiting frames.
        history: additional slots for frames that were taken and may be needed again.

    Attributes:
        published: number of published frames, which is the number of the next frame.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], *, maxsize: int, history: int = 0) -> None:
        self.maxsize = maxsize
        self._shape, self._dtype = shape, dtype
        self._count = maxsize + 1 + history  # one additional slot for the frame that is being written
        self._slots: dict[int, _Array] = {}
        self.reset()

    def allocate(self, most: int | None = None) -> None:
        """Allocate slots before their frames come: the first ``most`` ones, or all.  Any thread may call it."""
        for slot in range(self._count if most is None else min(most, self._count)):
            if slot not in self._slots:
                array = np.empty(self._shape, self._dtype)
                array.fill(0)  # the first write to a memory page is slower than copying it
                self._slots.setdefault(slot, array)  # `stage` may have been faster

    def reset(self) -> None:
        """Start again at frame 0 for the next episode; no thread may be using the queue."""
        self.published = 0
        self._taken = 0
        self._released = 0
        self._has_ended = False
        self._wakes: SimpleQueue[None] = SimpleQueue()

    @property
    def depth(self) -> int:
        """Number of waiting frames."""
        return self.published - self._taken

    @property
    def is_full(self) -> bool:
        """Whether the queue has no room for another frame."""
        return self.depth >= self.maxsize or self.published - self._released >= self._count

    def stage(self, frame: _Array) -> bool:
        """Copy the next frame into its slot without publishing it; return False if the queue is full.

        Staging again replaces the frame.
        """
        if self.is_full:
            return False
        slot = self.published % self._count
        if slot not in self._slots:
            self._slots.setdefault(slot, np.empty(self._shape, self._dtype))
        np.copyto(self._slots[slot], frame)
        return True

    def publish(self, number: int) -> None:
        """Publish the staged frame under this number; a second call with the same number does nothing."""
        self.published = number + 1
        self._wakes.put(None)

    def end(self) -> None:
        """End the stream of frames; a second call does nothing."""
        self._has_ended = True
        self._wakes.put(None)

    def take(self, timeout_s: float) -> int | None:
        """Return the number of the oldest frame that was not taken, or None at the end of the stream.

        Raises:
            queue.Empty: no frame was published within ``timeout_s``.
        """
        while self._taken == self.published:
            # Check for the end first, so that a frame that was published before the end is not missed.
            if self._has_ended and self._taken == self.published:
                return None
            self._wakes.get(timeout=timeout_s)
        number = self._taken
        self._taken = number + 1
        return number

    def frame(self, number: int) -> _Array:
        """Return a frame that was taken and not yet released."""
        return self._slots[number % self._count]

    def release_before(self, number: int) -> None:
        """Free the slots of all frames before this one."""
        self._released = number
