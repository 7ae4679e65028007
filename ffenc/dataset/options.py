"""How a recorder records: what is the same for a new dataset and for one that goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypedDict

from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.priority import Priority
from ffenc.streaming.ledger import RecordingStatus
from ffenc.streaming.queueing import QueuePolicy


class RecorderOptions(TypedDict, total=False):
    """Keyword arguments of ``DatasetRecorder.create`` and ``resume``; each may be left out."""

    camera_encoder: VideoEncoderConfig | Mapping[str, VideoEncoderConfig] | None
    """Settings for all cameras, or by feature name; None takes LeRobot's defaults, or those the dataset was recorded with."""

    depth_encoder: DepthEncoderConfig | Mapping[str, DepthEncoderConfig] | None
    """The same for depth cameras."""

    allow_mixed: bool
    """Go on with other settings than the dataset has, which ``info.json`` cannot say (default: False)."""

    streaming_encoding: bool
    """Encode while frames come (default), or write them to disk as they are and encode after each episode."""

    encoder_threads: int | None
    """Threads of each encoder; None leaves it to the encoder."""

    encoder_queue_maxsize: int
    """Frames per camera that may wait for its encoder (default: 30)."""

    queue_policy: QueuePolicy
    """What a full queue does: ``"block"`` (default; nothing is ever lost), ``"drop"`` (the time step is left out for all
    cameras and its row, and noted), ``"raise"``."""

    warm_start: bool
    """Start the encoders of the next episode before its first frame (default: False)."""

    priority: Priority
    """Of the encoders' processes (default: nice 10)."""

    on_status: Callable[[RecordingStatus], None] | None
    """Called with a status once a second, from another thread."""

    binaries: Binaries | None
    """The executables; found by `find_binaries` if None."""
