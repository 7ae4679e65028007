"""``ffenc modify-tasks``: change the tasks of a dataset."""

from __future__ import annotations

from jsonargparse import Namespace

from ffenc.cli.commands.dataset.rewrite import show_rewrite
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import call
from ffenc.dataset.transform.tasks import modify_tasks


def run(arguments: Namespace, screen: Screen) -> None:
    """Change the tasks of a dataset, and print the changes."""
    show_rewrite(screen, call(modify_tasks, arguments))
