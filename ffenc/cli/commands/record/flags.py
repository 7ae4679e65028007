"""Flags of the commands in this package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from ffenc.cli.parsing.arguments import (
    ENCODER_GROUPS,
    add_config_flags,
    add_follow_links_flag,
    add_layout_flag,
    add_threads_flag,
    command_parser,
)
from ffenc.cli.parsing.values import frame_rate, positive, seconds, whole_rate
from ffenc.config import DepthEncoderConfig, VideoEncoderConfig

CAMERA_GROUPS = tuple(f"dataset.{name}" for name in ENCODER_GROUPS)
DEPTH_GROUPS = ("dataset.depth_encoder",)

_RECORD = """\
Record episodes from cameras into a LeRobot dataset. Every tick of the
dataset's rate takes the newest frame of every camera; each camera has an
encoder of its own, which works while frames come. Ctrl-C ends an episode early
and saves it; a second Ctrl-C discards it.

A camera is a name and its settings:
  laptop: {type: ffmpeg, source: /dev/video0, width: 640, height: 480, fps: 30}
  wrist:  {type: ffmpeg, source: rtsp://10.0.0.7/live}
  clip:   {type: ffmpeg, source: clip.mp4, loop: true}
  test:   {type: ffmpeg, source: testsrc2, format: lavfi, width: 64, height: 48}
  phone:  {type: opencv, index_or_path: 0}          (needs OpenCV)
More settings of type ffmpeg: format and options, of FFmpeg's input; convert:
true, to have pictures scaled and re-timed to width, height and fps; depth:
true, for 16-bit grey in millimetres."""


def record() -> ArgumentParser:
    """Make the parser of ``ffenc record``."""
    parser = command_parser("record --dataset.repo_id=NAME --cameras=DICT [options]", _RECORD)
    parser.add_argument("--cameras", type=dict, metavar="DICT", help="cameras by name, in quotes; see above")
    parser.add_argument("--robot.cameras", type=dict, metavar="DICT", help="the same, as lerobot-record calls it")
    parser.add_argument("--resume", type=bool, default=False, metavar="BOOL", help="add episodes to a dataset")
    parser.add_argument(
        "--display_data",
        type=bool,
        default=True,
        metavar="BOOL",
        help="show how it goes, on a terminal (default: true)",
    )
    add_follow_links_flag(parser)
    _add_dataset_flags(parser.add_argument_group("dataset"))
    add_config_flags(parser, CAMERA_GROUPS, title="camera encoder", model=VideoEncoderConfig)
    add_config_flags(parser, DEPTH_GROUPS, title="depth encoder", model=DepthEncoderConfig)
    return parser


_SALVAGE = """\
Of a file that was cut off, make a plain video: every whole frame, frame k at
exactly k/fps. The recording (.NAME.XXXXXXXX.recording.mp4) is left as it was.
The video is copied; audio, if there is some and it is kept, is encoded.

Of a dataset, find the episodes that a crash or an error kept from joining it,
and add what all their cameras and their table have."""


def salvage() -> ArgumentParser:
    """Make the parser of ``ffenc salvage``."""
    parser = command_parser("salvage [options] RECORDING_OR_DATASET", _SALVAGE)
    parser.add_argument(
        "path", type=Path, metavar="PATH", help="what the crash left, also any fragmented MP4; or a dataset's folder"
    )
    parser.add_argument(
        "--output", "-o", type=Path, metavar="FILE", help="the video (default: the name it was to have)"
    )
    parser.add_argument(
        "--fps", type=frame_rate, metavar="RATE", help="30 or 30000/1001 (default: as the recording says)"
    )
    parser.add_argument("--audio", choices=("keep", "drop"), help="keep or drop audio; needed if there is any")
    parser.add_argument("--overwrite", action="store_true", help="replace the video if it exists")
    add_follow_links_flag(parser)
    parser.add_argument(
        "--dry_run", "--dry-run", action="store_true", help="of a dataset, say what was left, and add nothing"
    )
    return parser


def _add_dataset_flags(group: Any) -> None:
    def add(name: str, kind: Any, default: object, metavar: str, text: str) -> None:
        shown = text if default is None else f"{text} (default: {str(default).lower()})"
        group.add_argument(f"--dataset.{name}", type=kind, default=default, metavar=metavar, help=shown)

    add("repo_id", str, None, "NAME", "name of the dataset, USER/NAME")
    add("single_task", str, None, "TEXT", "what is being done, in a sentence")
    add("root", Path, None, "DIR", "folder of the dataset (default: NAME in $HF_LEROBOT_HOME)")
    add("fps", whole_rate, 30, "N", "frames per second")
    add("num_episodes", positive, 50, "N", "how many episodes")
    add("episode_time_s", seconds, 60.0, "S", "length of an episode, in seconds")
    add("reset_time_s", seconds, 60.0, "S", "time between episodes, in seconds")
    add("video", bool, True, "BOOL", "cameras become video; false stores single images")
    add("streaming_encoding", bool, True, "BOOL", "encode while frames come; false encodes after each episode")
    add("encoder_queue_maxsize", positive, 30, "N", "frames per camera that may wait for the encoder")
    group.add_argument(
        "--dataset.queue_policy",
        choices=("drop", "block", "raise"),
        default="drop",
        help="when they are too many: drop that step for all cameras and note it, wait, or fail (default: drop)",
    )
    add_layout_flag(group, "dataset.info_layout")
    add_threads_flag(group, "dataset.encoder_threads")
