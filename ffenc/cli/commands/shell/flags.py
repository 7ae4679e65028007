"""Flags of the commands in this package."""

from __future__ import annotations

from jsonargparse import ArgumentParser

from ffenc.cli.parsing.arguments import command_parser

SHELLS = ("bash", "zsh", "fish")

_COMPLETION = """\
Print a script that completes ffenc's commands, flags, choices and file names on
TAB. Write it where your shell looks for it:

  ffenc completion bash > ~/.local/share/bash-completion/completions/ffenc
  ffenc completion zsh > DIR/_ffenc             # DIR is a directory of $fpath
  ffenc completion fish > ~/.config/fish/completions/ffenc.fish

Repeat it after an update of ffenc. bash needs the package bash-completion, or
`source` of the file in ~/.bashrc."""


def completion() -> ArgumentParser:
    """Make the parser of ``ffenc completion``."""
    parser = command_parser("completion SHELL", _COMPLETION)
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"one of {', '.join(SHELLS)}")
    return parser
