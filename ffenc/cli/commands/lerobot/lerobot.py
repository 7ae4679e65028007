"""``ffenc lerobot``: LeRobot's own commands, with ffenc as their encoder."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from inspect import getdoc

from ffenc.cli.commands.lerobot.flags import lerobot
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.usage_errors import quoted_words
from ffenc.lerobot import command_line

_WRONG_USAGE = 2


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


def _help() -> str:
    names = ", ".join(command_line.command_names())
    return f"usage: ffenc lerobot COMMAND [LeRobot's flags]\n\n{getdoc(lerobot)}\n\nLeRobot's commands here: {names}\n"
