"""Read the command line and run the command that it names."""

from __future__ import annotations

import difflib
import re
import shlex
import sys
from argparse import ArgumentError
from collections.abc import Sequence

from ffenc.cli.command_tree import ALIASES, COMMANDS, help_parser

WRONG_USAGE = 2


def dispatch(words: Sequence[str]) -> int:
    """Run the command that a command line names.

    Args:
        words: the words after ``ffenc``.

    Returns:
        The exit status of the command, or `WRONG_USAGE` after an explanation.

    Raises:
        FFencError: the work failed.
        SystemExit: for ``--help`` and ``--version``.
    """
    name, rest = split_command(words)
    if name and COMMANDS[name].is_foreign:
        from ffenc.cli.output.screen import Screen

        return COMMANDS[name].run_words(rest, Screen.of(as_json=False))
    if name:
        return _run(name, rest)
    if words and words[0] in ("-h", "--help", "--version"):
        help_parser().parse_args(words[:1])
    groups = {command.partition(" ")[0] for command in COMMANDS if " " in command}
    if not words or (words[0] in groups and (len(words) == 1 or words[1].startswith("-"))):
        help_parser().print_help(sys.stderr)
        return WRONG_USAGE
    return _refuse("ffenc", _unknown(words, groups))


def split_command(words: Sequence[str]) -> tuple[str, list[str]]:
    """Return the name of the command, without aliases, and the words after it; an empty name if there is none."""
    for length in (2, 1):
        name = " ".join(words[:length])
        name = ALIASES.get(name, name)
        if name in COMMANDS:
            return name, list(words[length:])
    return "", list(words)


def _run(name: str, words: list[str]) -> int:
    from ffenc.cli.parsing.arguments import UsageError, flags_first
    from ffenc.cli.parsing.usage_errors import explain, quoted_words

    parser = COMMANDS[name].parser()
    note = ""
    if name == "record" and (quoted := quoted_words(words)) is not None:
        # LeRobot's documentation prints its command without the quotes; other commands ask for them.
        note = f"a dictionary without quotes, read as: {shlex.join(['ffenc', name, *quoted])}"
        words = quoted
    try:
        arguments = parser.parse_args(flags_first(words))
        # After parsing, so that --help does not import rich.
        from ffenc.cli.output.logs import logging_to
        from ffenc.cli.output.screen import Screen

        screen = Screen.of(as_json=arguments.json)
        if note:
            screen.note(note)
        with logging_to(screen.err, verbose=arguments.verbose):
            return COMMANDS[name].run(arguments, screen)
    except (ArgumentError, UsageError) as err:
        flags = re.findall(r"--[\w.-]+", parser.format_help()) + getattr(parser, "camera_flags", [])
        return _refuse(f"ffenc {name}", explain(str(err), name, words, flags=flags))


def _unknown(words: Sequence[str], groups: set[str]) -> str:
    if words[0].startswith("-"):
        return f"unknown flag {words[0]}; write flags after the command, as in ffenc probe --json"
    name = " ".join(words[:2]) if words[0] in groups else words[0]
    near = difflib.get_close_matches(name, [*COMMANDS, *ALIASES], n=1)
    hint = f"did you mean {near[0]}?" if near else "ffenc --help lists the commands"
    return f"unknown command {name!r}; {hint}"


def _refuse(title: str, message: str) -> int:
    from ffenc.cli.output.screen import Screen

    Screen.of(as_json=False).failure(title, message)
    return WRONG_USAGE
