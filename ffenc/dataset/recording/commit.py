"""Files of one episode join the dataset together, or not at all, whenever the machine stops.

All new files lie complete in a staging directory.  A list of renames, written first and durably, is the decision: whoever
opens the dataset next finishes what it says (`finish_commits`).  ``info.json`` comes last: until then LeRobot's reader, which
takes the numbers of frames and episodes from it, sees the dataset as it was, because rows are only added behind the old ones.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import orjson

from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.storage.atomic_file import make_directory, write_text_atomically
from ffenc.dataset.storage.dataset_tree import check_no_link
from ffenc.errors import DatasetError, OutputError
from ffenc.regular_files import read_regular
from ffenc.video.output import sync

COMMIT = "commit.json"
"""The list of renames in a staging directory: pairs of a name in it and a path in the dataset."""

RECORDING, KEPT = "recording", "kept"
"""Directories in ``meta/ffenc``: of episodes that are being recorded, and of those that could not join the dataset."""

Renames = Sequence[tuple[str, Path]]


def commit(root: Path, staging: Path, renames: Renames) -> None:
    """Move staged files to their places, all or none, and remove the staging directory.

    Args:
        root: the dataset.
        staging: a directory in the same file system, with complete and durable files.
        renames: (name in ``staging``, path in ``root``) in the order in which readers may see them; the last one is what
            makes the others count.

    Raises:
        OutputError: the file system refused; nothing has happened yet if the list could not be written, otherwise
            `finish_commits` goes on.
    """
    places = [(name, str(path.relative_to(root))) for name, path in renames]
    for _, path in renames:
        check_no_link(root, path)
        make_directory(path.parent)
    write_text_atomically(staging / COMMIT, orjson.dumps(places).decode())
    _carry_out(root, staging)


def finish_commits(root: Path) -> list[Path]:
    """Finish what a crash interrupted; under the lock of the dataset.

    Returns:
        The staging directories whose files have joined the dataset by this call.

    Raises:
        DatasetError: a list of renames cannot be read, or a file of it is gone.
        OutputError: the file system refused.
    """
    interrupted = unfinished_commits(root)
    for staging in interrupted:
        _carry_out(root, staging)
    return interrupted


def unfinished_commits(root: Path) -> list[Path]:
    """Return the staging directories whose files a crash kept from being moved."""
    return sorted(listed.parent for listed in (DatasetLayout(root=root).own / RECORDING).glob(f"*/{COMMIT}"))


def _carry_out(root: Path, staging: Path) -> None:
    places = _read(root, staging / COMMIT)
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


def _clear(staging: Path) -> None:
    """Remove a staging directory, the list last: without it the rest would pass for an episode that was cut off."""
    for entry in staging.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != COMMIT:
            entry.unlink()
    (staging / COMMIT).unlink()
    staging.rmdir()


def _read(root: Path, listed: Path) -> list[tuple[Path, Path]]:
    """Read a list of renames.  It may come from another program, so it can only add files, and replace three documents.

    Raises:
        DatasetError: it cannot be read; or a path in it leaves the dataset, leads through a link, or names a file that no
            episode brings or replaces.
    """
    layout = DatasetLayout(root=root)
    try:
        check_no_link(root, listed)
        names = orjson.loads(read_regular(listed))
        places = [(listed.parent / name, root / path) for name, path in names]
    except (OSError, ValueError, TypeError) as err:
        raise DatasetError(f"{listed} is not a list of renames: {err}", path=listed) from err
    for source, final in places:
        check_no_link(listed.parent, source)
        check_no_link(root, final)
        if layout.own in (final, *final.parents):
            raise DatasetError(f"{listed} names {final}, which is not a file of an episode", path=listed)
        if not os.path.lexists(source):
            if not final.exists():
                raise DatasetError(f"{final} is missing, and so is {source} that was to become it", path=root)
            continue  # it was renamed before
        if source.is_symlink() or not source.is_file():
            raise DatasetError(f"{source} is not a file of its own, so it cannot become {final}", path=listed)
        if os.path.lexists(final) and final not in (layout.info, layout.stats, layout.tasks):
            raise DatasetError(f"{listed} would replace {final}, and an episode only adds files", path=listed)
    return places
