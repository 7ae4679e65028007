"""``ffenc completion``: print a script that completes commands and flags in the user's shell."""

from __future__ import annotations

from argparse import ArgumentParser

from jsonargparse import Namespace

from ffenc.cli.command_tree import COMMANDS
from ffenc.cli.output.screen import Screen
from ffenc.errors import DependencyError
from ffenc.version import __version__

try:
    import shtab
except ImportError as err:
    raise DependencyError("shell completion needs shtab: pip install 'ffenc-video[completion]'") from err

_PATHS = ("CLIP", "DIR", "FILE", "INPUT", "OUTPUT", "PATH", "ROOT")
"""Placeholders of arguments that are completed as file names."""


def run(arguments: Namespace, screen: Screen) -> None:
    """Print the script."""
    script = shtab.complete(_whole_parser(), shell=arguments.shell)
    if screen.as_json:
        screen.result({"shell": arguments.shell, "script": script})
    else:
        screen.lines(script)


def _whole_parser() -> ArgumentParser:
    """Make a parser of the whole command line, with the flags of every command."""
    top = ArgumentParser(prog="ffenc")
    top.add_argument("--version", action="version", version=__version__, help="show the version and exit")
    branches = {"": top.add_subparsers()}
    for name, row in COMMANDS.items():
        group, _, last = name.rpartition(" ")
        if group not in branches:
            branches[group] = branches[""].add_parser(group, help=f"commands for {group}").add_subparsers()
        parser = branches[group].add_parser(last, parents=[row.parser()], add_help=False, help=row.summary)
        for action in parser._actions:  # noqa: SLF001  argparse has no public list of them
            if action.metavar in _PATHS:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    return top
