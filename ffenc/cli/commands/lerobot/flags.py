"""The parser of ``ffenc lerobot``: it has no flags."""

from __future__ import annotations

from jsonargparse import ArgumentParser

from ffenc.cli.parsing.arguments import command


@command("lerobot COMMAND [LeRobot's flags]")
def lerobot(parser: ArgumentParser) -> None:
    """Run one of LeRobot's commands, with ffenc as its encoder.

    It has its own robots and flags; ffenc encodes, joins and measures its videos:

      ffenc lerobot record --robot.type=so100_follower ... --dataset.streaming_encoding=true
      ffenc lerobot edit-dataset --repo_id=me/cubes --operation.type=delete_episodes ...
      ffenc lerobot rollout|train|dataset-viz|... ARGS

    ffenc lerobot COMMAND --help shows LeRobot's flags. --...camera_encoder.* and
    --...rgb_encoder.* are the same. A LeRobot whose functions ffenc does not know
    is not run. FFENC_FFMPEG and FFENC_FFPROBE name the executables to use.
    """
