"""``ffenc add-features``: add columns of a table to a dataset."""

from __future__ import annotations

from jsonargparse import Namespace

from ffenc.cli.commands.dataset.rewrite import show_rewrite
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import call
from ffenc.dataset.transform.features import add_features


def run(arguments: Namespace, screen: Screen) -> None:
    """Add columns of a table to a dataset, and print the changes."""
    show_rewrite(screen, call(add_features, arguments, table=arguments["from"]))
