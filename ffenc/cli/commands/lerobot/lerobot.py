"""``ffenc lerobot``: LeRobot's own commands, with ffenc as their encoder."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from jsonargparse import ArgumentParser

from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import Command, command_parser
from ffenc.cli.parsing.usage_errors import quoted_words
from ffenc.lerobot import command_line

_WRONG_USAGE = 2

_DESCRIPTION = """\
Run one of LeRobot's commands, with its own robots and flags, and let ffenc
encode, join and measure its videos:

  ffenc lerobot record --robot.type=so100_follower ... --dataset.streaming_encoding=true
  ffenc lerobot edit-dataset --repo_id=me/cubes --operation.type=delete_episodes ...
  ffenc lerobot rollout|train|dataset-viz|... ARGS

ffenc lerobot COMMAND --help shows LeRobot's flags. --...camera_encoder.* and
--...rgb_encoder.* are the same. Without LeRobot's functions that ffenc knows
nothing is run. FFENC_FFMPEG and FFENC_FFPROBE name the executables to use."""


def run_words(words: Sequence[str], screen: Screen) -> int:
    """Run the command that the first word names; the others are its arguments."""
    if not words or words[0] in ("-h", "--help"):
        (sys.stdout if words else sys.stderr).write(_help())
        return 0 if words else _WRONG_USAGE
    name, *arguments = words
    quoted = quoted_words(arguments, command_line.dictionary_flags(arguments))
    if quoted is not None:
        screen.note(f"a dictionary without quotes, read as: {shlex.join(['ffenc', 'lerobot', name, *quoted])}")
        arguments = quoted
    return command_line.run(name, arguments)


def command() -> Command:
    """The sub-command, for its place in the list of commands; its arguments are LeRobot's."""
    parser: ArgumentParser = command_parser("lerobot COMMAND [LeRobot's flags]", _DESCRIPTION)
    return Command(parser=parser, run=lambda _, screen: run_words((), screen))


def _help() -> str:
    names = ", ".join(command_line.command_names())
    return f"usage: ffenc lerobot COMMAND [LeRobot's flags]\n\n{_DESCRIPTION}\n\nLeRobot's commands here: {names}\n"
