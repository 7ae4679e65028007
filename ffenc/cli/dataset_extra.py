"""What needs the extra ``dataset``: loaded when a command runs, so that all others do without it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from ffenc.dataset.episode_table import EpisodeTable
    from ffenc.dataset.recorder import DatasetRecorder


def recorder_class() -> type[DatasetRecorder]:
    """`ffenc.dataset.recorder.DatasetRecorder`.

    Raises:
        DependencyError: the extra is not installed.
    """
    return cast("type[DatasetRecorder]", import_module("ffenc.dataset.recorder").DatasetRecorder)


def table_reader() -> Callable[[Path], EpisodeTable]:
    """`ffenc.dataset.episode_table.read_episode_table`.

    Raises:
        DependencyError: the extra is not installed.
    """
    return cast("Callable[[Path], EpisodeTable]", import_module("ffenc.dataset.episode_table").read_episode_table)


def dataset_module(name: str) -> ModuleType:
    """A module of `ffenc.dataset`, by its name in there.

    Raises:
        DependencyError: the extra is not installed.
    """
    return import_module(f"ffenc.dataset.{name}")
