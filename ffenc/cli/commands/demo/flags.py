"""Flags of the commands in this package."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser

from ffenc.cli.parsing.arguments import add_encoder_flags, add_job_flags, command_parser
from ffenc.cli.parsing.values import positive

EPISODES = 2
FRAMES_MADE, FRAMES_TAKEN = 60, 150
"""Default frames of an episode: synthetic ones, and at most this many from a clip."""

_DEMO = f"""\
Record a small LeRobot dataset: {EPISODES} episodes of {FRAMES_MADE} synthetic frames from two
cameras, and a state. Then read some frames back by episode and time, compare
them with the originals, and write a contact sheet of each episode. With
--input, one camera shows a clip (up to {FRAMES_TAKEN} frames per episode)."""


def demo() -> ArgumentParser:
    """Make the parser of ``ffenc demo``."""
    parser = command_parser("demo [options]", _DEMO)
    parser.add_argument("--input", type=Path, metavar="CLIP", help="clip that one of the cameras shows")
    parser.add_argument(
        "--output_dir", type=Path, default="demo", metavar="DIR", help="output folder (default: %(default)s)"
    )
    parser.add_argument("--frames", type=positive, metavar="N", help="frames of an episode")
    add_job_flags(parser)
    add_encoder_flags(parser)
    return parser
