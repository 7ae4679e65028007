"""Cameras without FFmpeg: real queues and threads with a target that stores frames, waits or fails on demand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.errors import FFencError, ProcessDiedError
from ffenc.frames import FrameFormat
from ffenc.streaming.camera import CameraEncoder, CameraFormat
from ffenc.streaming.episode import Episode
from ffenc.streaming.frame_target import Fallback
from ffenc.streaming.images import ImageFolder
from ffenc.streaming.queueing import FrameQueue, QueuePolicy

FORM = FrameFormat(width=4, height=4)
SHAPE = (4, 4, 3)


def stub_frame(number: int) -> npt.NDArray[np.uint8]:
    """Return a tiny frame filled with its number."""
    return np.full(SHAPE, number, np.uint8)


@dataclass(eq=False)
class StubTarget:
    """Keeps the numbers of its frames in `frames`.

    Attributes:
        fail_at: number of the write that raises; -1: the start; ``"finish"``: the end.
        pause_s: duration of each write.
        gate: writes wait for this event.
        entered: set when a write begins.
        history: if not 0, it has a fallback: the failure at `fail_at` loses ``loses`` frames, and writing continues.
    """

    path: Path = Path("stub.mp4")
    refused: tuple[tuple[str, str], ...] = ()
    fail_at: int | str | None = None
    pause_s: float = 0
    gate: threading.Event | None = None
    history: int = 0
    loses: int = 0
    holds_back: int = 0
    error: BaseException = field(default_factory=lambda: ProcessDiedError("the stub died", argv=["stub"]))
    is_raw: bool = True
    encoder: str = "stub"
    encoder_pid: int | None = None
    kept: Path | None = None

    def __post_init__(self) -> None:
        self.frames: list[int] = []
        self.fallbacks: list[Fallback] = []
        self.entered = threading.Event()
        self.calls: list[str] = []
        self._aborted = threading.Event()

    @property
    def frames_encoded(self) -> int:
        return len(self.frames)

    def size_bytes(self) -> int:
        return 10 * len(self.frames)

    def start(self) -> None:
        if self.fail_at == -1:
            raise self.error

    def write(self, frame: npt.NDArray[Any]) -> None:
        self.entered.set()
        while self.gate is not None and not self.gate.wait(0.01):
            if self._aborted.is_set():
                raise ProcessDiedError("aborted", argv=["stub"])
        time.sleep(self.pause_s)
        if len(self.frames) == self.fail_at:
            raise self.error
        assert len(np.unique(frame)) == 1
        self.frames.append(int(frame.flat[0]))

    def frames_safe(self, *, at_most_missing: int) -> int:
        missing = min(self.holds_back, len(self.frames))
        assert missing <= at_most_missing, "a frame that may still be needed would be given back"
        return len(self.frames) - missing

    def fall_back(self, error: FFencError) -> int:
        if not self.history or self.fallbacks:
            raise error
        del self.frames[max(0, len(self.frames) - self.loses) :]
        self.fail_at = None
        self.fallbacks.append(Fallback(frame=len(self.frames), encoder="stub", reason=str(error)))
        return len(self.frames)

    def finish(self) -> ImageFolder:
        if self.fail_at == "finish":
            raise self.error
        assert self.frames
        return ImageFolder(path=self.path, frames=len(self.frames), suffix=".png")

    def fail(self) -> None:
        self.calls.append("fail")

    def abort(self) -> None:
        self.calls.append("abort")
        self._aborted.set()


def is_idle(queue: FrameQueue) -> bool:
    """Whether every published frame was taken and released."""
    return queue._released == queue.published


def open_stub(
    targets: Mapping[str, StubTarget], *, maxsize: int = 2
) -> Callable[[str, Any, Callable[[CameraEncoder], None]], CameraEncoder]:
    """Return the function that opens the cameras of an `Episode`."""
    form = CameraFormat(shape=SHAPE, dtype=np.dtype("uint8"), frames=FORM)

    def opened(name: str, _: Any, on_end: Callable[[CameraEncoder], None]) -> CameraEncoder:
        target = targets[name]
        queue = FrameQueue(SHAPE, form.dtype, maxsize=maxsize, history=target.history)
        return CameraEncoder(name, form, queue, target, on_end=on_end)

    return opened


def stub_episode(
    targets: Mapping[str, StubTarget], *, policy: QueuePolicy = "block", wait_s: float = 0.0, maxsize: int = 2
) -> Episode:
    """Return an episode whose cameras write into stubs."""
    opener = open_stub(targets, maxsize=maxsize)
    return Episode(
        tuple(targets), Path("episode"), fps=float(Fraction(30)), policy=policy, wait_s=wait_s, open_camera=opener
    )
