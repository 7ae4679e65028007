"""``ffenc remove-features``: remove features of a dataset."""

from __future__ import annotations

from jsonargparse import Namespace

from ffenc.cli.commands.dataset.rewrite import show_rewrite
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import call
from ffenc.dataset.transform.features import remove_features


def run(arguments: Namespace, screen: Screen) -> None:
    """Remove features of a dataset, and print the changes."""
    show_rewrite(screen, call(remove_features, arguments))
