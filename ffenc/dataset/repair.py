"""Set right what can be derived from the rest of a dataset, and say what cannot.

Videos and data files are never changed, only what is said about them.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ffenc.dataset.checks.packets import Measurer
from ffenc.dataset.finding_codes import Level
from ffenc.dataset.layout import DatasetLock
from ffenc.dataset.repairs.changes import Change, Changes
from ffenc.dataset.repairs.documents import (
    clear_leftovers,
    complete_commits,
    repair_info,
    repair_stats,
    repair_tasks,
    repair_video_info,
)
from ffenc.dataset.repairs.episode_table import EpisodeRepair
from ffenc.dataset.swap import NEW, OLD, finish_swap, sibling
from ffenc.dataset.verify import Progress, VerifyReport, inspect_dataset, verify_dataset
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
        dry_run: work on a copy of its tables, and throw that away.
        binaries: the executables; found by `find_binaries` if None and they are needed.
        progress: as of `verify_dataset`, of the first look.

    Raises:
        DatasetError: there is no dataset of this version.
        DatasetLockedError: a writer is at work.
        OutputError: the file system refused; the dataset is no worse than before.
    """
    root = Path(root)
    with _workplace(root, dry_run=dry_run) as place:
        before = verify_dataset(root, level, binaries=binaries, progress=progress)
        if before.counts.keys() & {"dataset-missing", "dataset-version", "info-unreadable"}:
            raise DatasetError(f"{root} cannot be repaired: {before.findings[0].message}", path=root)
        changes = Changes(root=place)
        if "leftover-sibling" in before.counts:
            _clear_siblings(root, changes, dry_run=dry_run)
        if before.findings:
            _repair(place, level, changes, Measurer(binaries))
        after = verify_dataset(place, level, binaries=binaries)
    return RepairReport(
        root=root,
        dry_run=dry_run,
        changes=tuple(changes.made),
        refused=tuple(dict.fromkeys(changes.refused)),
        before=before,
        after=replace(after, root=root),
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


def _clear_siblings(root: Path, changes: Changes, *, dry_run: bool) -> None:
    whole = root.absolute()
    for path in (sibling(whole, mark) for mark in (NEW, OLD)):
        if path.exists():
            changes.make(path, "removed, the dataset is whole without it")
    if not dry_run:
        finish_swap(whole)


@contextmanager
def _workplace(root: Path, *, dry_run: bool) -> Iterator[Path]:
    """The dataset under its lock, or a likeness of it with copies of its tables and links to all else."""
    if not (root / "meta" / "info.json").is_file():
        raise DatasetError(f"{root} is no LeRobot dataset: there is no meta/info.json", path=root)
    if not dry_run:
        with DatasetLock(root):
            yield root
        return
    with tempfile.TemporaryDirectory(prefix="ffenc-repair-") as directory:
        place = Path(directory) / root.name
        shutil.copytree(root, place, copy_function=_link, ignore=lambda at, _: {"meta"} if Path(at) == root else set())
        unlocked = shutil.ignore_patterns("lock", "lock.holder")
        shutil.copytree(root / "meta", place / "meta", copy_function=_copy_or_link, ignore=unlocked)
        yield place


def _copy_or_link(source: str, target: str) -> None:
    if Path(source).suffix in (".json", ".parquet"):
        shutil.copyfile(source, target)
    else:
        _link(source, target)


def _link(source: str, target: str) -> None:
    Path(target).symlink_to(Path(source).absolute())
