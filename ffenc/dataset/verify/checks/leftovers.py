"""Find what killed writers left in a dataset."""

from __future__ import annotations

import os
from pathlib import Path

from ffenc.dataset.recording.episode_directory import EpisodeDirectory
from ffenc.dataset.storage.atomic_file import unfinished_files
from ffenc.dataset.storage.lock import LOCK, current_holder
from ffenc.dataset.storage.swap_directory import SIBLINGS, sibling
from ffenc.dataset.verify.checks.subject import Subject
from ffenc.video.recording import MARK


def check_leftovers(subject: Subject) -> None:
    """Find temporary files, recordings, interrupted commits, and staging directories of LeRobot's recorder."""
    findings = subject.findings
    holder = current_holder(subject.root)
    if holder is not None and holder.get("pid") != os.getpid():
        findings.add("dataset-in-use", "its files may be changing while they are read", path=subject.root / LOCK)
    for path in (sibling(subject.root.resolve(), mark) for mark in SIBLINGS):
        if holder is None and os.path.lexists(path):
            findings.add(
                "leftover-sibling", "an interrupted change left this old or new copy of the dataset", path=path
            )
    committing = {directory.path for directory in EpisodeDirectory.committing_in(subject.root)}
    for directory in sorted(committing):
        findings.add("leftover-commit", "files of an episode are not yet moved to their places", path=directory)
    kept = {directory.path for directory in EpisodeDirectory.uncommitted_in(subject.root)}
    kept |= {path for path in subject.root.rglob(f".*{MARK}.*") if not _is_below(path, kept | committing)}
    for path in sorted(kept):
        findings.add("leftover-recording", "it was not appended to the dataset", path=path)
    for path in unfinished_files(subject.root):
        if not _is_below(path, kept | committing):
            findings.add("leftover-temporary", "no process writes it", path=path)
    for path in staging_directories(subject.root):
        count = sum(part.is_file() for part in path.rglob("*"))
        if count:  # LeRobot itself leaves the directories
            findings.add("leftover-images", f"it has {count} files", path=path)


def staging_directories(root: Path) -> list[Path]:
    """Return ``images`` and ``tmp????????``, which LeRobot's recorder creates and removes."""
    candidates = [root / "images", *root.glob("tmp????????")]
    return sorted(path for path in candidates if path.is_dir() and not path.is_symlink())


def _is_below(path: Path, directories: set[Path]) -> bool:
    return any(directory in path.parents for directory in directories)
