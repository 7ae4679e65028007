"""List the functions and classes of LeRobot that ffenc replaces, with their replacements."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
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
        wraps: True if the replacement gets LeRobot's own function before its arguments.
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


_TABLE = """
configs.video
    VideoEncoderConfig.detect_available_encoders -> settings:detect (self, encoders)
    VideoEncoderConfig.resolve_vcodec -> settings:resolve_vcodec (self)
    VideoEncoderConfig.validate -> settings:validate (self)
    VideoEncoderConfig.from_video_info wrapped by settings:from_video_info (cls, video_info)
datasets.pyav_utils
    get_codec wrapped by settings:get_codec (vcodec)
    detect_available_encoders_pyav -> settings:available (encoders)
    get_pix_fmt_channels -> settings:pixel_format_channels (pix_fmt)
    check_video_encoder_parameters_pyav -> settings:check_parameters (vcodec, pix_fmt, codec_options, channels=)
datasets.video_utils
    StreamingVideoEncoder -> streaming:StreamingVideoEncoder (fps, rgb_encoder=, depth_encoder=, queue_maxsize=,
        encoder_threads=)
    _CameraEncoderThread -> camera_thread:CameraEncoderThread (video_path, fps, video_encoder, frame_queue,
        result_queue, stop_event, encoder_threads=)
    encode_video_frames -> video_files:encode_video_frames (imgs_dir, video_path, fps, video_encoder=,
        encoder_threads=, *, log_level=, overwrite=)
    reencode_video -> video_files:reencode_video (input_video_path, output_video_path, video_encoder=,
        encoder_threads=, log_level=, overwrite=, start_time_s=, end_time_s=)
    concatenate_video_files -> video_files:concatenate_video_files (input_video_paths, output_video_path,
        overwrite=, compatibility_check=)
    get_video_info -> video_files:get_video_info (video_path, video_encoder=)
    get_audio_info -> video_files:get_audio_info (video_path)
    get_video_duration_in_s -> video_files:get_video_duration_in_s (video_path)
    decode_video_frames wrapped by reading:decode_video_frames (video_path, timestamps, tolerance_s, backend=,
        return_uint8=, is_depth=)
utils.import_utils
    get_safe_default_video_backend -> reading:default_backend ()
configs.default
    DatasetConfig.__init__ wrapped by reading:construct_dataset_config (self, repo_id, repo_type=, root=, episodes=,
        image_transforms=, revision=, use_imagenet_stats=, video_backend=, return_uint8=, depth_output_unit=,
        streaming=, eval_split=)
datasets.dataset_metadata
    LeRobotDatasetMetadata.create wrapped by dataset_tools:create_metadata (cls, repo_id, fps, features,
        robot_type=, root=, use_videos=, metadata_buffer_size=, chunks_size=, data_files_size_in_mb=,
        video_files_size_in_mb=)
datasets.aggregate
    aggregate_datasets wrapped by dataset_tools:aggregate_datasets (repo_ids, aggr_repo_id, roots=, aggr_root=,
        data_files_size_in_mb=, video_files_size_in_mb=, chunk_size=, concatenate_videos=, concatenate_data=)
    validate_all_metadata wrapped by dataset_tools:validate_all_metadata (all_metadata)
    finalize_aggregation wrapped by dataset_tools:finalize_aggregation (aggr_meta, all_metadata)
    concatenate_video_files -> dataset_tools:append_video (input_video_paths, output_video_path, overwrite=,
        compatibility_check=)
    get_file_size_in_mb wrapped by dataset_tools:size_in_mb (file_path)
datasets.dataset_tools
    delete_episodes wrapped by dataset_tools:completed_or_removed (dataset, episode_indices, output_dir=, repo_id=)
    split_dataset wrapped by dataset_tools:completed_or_removed (dataset, splits, output_dir=)
    modify_features wrapped by dataset_tools:completed_or_removed (dataset, add_features=, remove_features=,
        output_dir=, repo_id=)
    convert_image_to_video_dataset wrapped by dataset_tools:completed_or_removed (dataset, output_dir=, repo_id=,
        rgb_encoder=, depth_encoder=, episode_indices=, num_workers=, max_episodes_per_batch=,
        max_frames_per_batch=)
    _keep_episodes_from_video_with_av -> video_files:keep_episodes (input_path, output_path, episodes_to_keep, fps,
        video_encoder)
    _reencode_video_worker -> pool_workers:reencode_video_worker (args)
datasets.dataset_reader
    DatasetReader.__reduce_ex__ wrapped by pool_workers:carry (self, protocol)
datasets.streaming_dataset
    StreamingLeRobotDataset.__reduce_ex__ wrapped by pool_workers:carry (self, protocol)
datasets.dataset_writer
    _encode_video_worker -> pool_workers:encode_video_worker (video_key, episode_index, root, fps, video_encoder=,
        encoder_threads=)
    DatasetWriter.__init__ wrapped by dataset_writer:construct (self, meta, root, rgb_encoder, depth_encoder,
        encoder_threads, batch_encoding_size, streaming_encoder=, initial_frames=)
    DatasetWriter._create_episode_buffer wrapped by dataset_writer:create_episode_buffer (self, episode_index=)
    DatasetWriter.finalize wrapped by dataset_writer:finalize (self)
    DatasetWriter.add_frame wrapped by dataset_writer:add_frame (self, frame)
    DatasetWriter.save_episode wrapped by dataset_writer:save_episode (self, episode_data=, parallel_encoding=)
datasets.lerobot_dataset
    LeRobotDataset.create wrapped by dataset_tools:completed_or_removed (cls, repo_id, fps, features, root=, robot_type=,
        use_videos=, tolerance_s=, image_writer_processes=, image_writer_threads=, video_backend=,
        batch_encoding_size=, rgb_encoder=, depth_encoder=, metadata_buffer_size=, streaming_encoding=,
        encoder_queue_maxsize=, encoder_threads=, video_files_size_in_mb=, data_files_size_in_mb=)
    LeRobotDataset.num_episodes wrapped by dataset_writer:num_episodes (self)
utils.io_utils
    write_video -> video_files:write_video (video_path, stacked_frames, fps)
"""
"""LeRobot's modules; in each, what is replaced or wrapped, by what in `ffenc.lerobot`, and its parameters."""

_ROW = re.compile(r"^ +(\S+) (->|wrapped by) (\S+) \((.*)\)$")


def _bindings() -> Iterator[Binding]:
    module = ""
    for line in _TABLE.strip().replace("\n        ", " ").splitlines():
        if not line.startswith(" "):
            module = f"lerobot.{line}"
        else:
            ((attribute, kind, replacement, signature),) = _ROW.findall(line)
            yield Binding(
                module=module,
                attribute=attribute,
                signature=signature,
                replacement=replacement,
                wraps=kind == "wrapped by",
            )


BINDINGS: tuple[Binding, ...] = tuple(_bindings())
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
