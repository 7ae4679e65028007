"""Flags of the commands in this package."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser

from ffenc.cli.parsing.arguments import add_encoder_flags, add_flag, add_job_flags, command
from ffenc.cli.parsing.values import positive

EPISODES = 2
FRAMES_MADE, FRAMES_TAKEN = 60, 150
"""Default frames of an episode: synthetic ones, and at most this many from a clip."""


@command("demo [options]")
def demo(parser: ArgumentParser) -> None:
    """Record a small LeRobot dataset, and check it.

    It has 2 episodes of 60 synthetic frames from two cameras, and a state. Some
    frames are read back by episode and time and compared with the originals. Each
    episode gets a contact sheet. With --input, one camera shows a clip (up to 150
    frames per episode).
    """
    add_flag(parser, "--input", Path, "clip that one of the cameras shows", metavar="CLIP")
    add_flag(parser, "--output_dir", Path, "output folder", default="demo", metavar="DIR")
    add_flag(parser, "--frames", positive, "frames of an episode")
    add_job_flags(parser)
    add_encoder_flags(parser)
