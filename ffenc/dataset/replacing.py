"""Write a dataset anew: under another name, or in the place of the old one in one step."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from ffenc.dataset.layout import DatasetLock
from ffenc.dataset.swap import NEW, finish_swap, link_or_copy, sibling, swap
from ffenc.dataset.whole import sync_tree, whole_dataset
from ffenc.errors import FFencError, OutputError

_LOCK_FILES = ("meta/ffenc/lock", "meta/ffenc/lock.holder")


@contextmanager
def new_form(root: Path, output: Path | None) -> Iterator[Path]:
    """Give a hidden directory to fill; when the block ends well, it becomes ``output``, or takes the place of ``root``.

    In place, the dataset is locked meanwhile, and unchanged files may be hard links to the old ones (`take_along`).  At any
    moment, and after a kill at any moment, there is one whole dataset.

    Raises:
        OutputExistsError: ``output`` exists.
        DatasetLockedError: somebody is writing into ``root``.
        OutputError: the file system refused.  After any error ``root`` is as it was, and nothing else is left.
    """
    if output is not None:
        with whole_dataset(output) as building:
            yield building
        return
    root = root.absolute()
    finish_swap(root)
    with DatasetLock(root):
        building = sibling(root, NEW)
        try:
            building.mkdir()
            yield building
            sync_tree(building)
            for name in _LOCK_FILES:  # so that the lock is held on, whichever of the two one looks at
                if (root / name).exists():
                    link_or_copy(root / name, building / name)
            swap(root, building)
        except FFencError:
            raise
        except OSError as err:
            raise OutputError(f"cannot write {root} anew: {err}", path=root) from err
        finally:
            shutil.rmtree(building, ignore_errors=True)


def take_along(root: Path, building: Path, *, leave: Collection[Path], link: bool) -> None:
    """Give the new form all files of the old one that it shall have as they are.

    Args:
        root: the old form.
        building: the new one.
        leave: paths in ``root`` that are not taken.
        link: make hard links; for a dataset that takes the place of the old one.
    """
    left = {*leave, *(root / name for name in _LOCK_FILES)}
    for path in sorted(root.rglob("*")):
        if path in left or path.is_dir() or not path.exists():
            continue
        target = building / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        if link:
            link_or_copy(path, target)
        else:
            shutil.copyfile(path, target)
