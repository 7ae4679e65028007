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
Record episodes from cameras into a LeRobot dataset. Each time step takes the
newest frame of every camera. Each camera has its own encoder, which encodes
during the recording. Ctrl-C ends an episode early and saves it; a second Ctrl-C
discards it.

A camera is a name and its settings:
  laptop: {type: ffmpeg, source: /dev/video0, width: 640, height: 480, fps: 30}
  wrist:  {type: ffmpeg, source: rtsp://10.0.0.7/live}
  clip:   {type: ffmpeg, source: clip.mp4, loop: true}
  test:   {type: ffmpeg, source: testsrc2, format: lavfi, width: 64, height: 48}
  phone:  {type: opencv, index_or_path: 0}          (needs OpenCV)
More settings of type ffmpeg: format and options for FFmpeg's input; convert:
true to scale and re-time frames to width, height and fps; depth: true for
16-bit gray in millimetres."""


def record() -> ArgumentParser:
    """Make the parser of ``ffenc record``."""
    parser = command_parser("record --dataset.repo_id=NAME --cameras=DICT [options]", _RECORD)
    parser.add_argument("--cameras", type=dict, metavar="DICT", help="cameras by name, in quotes; see above")
    parser.add_argument("--robot.cameras", type=dict, metavar="DICT", help="alias of --cameras, for lerobot-record")
    parser.add_argument("--resume", type=bool, default=False, metavar="BOOL", help="add episodes to a dataset")
    parser.add_argument(
        "--display_data",
        type=bool,
        default=True,
        metavar="BOOL",
        help="show the state of the cameras on a terminal (default: true)",
    )
    add_follow_links_flag(parser)
    _add_dataset_flags(parser.add_argument_group("dataset"))
    add_config_flags(parser, CAMERA_GROUPS, title="camera encoder", model=VideoEncoderConfig)
    add_config_flags(parser, DEPTH_GROUPS, title="depth encoder", model=DepthEncoderConfig)
    return parser


_SALVAGE = """\
Recover the complete frames of an interrupted recording
(.NAME.XXXXXXXX.recording.mp4) into a video with frame k at exactly k/fps. The
recording is not changed. Video is copied; audio, if kept, is encoded.

For a dataset, recover interrupted episodes and append them to the dataset, up
to the last time step that all cameras and the table have."""


def salvage() -> ArgumentParser:
    """Make the parser of ``ffenc salvage``."""
    parser = command_parser("salvage [options] RECORDING_OR_DATASET", _SALVAGE)
    parser.add_argument(
        "path", type=Path, metavar="PATH", help="a recording (any fragmented MP4), or the folder of a dataset"
    )
    parser.add_argument(
        "--output", "-o", type=Path, metavar="FILE", help="the video (default: the intended name of the recording)"
    )
    parser.add_argument(
        "--fps", type=frame_rate, metavar="RATE", help="30 or 30000/1001 (default: the rate stored in the recording)"
    )
    parser.add_argument(
        "--audio", choices=("keep", "drop"), help="keep or drop audio; required if the recording has audio"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the video if it exists")
    add_follow_links_flag(parser)
    parser.add_argument(
        "--dry_run",
        "--dry-run",
        action="store_true",
        help="for a dataset, list the interrupted episodes and change nothing",
    )
    return parser


def _add_dataset_flags(group: Any) -> None:
    def add(name: str, kind: Any, default: object, metavar: str, text: str) -> None:
        shown = text if default is None else f"{text} (default: {str(default).lower()})"
        group.add_argument(f"--dataset.{name}", type=kind, default=default, metavar=metavar, help=shown)

    add("repo_id", str, None, "NAME", "name of the dataset, USER/NAME")
    add("single_task", str, None, "TEXT", "description of the task, one sentence")
    add("root", Path, None, "DIR", "folder of the dataset (default: NAME in $HF_LEROBOT_HOME)")
    add("fps", whole_rate, 30, "N", "frames per second")
    add("num_episodes", positive, 50, "N", "number of episodes")
    add("episode_time_s", seconds, 60.0, "S", "length of an episode, in seconds")
    add("reset_time_s", seconds, 60.0, "S", "time between episodes, in seconds")
    add("video", bool, True, "BOOL", "store cameras as video; false stores single images")
    add("streaming_encoding", bool, True, "BOOL", "encode during the recording; false encodes after each episode")
    add("encoder_queue_maxsize", positive, 30, "N", "frames per camera that may wait in the queue of its encoder")
    group.add_argument(
        "--dataset.queue_policy",
        choices=("drop", "block", "raise"),
        default="drop",
        help="if a queue is full: drop the time step for all cameras and log it, wait, or fail (default: drop)",
    )
    add_layout_flag(group, "dataset.info_layout")
    add_threads_flag(group, "dataset.encoder_threads")
