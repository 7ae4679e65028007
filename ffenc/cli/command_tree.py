"""The tree of commands."""

from __future__ import annotations

import re
import shlex
import sys
from argparse import ArgumentError, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from jsonargparse import ArgumentParser

from ffenc.cli.output.logs import logging_to
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import Command, UsageError, flags_first
from ffenc.cli.parsing.usage_errors import explain, quoted_words
from ffenc.cli.parsing.values import PARSER_MODE
from ffenc.version import __version__

WRONG_USAGE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRow:
    """What is known of a command before its module is loaded.

    Attributes:
        summary: one line for the list of commands.
        module: name of its module in ``ffenc.cli.commands``, whose function ``command`` makes it.
        is_foreign: its arguments are another program's; the module has a function ``run_words`` instead.
    """

    summary: str
    module: str
    is_foreign: bool = False

    def load(self) -> Command:
        """Import the module, and what the command needs."""
        command: Command = import_module(f"ffenc.cli.commands.{self.module}").command()
        return command

    def run_words(self, words: Sequence[str], screen: Screen) -> int:
        """Run a command whose arguments are another program's."""
        status: int = import_module(f"ffenc.cli.commands.{self.module}").run_words(words, screen)
        return status


def _row(module: str, summary: str, *, is_foreign: bool = False) -> CommandRow:
    return CommandRow(module=module, summary=summary, is_foreign=is_foreign)


COMMANDS: Mapping[str, CommandRow] = {
    "probe": _row("video.probe", "which encoders work on this machine, and why the others do not"),
    "record": _row("record.record", "record a dataset from live cameras"),
    "lerobot": _row("lerobot.lerobot", "run a command of LeRobot, with ffenc as its encoder", is_foreign=True),
    "convert": _row("dataset.convert", "make a dataset from clips or images"),
    "salvage": _row("record.salvage", "recover what a crash left of a recording"),
    "encode": _row("video.encode", "encode a clip's frames, through numpy, into a new file"),
    "images": _row("video.images", "encode numbered image files into a video"),
    "reencode": _row("video.reencode", "re-encode a clip, or a range of its frames"),
    "concat": _row("video.concat", "concatenate clips without re-encoding"),
    "info": _row("video.info", "show what is in a media file, or in a dataset"),
    "preview": _row("dataset.preview", "make contact sheets of a dataset's episodes"),
    "verify": _row("dataset.verify", "find every fault of a dataset"),
    "repair": _row("dataset.repair", "repair the metadata of a dataset"),
    "merge": _row("dataset.merge", "merge datasets without re-encoding"),
    "delete-episodes": _row("dataset.delete_episodes", "make a dataset without some of its episodes"),
    "split": _row("dataset.split", "split a dataset into several"),
    "reencode-dataset": _row("dataset.reencode_dataset", "re-encode the videos of a dataset"),
    "images-to-video": _row("dataset.images_to_video", "turn the images of a dataset into video"),
    "jobs-plan": _row("jobs.plan", "print the jobs of re-encoding a dataset, as JSON lines"),
    "jobs-run": _row("jobs.run", "run the jobs of a file, here or on a cluster"),
    "jobs-status": _row("jobs.status", "show which jobs of a file are done"),
    "jobs-commit": _row("jobs.commit", "put together the dataset of finished jobs"),
    "recommend": _row("bench.recommend", "recommend settings for this machine"),
    "bench": _row("bench.bench", "sweep encoder settings over your footage"),
    "demo": _row("demo.demo", "record a small dataset from nothing, with every step shown"),
}
"""Every command by its name, in the order of ``ffenc --help``."""

ALIASES: Mapping[str, str] = {"doctor": "probe"}

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


def command_tree(*loaded: str) -> tuple[ArgumentParser, Mapping[str, Command]]:
    """Make the parser of the whole command line.

    Args:
        loaded: names of the commands whose arguments it can parse; the others are only listed, because importing what all
            of them need takes most of a second.

    Returns:
        The parser, and the loaded commands by name.
    """
    top = ArgumentParser(
        prog="ffenc",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        parser_mode=PARSER_MODE,
        version=__version__,
        exit_on_error=False,
        allow_abbrev=False,
    )
    branches = top.add_subcommands(dest="command", required=True, title="commands", metavar="COMMAND", description=None)
    commands = {name: COMMANDS[name].load() for name in loaded}
    for name, row in COMMANDS.items():
        parser = commands[name].parser if name in commands else ArgumentParser(parser_mode=PARSER_MODE)
        aliases = [alias for alias, meant in ALIASES.items() if meant == name]
        branches.add_subcommand(name, parser, help=row.summary, aliases=aliases)
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
    words = _one_word(words)
    name = ALIASES.get(words[0], words[0]) if words else ""
    if name in COMMANDS and COMMANDS[name].is_foreign:
        return COMMANDS[name].run_words(words[1:], Screen.of(as_json=False))
    top, commands = command_tree(*([name] if name in COMMANDS else []))
    if not words:
        top.print_help(sys.stderr)
        return WRONG_USAGE
    if words[0] == "record" and (quoted := quoted_words(words)) is not None:
        # LeRobot's documentation prints its command without the quotes; other commands ask for them.
        note = f"a dictionary without quotes, read as: {shlex.join(['ffenc', *quoted])}"
        Screen.of(as_json="--json" in words).note(note)
        words = quoted
    try:
        parsed = top.parse_args([words[0], *flags_first(words[1:])] if name in commands else list(words))
        command, arguments = commands[name], parsed[parsed.command]
        screen = Screen.of(as_json=arguments.json)
        with logging_to(screen.err, verbose=arguments.verbose):
            status = command.run(arguments, screen)
    except (ArgumentError, UsageError) as err:
        named = commands.get(name)
        flags = re.findall(r"--[\w.-]+", (named.parser if named else top).format_help())
        message = explain(str(err), words, flags=flags, commands={*COMMANDS, *ALIASES})
        Screen.of(as_json=False).failure(f"ffenc {words[0]}" if named else "ffenc", message)
        return WRONG_USAGE
    return status or 0
