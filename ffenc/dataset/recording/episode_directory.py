"""The directory of an episode that is not yet part of its dataset: where it is, and the names of its files.

An episode is recorded in ``meta/ffenc/recording/NUMBER-RANDOM``.  It moves to ``meta/ffenc/kept`` if it cannot be appended.
Recovery makes complete files in a sibling, ``NUMBER-RANDOM-restored``.

- ``rows.jsonl``: time steps, as rows and drops, see `ffenc.dataset.recording.rows`
- ``recording.json``: the encoder settings of every camera
- ``reason.txt``: why the episode was kept aside
- finished videos, folders of images, and hidden recordings of the cameras, named by `ffenc.streaming.parts`
- ``data.parquet``, ``episodes.parquet``, ``meta/``: tables and documents, staged for the commit
- ``commit.json``: the list of renames that makes the commit, see `ffenc.dataset.recording.commit`
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.format.paths import FixedPath
from ffenc.dataset.storage.atomic_file import make_directory
from ffenc.dataset.storage.new_directory import sync_tree
from ffenc.errors import OutputError
from ffenc.json_text import dump_json, load_json
from ffenc.regular_files import DOCUMENT_BYTES, read_regular
from ffenc.streaming.parts import find_video, images_path, video_path
from ffenc.video.output import sync
from ffenc.video.recording import is_held

if TYPE_CHECKING:
    from ffenc.config import VideoEncoderConfig

logger = logging.getLogger(__name__)

_RECORDING, _KEPT, _RESTORED = "recording", "kept", "-restored"
_REASON_CHARACTERS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeDirectory:
    """The directory of one episode.

    Attributes:
        path: the directory.
    """

    path: Path

    rows = FixedPath("rows.jsonl", of="path")
    """The log of time steps."""
    data = FixedPath("data.parquet", of="path")
    """The staged data file."""
    episodes = FixedPath("episodes.parquet", of="path")
    """The staged file of the table of episodes."""
    commit_list = FixedPath("commit.json", of="path")
    """The list of renames of its commit."""
    _settings = FixedPath("recording.json", of="path")
    _reason = FixedPath("reason.txt", of="path")

    @classmethod
    def create(cls, root: Path, number: int, configs: Mapping[str, VideoEncoderConfig]) -> EpisodeDirectory:
        """Make the directory of a new episode; `sync_names` makes it durable.

        Args:
            root: the dataset.
            number: shown in the name only; the episode gets its final number when it is appended.
            configs: encoder settings of the cameras, for recovery.

        Raises:
            OutputError: the file system refused; nothing is left.
        """
        made = cls(path=DatasetLayout(root=root).own / _RECORDING / f"{number:06d}-{os.urandom(4).hex()}")
        settings = {name: config.model_dump(mode="json", exclude_unset=True) for name, config in configs.items()}
        try:
            made.path.mkdir(parents=True)
        except OSError as err:
            raise OutputError(f"cannot create the directory {made.path}: {err.strerror}", path=made.path) from err
        try:
            made._settings.write_bytes(dump_json({"cameras": settings}))
        except OSError as err:
            made.remove()
            raise OutputError(f"cannot write into {made.path}: {err.strerror}", path=made.path) from err
        return made

    def sync_names(self) -> None:
        """Sync the names of its files, and of the directory itself and its parents in the dataset."""
        for directory in (self.path, *self.path.parents[:3]):
            sync(directory)

    @classmethod
    def uncommitted_in(cls, root: Path) -> list[EpisodeDirectory]:
        """Return the directories of a dataset whose commit has not begun, sorted; one may still be recorded."""
        return [found for found in cls._all_in(root) if not found.is_committing]

    @classmethod
    def committing_in(cls, root: Path) -> list[EpisodeDirectory]:
        """Return the directories of a dataset whose commit was interrupted, sorted."""
        return [found for found in cls._all_in(root) if found.is_committing]

    @classmethod
    def _all_in(cls, root: Path) -> list[EpisodeDirectory]:
        own = DatasetLayout(root=root).own
        paths = (path for name in (_RECORDING, _KEPT) for path in (own / name).glob("*") if path.is_dir())
        return [cls(path=path) for path in sorted(paths)]

    @property
    def restored(self) -> EpisodeDirectory:
        """The directory in which recovery makes complete files."""
        return EpisodeDirectory(path=self.path.with_name(self.path.name + _RESTORED))

    @property
    def original(self) -> EpisodeDirectory | None:
        """The directory that recovery made this one from; None for any other."""
        name = self.path.name.removesuffix(_RESTORED)
        return None if name == self.path.name else EpisodeDirectory(path=self.path.with_name(name))

    def new_video(self, camera: str, suffix: str) -> Path:
        """Return the name of a camera's finished video."""
        return video_path(self.path, camera, suffix)

    def video(self, camera: str) -> Path | None:
        """Return a camera's finished video, or None."""
        return find_video(self.path, camera)

    def images(self, camera: str) -> Path:
        """Return the folder of a camera's images."""
        return images_path(self.path, camera)

    @property
    def is_kept(self) -> bool:
        """Whether it was kept aside because the episode could not be appended."""
        return self.path.parent.name == _KEPT

    @property
    def is_committing(self) -> bool:
        """Whether its commit has begun."""
        return self.commit_list.exists()

    @property
    def is_useless(self) -> bool:
        """Whether it has no time step, or only copies that an interrupted recovery made.

        A step is logged before any camera has it.
        """
        if self.original is not None:
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

    def settings(self) -> dict[str, Any]:
        """Return the encoder settings of each camera as JSON; empty if a crash or a full disk left none."""
        try:
            cameras = load_json(read_regular(self._settings, most_bytes=DOCUMENT_BYTES))["cameras"]
        except (OSError, ValueError, TypeError, KeyError):
            return {}
        return cameras if isinstance(cameras, dict) else {}

    def reason(self) -> str:
        """Return why it was not appended."""
        try:
            lines = read_regular(self._reason).decode("utf-8", "replace")[:_REASON_CHARACTERS].splitlines()
        except OSError:
            lines = []
        unknown = "the reason was not written" if self.is_kept else "its recorder was killed"
        return next((line.strip() for line in lines if line.strip()), unknown)

    def keep_aside(self, reason: str) -> EpisodeDirectory:
        """Move it to the episodes that could not be appended, and return its new place.

        Raises:
            OutputError: the file system refused; the directory has not moved.
        """
        kept = EpisodeDirectory(path=self.path.parent.parent / _KEPT / self.path.name)
        make_directory(kept.path.parent)
        try:
            text = reason.replace(str(self.path), str(kept.path))
            self._reason.write_text(text + "\n", encoding="utf-8", errors="replace")
        except OSError as err:  # a full disk; the episode matters more
            logger.warning("cannot write why %s was kept (%s): %s", kept.path, err.strerror, reason)
        try:
            sync_tree(self.path)
            self.path.rename(kept.path)
            sync(self.path.parent)
            sync(kept.path.parent)
        except OSError as err:
            raise OutputError(f"cannot move {self.path} to {kept.path}: {err.strerror}", path=self.path) from err
        return kept

    def remove(self) -> None:
        """Remove it with all its files."""
        shutil.rmtree(self.path, ignore_errors=True)
