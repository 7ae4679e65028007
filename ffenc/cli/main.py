"""The tree of commands, and what becomes of an error.

Exit status: 0 it worked; 1 the work failed; 2 the command line or a setting in it is wrong; 130 interrupted; 141 nobody
reads standard output any more; 128 + n ended by signal n.
"""

from __future__ import annotations

import os
import re
import sys
from argparse import ArgumentError, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence

from jsonargparse import ArgumentParser, Namespace

import ffenc
from ffenc.cli import concat, demo, encode, images, info, probe, reencode
from ffenc.cli.arguments import Command, UsageError
from ffenc.cli.endings import signals_as_exceptions
from ffenc.cli.logs import logging_to
from ffenc.cli.mistakes import explain
from ffenc.cli.screen import Screen, tolerate_any_name
from ffenc.cli.values import PARSER_MODE
from ffenc.errors import FFencError

FAILED, WRONG_USAGE, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141

_MODULES = (probe, encode, images, reencode, concat, info, demo)

_DESCRIPTION = """\
Camera frames into verified video files, through FFmpeg.

A file appears under its name only after it was read back: every frame is in it, each at exactly k/fps seconds."""

_EPILOG = """\
examples:
  ffenc demo                                   make a small video and look at every step
  ffenc probe --size=640x480                   which encoders really work on this machine
  ffenc images frames/ out.mp4 --fps=30        numbered PNG or JPEG files
  ffenc reencode in.mp4 out.mp4 --start=30 --end=90 --camera_encoder.vcodec=h264

ffenc COMMAND --help describes a command. FFENC_FFMPEG and FFENC_FFPROBE name the executables to use."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words behind ``ffenc``; None takes those of this process.

    Returns:
        The exit status.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    tolerate_any_name()
    try:
        with signals_as_exceptions():
            status = _dispatch(words)
            sys.stdout.flush()
    except SystemExit as err:  # from --help, --version, or a signal
        return err.code if isinstance(err.code, int) else 0
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes standard output once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return status


def command_tree() -> tuple[ArgumentParser, Mapping[str, Command]]:
    """The parser of the whole command line, and every command by each of its names."""
    top = ArgumentParser(
        prog="ffenc",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        parser_mode=PARSER_MODE,
        version=ffenc.__version__,
        exit_on_error=False,
        allow_abbrev=False,
    )
    tree = top.add_subcommands(dest="command", required=True, title="commands", metavar="COMMAND", description=None)
    commands: dict[str, Command] = {}
    for module in _MODULES:
        command = module.command()
        tree.add_subcommand(command.name, command.parser, help=command.summary, aliases=list(command.aliases))
        commands |= dict.fromkeys((command.name, *command.aliases), command)
    return top, commands


def _dispatch(words: list[str]) -> int:
    top, commands = command_tree()
    screen = Screen.of(as_json="--json" in words)
    if not words:
        top.print_help(sys.stderr)
        return WRONG_USAGE
    try:
        parsed = top.parse_args(words)
    except ArgumentError as err:
        command = commands.get(words[0])
        flags = re.findall(r"--[\w.-]+", command.parser.format_help()) if command else ()
        return _wrong(screen, words, explain(str(err), words, flags=flags, commands=commands))
    try:
        return _run(commands[parsed.command], parsed[parsed.command])
    except UsageError as err:
        return _wrong(screen, words, explain(str(err), words, flags=(), commands=commands))


def _run(command: Command, arguments: Namespace) -> int:
    screen = Screen.of(as_json=arguments.json)
    try:
        with logging_to(screen.err, verbose=arguments.verbose):
            command.run(arguments, screen)
    except BrokenPipeError:
        raise
    except (FFencError, OSError) as err:
        screen.failure(f"ffenc {command.name} failed", str(err))
        return FAILED
    return 0


def _wrong(screen: Screen, words: Sequence[str], message: str) -> int:
    screen.failure(f"ffenc {words[0]}" if not words[0].startswith("-") else "ffenc", message)
    return WRONG_USAGE
