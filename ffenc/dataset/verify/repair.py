"""Set right what can be derived from the rest of a dataset, and say what cannot.

Videos and data files are never changed, only what is said about them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

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
from ffenc.dataset.verify.verify import Progress, VerifyReport, inspect_dataset, verify_dataset
from ffenc.errors import DatasetError
from ffenc.ffmpeg.binaries import Binaries


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport:
    """What was done.

    Attributes:
        root: the dataset.
        dry_run: nothing was written; the rest says what would have been done.
        changes: what was set right.
        refused: what was not, because nothing says what would be right.
        before, after: what `verify_dataset` finds.
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
    progress: Progress | None = None,
) -> RepairReport:
    """Repair a dataset in place, under its lock; each file is replaced in one step.

    Derived are: places of episodes in data and videos (where the numbers of rows and frames agree), counters and splits,
    the order of tasks (where the episodes agree), tasks of episodes, statistics of numbers, statistics of cameras that
    have none, and what info blocks say of streams.  Temporary files are removed.  A repair that is interrupted can be
    done again.

    Args:
        root: the dataset's directory.
        level: how deep it is verified before and after; ``"metadata"`` needs no FFmpeg unless a camera's statistics or
            info block are missing.
        dry_run: work on a copy of its tables, and throw that away; nothing is written into the dataset, which may be
            read-only.
        follow_links: read through links in the dataset.  A linked document that is repaired becomes a file of its own.
        binaries: the executables; found by `find_binaries` if None and they are needed.
        progress: as of `verify_dataset`, of the first look.

    Raises:
        DatasetError: there is no dataset of this version.
        DatasetLockedError: a writer is at work.
        OutputError: the file system refused; the dataset is no worse than before.
    """
    given, root = Path(root), resolve_root(root)
    with _workplace(root, dry_run=dry_run, follow_links=follow_links) as (place, siblings):
        before = verify_dataset(root, level, binaries=binaries, progress=progress)
        if before.counts.keys() & {"dataset-missing", "dataset-version", "info-unreadable"}:
            raise DatasetError(f"{root} cannot be repaired: {before.findings[0].message}", path=root)
        changes = Changes(root=place)
        for path in siblings:
            changes.make(path, "removed, the dataset is whole without it")
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
    """In an order in which each step can build on those before it, with a new look in between."""
    subject, _ = inspect_dataset(root, "metadata")
    if subject.findings.has("leftover-commit"):
        complete_commits(subject, changes)
        subject, _ = inspect_dataset(root, "metadata")
    clear_leftovers(subject, changes)
    repair_tasks(subject, changes)
    subject, _ = inspect_dataset(root, "metadata")
    EpisodeRepair(subject=subject, changes=changes, measure=measure).run()
    subject, _ = inspect_dataset(root, level, binaries=measure.binaries_given)
    repair_stats(subject, changes)
    repair_video_info(subject, changes, measure)
    repair_info(subject, changes)


@contextmanager
def _workplace(root: Path, *, dry_run: bool, follow_links: bool) -> Iterator[tuple[Path, list[Path]]]:
    """Give the dataset under its lock, or a copy of its tables beside links to everything else; and its hidden siblings."""
    if not dry_run:
        restore_missing(root)
    if not (root / "meta" / "info.json").is_file():
        raise DatasetError(f"{root} is not a LeRobot dataset: there is no meta/info.json", path=root)
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
    """Copy the tables and documents of ``meta``, and make links to all other files; all of it writable."""
    for directory, _, names in os.walk(root, followlinks=True):
        here = place / Path(directory).relative_to(root)
        here.mkdir()
        for name in names:
            path = Path(directory, name)
            if root / "meta" in path.parents and path.suffix in (".json", ".parquet"):
                shutil.copyfile(path, here / name)
            elif path != root / LOCK:
                (here / name).symlink_to(path)
