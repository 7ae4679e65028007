"""Write the new form of a dataset into a new directory, or replace the dataset atomically."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path

from ffenc.dataset.storage.lock import LOCK, DatasetLock
from ffenc.dataset.storage.new_directory import build_dataset, remove_tree, sync_tree
from ffenc.dataset.storage.swap_directory import (
    NEW,
    clear_siblings,
    link_or_copy,
    restore_missing,
    sibling,
    swap,
    why_not_replaceable,
)
from ffenc.errors import FFencError, OutputError
from ffenc.undisturbed import undisturbed_context


@undisturbed_context
def locked_dataset(root: Path) -> Iterator[DatasetLock]:
    """Lock a dataset (resolved), then complete or remove an in-place change that a killed process has left unfinished.

    Raises:
        DatasetLockedError: another process holds the lock.
        DatasetError: the dataset does not exist or cannot be locked.
    """
    restore_missing(root)
    with DatasetLock(root) as lock:
        clear_siblings(root)
        yield lock


@undisturbed_context
def new_form(root: Path, output: Path | None, *, lock: DatasetLock | None = None) -> Iterator[Path]:
    """Yield a hidden directory to fill; after the block it becomes ``output``, or replaces ``root``.

    An in-place change holds the lock of the dataset, and unchanged files may be hard links to the old ones (`copy_unchanged`).
    One complete dataset exists at every moment, also after a crash.

    Args:
        root: the dataset, as `resolve_root` returns it.
        output: the new dataset; None replaces ``root``.
        lock: of ``root``, if the caller holds it; afterwards it locks the new form.

    Raises:
        OutputExistsError: ``output`` exists.
        DatasetLockedError: another process holds the lock of ``root``.
        OutputError: a file cannot be written.  After any error ``root`` is unchanged and the new form is removed.
    """
    if output is not None:
        with build_dataset(output) as building:
            yield building
        return
    with ExitStack() as stack:
        held = lock or stack.enter_context(locked_dataset(root))
        if why := why_not_replaceable(root):
            raise OutputError(f"cannot replace {root}: {why}; write a new dataset instead (--output)", path=root)
        building = sibling(root, NEW)
        try:
            building.mkdir()
            yield building
            # Lock both, so that a second process is refused before and after the swap.
            new_lock = stack.enter_context(DatasetLock(building))
            sync_tree(building)
            held.check()
            swap(root, building)
            held.take_over(new_lock)
        except FFencError:
            raise
        except OSError as err:
            raise OutputError(f"cannot write the new form of {root}: {err}", path=root) from err
        finally:
            remove_tree(building)


def copy_unchanged(root: Path, building: Path, *, leave: Collection[Path], link: bool) -> None:
    """Copy the files of a dataset that are not rewritten into its new form; files that exist there are kept.

    Args:
        root: the dataset; the caller has checked its symbolic links.
        building: the new form.
        leave: paths in ``root`` that are not copied.
        link: make hard links and keep symbolic links, for a new form that replaces ``root``.  A symbolic link to a directory
            with rewritten files becomes a directory.
    """
    left = {*leave, root / LOCK}
    changed = {parent for path in left for parent in path.parents}

    def copy(source: Path, target: Path, *, link: bool) -> None:
        with os.scandir(source) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            path, place = source / entry.name, target / entry.name
            if path in left or place.is_file():
                continue
            if entry.is_symlink() and link and path not in changed:
                target.mkdir(parents=True, exist_ok=True)
                place.symlink_to(path.readlink())
            elif entry.is_dir():
                copy(path, place, link=link and not entry.is_symlink())
            elif link:
                link_or_copy(path, place)
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
        if not found:
            target.mkdir(parents=True, exist_ok=True)

    copy(root, building, link=link)
