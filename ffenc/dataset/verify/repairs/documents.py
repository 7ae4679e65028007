"""Repair ``info.json``, ``stats.json`` and ``tasks.parquet`` from the tables, and remove leftovers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from ffenc.dataset.format.dataset_tables import load_task_columns, save_tasks
from ffenc.dataset.format.documents import save_info
from ffenc.dataset.format.video_info import markers_to_write, video_info, with_depth_markers
from ffenc.dataset.recording.commit import finish_commits
from ffenc.dataset.storage.atomic_file import unfinished_files, write_text_atomically
from ffenc.dataset.verify.checks.frame_rows import FrameChecks
from ffenc.dataset.verify.checks.leftovers import staging_directories
from ffenc.dataset.verify.checks.packets import Measurer
from ffenc.dataset.verify.checks.spans import video_uses
from ffenc.dataset.verify.checks.statistics import StatisticsChecks, chunk_of_relative_actions, mismatch
from ffenc.dataset.verify.checks.subject import Subject
from ffenc.dataset.verify.finding_codes import CODES
from ffenc.dataset.verify.repairs.changes import Changes
from ffenc.errors import DatasetError, FFencError
from ffenc.regular_files import read_json
from ffenc.statistics import FeatureStatistics

_FOREIGN = ("video-codec-foreign", "video-format-foreign", "video-size-foreign")
_OF_DEPTH = ("gray12le", "gray16le")
_STATS_REPAIRED = tuple(code.name for code in CODES.values() if code.name.startswith("stats-") and code.repaired)


def complete_commits(subject: Subject, changes: Changes) -> None:
    """Complete interrupted commits of episodes."""
    try:
        for directory in finish_commits(subject.root):
            changes.make(directory, "completed, its episode is now in the dataset")
    except DatasetError as err:
        changes.refuse(err.path or subject.layout.own, str(err))


def clear_leftovers(subject: Subject, changes: Changes) -> None:
    """Remove temporary files and empty staging directories; recordings are kept, because they can be recovered."""
    own = subject.layout.own
    for path in unfinished_files(subject.root):
        if own not in path.parents:
            path.unlink(missing_ok=True)
            changes.make(path, "removed, a temporary file")
    for path in staging_directories(subject.root):
        if any(part.is_file() for part in path.rglob("*")):
            changes.refuse(path, "it has files that may be needed")
        else:
            shutil.rmtree(path)
            changes.make(path, "removed, it was empty")


def repair_tasks(subject: Subject, changes: Changes) -> None:
    """Sort the tasks by number, and store them as the pandas index that LeRobot reads."""
    path, findings = subject.layout.tasks, subject.findings
    if not findings.has("tasks-order", "tasks-index-missing"):
        return
    if subject.tasks is None or findings.has("task-repeated"):
        changes.refuse(path, "the numbers do not determine the text of each task")
    elif findings.has("tasks-order") and findings.has("episode-tasks-wrong"):
        changes.refuse(path, "the episodes name other tasks than their rows have by these numbers")
    else:
        save_tasks(subject.root, subject.tasks, load_task_columns(subject.root))
        changes.make(path, f"{len(subject.tasks)} tasks in the order of task_index, as an index of texts")


def repair_info(subject: Subject, changes: Changes) -> None:
    """Repair the counters and splits."""
    info, path, findings = subject.known_info, subject.layout.info, subject.findings
    if not findings.has("counter-wrong", "splits-wrong") or not subject.lengths_known or subject.tasks is None:
        return
    if findings.has("data-rows-wrong", "data-unreadable", "data-missing", "episode-index-wrong", "episode-range-wrong"):
        changes.refuse(path, "rows are missing or out of order, so the counters may be right")
        return
    frames = sum(episode.length or 0 for episode in subject.episodes)
    totals = info.with_totals(episodes=len(subject.episodes), frames=frames, tasks=len(subject.tasks))
    if not findings.has("splits-wrong"):
        totals = totals.model_copy(update={"splits": info.splits})
    for name in ("total_episodes", "total_frames", "total_tasks", "splits"):
        if getattr(info, name) != getattr(totals, name):
            changes.make(path, f"{name} from {getattr(info, name)} to {getattr(totals, name)}")
    save_info(subject.root, totals)
    subject.info = totals


def repair_video_info(subject: Subject, changes: Changes, measure: Measurer) -> None:
    """Repair the stream values in the info blocks of cameras; encoder settings are not in a stream and are kept."""
    if not subject.findings.has("video-info-missing", "video-info-wrong"):
        return
    info, path = subject.known_info, subject.layout.info
    first = {use.camera: use.path for use in reversed(list(video_uses(subject)))}
    for camera, video in first.items():
        feature = info.features[camera]
        if not video.is_file() or subject.findings.has(*_FOREIGN):
            changes.refuse(path, f"the info block of {camera!r}: its videos are missing or have different formats")
            continue
        try:
            measured = with_depth_markers(
                video_info(measure.measure(video)[0], is_depth_map=feature.is_depth),
                markers_to_write([each.info for each in info.videos.values()], None),
            )
        except FFencError as err:
            changes.refuse(path, f"the info block of {camera!r}: {str(err).splitlines()[0]}")
            continue
        if not feature.info and measured["video.pix_fmt"] in _OF_DEPTH:
            changes.refuse(path, f"the info block of {camera!r}: the depth quantization is unknown")
            continue
        known = dict(feature.info or {})
        keys = measured if not known else {key: value for key, value in measured.items() if key in known}
        different = [key for key, value in keys.items() if known.get(key) != value]
        if different:
            info = info.with_feature_info(camera, {**known, **keys})
            changes.make(path, f"{', '.join(different)} of {camera!r}, as measured from its first video")
    if info is not subject.info:
        save_info(subject.root, info)
        subject.info = info


def repair_stats(subject: Subject, changes: Changes) -> None:
    """Repair the features of ``stats.json`` that do not match the dataset."""
    if not subject.findings.has(*_STATS_REPAIRED):
        return
    path, checks = subject.layout.stats, StatisticsChecks(subject)
    frames = FrameChecks(subject, checks.take)
    frames.run()
    measured, cameras = checks.finish(complete=frames.complete, spoilt=frames.spoilt)
    right = measured.features() | cameras.features()
    document, before = _document(path), len(changes.made)
    for name, feature in subject.known_info.features.items():
        if not feature.has_statistics or _is_right(subject, name, document.get(name), right.get(name)):
            continue
        if name not in right:
            changes.refuse(path, f"the statistics of {name!r}: not every episode has the values they are computed from")
            continue
        document[name] = right[name].to_json()
        changes.make(path, f"the statistics of {name!r}, from all episodes")
    if len(changes.made) > before:
        write_text_atomically(path, json.dumps(document, indent=4, ensure_ascii=False))


def _document(path: Path) -> dict[str, Any]:
    try:
        document = read_json(path)
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _is_right(subject: Subject, name: str, document: Any, right: FeatureStatistics | None) -> bool:
    try:
        recorded = FeatureStatistics.from_json(document)
    except (ValueError, TypeError, AttributeError):
        return False
    if right is None:
        return True  # the right value is unknown
    is_relative = chunk_of_relative_actions(subject, name, recorded) is not None
    return recorded.q50 is not None and (is_relative or mismatch(recorded, right) is None)
