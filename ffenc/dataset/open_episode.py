"""The episode that is being recorded: its directory, and its rows in memory and on disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from ffenc.config import VideoEncoderConfig
from ffenc.dataset.atomic import make_directory
from ffenc.dataset.commit import RECORDING
from ffenc.dataset.layout import DatasetLayout
from ffenc.dataset.recovery import PLAN, ROWS
from ffenc.dataset.rows import EpisodeRows, RowLog, given_columns
from ffenc.dataset.schema import DatasetInfo
from ffenc.streaming.ledger import Drop


class OpenEpisode:
    """Made when an episode begins; the cameras write into its directory.

    Attributes:
        directory: where all of it is until it joins the dataset.
        rows: what was added so far.
        log: the same on disk.
    """

    def __init__(
        self, root: Path, info: DatasetInfo, configs: Mapping[str, VideoEncoderConfig], *, number: int
    ) -> None:
        """Make the directory.

        Args:
            root: the dataset.
            info: of the dataset.
            configs: what the cameras are encoded with, for whoever has to recover this.
            number: of the episode, for people; it gets its real one when it joins.

        Raises:
            OutputError: the file system refused.
        """
        self.directory = DatasetLayout(root=root).own / RECORDING / f"{number:06d}-{os.urandom(4).hex()}"
        make_directory(self.directory)
        plan = {name: config.model_dump(mode="json", exclude_unset=True) for name, config in configs.items()}
        (self.directory / PLAN).write_bytes(orjson.dumps({"cameras": plan}))
        self.rows = EpisodeRows(info=info)
        self.log = RowLog(self.directory / ROWS)
        self._columns = tuple(given_columns(info))

    def add(self, frame: Mapping[str, Any], task: str) -> None:
        """Add a row that was checked."""
        self.log.add(frame, task, self._columns)
        self.rows.add(frame, task)

    def add_drop(self, drop: Drop) -> None:
        """Note a time step that was left out."""
        self.log.add_drop(drop)

    def discard(self) -> None:
        """Remove all of it."""
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)
