"""Camera frames into verified video datasets, through FFmpeg subprocesses.

The public names are loaded when they are first used, so that ``import ffenc`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ffenc.version import __version__ as __version__

if TYPE_CHECKING:
    from ffenc.config import DepthEncoderConfig as DepthEncoderConfig
    from ffenc.config import VideoEncoderConfig as VideoEncoderConfig
    from ffenc.dataset.card import DatasetCard as DatasetCard
    from ffenc.dataset.card import dataset_card as dataset_card
    from ffenc.dataset.format.video_info import video_info as video_info
    from ffenc.dataset.preview import preview_dataset as preview_dataset
    from ffenc.dataset.reader import DatasetReader as DatasetReader
    from ffenc.dataset.recording.append_episode import EpisodeSummary as EpisodeSummary
    from ffenc.dataset.recording.recorder import DatasetRecorder as DatasetRecorder
    from ffenc.dataset.transform.edit import delete_episodes as delete_episodes
    from ffenc.dataset.transform.edit import split_dataset as split_dataset
    from ffenc.dataset.transform.features import add_features as add_features
    from ffenc.dataset.transform.features import remove_features as remove_features
    from ffenc.dataset.transform.features import rename_features as rename_features
    from ffenc.dataset.transform.idle import find_idle as find_idle
    from ffenc.dataset.transform.images_to_video import convert_images_to_video as convert_images_to_video
    from ffenc.dataset.transform.merge import merge_datasets as merge_datasets
    from ffenc.dataset.transform.recompute_stats import recompute_stats as recompute_stats
    from ffenc.dataset.transform.reencode import reencode_dataset as reencode_dataset
    from ffenc.dataset.transform.tasks import modify_tasks as modify_tasks
    from ffenc.dataset.transform.trim import trim_episodes as trim_episodes
    from ffenc.dataset.transform.upgrade import UpgradeResult as UpgradeResult
    from ffenc.dataset.transform.upgrade import upgrade_dataset as upgrade_dataset
    from ffenc.dataset.verify.content_limits import ContentLimits as ContentLimits
    from ffenc.dataset.verify.findings import Finding as Finding
    from ffenc.dataset.verify.repair import RepairReport as RepairReport
    from ffenc.dataset.verify.repair import repair_dataset as repair_dataset
    from ffenc.dataset.verify.verify import VerifyReport as VerifyReport
    from ffenc.dataset.verify.verify import verify_dataset as verify_dataset
    from ffenc.depth import dequantize_depth as dequantize_depth
    from ffenc.depth import quantize_depth as quantize_depth
    from ffenc.errors import BinaryNotFoundError as BinaryNotFoundError
    from ffenc.errors import CameraEndedError as CameraEndedError
    from ffenc.errors import CameraError as CameraError
    from ffenc.errors import CameraFormatError as CameraFormatError
    from ffenc.errors import CameraStalledError as CameraStalledError
    from ffenc.errors import CameraUnavailableError as CameraUnavailableError
    from ffenc.errors import CapabilityError as CapabilityError
    from ffenc.errors import ConcatError as ConcatError
    from ffenc.errors import DatasetError as DatasetError
    from ffenc.errors import DatasetLockedError as DatasetLockedError
    from ffenc.errors import DatasetMovedError as DatasetMovedError
    from ffenc.errors import DependencyError as DependencyError
    from ffenc.errors import EncoderOptionError as EncoderOptionError
    from ffenc.errors import EncoderUnavailableError as EncoderUnavailableError
    from ffenc.errors import EpisodeError as EpisodeError
    from ffenc.errors import ErrorGroup as ErrorGroup
    from ffenc.errors import FFencError as FFencError
    from ffenc.errors import FrameError as FrameError
    from ffenc.errors import FrameSizeError as FrameSizeError
    from ffenc.errors import InputError as InputError
    from ffenc.errors import LeRobotError as LeRobotError
    from ffenc.errors import MergeError as MergeError
    from ffenc.errors import NotOwnerError as NotOwnerError
    from ffenc.errors import NoVideoError as NoVideoError
    from ffenc.errors import OutputError as OutputError
    from ffenc.errors import OutputExistsError as OutputExistsError
    from ffenc.errors import PixelFormatError as PixelFormatError
    from ffenc.errors import PreviewError as PreviewError
    from ffenc.errors import ProbeError as ProbeError
    from ffenc.errors import ProcessDiedError as ProcessDiedError
    from ffenc.errors import ProcessError as ProcessError
    from ffenc.errors import ProcessStartError as ProcessStartError
    from ffenc.errors import ProcessTimeoutError as ProcessTimeoutError
    from ffenc.errors import QueueFullError as QueueFullError
    from ffenc.errors import RecordingError as RecordingError
    from ffenc.errors import ThreadStartError as ThreadStartError
    from ffenc.errors import UnsafePathError as UnsafePathError
    from ffenc.ffmpeg.binaries import Binaries as Binaries
    from ffenc.ffmpeg.binaries import find_binaries as find_binaries
    from ffenc.ffmpeg.capabilities import Capabilities as Capabilities
    from ffenc.ffmpeg.capability_probe import probe_capabilities as probe_capabilities
    from ffenc.ffmpeg.ffprobe import probe_packets as probe_packets
    from ffenc.ffmpeg.ffprobe import probe_video as probe_video
    from ffenc.ffmpeg.process.priority import Priority as Priority
    from ffenc.ffmpeg.stream_info import PacketIndex as PacketIndex
    from ffenc.ffmpeg.stream_info import VideoStreamInfo as VideoStreamInfo
    from ffenc.frames import FrameFormat as FrameFormat
    from ffenc.jobs.executors import executor_from as executor_from
    from ffenc.jobs.run import JobResult as JobResult
    from ffenc.jobs.run import run_jobs as run_jobs
    from ffenc.jobs.spec import JobSpec as JobSpec
    from ffenc.plan.capture import LiveSource as LiveSource
    from ffenc.proof.prove import EncoderProof as EncoderProof
    from ffenc.proof.prove import Proof as Proof
    from ffenc.proof.prove import prove_encoders as prove_encoders
    from ffenc.streaming.drop_log import EpisodeRecording as EpisodeRecording
    from ffenc.streaming.drop_log import RecordingStatus as RecordingStatus
    from ffenc.streaming.encoder import StreamingVideoEncoder as StreamingVideoEncoder
    from ffenc.video.capture import CameraSource as CameraSource
    from ffenc.video.concat import ConcatResult as ConcatResult
    from ffenc.video.concat import concat_videos as concat_videos
    from ffenc.video.cut import cut_video as cut_video
    from ffenc.video.depth import read_depth as read_depth
    from ffenc.video.encode import encode_frames as encode_frames
    from ffenc.video.encode import encode_images as encode_images
    from ffenc.video.encoder_options import available_encoders as available_encoders
    from ffenc.video.encoder_options import encoder_options as encoder_options
    from ffenc.video.encoder_options import pixel_format_channels as pixel_format_channels
    from ffenc.video.image_reader import ImageReader as ImageReader
    from ffenc.video.reader import VideoReader as VideoReader
    from ffenc.video.recording import find_recordings as find_recordings
    from ffenc.video.reencode import reencode_video as reencode_video
    from ffenc.video.run import EncodeResult as EncodeResult
    from ffenc.video.salvage import SalvageResult as SalvageResult
    from ffenc.video.salvage import salvage_video as salvage_video
    from ffenc.video.selection import Selection as Selection
    from ffenc.video.selection import select_encoder as select_encoder
    from ffenc.video.writer import VideoWriter as VideoWriter


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
    "ContentLimits": "dataset.verify.content_limits",
    "DatasetCard": "dataset.card",
    "DatasetError": "errors",
    "DatasetLockedError": "errors",
    "DatasetMovedError": "errors",
    "DatasetReader": "dataset.reader",
    "DatasetRecorder": "dataset.recording.recorder",
    "DependencyError": "errors",
    "DepthEncoderConfig": "config",
    "EncodeResult": "video.run",
    "EncoderOptionError": "errors",
    "EncoderProof": "proof.prove",
    "EncoderUnavailableError": "errors",
    "EpisodeError": "errors",
    "EpisodeRecording": "streaming.drop_log",
    "EpisodeSummary": "dataset.recording.append_episode",
    "ErrorGroup": "errors",
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
    "Proof": "proof.prove",
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
    "dataset_card": "dataset.card",
    "delete_episodes": "dataset.transform.edit",
    "dequantize_depth": "depth",
    "encode_frames": "video.encode",
    "encode_images": "video.encode",
    "encoder_options": "video.encoder_options",
    "executor_from": "jobs.executors",
    "find_binaries": "ffmpeg.binaries",
    "find_idle": "dataset.transform.idle",
    "find_recordings": "video.recording",
    "merge_datasets": "dataset.transform.merge",
    "modify_tasks": "dataset.transform.tasks",
    "pixel_format_channels": "video.encoder_options",
    "preview_dataset": "dataset.preview",
    "probe_capabilities": "ffmpeg.capability_probe",
    "probe_packets": "ffmpeg.ffprobe",
    "probe_video": "ffmpeg.ffprobe",
    "prove_encoders": "proof.prove",
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
    "trim_episodes": "dataset.transform.trim",
    "upgrade_dataset": "dataset.transform.upgrade",
    "verify_dataset": "dataset.verify.verify",
    "video_info": "dataset.format.video_info",
}
"""The module of each public name, below ``ffenc``."""

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'ffenc' has no attribute {name!r}")
    value = getattr(import_module(f"ffenc.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
