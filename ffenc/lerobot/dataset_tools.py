"""Wrap LeRobot's functions that write a new dataset: check a merge before it writes, and leave no incomplete dataset.

``own`` is LeRobot's function; `ffenc.lerobot.installation` passes it first.
"""

from __future__ import annotations

import functools
import inspect
import shutil
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from typing import Any

from ffenc.errors import ConcatError, LeRobotError
from ffenc.ffmpeg.binaries import find_binaries
from ffenc.lerobot.merge_joins import MergeJoins
from ffenc.lerobot.video_files import check_joinable, concatenate_video_files
from ffenc.video.clip import measure_clips

_MIB = 1024**2

_created: ContextVar[list[Path] | None] = ContextVar("created", default=None)
"""Directories of new datasets that the running function created; None outside of such a function."""

_joins: ContextVar[MergeJoins | None] = ContextVar("joins", default=None)
"""Videos of the running merge; None outside of a merge."""


def create_metadata(own: Callable[..., Any], cls: type, *arguments: Any, **options: Any) -> Any:
    """Create the directory of a new dataset completely or not at all, and begin to join the videos of a merge.

    Wraps ``LeRobotDatasetMetadata.create``.
    """
    root = _new_root(own, cls, *arguments, **options)
    is_new = not root.exists()
    try:
        metadata = own(cls, *arguments, **options)
    except FileExistsError:  # another process may have created it meanwhile
        raise
    except BaseException:
        if is_new:
            shutil.rmtree(root, ignore_errors=True)
        raise
    created = _created.get()
    if created is not None:
        created.append(root)
    joins = _joins.get()
    if joins is not None:
        joins.begin(root)
    return metadata


def _new_root(own: Callable[..., Any], *arguments: Any, **options: Any) -> Path:
    given = inspect.signature(own).bind(*arguments, **options).arguments
    root = given.get("root")
    home = import_module("lerobot.datasets.dataset_metadata").HF_LEROBOT_HOME
    return Path(home / given["repo_id"] if root is None else root)


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
    """Merge completely or not at all, and join videos while the tables are written; wraps the function of this name."""
    return completed_or_removed(functools.partial(_merge, own), *arguments, **options)


def _merge(own: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    given = inspect.signature(own).bind(*arguments, **options)
    given.apply_defaults()
    repo_ids, roots = given.arguments["repo_ids"], given.arguments["roots"]
    if roots is not None and len(roots) != len(repo_ids):
        raise LeRobotError(f"a merge needs one root for each repo_id, but got {len(roots)} for {len(repo_ids)}")
    utils = import_module("lerobot.datasets.utils")
    limit_mb, files_per_chunk = (
        default if given.arguments[name] is None else given.arguments[name]
        for name, default in (
            ("video_files_size_in_mb", utils.DEFAULT_VIDEO_FILE_SIZE_IN_MB),
            ("chunk_size", utils.DEFAULT_CHUNK_SIZE),
        )
    )
    with MergeJoins(
        concatenate_video_files,
        limit_bytes=limit_mb * _MIB if given.arguments["concatenate_videos"] else 0.0,
        files_per_chunk=files_per_chunk,
    ) as joins:
        token = _joins.set(joins)
        try:
            return own(*arguments, **options)
        finally:
            _joins.reset(token)


def finalize_aggregation(own: Callable[..., Any], *arguments: Any) -> None:
    """Complete the videos of a merge before LeRobot writes its totals; wraps the function of this name.

    A merge that is killed before this has a dataset without episodes, which no reader opens.

    Raises:
        FFencError: videos cannot be joined.
    """
    joins = _joins.get()
    if joins is not None:
        joins.finish()
    own(*arguments)


def validate_all_metadata(own: Callable[..., Any], all_metadata: Sequence[Any]) -> Any:
    """Also compare the videos that a merge joins, before it writes; wraps the function of this name.

    Raises:
        ConcatError: videos of one camera cannot be joined; a ValueError.
        InputError: a video has audio, a variable rate, or a start other than 0; a ValueError.
    """
    validated = own(all_metadata)
    joins = _joins.get()
    if joins is not None:
        for key in all_metadata[0].video_keys:
            for paths in joins.plan(key, [path for each in all_metadata for path in _video_files(each, key)]):
                _check_joinable(paths)
    return validated


def _check_joinable(paths: Sequence[Path]) -> None:
    try:
        check_joinable([clip.stream for clip in measure_clips(paths, binaries=find_binaries())])
    except ConcatError as err:
        raise ConcatError(
            f"{err}, or keep every video in a file of its own: concatenate_videos=False "
            "(--operation.concatenate_videos=false)",
            path=err.path,
            disagreements=err.disagreements,
        ) from None


def append_video(
    input_video_paths: Sequence[Path | str],
    output_video_path: Path | str,
    overwrite: bool = True,
    compatibility_check: bool = False,
) -> None:
    """Append a video to a file of the running merge; replaces ``concatenate_video_files`` in the module of merges.

    Raises:
        FFencError: see `concatenate_video_files`.
    """
    joins = _joins.get()
    if joins is None:
        concatenate_video_files(input_video_paths, output_video_path, overwrite, compatibility_check)
    else:
        output, source = map(Path, input_video_paths)
        joins.append(output, source)


def size_in_mb(own: Callable[[Path], float], file_path: Path) -> float:
    """Return the size of a file with all that the merge appends to it; wraps ``get_file_size_in_mb``."""
    joins = _joins.get()
    return own(file_path) if joins is None else joins.size_bytes(file_path) / _MIB


def _video_files(metadata: Any, key: str) -> list[Path]:
    """Return the files of a camera in the order in which LeRobot merges them."""
    columns = (metadata.episodes[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index"))
    template = import_module("lerobot.datasets.utils").DEFAULT_VIDEO_PATH
    return [
        metadata.root / template.format(video_key=key, chunk_index=chunk, file_index=file)
        for chunk, file in sorted(set(zip(*columns, strict=True)))
    ]
