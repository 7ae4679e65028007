"""Options of a recorder, for new and resumed datasets, and the encoder made from them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypedDict

from ffenc.config import DepthEncoderConfig, PerCamera, VideoEncoderConfig
from ffenc.dataset.format.schema import DatasetInfo, Feature
from ffenc.dataset.format.video_info import InfoLayout
from ffenc.errors import CapabilityError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.process.priority import Priority
from ffenc.frames import FrameFormat
from ffenc.streaming.camera import DepthFormat
from ffenc.streaming.drop_log import EpisodeRecording, RecordingStatus
from ffenc.streaming.encoder import ENCODER_PRIORITY, StreamingVideoEncoder
from ffenc.streaming.episode import StepRecord
from ffenc.streaming.pending_result import PendingResult
from ffenc.streaming.queueing import QueuePolicy
from ffenc.video.clip import MeasuredClip

logger = logging.getLogger(__name__)


class RecorderOptions(TypedDict, total=False):
    """Optional keyword arguments of ``DatasetRecorder.create`` and ``resume``."""

    camera_encoder: PerCamera[VideoEncoderConfig] | None
    """Settings for all cameras, or by feature name.  None: the settings of the dataset, or LeRobot's defaults if it is new."""

    depth_encoder: PerCamera[DepthEncoderConfig] | None
    """Settings for depth cameras, as ``camera_encoder``."""

    info_layout: InfoLayout | None
    """How ``info.json`` marks depth cameras: ``"lerobot-0.6"`` (default; ``is_depth_map``), or ``"seed"``
    (``video.is_depth_map``, as LeRobot wrote it up to 0.5).  A dataset with videos keeps its layout."""

    allow_mixed: bool
    """Accept settings that differ from the dataset's, which ``info.json`` cannot express (default: False)."""

    streaming_encoding: bool
    """Encode while frames come (default), or write raw frames to disk and encode them after each episode."""

    encoder_threads: int | None
    """Threads of each encoder; None leaves it to the encoder."""

    encoder_queue_maxsize: int
    """Most frames per camera that wait for the encoder (default: 30)."""

    queue_policy: QueuePolicy
    """What happens when a queue is full: ``"block"`` waits (default), ``"drop"`` drops the time step for all cameras and its row,
    and logs the drop, ``"raise"`` raises an error."""

    wait_s: float
    """Longest wait for room in the queues, per time step, before ``"drop"`` or ``"raise"`` applies (default: 0)."""

    warm_start: bool
    """Start the encoders of the next episode before its first frame (default: False)."""

    priority: Priority
    """Priority of the encoder processes (default: nice 10)."""

    on_status: Callable[[RecordingStatus], None] | None
    """Called with a status once a second, from another thread."""

    binaries: Binaries | None
    """The executables; found by `find_binaries` if None."""


def streaming_encoder(
    info: DatasetInfo, configs: Mapping[str, VideoEncoderConfig], options: RecorderOptions, *, binaries: Binaries
) -> StreamingVideoEncoder:
    """Make the encoder for the cameras of a dataset; raises as `StreamingVideoEncoder`."""
    return StreamingVideoEncoder(
        info.fps,
        camera_encoder={name: each for name, each in configs.items() if not isinstance(each, DepthEncoderConfig)},
        depth_encoder={name: each for name, each in configs.items() if isinstance(each, DepthEncoderConfig)},
        queue_maxsize=options.get("encoder_queue_maxsize", 30),
        encoder_threads=options.get("encoder_threads"),
        policy=options.get("queue_policy", "block"),
        wait_s=options.get("wait_s", 0.0),
        streaming_encoding=options.get("streaming_encoding", True),
        priority=options.get("priority", ENCODER_PRIORITY),
        on_status=options.get("on_status"),
        binaries=binaries,
    )


def start_cameras(
    encoder: StreamingVideoEncoder,
    info: DatasetInfo,
    directory: Path,
    record: StepRecord,
    *,
    copies: Mapping[str, MeasuredClip],
    warm: bool,
) -> PendingResult[EpisodeRecording]:
    """Begin an episode of all cameras of a dataset; raises as ``StreamingVideoEncoder.start_episode``."""
    cameras = {name: feature for name, feature in info.features.items() if feature.is_camera}
    return encoder.start_episode(
        {name: _format_of(feature) for name, feature in cameras.items()},
        directory,
        depth_cameras=[name for name, feature in cameras.items() if feature.is_depth],
        image_cameras=[name for name, feature in cameras.items() if not feature.is_video],
        copies=copies,
        record=record,
        warm=warm,
    )


def prepare_cameras(encoder: StreamingVideoEncoder, info: DatasetInfo) -> None:
    """Choose encoders and allocate queues before the first frame; `start_cameras` raises what this FFmpeg cannot do."""
    cameras = {name: _format_of(feature) for name, feature in info.features.items() if feature.is_video}
    try:
        encoder.prepare({name: form for name, form in cameras.items() if form is not None})
    except CapabilityError as err:
        logger.debug("the encoders of %s were not prepared: %s", ", ".join(cameras), err)


def has_formats(info: DatasetInfo) -> bool:
    """Return whether the formats of all cameras are known; the unit of depth is that of the first frame of the dataset."""
    return all(_format_of(feature) is not None for feature in info.features.values() if feature.is_camera)


def _format_of(feature: Feature) -> FrameFormat | DepthFormat | None:
    """Return the format of a camera; None for depth of a new dataset, whose unit is that of the first frame."""
    height, width = feature.shape[:2]
    if not feature.is_depth:
        return FrameFormat(width=width, height=height)
    unit = (feature.info or {}).get("depth_unit")
    return DepthFormat(width=width, height=height, in_metres=unit == "m") if unit else None
