"""Camera frames into verified video datasets, through FFmpeg subprocesses.

The public names are loaded when they are first used, so that ``import ffenc`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ffenc.version import __version__ as __version__

if TYPE_CHECKING:
    from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
    from ffenc.dataset.format.video_info import video_info
    from ffenc.dataset.preview import preview_dataset
    from ffenc.dataset.reader import DatasetReader
    from ffenc.dataset.recording.append_episode import EpisodeSummary
    from ffenc.dataset.recording.recorder import DatasetRecorder
    from ffenc.dataset.transform.edit import delete_episodes, split_dataset
    from ffenc.dataset.transform.features import add_features, remove_features, rename_features
    from ffenc.dataset.transform.images_to_video import convert_images_to_video
    from ffenc.dataset.transform.merge import merge_datasets
    from ffenc.dataset.transform.recompute_stats import recompute_stats
    from ffenc.dataset.transform.reencode import reencode_dataset
    from ffenc.dataset.transform.tasks import modify_tasks
    from ffenc.dataset.transform.upgrade import UpgradeResult, upgrade_dataset
    from ffenc.dataset.verify.findings import Finding
    from ffenc.dataset.verify.repair import RepairReport, repair_dataset
    from ffenc.dataset.verify.verify import VerifyReport, verify_dataset
    from ffenc.depth import dequantize_depth, quantize_depth
    from ffenc.errors import (
        BinaryNotFoundError,
        CameraEndedError,
        CameraError,
        CameraFormatError,
        CameraStalledError,
        CameraUnavailableError,
        CapabilityError,
        ConcatError,
        DatasetError,
        DatasetLockedError,
        DatasetMovedError,
        DependencyError,
        EncoderOptionError,
        EncoderUnavailableError,
        EpisodeError,
        ErrorGroup,
        FFencError,
        FrameError,
        FrameSizeError,
        InputError,
        LeRobotError,
        MergeError,
        NotOwnerError,
        NoVideoError,
        OutputError,
        OutputExistsError,
        PixelFormatError,
        PreviewError,
        ProbeError,
        ProcessDiedError,
        ProcessError,
        ProcessStartError,
        ProcessTimeoutError,
        QueueFullError,
        RecordingError,
        ThreadStartError,
        UnsafePathError,
    )
    from ffenc.ffmpeg.binaries import Binaries, find_binaries
    from ffenc.ffmpeg.capabilities import Capabilities
    from ffenc.ffmpeg.capability_probe import probe_capabilities
    from ffenc.ffmpeg.ffprobe import probe_packets, probe_video
    from ffenc.ffmpeg.process.priority import Priority
    from ffenc.ffmpeg.stream_info import PacketIndex, VideoStreamInfo
    from ffenc.frames import FrameFormat
    from ffenc.jobs.executors import executor_from
    from ffenc.jobs.run import JobResult, run_jobs
    from ffenc.jobs.spec import JobSpec
    from ffenc.plan.capture import LiveSource
    from ffenc.streaming.drop_log import EpisodeRecording, RecordingStatus
    from ffenc.streaming.encoder import StreamingVideoEncoder
    from ffenc.video.capture import CameraSource
    from ffenc.video.concat import ConcatResult, concat_videos
    from ffenc.video.cut import cut_video
    from ffenc.video.depth import read_depth
    from ffenc.video.encode import encode_frames, encode_images
    from ffenc.video.encoder_options import available_encoders, encoder_options, pixel_format_channels
    from ffenc.video.image_reader import ImageReader
    from ffenc.video.reader import VideoReader
    from ffenc.video.recording import find_recordings
    from ffenc.video.reencode import reencode_video
    from ffenc.video.run import EncodeResult
    from ffenc.video.salvage import SalvageResult, salvage_video
    from ffenc.video.selection import Selection, select_encoder
    from ffenc.video.writer import VideoWriter


__all__ = [
    "Binaries",
    "BinaryNotFoundError",
    "CameraEndedError",
    "CameraError",
    "CameraFormatError",
    "CameraSource",
    "CameraStalledError",
    "CameraUnavailableError",
    "Capabilities",
    "CapabilityError",
    "ConcatError",
    "ConcatResult",
    "DatasetError",
    "DatasetLockedError",
    "DatasetMovedError",
    "DatasetReader",
    "DatasetRecorder",
    "DependencyError",
    "DepthEncoderConfig",
    "EncodeResult",
    "EncoderOptionError",
    "EncoderUnavailableError",
    "EpisodeError",
    "EpisodeRecording",
    "EpisodeSummary",
    "ErrorGroup",
    "FFencError",
    "Finding",
    "FrameError",
    "FrameFormat",
    "FrameSizeError",
    "ImageReader",
    "InputError",
    "JobResult",
    "JobSpec",
    "LeRobotError",
    "LiveSource",
    "MergeError",
    "NoVideoError",
    "NotOwnerError",
    "OutputError",
    "OutputExistsError",
    "PacketIndex",
    "PixelFormatError",
    "PreviewError",
    "Priority",
    "ProbeError",
    "ProcessDiedError",
    "ProcessError",
    "ProcessStartError",
    "ProcessTimeoutError",
    "QueueFullError",
    "RecordingError",
    "RecordingStatus",
    "RepairReport",
    "SalvageResult",
    "Selection",
    "StreamingVideoEncoder",
    "ThreadStartError",
    "UnsafePathError",
    "UpgradeResult",
    "VerifyReport",
    "VideoEncoderConfig",
    "VideoReader",
    "VideoStreamInfo",
    "VideoWriter",
    "add_features",
    "available_encoders",
    "concat_videos",
    "convert_images_to_video",
    "cut_video",
    "delete_episodes",
    "dequantize_depth",
    "encode_frames",
    "encode_images",
    "encoder_options",
    "executor_from",
    "find_binaries",
    "find_recordings",
    "merge_datasets",
    "modify_tasks",
    "pixel_format_channels",
    "preview_dataset",
    "probe_capabilities",
    "probe_packets",
    "probe_video",
    "quantize_depth",
    "read_depth",
    "recompute_stats",
    "reencode_dataset",
    "reencode_video",
    "remove_features",
    "rename_features",
    "repair_dataset",
    "run_jobs",
    "salvage_video",
    "select_encoder",
    "split_dataset",
    "upgrade_dataset",
    "verify_dataset",
    "video_info",
]

_MODULES = {
    "Binaries": "ffmpeg.binaries",
    "BinaryNotFoundError": "errors",
    "CameraEndedError": "errors",
    "CameraError": "errors",
    "CameraFormatError": "errors",
    "CameraSource": "video.capture",
    "CameraStalledError": "errors",
    "CameraUnavailableError": "errors",
    "Capabilities": "ffmpeg.capabilities",
    "CapabilityError": "errors",
    "ConcatError": "errors",
    "ConcatResult": "video.concat",
    "DatasetError": "errors",
    "DatasetLockedError": "errors",
    "DatasetMovedError": "errors",
    "DatasetReader": "dataset.reader",
    "DatasetRecorder": "dataset.recording.recorder",
    "DependencyError": "errors",
    "DepthEncoderConfig": "config",
    "EncodeResult": "video.run",
    "EncoderOptionError": "errors",
    "EncoderUnavailableError": "errors",
    "EpisodeError": "errors",
    "ErrorGroup": "errors",
    "EpisodeRecording": "streaming.drop_log",
    "EpisodeSummary": "dataset.recording.append_episode",
    "FFencError": "errors",
    "Finding": "dataset.verify.findings",
    "FrameError": "errors",
    "FrameFormat": "frames",
    "FrameSizeError": "errors",
    "ImageReader": "video.image_reader",
    "InputError": "errors",
    "JobResult": "jobs.run",
    "JobSpec": "jobs.spec",
    "LeRobotError": "errors",
    "LiveSource": "plan.capture",
    "MergeError": "errors",
    "NoVideoError": "errors",
    "NotOwnerError": "errors",
    "OutputError": "errors",
    "OutputExistsError": "errors",
    "PacketIndex": "ffmpeg.stream_info",
    "PixelFormatError": "errors",
    "PreviewError": "errors",
    "Priority": "ffmpeg.process.priority",
    "ProbeError": "errors",
    "ProcessDiedError": "errors",
    "ProcessError": "errors",
    "ProcessStartError": "errors",
    "ProcessTimeoutError": "errors",
    "QueueFullError": "errors",
    "RecordingError": "errors",
    "RecordingStatus": "streaming.drop_log",
    "RepairReport": "dataset.verify.repair",
    "SalvageResult": "video.salvage",
    "Selection": "video.selection",
    "StreamingVideoEncoder": "streaming.encoder",
    "ThreadStartError": "errors",
    "UnsafePathError": "errors",
    "UpgradeResult": "dataset.transform.upgrade",
    "VerifyReport": "dataset.verify.verify",
    "VideoEncoderConfig": "config",
    "VideoReader": "video.reader",
    "VideoStreamInfo": "ffmpeg.stream_info",
    "VideoWriter": "video.writer",
    "add_features": "dataset.transform.features",
    "available_encoders": "video.encoder_options",
    "concat_videos": "video.concat",
    "convert_images_to_video": "dataset.transform.images_to_video",
    "cut_video": "video.cut",
    "delete_episodes": "dataset.transform.edit",
    "dequantize_depth": "depth",
    "encode_frames": "video.encode",
    "encode_images": "video.encode",
    "encoder_options": "video.encoder_options",
    "executor_from": "jobs.executors",
    "find_binaries": "ffmpeg.binaries",
    "find_recordings": "video.recording",
    "merge_datasets": "dataset.transform.merge",
    "modify_tasks": "dataset.transform.tasks",
    "pixel_format_channels": "video.encoder_options",
    "preview_dataset": "dataset.preview",
    "probe_capabilities": "ffmpeg.capability_probe",
    "probe_packets": "ffmpeg.ffprobe",
    "probe_video": "ffmpeg.ffprobe",
    "quantize_depth": "depth",
    "read_depth": "video.depth",
    "recompute_stats": "dataset.transform.recompute_stats",
    "reencode_dataset": "dataset.transform.reencode",
    "reencode_video": "video.reencode",
    "remove_features": "dataset.transform.features",
    "rename_features": "dataset.transform.features",
    "repair_dataset": "dataset.verify.repair",
    "run_jobs": "jobs.run",
    "salvage_video": "video.salvage",
    "select_encoder": "video.selection",
    "split_dataset": "dataset.transform.edit",
    "upgrade_dataset": "dataset.transform.upgrade",
    "verify_dataset": "dataset.verify.verify",
    "video_info": "dataset.format.video_info",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'ffenc' has no attribute {name!r}")
    value = getattr(import_module(f"ffenc.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
