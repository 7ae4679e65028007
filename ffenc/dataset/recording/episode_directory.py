"""The directory of one episode until it joins its dataset: its place, and the names of its files.

An episode is recorded in ``meta/ffenc/recording/<name>``; one that could not join is in ``meta/ffenc/kept/<name>``.  Both
hold the rows, the settings of the cameras, and for each camera its video, its hidden recording, its spooled frames, or its
images.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from ffenc.config import VideoEncoderConfig
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.recording.commit import COMMIT, KEPT, RECORDING
from ffenc.dataset.storage.atomic_file import make_directory
from ffenc.dataset.storage.new_directory import sync_tree
from ffenc.errors import OutputError
from ffenc.regular_files import DOCUMENT_BYTES, read_regular
from ffenc.video.output import sync
from ffenc.video.recording import is_held

logger = logging.getLogger(__name__)

_ROWS, _PLAN, _REASON = "rows.jsonl", "recording.json", "reason.txt"
_RESTORED = "-restored"
_REASON_CHARACTERS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeDirectory:
    """The directory of one episode.

    Attributes:
        path: the directory.
    """

    path: Path

    @classmethod
    def create(cls, root: Path, number: int, configs: Mapping[str, VideoEncoderConfig]) -> EpisodeDirectory:
        """Make the directory of an episode that begins.

        Args:
            root: the dataset.
            number: of the episode, for the name only; the episode gets its real number when it joins.
            configs: what the cameras are encoded with, for recovery.

        Raises:
            OutputError: the file system refused; nothing is left then.
        """
        made = cls(path=DatasetLayout(root=root).own / RECORDING / f"{number:06d}-{os.urandom(4).hex()}")
        plan = {name: config.model_dump(mode="json", exclude_unset=True) for name, config in configs.items()}
        make_directory(made.path)
        try:
            made._plan.write_bytes(orjson.dumps({"cameras": plan}))
        except OSError as err:
            made.remove()
            raise OutputError(f"cannot write into {made.path}: {err.strerror}", path=made.path) from err
        return made

    @classmethod
    def left_in(cls, root: Path) -> list[EpisodeDirectory]:
        """Return those that remain in a dataset while nothing is recorded, without interrupted commits; sorted."""
        own = DatasetLayout(root=root).own
        paths = sorted(path for name in (RECORDING, KEPT) for path in (own / name).glob("*") if path.is_dir())
        found = [cls(path=path) for path in paths]
        return [each for each in found if not each.is_committing]

    @property
    def rows(self) -> Path:
        """The log of its time steps, see `ffenc.dataset.recording.rows.RowLog`."""
        return self.path / _ROWS

    @property
    def is_kept(self) -> bool:
        """Whether it was moved aside because the episode could not join."""
        return self.path.parent.name == KEPT

    @property
    def is_committing(self) -> bool:
        """Whether its files are on their way into the dataset, see `ffenc.dataset.recording.commit`."""
        return (self.path / COMMIT).exists()

    @property
    def is_useless(self) -> bool:
        """Whether no time step was recorded, or it only holds copies that an interrupted recovery made.

        A step is in the log before any camera has it.
        """
        if self.path.name.endswith(_RESTORED):
            return True
        try:
            return not self.is_kept and self.rows.stat().st_size == 0
        except FileNotFoundError:
            return True

    @property
    def is_held(self) -> bool:
        """Whether a living process is recording it."""
        try:
            return is_held(self.rows)
        except OSError:
            return False

    @property
    def restored(self) -> EpisodeDirectory:
        """The directory for what is made of this one."""
        return EpisodeDirectory(path=self.path.with_name(self.path.name + _RESTORED))

    def plans(self) -> dict[str, Any]:
        """Return the settings of each camera, as JSON; empty if a crash or a full disk left none."""
        try:
            cameras = orjson.loads(read_regular(self._plan, most_bytes=DOCUMENT_BYTES))["cameras"]
        except (OSError, ValueError, TypeError, KeyError):
            return {}
        return cameras if isinstance(cameras, dict) else {}

    def reason(self) -> str:
        """Return why it did not join."""
        try:
            lines = read_regular(self.path / _REASON).decode("utf-8", "replace")[:_REASON_CHARACTERS].splitlines()
        except OSError:
            lines = []
        unknown = "the reason was not written" if self.is_kept else "its recorder was killed"
        return next((line.strip() for line in lines if line.strip()), unknown)

    def keep_aside(self, reason: str) -> EpisodeDirectory:
        """Move it to where episodes that did not join are found again.

        Returns:
            Its new place.

        Raises:
            OutputError: the file system refused; it is where it was.
        """
        kept = self.path.parent.parent / KEPT / self.path.name
        make_directory(kept.parent)
        try:
            said = reason.replace(str(self.path), str(kept))
            (self.path / _REASON).write_text(said + "\n", encoding="utf-8", errors="replace")
        except OSError as err:  # a full disk; the episode matters more
            logger.warning("cannot write why %s was kept (%s): %s", kept, err.strerror, reason)
        try:
            sync_tree(self.path)
            self.path.rename(kept)
            sync(self.path.parent)
            sync(kept.parent)
        except OSError as err:
            raise OutputError(f"cannot move {self.path} to {kept}: {err.strerror}", path=self.path) from err
        return EpisodeDirectory(path=kept)

    def remove(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.path, ignore_errors=True)

    @property
    def _plan(self) -> Path:
        return self.path / _PLAN
