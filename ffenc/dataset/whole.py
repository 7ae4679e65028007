"""A dataset appears whole under its name, or not at all."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ffenc.errors import FFencError, OutputError, OutputExistsError
from ffenc.video.output import sync

logger = logging.getLogger(__name__)


def check_new(output: Path) -> None:
    """Refuse a dataset's directory that exists, or one whose parent does not.

    Raises:
        OutputExistsError: there is something.
        OutputError: the parent is missing.
    """
    if output.exists() or output.is_symlink():
        raise OutputExistsError(output, "name a new directory, or remove this one first")
    if not output.absolute().parent.is_dir():
        raise OutputError(f"the directory of {output} does not exist; create it first", path=output)


@contextmanager
def whole_dataset(output: Path) -> Iterator[Path]:
    """Give a hidden directory beside ``output`` to fill; when the block ends well it is synced and gets that name.

    Raises:
        OutputExistsError: ``output`` exists already.
        OutputError: the file system refused.  In every case, and after any error in the block, nothing is left.
    """
    check_new(output)
    output = output.absolute()
    building = output.with_name(f".{output.name}.{os.urandom(4).hex()}.part")
    try:
        building.mkdir()
        yield building
        sync_tree(building)
        check_new(output)  # a rename would replace an empty directory in silence
        building.rename(output)
    except FFencError:
        raise
    except OSError as err:
        raise OutputError(f"cannot write the dataset {output}: {err}", path=output) from err
    finally:
        shutil.rmtree(building, ignore_errors=True)
    sync_name(output)


def sync_name(path: Path) -> None:
    """Wait until the name that a dataset has just got is on the disk.

    It has it, whatever comes of this, so that an error would say what is not so.
    """
    try:
        sync(path.parent)
    except OSError as err:
        logger.warning("%s is complete, but the file system does not say that its name is on the disk: %s", path, err)


def sync_tree(root: Path) -> None:
    """Wait until everything below a directory is on the disk."""
    for path in (*sorted(root.rglob("*")), root):
        sync(path)
