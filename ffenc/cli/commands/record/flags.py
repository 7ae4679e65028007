"""Flags of the commands in this package."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser

from ffenc.cli.parsing.arguments import (
    DEPTH_GROUPS,
    ENCODER_GROUPS,
    add_config_flags,
    add_dry_run_flag,
    add_flag,
    add_follow_links_flag,
    add_layout_flag,
    add_threads_flag,
    command,
)
from ffenc.cli.parsing.values import frame_rate, positive, seconds, whole_rate
from ffenc.config import DepthEncoderConfig, VideoEncoderConfig

DEFAULT_FPS = 30
RECORD_CAMERA_GROUPS = tuple(f"dataset.{name}" for name in ENCODER_GROUPS)
RECORD_DEPTH_GROUPS = tuple(f"dataset.{name}" for name in DEPTH_GROUPS)


@command("record --dataset.repo_id=NAME --cameras=DICT [options]")
def record(parser: ArgumentParser) -> None:
    """Record episodes from cameras into a LeRobot dataset.

    Each time step takes the newest frame of every camera. Each camera has its own
    encoder, which encodes during the recording.

    Keys: right arrow ends the episode and saves it; left arrow discards it and
    records it again, also during the reset time after it; Escape saves it and
    stops. Ctrl-C saves it and stops too, and a second Ctrl-C discards it.

    A camera is a name and its settings:
      laptop: {type: ffmpeg, source: /dev/video0, width: 640, height: 480, fps: 30}
      wrist:  {type: ffmpeg, source: rtsp://10.0.0.7/live}
      clip:   {type: ffmpeg, source: clip.mp4, loop: true}
      test:   {type: ffmpeg, source: testsrc2, format: lavfi, width: 64, height: 48}
      phone:  {type: opencv, index_or_path: 0}          (needs OpenCV)
    ffenc cameras lists the connected cameras and their modes.
    More settings of type ffmpeg: format and options for FFmpeg's input; convert:
    true to scale and re-time frames to width, height and fps; depth: true for
    16-bit gray in millimetres.

    Encoder settings of one camera are in its block, or in flags with its name:
      wrist: {type: ffmpeg, source: /dev/video2, encoder: {crf: 35, g: 10}}
      --dataset.camera_encoder.wrist.crf=35
    The flag of a camera takes precedence over its block, and the block over
    --dataset.camera_encoder.crf, which is for all cameras.
    """
    add_flag(parser, "--cameras", dict, "cameras by name, in quotes; see above")
    add_flag(parser, "--robot.cameras", dict, "alias of --cameras, for lerobot-record")
    add_flag(parser, "--resume", bool, "add episodes to a dataset", default=False)
    add_flag(parser, "--display_data", bool, "show the state of the cameras on a terminal", default=True)
    add_flag(parser, "--keys", bool, "control the recording with the keys above", default=True)
    stale = "if a camera gives nothing new: end the episode at the last step at which every camera was new, repeat the "
    stale += "newest frame, or discard the episode"
    add_flag(parser, "--on_stale", ("stop", "continue", "discard"), stale, default="stop")
    add_flag(parser, "--stale_after_s", seconds, "time for which a camera may give nothing new", default=1.0)
    add_follow_links_flag(parser)
    group = parser.add_argument_group("dataset")
    add_flag(group, "--dataset.repo_id", str, "name of the dataset, USER/NAME")
    add_flag(group, "--dataset.single_task", str, "description of the task, one sentence", metavar="TEXT")
    add_flag(group, "--dataset.root", Path, "folder of the dataset (default: NAME in $HF_LEROBOT_HOME)", metavar="DIR")
    rate = f"frames per second (default: {DEFAULT_FPS}, or the rate of the dataset to resume)"
    add_flag(group, "--dataset.fps", whole_rate, rate)
    add_flag(group, "--dataset.num_episodes", positive, "number of episodes", default=50)
    add_flag(group, "--dataset.episode_time_s", seconds, "length of an episode, in seconds", default=60.0)
    add_flag(group, "--dataset.reset_time_s", seconds, "time between episodes, in seconds", default=60.0)
    video = "store cameras as video; false stores single images (default: true, or as in the dataset to resume)"
    add_flag(group, "--dataset.video", bool, video)
    streaming = "encode during the recording; false encodes after each episode"
    add_flag(group, "--dataset.streaming_encoding", bool, streaming, default=True)
    queue = "frames per camera that may wait in the queue of its encoder"
    add_flag(group, "--dataset.encoder_queue_maxsize", positive, queue, default=30)
    policy = "if a queue is full: drop the time step for all cameras and log it, wait, or fail"
    add_flag(group, "--dataset.queue_policy", ("drop", "block", "raise"), policy, default="drop")
    wait = "longest wait for room in the queues before a step is dropped or fails, in seconds"
    add_flag(group, "--dataset.wait_s", seconds, wait, default=0.0)
    add_layout_flag(group, "--dataset.info_layout")
    add_threads_flag(group, "--dataset.encoder_threads")
    add_config_flags(parser, RECORD_CAMERA_GROUPS, title="camera encoder", model=VideoEncoderConfig, by_camera=True)
    add_config_flags(parser, RECORD_DEPTH_GROUPS, title="depth encoder", model=DepthEncoderConfig, by_camera=True)


@command("cameras [options]")
def cameras(parser: ArgumentParser) -> None:
    """List the cameras that are connected to this machine, and a block for --cameras.

    Linux (V4L2) only. Each format that a camera offers has its frame sizes, as
    FFmpeg lists them. Choose one in the settings of the camera:
      {type: ffmpeg, source: /dev/video0, width: 1280, height: 720,
       options: {input_format: mjpeg}}
    """


@command("salvage [options] RECORDING_OR_DATASET")
def salvage(parser: ArgumentParser) -> None:
    """Recover the complete frames of an interrupted recording or dataset.

    A recording (.NAME.XXXXXXXX.recording.mp4) becomes a video with frame k at
    exactly k/fps. The recording is not changed. Video is copied; audio, if kept, is
    encoded.

    For a dataset, recover interrupted episodes and append them to the dataset, up
    to the last time step that all cameras and the table have.
    """
    add_flag(parser, "path", Path, "a recording (any fragmented MP4), or the folder of a dataset")
    output = "the video (default: the intended name of the recording)"
    add_flag(parser, "--output", Path, output, "-o", metavar="FILE")
    add_flag(parser, "--fps", frame_rate, "30 or 30000/1001 (default: the rate stored in the recording)")
    add_flag(parser, "--audio", ("keep", "drop"), "keep or drop audio; required if the recording has audio")
    add_flag(parser, "--overwrite", None, "replace the video if it exists")
    add_follow_links_flag(parser)
    add_dry_run_flag(parser, "for a dataset, list the interrupted episodes and change nothing")
