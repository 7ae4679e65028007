"""The interface of everything that frames of a camera are written to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy.typing as npt

from ffenc.errors import FFencError

if TYPE_CHECKING:
    from ffenc.streaming.images import ImageFolder
    from ffenc.video.output import WrittenVideo


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """An encoder that failed in the middle of an episode.

    Attributes:
        frame: first frame that the next encoder wrote.
        encoder: the encoder that failed.
        reason: its error.
        same_bits: whether its part was copied into the video unchanged; False if it had to be re-encoded.
    """

    frame: int
    encoder: str
    reason: str
    same_bits: bool = True


class FrameTarget(Protocol):
    """Writes the frames of one camera: `VideoTarget`, `SpoolTarget`, `ImageTarget` or `CopyTarget`.

    One thread uses it, except for `abort`, which may be called from any.

    Attributes:
        path: the finished file or folder.
        is_raw: it takes depth as it comes from the camera; otherwise it takes codes.
    """

    path: Path
    is_raw: bool = True

    @property
    def fallbacks(self) -> list[Fallback]:
        """Encoders that failed."""
        return []

    @property
    def refused(self) -> tuple[tuple[str, str], ...]:
        """(encoder, reason) for encoders that ``auto`` preferred but could not use."""
        return ()

    @property
    def history(self) -> int:
        """Most frames that a fallback may need again; 0 without a fallback."""
        return 0

    @property
    def frames_encoded(self) -> int:
        """Number of frames that the encoder has reported."""

    @property
    def encoder(self) -> str:
        """The running encoder."""

    @property
    def encoder_pid(self) -> int | None:
        """Process ID of the running encoder, or None."""
        return None

    @property
    def kept(self) -> Path | None:
        """The file or folder that is left after an error."""

    def size_bytes(self) -> int:
        """Return the bytes written so far."""

    def start(self) -> None:
        """Prepare for the first frame; a second call does nothing."""

    def write(self, frame: npt.NDArray[Any], /) -> None:
        """Write one frame."""

    def frames_safe(self, *, at_most_missing: int) -> int:
        """Return the number of frames that need not be kept; wait until at most so many others are not in the file.

        Only called if there is a `history`.
        """
        raise AssertionError(f"{type(self).__name__} has no history of {at_most_missing} frames")

    def fall_back(self, error: FFencError, /) -> int:
        """Continue after an error with the next encoder, and return the frame to continue with.

        Raises:
            FFencError: the error itself, without another encoder.
        """
        raise error

    def finish(self) -> WrittenVideo | ImageFolder:
        """Complete the file or folder."""

    def fail(self) -> None:
        """Stop, and keep what was written."""

    def abort(self) -> None:
        """Stop, and remove everything."""
