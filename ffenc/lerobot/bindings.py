"""List the functions and classes of LeRobot that ffenc replaces, with their replacements."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

VERSIONS = ("0.6.1",)
"""Versions of LeRobot that ffenc is tested with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One function, class or property of LeRobot that ffenc replaces.

    Attributes:
        module: LeRobot's module.
        attribute: name of a function or class in it, or ``Class.method`` for a method, classmethod or property.
        signature: parameters in the format of `signature_text`.  `install` refuses any other signature.
        replacement: ``module:name`` in `ffenc.lerobot`.
        wraps: True if the replacement is a decorator of LeRobot's function.
        versions: versions of LeRobot that have the attribute with this signature.
    """

    module: str
    attribute: str
    signature: str
    replacement: str
    wraps: bool = False
    versions: tuple[str, ...] = VERSIONS

    @property
    def name(self) -> str:
        """Full name in LeRobot."""
        return f"{self.module}.{self.attribute}"

    def load(self) -> Any:
        """Import and return the replacement."""
        module, _, name = self.replacement.partition(":")
        return getattr(import_module(f"ffenc.lerobot.{module}"), name)


def _bind(module: str, attribute: str, signature: str, replacement: str, *, wraps: bool = False) -> Binding:
    return Binding(
        module=f"lerobot.{module}", attribute=attribute, signature=signature, replacement=replacement, wraps=wraps
    )


BINDINGS: tuple[Binding, ...] = (
    _bind("configs.video", "VideoEncoderConfig.detect_available_encoders", "self, encoders", "settings:detect"),
    _bind("configs.video", "VideoEncoderConfig.resolve_vcodec", "self", "settings:resolve_vcodec"),
    _bind("configs.video", "VideoEncoderConfig.validate", "self", "settings:validate"),
    _bind(
        "configs.video", "VideoEncoderConfig.from_video_info", "cls, video_info", "settings:from_video_info", wraps=True
    ),
    _bind("datasets.pyav_utils", "detect_available_encoders_pyav", "encoders", "settings:available"),
    _bind("datasets.pyav_utils", "get_pix_fmt_channels", "pix_fmt", "settings:pixel_format_channels"),
    _bind(
        "datasets.pyav_utils",
        "check_video_encoder_parameters_pyav",
        "vcodec, pix_fmt, codec_options, channels=",
        "settings:check_parameters",
    ),
    _bind(
        "datasets.video_utils",
        "StreamingVideoEncoder",
        "fps, rgb_encoder=, depth_encoder=, queue_maxsize=, encoder_threads=",
        "streaming:StreamingVideoEncoder",
    ),
    _bind(
        "datasets.video_utils",
        "_CameraEncoderThread",
        "video_path, fps, video_encoder, frame_queue, result_queue, stop_event, encoder_threads=",
        "camera_thread:CameraEncoderThread",
    ),
    _bind(
        "datasets.video_utils",
        "encode_video_frames",
        "imgs_dir, video_path, fps, video_encoder=, encoder_threads=, *, log_level=, overwrite=",
        "video_files:encode_video_frames",
    ),
    _bind(
        "datasets.video_utils",
        "reencode_video",
        "input_video_path, output_video_path, video_encoder=, encoder_threads=, log_level=, overwrite=, start_time_s=, "
        "end_time_s=",
        "video_files:reencode_video",
    ),
    _bind(
        "datasets.video_utils",
        "concatenate_video_files",
        "input_video_paths, output_video_path, overwrite=, compatibility_check=",
        "video_files:concatenate_video_files",
    ),
    _bind("datasets.video_utils", "get_video_info", "video_path, video_encoder=", "video_files:get_video_info"),
    _bind("datasets.video_utils", "get_audio_info", "video_path", "video_files:get_audio_info"),
    _bind("datasets.video_utils", "get_video_duration_in_s", "video_path", "video_files:get_video_duration_in_s"),
    _bind(
        "datasets.video_utils",
        "decode_video_frames",
        "video_path, timestamps, tolerance_s, backend=, return_uint8=, is_depth=",
        "reading:decode_video_frames",
        wraps=True,
    ),
    _bind("utils.import_utils", "get_safe_default_video_backend", "", "reading:default_backend"),
    _bind(
        "configs.default",
        "DatasetConfig.__init__",
        "self, repo_id, repo_type=, root=, episodes=, image_transforms=, revision=, use_imagenet_stats=, video_backend=, "
        "return_uint8=, depth_output_unit=, streaming=, eval_split=",
        "reading:construct_dataset_config",
        wraps=True,
    ),
    _bind(
        "datasets.dataset_metadata",
        "LeRobotDatasetMetadata.create",
        "cls, repo_id, fps, features, robot_type=, root=, use_videos=, metadata_buffer_size=, chunks_size=, "
        "data_files_size_in_mb=, video_files_size_in_mb=",
        "dataset_tools:create_metadata",
        wraps=True,
    ),
    _bind(
        "datasets.aggregate",
        "aggregate_datasets",
        "repo_ids, aggr_repo_id, roots=, aggr_root=, data_files_size_in_mb=, video_files_size_in_mb=, chunk_size=, "
        "concatenate_videos=, concatenate_data=",
        "dataset_tools:aggregate_datasets",
        wraps=True,
    ),
    _bind(
        "datasets.aggregate",
        "validate_all_metadata",
        "all_metadata",
        "dataset_tools:validate_all_metadata",
        wraps=True,
    ),
    *(
        _bind("datasets.dataset_tools", name, signature, "dataset_tools:completed_or_removed", wraps=True)
        for name, signature in {
            "delete_episodes": "dataset, episode_indices, output_dir=, repo_id=",
            "split_dataset": "dataset, splits, output_dir=",
            "modify_features": "dataset, add_features=, remove_features=, output_dir=, repo_id=",
            "convert_image_to_video_dataset": "dataset, output_dir=, repo_id=, rgb_encoder=, depth_encoder=, "
            "episode_indices=, num_workers=, max_episodes_per_batch=, max_frames_per_batch=",
        }.items()
    ),
    *(
        _bind(f"datasets.{module}", f"{name}.__reduce_ex__", "self, protocol", "pool_workers:carry", wraps=True)
        for module, name in {"dataset_reader": "DatasetReader", "streaming_dataset": "StreamingLeRobotDataset"}.items()
    ),
    _bind(
        "datasets.dataset_tools",
        "_keep_episodes_from_video_with_av",
        "input_path, output_path, episodes_to_keep, fps, video_encoder",
        "video_files:keep_episodes",
    ),
    _bind("datasets.dataset_tools", "_reencode_video_worker", "args", "pool_workers:reencode_video_worker"),
    _bind(
        "datasets.dataset_writer",
        "_encode_video_worker",
        "video_key, episode_index, root, fps, video_encoder=, encoder_threads=",
        "pool_workers:encode_video_worker",
    ),
    _bind(
        "datasets.dataset_writer",
        "DatasetWriter.__init__",
        "self, meta, root, rgb_encoder, depth_encoder, encoder_threads, batch_encoding_size, streaming_encoder=, "
        "initial_frames=",
        "dataset_writer:construct",
        wraps=True,
    ),
    _bind(
        "datasets.dataset_writer",
        "DatasetWriter._create_episode_buffer",
        "self, episode_index=",
        "dataset_writer:create_episode_buffer",
        wraps=True,
    ),
    _bind("datasets.dataset_writer", "DatasetWriter.finalize", "self", "dataset_writer:finalize", wraps=True),
    _bind("datasets.lerobot_dataset", "LeRobotDataset.num_episodes", "self", "dataset_writer:num_episodes", wraps=True),
    _bind("datasets.dataset_writer", "DatasetWriter.add_frame", "self, frame", "dataset_writer:add_frame", wraps=True),
    _bind(
        "datasets.dataset_writer",
        "DatasetWriter.save_episode",
        "self, episode_data=, parallel_encoding=",
        "dataset_writer:save_episode",
        wraps=True,
    ),
    _bind("utils.io_utils", "write_video", "video_path, stacked_frames, fps", "video_files:write_video"),
)
"""All replacements.  LeRobot's dataclasses, dataset classes and table code remain."""


def signature_text(value: Callable[..., Any]) -> str:
    """Return the parameters of a function or constructor as text, such as ``path, fps, *, overwrite=``."""
    words: list[str] = []
    for parameter in inspect.signature(value).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in words:
            words.append("*")
        prefix = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind.name, "")
        has_default = parameter.default is not parameter.empty
        words.append(f"{prefix}{parameter.name}{'=' if has_default else ''}")
    return ", ".join(words)
