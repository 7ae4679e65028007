"""Flags of the commands in this package."""

from __future__ import annotations

from jsonargparse import ArgumentParser

from ffenc.cli.parsing.arguments import add_flag, command

SHELLS = ("bash", "zsh", "fish")


@command("completion SHELL")
def completion(parser: ArgumentParser) -> None:
    """Print a script that completes words of ffenc command lines on TAB.

    It completes commands, flags, choices and file names. Write it where your shell
    looks for it:

      ffenc completion bash > ~/.local/share/bash-completion/completions/ffenc
      ffenc completion zsh > DIR/_ffenc             # DIR is a directory of $fpath
      ffenc completion fish > ~/.config/fish/completions/ffenc.fish

    Repeat it after an update of ffenc. bash needs the package bash-completion, or
    `source` of the file in ~/.bashrc.
    """
    add_flag(parser, "shell", SHELLS, f"one of {', '.join(SHELLS)}", metavar="SHELL")
