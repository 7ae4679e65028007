"""Copy files that are not part of LeRobot's format, such as README.md and meta/modality.json, into a new dataset.

In-place changes keep such files with `ffenc.dataset.transform.in_place.copy_unchanged`.
"""

from __future__ import annotations

import filecmp
import logging
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from ffenc.dataset.storage.atomic_file import unfinished_files
from ffenc.dataset.transform.source import DatasetSource

logger = logging.getLogger(__name__)

_SERIES = ("data", "videos", "images", "meta/episodes", "meta/ffenc")
"""Directories of LeRobot's format, of its recorder and of ffenc."""

_OF_OLD_FORMATS = ("meta/episodes.jsonl", "meta/episodes_stats.jsonl", "meta/tasks.jsonl")
"""Files of LeRobot 2 about each episode, which would be wrong for other episodes."""


def companions(source: DatasetSource) -> list[Path]:
    """Return the other files of a dataset, relative to its root; hidden directories such as a download cache are skipped."""
    root, layout = source.root, source.layout
    known = {layout.info, layout.stats, layout.tasks, *unfinished_files(root)}
    known |= {root / name for name in (*_SERIES, *_OF_OLD_FORMATS)}
    known |= {layout.video(key, file) for key, files in source.videos.items() for file in files}
    return [path.relative_to(root) for path in _files(root, known)]


def copy_companions(source: DatasetSource, root: Path) -> None:
    """Copy the other files of a single source, except those that exist, which were rewritten."""
    for name in companions(source):
        _copy(source.root / name, root / name)


def copy_common_companions(sources: Sequence[DatasetSource], root: Path) -> None:
    """Copy the files that are equal in all sources, except those that exist; a warning names the others."""
    found = [set(companions(source)) for source in sources]
    others = []
    for name in sorted(set().union(*found)):
        if (root / name).exists():
            continue
        paths = [source.root / name for source in sources]
        if all(name in names for names in found) and all(filecmp.cmp(paths[0], path, shallow=False) for path in paths):
            _copy(paths[0], root / name)
        else:
            others.append(str(name))
    if others:
        logger.warning("not copied, because they differ or are not in every dataset: %s", ", ".join(others))


def _files(directory: Path, known: set[Path]) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path in known:
            continue
        if path.is_file():
            yield path
        elif not path.name.startswith("."):
            yield from _files(path, known)


def _copy(source: Path, target: Path) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
