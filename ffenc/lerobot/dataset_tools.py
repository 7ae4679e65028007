"""Wrap LeRobot's functions that write a new dataset: check a merge before it writes, and leave no incomplete dataset.

``own`` is LeRobot's function; `ffenc.lerobot.installation` passes it first.
"""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from typing import Any

from ffenc.ffmpeg.binaries import find_binaries
from ffenc.lerobot.video_files import check_joinable
from ffenc.video.clip import measure_clips

_MIB = 1024**2

_created: ContextVar[list[Path] | None] = ContextVar("created", default=None)
"""Directories of new datasets that the running function created; None outside of such a function."""

_joined_up_to_bytes: ContextVar[float] = ContextVar("joined_up_to_bytes", default=0.0)
"""Size at which the running merge begins another file; 0 if it joins nothing."""


def create_metadata(own: Callable[..., Any], cls: type, *arguments: Any, **options: Any) -> Any:
    """Note the directory of a new dataset; wraps ``LeRobotDatasetMetadata.create``."""
    metadata = own(cls, *arguments, **options)
    created = _created.get()
    if created is not None:
        created.append(Path(metadata.root))
    return metadata


def completed_or_removed(own: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Remove the new datasets of a function that fails or is interrupted."""
    if _created.get() is not None:
        return own(*arguments, **options)
    created: list[Path] = []
    token = _created.set(created)
    try:
        return own(*arguments, **options)
    except BaseException:
        for root in created:
            shutil.rmtree(root, ignore_errors=True)
        raise
    finally:
        _created.reset(token)


def aggregate_datasets(own: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Merge completely or not at all; wraps the function of this name."""
    given = inspect.signature(own).bind(*arguments, **options)
    given.apply_defaults()
    limit_mb = given.arguments["video_files_size_in_mb"]
    if limit_mb is None:
        limit_mb = import_module("lerobot.datasets.utils").DEFAULT_VIDEO_FILE_SIZE_IN_MB
    token = _joined_up_to_bytes.set(limit_mb * _MIB if given.arguments["concatenate_videos"] else 0.0)
    try:
        return completed_or_removed(own, *arguments, **options)
    finally:
        _joined_up_to_bytes.reset(token)


def validate_all_metadata(own: Callable[..., Any], all_metadata: Sequence[Any]) -> Any:
    """Also compare the videos that a merge joins, before it writes; wraps the function of this name.

    Raises:
        ConcatError: videos of one camera cannot be joined; a ValueError.
        InputError: a video has audio, a variable rate, or a start other than 0; a ValueError.
    """
    validated = own(all_metadata)
    for key in all_metadata[0].video_keys:
        for paths in _joined_files([path for each in all_metadata for path in _video_files(each, key)]):
            if len(paths) > 1:
                check_joinable([clip.stream for clip in measure_clips(paths, binaries=find_binaries())])
    return validated


def _video_files(metadata: Any, key: str) -> list[Path]:
    """Return the files of a camera in the order in which LeRobot merges them."""
    columns = (metadata.episodes[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index"))
    template = import_module("lerobot.datasets.utils").DEFAULT_VIDEO_PATH
    return [
        metadata.root / template.format(video_key=key, chunk_index=chunk, file_index=file)
        for chunk, file in sorted(set(zip(*columns, strict=True)))
    ]


def _joined_files(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield groups of files that LeRobot joins into one."""
    limit = _joined_up_to_bytes.get()
    group: list[Path] = []
    size = 0
    for path in paths:
        more = path.stat().st_size
        if group and size + more >= limit:
            yield group
            group, size = [], 0
        group.append(path)
        size += more
    yield group
