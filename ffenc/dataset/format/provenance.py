"""How each episode was made: ``meta/ffenc/episodes.jsonl``, one line per episode.

Beside the dataset and not in ``info.json``, whose keys take part in LeRobot's comparison when datasets are merged.
"""

from __future__ import annotations

import operator
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.storage.atomic_file import make_directory, write_atomically, write_text_atomically
from ffenc.errors import OutputError
from ffenc.json_text import dump_json, load_json
from ffenc.regular_files import read_regular
from ffenc.streaming.camera import CameraRecording
from ffenc.streaming.drop_log import EpisodeRecording
from ffenc.version import __version__
from ffenc.video.output import sync
from ffenc.video.run import EncodeResult

_NAME = "episodes.jsonl"

_OPERATIONS = "operations.jsonl"


def episode_document(
    recording: EpisodeRecording,
    ties: Mapping[int, Mapping[str, Sequence[int]]],
    *,
    episode_index: int,
    ffmpeg_version: str,
) -> dict[str, Any]:
    """Return what is kept of one episode.

    Versions; for each camera its command, its config as it took effect and its cost; what was dropped or changed; and what
    a few frames show, see `ffenc.dataset.format.frame_ties`.
    """
    ledger = recording.ledger
    return {
        "episode_index": episode_index,
        "frames": recording.frames,
        "ffenc": __version__,
        "ffmpeg": ffmpeg_version,
        "steps": ledger.steps,
        "drops": [
            {"step": drop.step, "time_s": drop.time_s, "cameras": list(drop.cameras), "reason": drop.reason}
            for drop in ledger.drops
        ],
        "ties": {str(number): shown for number, shown in ties.items()},
        "cameras": {name: _camera_document(camera) for name, camera in recording.cameras.items()},
    }


def _camera_document(camera: CameraRecording) -> dict[str, Any]:
    document: dict[str, Any] = {
        "fallbacks": [asdict(fallback) for fallback in camera.fallbacks],
        "refused": dict(camera.refused),
    }
    result = camera.result
    if isinstance(result, EncodeResult):
        document |= {
            "encoder": result.encoder.name,
            "config": result.encoder.config.model_dump(mode="json"),
            "argv": list(result.argv),
            "size_bytes": result.size_bytes,
            "cpu_s": result.usage.cpu_user_s + result.usage.cpu_system_s,
        }
    return document


def append_provenance(root: Path, document: Mapping[str, Any]) -> None:
    """Add one line, durably.

    A line of an episode that then does not join the dataset does no harm: the next line of its number takes its place.

    Raises:
        OutputError: the file system refused.
    """
    path = DatasetLayout(root=root).own / _NAME
    make_directory(path.parent)
    line = dump_json(document) + b"\n"
    try:
        _unshare(path)
        with path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a crash cut the last line off
                    file.write(b"\n")
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        sync(path.parent)
    except OSError as err:
        raise OutputError(f"cannot write {path}: {err.strerror}", path=path) from err


def _unshare(path: Path) -> None:
    """Replace a file that has other hard links by a copy, so that appending does not change the others."""
    if path.exists() and path.stat().st_nlink > 1:
        with write_atomically(path) as temporary:
            shutil.copyfile(path, temporary)


def append_operation(root: Path, operation: str, **facts: Any) -> None:
    """Add one line to ``meta/ffenc/operations.jsonl``: what was done to the dataset as a whole.

    The file is written again, because it may be a hard link to that of the dataset before.

    Raises:
        OutputError: the file system refused.
    """
    path = DatasetLayout(root=root).own / _OPERATIONS
    before = read_regular(path).decode() if path.exists() else ""
    line = dump_json({"operation": operation, "ffenc": __version__, **facts}).decode()
    write_text_atomically(path, f"{before}{line}\n")


def save_provenance(root: Path, documents: Iterable[Mapping[str, Any]]) -> None:
    """Write the lines of a new dataset; no file if there are none.

    Raises:
        OutputError: the file system refused.
    """
    lines = [dump_json(document).decode() for document in documents]
    if lines:
        write_text_atomically(DatasetLayout(root=root).own / _NAME, "\n".join(lines) + "\n")


def provenance_path(root: Path) -> Path:
    """Return where it is kept how each episode was made."""
    return DatasetLayout(root=root).own / _NAME


def load_provenance(root: Path, *, unreadable: list[int] | None = None) -> dict[int, dict[str, Any]]:
    """Return what is known of each episode, by its number; empty for a dataset that ffenc did not record.

    Args:
        root: the dataset.
        unreadable: gets the numbers, from 1, of lines that are damaged; a crash leaves one that is cut off.

    Raises:
        OSError: the file cannot be read.
    """
    path = provenance_path(root)
    known: dict[int, dict[str, Any]] = {}
    if path.exists():
        for number, line in enumerate(read_regular(path).splitlines(), start=1):
            try:
                document = load_json(line)
                known[operator.index(document["episode_index"])] = document
            except (ValueError, TypeError, KeyError):
                if unreadable is not None:
                    unreadable.append(number)
    return known
