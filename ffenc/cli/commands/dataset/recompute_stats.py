"""``ffenc recompute-stats``: compute the statistics of a dataset again."""

from __future__ import annotations

from jsonargparse import Namespace

from ffenc.cli.commands.dataset.rewrite import show_rewrite
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import call
from ffenc.dataset.transform.recompute_stats import recompute_stats


def run(arguments: Namespace, screen: Screen) -> None:
    """Compute the statistics of a dataset again, and print the changes."""
    show_rewrite(screen, call(recompute_stats, arguments))
