"""Repair what the rest of a dataset determines, and report what it does not.

Videos and data files are never changed, only the documents and tables that describe them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.versions import format_1_info
from ffenc.dataset.storage.dataset_tree import check_tree, resolve_root
from ffenc.dataset.storage.lock import LOCK, check_not_locked
from ffenc.dataset.storage.swap_directory import SIBLINGS, restore_missing, sibling
from ffenc.dataset.transform.in_place import locked_dataset
from ffenc.dataset.verify.checks.packets import Measurer
from ffenc.dataset.verify.finding_codes import Level
from ffenc.dataset.verify.repairs.changes import Change, Changes
from ffenc.dataset.verify.repairs.documents import (
    clear_leftovers,
    complete_commits,
    repair_info,
    repair_stats,
    repair_tasks,
    repair_video_info,
)
from ffenc.dataset.verify.repairs.episode_table import EpisodeRepair
from ffenc.dataset.verify.verify import VerifyReport, inspect_dataset, verify_dataset
from ffenc.errors import DatasetError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.video.run_context import ProgressCallback


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport:
    """The result of a repair.

    Attributes:
        root: the dataset.
        dry_run: nothing was written; the report says what a repair would do.
        changes: what was repaired.
        refused: what was not repaired because the right value is unknown.
        before, after: reports of `verify_dataset`.
    """

    root: Path
    dry_run: bool
    changes: tuple[Change, ...]
    refused: tuple[Change, ...]
    before: VerifyReport
    after: VerifyReport


def repair_dataset(
    root: str | Path,
    *,
    level: Level = "packets",
    dry_run: bool = False,
    follow_links: bool = False,
    binaries: Binaries | None = None,
    progress: ProgressCallback | None = None,
) -> RepairReport:
    """Repair a dataset in place, under its lock; each file is replaced in one step.

    A repair derives these values from other files, and removes temporary files.  After an interruption, it can be repeated.

    - ranges of episodes in data and videos, if the numbers of rows and frames agree
    - counters and splits
    - the order of tasks, if the episodes agree; tasks of episodes
    - statistics of numbers, missing statistics of cameras
    - the stream values of info blocks

    Args:
        root: the dataset's directory.
        level: level of the verification before and after.  ``"metadata"`` needs no FFmpeg unless a camera lacks statistics or
            its info block.
        dry_run: work on a temporary copy of the tables; nothing is written into the dataset, which may be read-only.
        follow_links: read through links in the dataset.  A repaired document that was a link becomes a regular file.
        binaries: the executables; found by `find_binaries` if None and they are needed.
        progress: progress of the first verification, see `verify_dataset`.

    Raises:
        DatasetError: the directory is not a dataset of this version.
        DatasetLockedError: another process writes the dataset.
        OutputError: the file system refused; the dataset is not worse than before.
    """
    given, root = Path(root), resolve_root(root)
    if format_1_info(root):
        load_info(root)  # the lock would find no dataset
    with _workplace(root, dry_run=dry_run, follow_links=follow_links) as (place, siblings):
        before = verify_dataset(root, level, binaries=binaries, progress=progress)
        if before.counts.keys() & {"dataset-missing", "dataset-version", "info-unreadable"}:
            raise DatasetError(f"{root} cannot be repaired: {before.findings[0].message}", path=root)
        changes = Changes(root=place)
        for path in siblings:
            changes.make(path, "removed, because the dataset is complete without it")
        if before.findings:
            _repair(place, level, changes, Measurer(binaries))
        after = verify_dataset(place, level, binaries=binaries)
    return RepairReport(
        root=given,
        dry_run=dry_run,
        changes=tuple(changes.made),
        refused=tuple(dict.fromkeys(changes.refused)),
        before=replace(before, root=given),
        after=replace(after, root=given),
    )


def _repair(root: Path, level: Level, changes: Changes, measure: Measurer) -> None:
    """Repair in an order in which each step builds on the steps before it, and check again in between."""
    subject = inspect_dataset(root, "metadata")
    if subject.findings.has("leftover-commit"):
        complete_commits(subject, changes)
        subject = inspect_dataset(root, "metadata")
    clear_leftovers(subject, changes)
    repair_tasks(subject, changes)
    subject = inspect_dataset(root, "metadata")
    EpisodeRepair(subject=subject, changes=changes, measure=measure).run()
    subject = inspect_dataset(root, level, binaries=measure.binaries_given)
    repair_stats(subject, changes)
    repair_video_info(subject, changes, measure)
    repair_info(subject, changes)


@contextmanager
def _workplace(root: Path, *, dry_run: bool, follow_links: bool) -> Iterator[tuple[Path, list[Path]]]:
    """Yield the directory to repair, and the hidden siblings of the dataset.

    The directory is the locked dataset, or for a dry run a copy of its tables with links to all other files.
    """
    if not dry_run:
        restore_missing(root)
    if not (root / "meta" / "info.json").is_file():
        raise DatasetError(f"{root} is not a LeRobot dataset: meta/info.json is missing", path=root)
    with ExitStack() as stack:
        siblings = [path for mark in SIBLINGS if os.path.lexists(path := sibling(root, mark))]
        if not dry_run:
            stack.enter_context(locked_dataset(root))
        check_tree(root, follow_links=follow_links, written=True)
        if not dry_run:
            yield root, siblings
            return
        check_not_locked(root)
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ffenc-repair-"))
        place = Path(directory) / (root.name or "dataset")
        try:
            _copy_tables(root, place)
        except OSError as err:
            raise DatasetError(f"{root} cannot be copied for a dry run: {err}", path=root) from err
        yield place, siblings


def _copy_tables(root: Path, place: Path) -> None:
    """Copy the tables and documents of ``meta``, and link all other files; the copy is writable."""
    for directory, _, names in os.walk(root, followlinks=True):
        here = place / Path(directory).relative_to(root)
        here.mkdir()
        for name in names:
            path = Path(directory, name)
            if root / "meta" in path.parents and path.suffix in (".json", ".parquet"):
                shutil.copyfile(path, here / name)
            elif path != root / LOCK:
                (here / name).symlink_to(path)
