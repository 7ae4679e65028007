"""The tree of commands."""

from __future__ import annotations

import re
import shlex
import sys
from argparse import ArgumentError, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence

from jsonargparse import ArgumentParser

import ffenc
from ffenc.cli import (
    bench,
    concat,
    convert,
    delete_episodes,
    demo,
    encode,
    images,
    images_to_video,
    info,
    jobs_commit,
    jobs_plan,
    jobs_run,
    jobs_status,
    merge,
    preview,
    probe,
    recommend,
    record,
    reencode,
    reencode_dataset,
    repair,
    salvage,
    split,
    verify,
)
from ffenc.cli.arguments import Command, UsageError, flags_first
from ffenc.cli.logs import logging_to
from ffenc.cli.mistakes import explain, quoted_words
from ffenc.cli.screen import Screen
from ffenc.cli.values import PARSER_MODE

WRONG_USAGE = 2

_MODULES = (
    probe, record, convert, salvage, encode, images, reencode, concat, info, preview, verify, repair, merge, delete_episodes,
    split, reencode_dataset, images_to_video, jobs_plan, jobs_run, jobs_status, jobs_commit, recommend, bench, demo,
)  # fmt: skip

_GROUP = "jobs"
"""The first word of commands of two words; ``jobs run`` is the parser ``jobs-run``."""

_DESCRIPTION = """\
Camera frames into verified video files, through FFmpeg.

A file appears under its name only after it was read back: every frame is in
it, each at exactly k/fps seconds."""

_EPILOG = """\
examples:
  ffenc demo                                 make a small video and look at every step
  ffenc probe --size=640x480                 which encoders really work on this machine
  ffenc images frames/ out.mp4 --fps=30      numbered PNG or JPEG files
  ffenc record --dataset.repo_id=me/cubes --dataset.single_task="Grab the cube" \\
      --cameras='{laptop: {type: ffmpeg, source: /dev/video0, fps: 30}}'
  ffenc verify dataset/ --level=decode       every fault of a LeRobot dataset
  ffenc merge monday/ tuesday/ --output=week/   one dataset of several, no frame encoded again
  ffenc reencode in.mp4 out.mp4 --start=30 --end=90 --camera_encoder.vcodec=h264

ffenc COMMAND --help describes a command.
FFENC_FFMPEG and FFENC_FFPROBE name the executables to use."""


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
    branches = top.add_subcommands(dest="command", required=True, title="commands", metavar="COMMAND", description=None)
    commands: dict[str, Command] = {}
    for module in _MODULES:
        command = module.command()
        branches.add_subcommand(command.name, command.parser, help=command.summary, aliases=list(command.aliases))
        commands |= dict.fromkeys((command.name, *command.aliases), command)
    return top, commands


def _one_word(words: Sequence[str]) -> list[str]:
    """Join the words of a command that has two of them; a group by itself shows all commands."""
    if list(words[:1]) != [_GROUP]:
        return list(words)
    if len(words) == 1 or words[1].startswith("-"):
        return list(words[1:])
    return [f"{words[0]}-{words[1]}", *words[2:]]


def dispatch(words: Sequence[str]) -> int:
    """Read the command line and run the command.

    Args:
        words: the words behind ``ffenc``.

    Returns:
        The command's own status, 0 for most; or `WRONG_USAGE`, which was explained then.

    Raises:
        FFencError: the work failed.
        SystemExit: for ``--help`` and ``--version``.
    """
    top, commands = command_tree()
    words = _one_word(words)
    if not words:
        top.print_help(sys.stderr)
        return WRONG_USAGE
    if words[0] == "record" and (quoted := quoted_words(words)) is not None:
        # LeRobot's documentation prints its command without the quotes; other commands ask for them.
        note = f"a dictionary without quotes, read as: {shlex.join(['ffenc', *quoted])}"
        Screen.of(as_json="--json" in words).note(note)
        words = quoted
    try:
        parsed = top.parse_args([words[0], *flags_first(words[1:])] if words[0] in commands else list(words))
        command, arguments = commands[parsed.command], parsed[parsed.command]
        screen = Screen.of(as_json=arguments.json)
        with logging_to(screen.err, verbose=arguments.verbose):
            status = command.run(arguments, screen)
    except (ArgumentError, UsageError) as err:
        named = commands.get(words[0])
        flags = re.findall(r"--[\w.-]+", (named.parser if named else top).format_help())
        message = explain(str(err), words, flags=flags, commands=commands)
        Screen.of(as_json=False).failure(f"ffenc {words[0]}" if named else "ffenc", message)
        return WRONG_USAGE
    return status or 0
