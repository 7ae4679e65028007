"""The settings with which one call runs its ffmpeg processes; public functions build them from their keywords."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.process.ffmpeg_process import STALL_TIMEOUT_S
from ffenc.ffmpeg.process.priority import Priority

ProgressCallback = Callable[[int, int | None], None]
"""Called with (frames done, total frames or None), from any thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Settings of the processes of one call.

    Attributes:
        binaries: the executables.
        encoder_threads: threads of an encoder (for SVT-AV1 its ``lp``); None leaves it to the encoder.
        stall_timeout_s: longest time without progress before a process is killed.
        priority: of the encoder's process.
        progress: called about twice a second, from another thread.
    """

    binaries: Binaries
    encoder_threads: int | None = None
    stall_timeout_s: float = STALL_TIMEOUT_S
    priority: Priority = Priority()  # noqa: RUF009  it is immutable
    progress: ProgressCallback | None = None
