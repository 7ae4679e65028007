"""Write a dataset again: under another name, or in the place of the old one in one step."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ffenc.dataset.storage.lock import LOCK, DatasetLock
from ffenc.dataset.storage.new_directory import remove_tree, sync_tree, whole_dataset
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


@contextmanager
def locked_dataset(root: Path) -> Iterator[DatasetLock]:
    """Lock a dataset, then complete or clear away what a killed process has left of a change in place.

    Args:
        root: the dataset, as `resolve_root` returns it.

    Raises:
        DatasetLockedError: another writer has it.
        DatasetError: it does not exist, or cannot be locked.
    """
    restore_missing(root)
    with DatasetLock(root) as lock:
        clear_siblings(root)
        yield lock


@contextmanager
def new_form(root: Path, output: Path | None, *, lock: DatasetLock | None = None) -> Iterator[Path]:
    """Give a hidden directory to fill; when the block ends well, it becomes ``output``, or takes the place of ``root``.

    In place, the dataset is locked meanwhile, and unchanged files may be hard links to the old ones (`take_along`).  At any
    moment, and after a kill at any moment, there is one whole dataset.

    Args:
        root: the dataset, as `resolve_root` returns it.
        output: the new dataset; None replaces ``root``.
        lock: of ``root``, if the caller holds it; afterwards it is the lock of the new form.

    Raises:
        OutputExistsError: ``output`` exists.
        DatasetLockedError: another writer has ``root``.
        OutputError: the file system refused.  After any error ``root`` is as it was, and nothing else is left.
    """
    if output is not None:
        with whole_dataset(output) as building:
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
            # Both are locked, so a second process is refused whichever it looks at.
            new_lock = stack.enter_context(DatasetLock(building))
            sync_tree(building)
            held.check()
            swap(root, building)
            held.take_over(new_lock)
        except FFencError:
            raise
        except OSError as err:
            raise OutputError(f"cannot write {root} again: {err}", path=root) from err
        finally:
            remove_tree(building)


def take_along(root: Path, building: Path, *, leave: Collection[Path], link: bool) -> None:
    """Give the new form everything of the old one that is not written again.

    Args:
        root: the old form, whose links the caller has allowed.
        building: the new one.
        leave: paths in ``root`` that are not taken.
        link: make hard links, and keep links as they are; for a dataset that takes the place of the old one.  Where a link
            leads to a directory that changes, the new form gets a directory of its own.
    """
    left = {*leave, root / LOCK}
    changed = {parent for path in left for parent in path.parents}

    def take(source: Path, target: Path, *, link: bool) -> None:
        with os.scandir(source) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            path, place = source / entry.name, target / entry.name
            if path in left:
                continue
            if entry.is_symlink() and link and path not in changed:
                target.mkdir(parents=True, exist_ok=True)
                place.symlink_to(path.readlink())
            elif entry.is_dir():
                take(path, place, link=link and not entry.is_symlink())
            elif link:
                link_or_copy(path, place)
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
        if not found:
            target.mkdir(parents=True, exist_ok=True)

    take(root, building, link=link)
