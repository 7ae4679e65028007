"""Record how each episode was encoded in ``meta/ffenc/episodes.jsonl``, one line per episode.

``info.json`` cannot hold this, because LeRobot compares its keys when it merges datasets.
"""

from __future__ import annotations

import bisect
import operator
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.storage.atomic_file import make_directory, write_atomically, write_text_atomically
from ffenc.errors import OutputError
from ffenc.json_text import dump_json, load_json
from ffenc.regular_files import open_regular, read_regular
from ffenc.streaming.camera import CameraRecording
from ffenc.streaming.drop_log import EpisodeRecording
from ffenc.version import __version__
from ffenc.video.output import WrittenVideo, sync
from ffenc.video.run import EncodeResult

_NAME = "episodes.jsonl"

_OPERATIONS = "operations.jsonl"


def episode_document(
    recording: EpisodeRecording,
    ties: Mapping[int, Mapping[str, Sequence[int]]],
    *,
    captured_ms: Sequence[Mapping[str, int]] = (),
    repeated: Sequence[Sequence[str]] = (),
    episode_index: int,
    ffmpeg_version: str,
) -> dict[str, Any]:
    """Return the line of one episode.

    It has versions, dropped time steps, steps with repeated frames, the capture time of each frame, small images of a few frames
    (`ffenc.dataset.format.frame_ties`), and for each camera the command, the effective settings, fallbacks and CPU time.
    """
    document = recording_document(recording, episode_index=episode_index, ffmpeg_version=ffmpeg_version)
    dropped = {drop.step for drop in recording.drop_log.drops}
    steps = (step for step in range(recording.drop_log.steps) if step not in dropped)
    # ``repeated`` is empty if the caller of add_frame gave no capture times.
    repeats = [
        {"step": step, "cameras": list(cameras)} for step, cameras in zip(steps, repeated, strict=False) if cameras
    ]
    captured = {name: [times[name] for times in captured_ms] for name in captured_ms[0]} if captured_ms else {}
    tied = {str(number): shown for number, shown in ties.items()}
    return {**document, "repeats": repeats, **({"captured_ms": captured} if captured else {}), "ties": tied}


def recording_document(recording: EpisodeRecording, *, episode_index: int, ffmpeg_version: str) -> dict[str, Any]:
    """Return the entry of an episode without its ties, for rows that another program wrote."""
    drop_log = recording.drop_log
    return {
        "episode_index": episode_index,
        "frames": recording.frames,
        "ffenc": __version__,
        "ffmpeg": ffmpeg_version,
        "steps": drop_log.steps,
        "drops": [
            {"step": drop.step, "time_s": drop.time_s, "cameras": list(drop.cameras), "reason": drop.reason}
            for drop in drop_log.drops
        ],
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
    elif isinstance(result, WrittenVideo):
        document |= {"encoder": "copy", "config": None, "size_bytes": result.size_bytes}
    return document


def renamed_document(document: Mapping[str, Any], names: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the line of an episode with the new names of cameras, without those whose name is None.

    A drop with all its cameras removed stays, because a time step is missing in the rows.
    """
    if not names:
        return dict(document)

    def by_name(values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        new = {name: names.get(name, name) for name in values}
        return {name: values[old] for old, name in new.items() if name is not None}

    new = dict(document)
    for what in ("cameras", "captured_ms"):
        if what in new:
            new[what] = by_name(new[what])
    if isinstance(new.get("ties"), Mapping):
        new["ties"] = {number: by_name(grids) for number, grids in new["ties"].items()}
    for what in ("drops", "repeats"):
        if isinstance(new.get(what), list):
            new[what] = [
                {**each, "cameras": list(by_name(dict.fromkeys(each["cameras"])))} if "cameras" in each else each
                for each in new[what]
            ]
    return new


def rows_document(document: Mapping[str, Any], rows: range) -> dict[str, Any]:
    """Return the line of an episode after keeping some of its rows.  Frames, drops, repeats and ties are renumbered.

    The drops are those between the first and the last kept frame, and those before or after them if the episode still begins
    or ends there.  If the frame rate is divided, steps and drops keep the numbers of the recording.
    """
    frames = document.get("frames")
    if not isinstance(frames, int) or rows == range(frames):
        return dict(document)
    kept = {**document, "frames": len(rows)}
    if isinstance(ties := document.get("ties"), Mapping):
        numbers = {name: int(name) for name in ties if name.isdecimal()}
        kept["ties"] = {str(rows.index(n)): ties[name] for name, n in numbers.items() if n in rows}
    if isinstance(captured := document.get("captured_ms"), Mapping):
        kept["captured_ms"] = {name: [times[row] for row in rows] for name, times in captured.items()}
    if rows.step == 1 and "drops" in document:
        kept |= _kept_drops(document, rows, frames)
    return kept


def _kept_drops(document: Mapping[str, Any], rows: range, frames: int) -> dict[str, Any]:
    drops = document["drops"]
    # Drop i is the step before frame drop.step - i.
    before = [drop["step"] - number for number, drop in enumerate(drops)]
    start = rows.start + sum(frame <= rows.start for frame in before) if rows.start else 0
    end = rows.stop + sum(frame < rows.stop for frame in before) if rows.stop < frames else document["steps"]

    def inside(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [{**each, "step": each["step"] - start} for each in entries if start <= each["step"] < end]

    repeats = {"repeats": inside(document["repeats"])} if "repeats" in document else {}
    return {"steps": end - start, "drops": inside(drops), **repeats}


def append_provenance(root: Path, document: Mapping[str, Any]) -> None:
    """Append one line and sync the file.

    If the episode is not added to the dataset afterwards, a later line with the same number replaces this one.

    Raises:
        OutputError: it cannot be written.
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
    """Append a line about an operation on the dataset to ``meta/ffenc/operations.jsonl``.

    The file is replaced, because it may be a hard link to that of the old form of the dataset.

    Raises:
        OutputError: it cannot be written.
    """
    path = DatasetLayout(root=root).own / _OPERATIONS
    before = read_regular(path).decode() if path.exists() else ""
    line = dump_json({"operation": operation, "ffenc": __version__, **facts}).decode()
    write_text_atomically(path, f"{before}{line}\n")


def save_provenance(root: Path, documents: Iterable[Mapping[str, Any]]) -> None:
    """Write the lines of a new dataset, or no file if there are none.

    Raises:
        OutputError: it cannot be written.
    """
    lines = (dump_json(document) + b"\n" for document in documents)
    first = next(lines, None)
    if first is not None:
        with write_atomically(provenance_path(root)) as temporary, temporary.open("wb") as file:
            file.writelines(chain([first], lines))


def provenance_path(root: Path) -> Path:
    """Return the path of the file with one line per episode."""
    return DatasetLayout(root=root).own / _NAME


class EpisodeDocuments(Mapping[int, dict[str, Any]]):
    """The document of each episode by number, read from the file when it is needed.

    Args:
        path: the file; it may be missing.
        unreadable: see `load_provenance`.

    Raises:
        OSError: the file cannot be read.
    """

    def __init__(self, path: Path, *, unreadable: list[int] | None = None) -> None:
        self._path = path
        self._offsets: dict[int, int] = {}
        if not path.exists():
            return
        offset = 0
        with open_regular(path) as file:
            for number, line in enumerate(file, start=1):
                try:
                    self._offsets[operator.index(load_json(line)["episode_index"])] = offset
                except (ValueError, TypeError, KeyError):
                    if unreadable is not None:
                        unreadable.append(number)
                offset += len(line)

    def __getitem__(self, episode: int) -> dict[str, Any]:
        """Read the document of an episode.

        Raises:
            KeyError: there is none.
            OSError, ValueError: the file was changed.
        """
        offset = self._offsets[episode]
        with self._path.open("rb") as file:
            file.seek(offset)
            document: dict[str, Any] = load_json(file.readline())
        return document

    def __contains__(self, episode: object) -> bool:
        return episode in self._offsets

    def __iter__(self) -> Iterator[int]:
        return iter(self._offsets)

    def __len__(self) -> int:
        return len(self._offsets)


def load_provenance(root: Path, *, unreadable: list[int] | None = None) -> EpisodeDocuments:
    """Return the document of each episode by number; empty for a dataset that ffenc did not record.

    Args:
        root: the dataset.
        unreadable: list to which the numbers (from 1) of damaged lines are added; a crash can leave an incomplete line.

    Raises:
        OSError: the file cannot be read.
    """
    return EpisodeDocuments(provenance_path(root), unreadable=unreadable)


def rows_before_drops(document: Mapping[str, Any]) -> set[int]:
    """Return the rows of an episode after which time steps were dropped."""
    return {step - before - 1 for before, step in enumerate(_steps(document, "drops"))}


def repeated_rows(document: Mapping[str, Any], camera: str) -> set[int]:
    """Return the rows in which a camera had no new frame, so that its last frame was recorded again.

    They are the list ``repeats`` of the document, whose entries have ``step`` and ``cameras`` like those of ``drops``.
    """
    dropped = _steps(document, "drops")
    return {step - bisect.bisect_left(dropped, step) for step in _steps(document, "repeats", camera=camera)}


def _steps(document: Mapping[str, Any], what: str, *, camera: str | None = None) -> list[int]:
    entries = document.get(what)
    known = [each for each in entries if isinstance(each, Mapping)] if isinstance(entries, list) else []
    chosen = [each for each in known if camera is None or camera in (each.get("cameras") or ())]
    return sorted({each["step"] for each in chosen if type(each.get("step")) is int})
