"""What is said of an episode beside its frames: every time step that was left out, and how far each camera is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from ffenc.streaming.camera import CameraRecording

DropReason: TypeAlias = Literal["full", "incomplete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """A time step that no camera recorded.

    Attributes:
        step: which one, counted from 0 over all that were fed, dropped ones included.
        time_s: when it was captured: as given, or seconds since the epoch when it came.
        cameras: the cameras that were the reason.
        reason: their queues were ``full``; or their frames had not come when the episode ended (``incomplete``).
    """

    step: int
    time_s: float
    cameras: tuple[str, ...]
    reason: DropReason = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class DropLog:
    """All time steps of an episode.

    Attributes:
        steps: that were fed.
        drops: those of them that were left out, for all cameras alike.
    """

    steps: int
    drops: tuple[Drop, ...]

    @property
    def recorded(self) -> int:
        """Time steps that every camera recorded: the frames of each video."""
        return self.steps - len(self.drops)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeRecording:
    """An episode whose videos were all read back and found right.

    Attributes:
        directory: where they are.
        frames: in each of them.
        cameras: what became of each camera.
        ledger: the time steps.
    """

    directory: Path
    frames: int
    cameras: Mapping[str, CameraRecording]
    ledger: DropLog


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraStatus:
    """One camera at this moment.

    Attributes:
        frames_in: frames that were accepted.
        queue_depth: frames that wait for the encoder.
        queue_maxsize: how many may.
        dropped: time steps that were left out because of this camera.
        frames_encoded: frames that the encoder has reported; it does so twice a second.
        encoded_fps: of these, per second since the camera's first frame.
        realtime_factor: ``encoded_fps`` over the frame rate: in the long run below 1 means that it does not keep up.
        size_bytes: of its file so far.
        encoder: FFmpeg's encoder, or what was asked for as long as it is not known.
    """

    frames_in: int
    queue_depth: int
    queue_maxsize: int
    dropped: int
    frames_encoded: int
    encoded_fps: float
    realtime_factor: float
    size_bytes: int
    encoder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStatus:
    """A recording at this moment.

    Attributes:
        elapsed_s: seconds since the episode was started; 0 between episodes.
        steps: time steps that were fed in this episode.
        dropped: those of them that were left out.
        finishing: episodes before it that are still being completed in the background.
        cameras: every camera of the episode.
    """

    elapsed_s: float
    steps: int
    dropped: int
    finishing: int
    cameras: Mapping[str, CameraStatus]
