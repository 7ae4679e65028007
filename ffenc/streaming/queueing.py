"""A bounded queue of frames in slots that are allocated once.

Two queues of slot numbers, written in C, do all of the synchronising: one of free slots, one of filled ones.  There is no
lock of ours that an interrupt could leave taken.
"""

from __future__ import annotations

from queue import Empty, SimpleQueue
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

    Args:
        shape, dtype: of every frame.
        maxsize: frames that may wait.
        history: further slots, for frames that were taken and may be needed once more.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], *, maxsize: int, history: int = 0) -> None:
        self.maxsize = maxsize
        # One more than may wait or be kept: that of the frame that is being written.
        self._slots = np.empty((maxsize + 1 + history, *shape), dtype)
        # Touched now, because the first write into a page costs as much as copying into it.
        self._slots.fill(0)
        self._free: SimpleQueue[int] = SimpleQueue()
        self._filled: SimpleQueue[int | None] = SimpleQueue()
        for slot in range(len(self._slots)):
            self._free.put(slot)
        self._staged: int | None = None

    @property
    def depth(self) -> int:
        """Frames that wait."""
        return self._filled.qsize()

    @property
    def is_full(self) -> bool:
        """Whether `stage` would find no room now."""
        return self._filled.qsize() >= self.maxsize or self._free.empty()

    def stage(self, frame: _Array) -> bool:
        """Copy a frame into a free slot, where the other thread does not see it yet; False if there is no room.

        A frame that was staged before and never handed over (an interrupt came between) is taken back first.
        """
        self.withdraw()
        if self._filled.qsize() >= self.maxsize:
            return False
        try:
            slot = self._free.get_nowait()
        except Empty:
            return False
        np.copyto(self._slots[slot], frame)
        self._staged = slot
        return True

    def publish(self) -> None:
        """Hand the staged frame over."""
        slot, self._staged = self._staged, None
        if slot is not None:
            self._filled.put(slot)

    def withdraw(self) -> None:
        """Take the staged frame back, as if it had never been there."""
        slot, self._staged = self._staged, None
        if slot is not None:
            self._free.put(slot)

    def end(self) -> None:
        """Say that there will be no more frames."""
        self._filled.put(None)

    def take(self, timeout_s: float) -> int | None:
        """The slot of the oldest frame, or None at the end.

        Raises:
            queue.Empty: nothing came within ``timeout_s``.
        """
        return self._filled.get(timeout=timeout_s)

    def frame(self, slot: int) -> _Array:
        """The frame in a slot that was taken and not yet released."""
        frame: _Array = self._slots[slot]
        return frame

    def release(self, slot: int) -> None:
        """Let the slot be used again."""
        self._free.put(slot)
