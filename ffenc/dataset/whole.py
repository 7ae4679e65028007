"""A dataset appears whole under its name, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ffenc.errors import FFencError, OutputError, OutputExistsError
from ffenc.video.output import sync


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
        _sync_tree(building)
        check_new(output)  # a rename would replace an empty directory in silence
        building.rename(output)
        sync(output.parent)
    except FFencError:
        raise
    except OSError as err:
        raise OutputError(f"cannot write the dataset {output}: {err}", path=output) from err
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _sync_tree(root: Path) -> None:
    for path in (*sorted(root.rglob("*")), root):
        sync(path)
