"""Data about an episode: its dropped time steps, its cameras' files, and its progress."""

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
        step: number of the step, from 0, counting dropped steps.
        time_s: capture time as given, else seconds since the epoch when it was fed.
        cameras: cameras that caused the drop.
        reason: their queues were ``full``, or their frames were missing when the episode ended (``incomplete``).
    """

    step: int
    time_s: float
    cameras: tuple[str, ...]
    reason: DropReason = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class DropLog:
    """Number of time steps of an episode, and the dropped ones.

    Attributes:
        steps: number of time steps that were fed.
        drops: steps that were dropped, for all cameras.
    """

    steps: int
    drops: tuple[Drop, ...]

    @property
    def recorded(self) -> int:
        """Number of time steps that were recorded: the frames of each video."""
        return self.steps - len(self.drops)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeRecording:
    """A completed episode whose videos were read back and checked.

    Attributes:
        directory: directory of the videos.
        frames: number of frames in each of them.
        cameras: recording of each camera.
        drop_log: number of time steps, and the dropped ones.
    """

    directory: Path
    frames: int
    cameras: Mapping[str, CameraRecording]
    drop_log: DropLog


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraStatus:
    """Progress of one camera.

    Attributes:
        frames_in: frames that were taken.
        queue_depth: frames that wait for the encoder.
        queue_maxsize: most frames that may wait.
        dropped: time steps that were dropped because of this camera.
        frames_encoded: frames that the encoder has reported; it reports twice a second.
        encoded_fps: encoded frames per second since the camera's first frame.
        realtime_factor: ``encoded_fps`` divided by the frame rate; if it stays below 1, the encoder is too slow.
        size_bytes: current size of its file.
        encoder: FFmpeg's encoder, or the requested one until it is known.
        encoder_pid: process ID of the encoder while it runs, else None.
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
    encoder_pid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStatus:
    """Progress of a recording.

    Attributes:
        elapsed_s: seconds since the episode was started; 0 between episodes.
        steps: time steps that were fed in this episode.
        dropped: number of dropped time steps.
        finishing: earlier episodes that are still being completed in the background.
        cameras: progress of every camera.
    """

    elapsed_s: float
    steps: int
    dropped: int
    finishing: int
    cameras: Mapping[str, CameraStatus]
