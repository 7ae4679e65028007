"""Every flag of a command reaches the function that the command calls."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from jsonargparse import Namespace

from ffenc.bench.recommend import recommend
from ffenc.cli.command_tree import COMMANDS
from ffenc.cli.parsing.arguments import call
from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.dataset.card import dataset_card
from ffenc.dataset.preview import preview_dataset
from ffenc.dataset.transform.edit import delete_episodes, split_dataset
from ffenc.dataset.transform.features import add_features, remove_features, rename_features
from ffenc.dataset.transform.idle import find_idle
from ffenc.dataset.transform.images_to_video import convert_images_to_video
from ffenc.dataset.transform.merge import merge_datasets
from ffenc.dataset.transform.recompute_stats import recompute_stats
from ffenc.dataset.transform.reencode import reencode_dataset
from ffenc.dataset.transform.tasks import modify_tasks
from ffenc.dataset.transform.trim import trim_episodes
from ffenc.dataset.transform.upgrade import upgrade_dataset
from ffenc.dataset.verify.repair import repair_dataset
from ffenc.jobs.run import run_jobs
from ffenc.video.concat import concat_videos
from ffenc.video.encode import encode_frames, encode_images
from ffenc.video.reencode import reencode_video
from ffenc.video.salvage import salvage_video

_GENERAL = {"json", "verbose", "ffmpeg", "ffprobe", "config", "dry_run"}

_CALLS: list[tuple[str, Callable[..., Any], set[str]]] = [
    ("encode", encode_frames, {"input", "output", "audio"}),
    ("images", encode_images, {"output"}),
    ("reencode", reencode_video, {"input"}),
    ("concat", concat_videos, set()),
    ("salvage", salvage_video, {"follow_links"}),
    ("preview", preview_dataset, set()),
    ("card", dataset_card, set()),
    ("repair", repair_dataset, set()),
    ("merge", merge_datasets, set()),
    ("delete-episodes", delete_episodes, {"root"}),
    ("split", split_dataset, {"root"}),
    ("trim", trim_episodes, {"root", "episodes", "idle", "idle_from", "threshold", "min_idle_s", "yes"}),
    ("trim", find_idle, {"root", "episodes", "idle", "output", "yes"}),
    ("reencode-dataset", reencode_dataset, set()),
    ("images-to-video", convert_images_to_video, set()),
    ("upgrade", upgrade_dataset, set()),
    ("modify-tasks", modify_tasks, set()),
    ("add-features", add_features, {"from"}),
    ("remove-features", remove_features, set()),
    ("rename-features", rename_features, set()),
    ("recompute-stats", recompute_stats, set()),
    ("jobs run", run_jobs, {"file", "shard"}),
    ("recommend", recommend, {"input", "confirm"}),
]
"""Commands, the functions they call, and the flags that are not parameters of these functions."""


@pytest.mark.parametrize(("command", "function", "others"), _CALLS, ids=[name for name, *_ in _CALLS])
def test_every_flag_is_a_parameter(command: str, function: Callable[..., Any], others: set[str]) -> None:
    flags = {action.dest.partition(".")[0] for action in COMMANDS[command].parser()._actions} - {"help", "print_config"}
    encoders = {"camera_encoder", "rgb_encoder", "depth_encoder"}
    assert flags - encoders - _GENERAL - set(signature(function).parameters) == others


def test_parameters_get_the_flags_of_the_same_name() -> None:
    def function(
        root: Path, fps: int, *, config: VideoEncoderConfig, depth_encoder: DepthEncoderConfig, width: int = 7
    ) -> Any:
        return root, fps, config, depth_encoder, width

    flags = {"fps": 5, "root": Path("elsewhere"), "camera_encoder": Namespace(crf=20), "depth_encoder": Namespace(g=4)}
    got = call(function, Namespace(**flags, other=1), root=Path("here"))
    assert got == (Path("here"), 5, VideoEncoderConfig(crf=20), DepthEncoderConfig(g=4), 7)


def test_a_value_for_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(TypeError, match="fps"):
        call(lambda root: root, Namespace(root=Path("here")), fps=30)
