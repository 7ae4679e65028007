"""Move the files of one episode into the dataset, all or none, whenever the machine stops.

All new files are complete in the episode's directory.  A list of renames, written first and durably, is the decision: the
next process that opens the dataset completes it (`finish_commits`).  ``info.json`` comes last.  LeRobot's reader takes the
numbers of frames and episodes from it and sees the old dataset until then, because rows are only added behind the old ones.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.recording.episode_directory import EpisodeDirectory
from ffenc.dataset.storage.atomic_file import make_directory, write_text_atomically
from ffenc.dataset.storage.dataset_tree import check_no_link
from ffenc.errors import DatasetError, OutputError
from ffenc.json_text import dump_json, load_json
from ffenc.regular_files import read_regular
from ffenc.video.output import sync


def commit(root: Path, staging: EpisodeDirectory, renames: Sequence[tuple[str, Path]]) -> None:
    """Move staged files to their places, all or none, and remove the directory of the episode.

    Args:
        root: the dataset.
        staging: a directory in the same file system, with complete and durable files.
        renames: (name in ``staging``, path in ``root``) in the order in which readers may see them.  The last one makes the
            others count.

    Raises:
        OutputError: the file system refused.  If the list could not be written, nothing has happened; otherwise
            `finish_commits` completes the commit.
    """
    places = [(name, str(path.relative_to(root))) for name, path in renames]
    for _, path in renames:
        check_no_link(root, path)
        make_directory(path.parent)
    write_text_atomically(staging.commit_list, dump_json(places).decode())
    _carry_out(root, staging)


def finish_commits(root: Path) -> list[Path]:
    """Complete interrupted commits, under the lock of the dataset.

    Returns:
        The directories whose episodes this call has committed.

    Raises:
        DatasetError: a list of renames cannot be read, or one of its files is gone.
        OutputError: the file system refused.
    """
    interrupted = EpisodeDirectory.committing_in(root)
    for staging in interrupted:
        _carry_out(root, staging)
    return [staging.path for staging in interrupted]


def _carry_out(root: Path, staging: EpisodeDirectory) -> None:
    places = _read(root, staging)
    try:
        for place in (places[:-1], places[-1:]):  # durable before the last one, which makes them count
            for source, final in place:
                if source.exists():
                    source.replace(final)
            for directory in {final.parent for _, final in place}:
                sync(directory)
        _clear(staging)
    except OSError as err:
        raise OutputError(f"cannot complete an episode of {root}: {err.strerror}", path=root) from err


def _clear(staging: EpisodeDirectory) -> None:
    """Remove a directory, its list last: without the list, the rest would pass for an interrupted episode.

    What a recovered episode was made from goes first, so that it cannot be appended twice.
    """
    if staging.original is not None and staging.original.path.exists():
        shutil.rmtree(staging.original.path)
    for entry in staging.path.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry != staging.commit_list:
            entry.unlink()
    staging.commit_list.unlink()
    staging.path.rmdir()


def _read(root: Path, staging: EpisodeDirectory) -> list[tuple[Path, Path]]:
    """Read a list of renames.  Another program may have written it, so it may only add files and replace three documents.

    Raises:
        DatasetError: it cannot be read; or a path in it leaves the dataset, leads through a link, or names a file that an
            episode neither adds nor replaces.
    """
    layout, listed = DatasetLayout(root=root), staging.commit_list
    try:
        check_no_link(root, listed)
        names = load_json(read_regular(listed))
        places = [(staging.path / name, root / path) for name, path in names]
    except (OSError, ValueError, TypeError) as err:
        raise DatasetError(f"{listed} is not a list of renames: {err}", path=listed) from err
    for source, final in places:
        check_no_link(staging.path, source)
        check_no_link(root, final)
        if layout.own in (final, *final.parents):
            raise DatasetError(f"{listed} names {final}, which is not a file of an episode", path=listed)
        if not os.path.lexists(source):
            if not final.exists():
                raise DatasetError(f"{final} is missing, and so is its staged file {source}", path=root)
            continue  # it was renamed before
        if source.is_symlink() or not source.is_file():
            raise DatasetError(f"{source} is not a regular file, so it cannot become {final}", path=listed)
        if os.path.lexists(final) and final not in (layout.info, layout.stats, layout.tasks):
            raise DatasetError(f"{listed} would replace {final}, and an episode only adds files", path=listed)
    return places
