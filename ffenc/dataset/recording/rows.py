"""Rows of an episode: check them, keep them in memory, and log them on disk so that they survive a crash."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from ffenc.dataset.format.schema import DEFAULT_FEATURES, DatasetInfo, Feature
from ffenc.errors import FrameError, InputError
from ffenc.json_text import dump_json, load_json
from ffenc.regular_files import read_regular
from ffenc.streaming.drop_log import Drop, DropReason
from ffenc.video.recording import SyncedFile

_TASK = "task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """When the frames of a row were captured.

    Attributes:
        times_ms: for each camera, the capture time of its frame, in milliseconds from any origin that all rows share.
        repeated: the cameras that had no new frame.
    """

    times_ms: Mapping[str, int]
    repeated: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One time step without its frames.

    Attributes:
        task: text of its task.
        values: values that the caller gave, by feature, without cameras.
        shown: for a few rows, small images of each camera, see `ffenc.dataset.format.frame_ties`.
        capture: when its frames were captured, and which are repeated.
    """

    task: str
    values: Mapping[str, Any]
    shown: Mapping[str, Sequence[int]] | None = None
    capture: Capture | None = None

    @classmethod
    def of(cls, frame: Mapping[str, Any], task: str, names: Sequence[str]) -> Row:
        """Return the row of a checked frame.  Arrays are copied, because callers reuse theirs."""
        values = {name: frame[name] for name in names}
        copied = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in values.items()}
        return cls(task=task, values=copied)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeRows:
    """Rows of all time steps of one episode, one for every frame.

    Attributes:
        info: the features.
        rows: one per frame.
    """

    info: DatasetInfo
    rows: Sequence[Row]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def tasks(self) -> list[str]:
        """Text of each row's task."""
        return [row.task for row in self.rows]

    def first(self, count: int) -> EpisodeRows:
        """Return the first rows."""
        return EpisodeRows(info=self.info, rows=self.rows[:count])

    @property
    def captures(self) -> Sequence[Capture]:
        """The capture of every row; empty if a row has none, or has other cameras than the rest."""
        captures = [row.capture for row in self.rows if row.capture is not None]
        is_complete = len(captures) == len(self.rows) and len({frozenset(each.times_ms) for each in captures}) <= 1
        return captures if is_complete else ()

    def arrays(self, *, episode_index: int, first_index: int, task_numbers: Mapping[str, int]) -> dict[str, Any]:
        """Return all columns of the data file except cameras.

        ``timestamp`` is frame_index / fps, rounded once to float32.
        """
        length = len(self)
        frame = np.arange(length, dtype=np.int64)
        made: dict[str, npt.NDArray[Any]] = {
            "timestamp": (frame / self.info.fps).astype(np.float32),
            "frame_index": frame,
            "episode_index": np.full(length, episode_index, np.int64),
            "index": first_index + frame,
            "task_index": np.array([task_numbers[task] for task in self.tasks], np.int64),
        }
        given = {
            name: _stacked(feature, [row.values[name] for row in self.rows])
            for name, feature in given_columns(self.info).items()
        }
        return given | made


def given_columns(info: DatasetInfo) -> dict[str, Feature]:
    """Return the features that the caller gives with a frame, without cameras."""
    return {
        name: feature
        for name, feature in info.features.items()
        if name not in DEFAULT_FEATURES and not feature.is_camera
    }


def check_frame(info: DatasetInfo, frame: Mapping[str, Any]) -> str:
    """Check a frame against the features, before anything of it is taken, and return the text of its task.

    `ffenc.streaming.camera.CameraFormat` checks the frames of cameras.

    Raises:
        FrameError: a key is missing or unknown, or a value has a wrong type, dtype or shape; the message names the key.
    """
    wanted = {name for name in info.features if name not in DEFAULT_FEATURES} | {_TASK}
    if frame.keys() != wanted:
        _refuse_keys(wanted, frame.keys())
    task = frame[_TASK]
    if not isinstance(task, str) or not task:
        raise _refusal(_TASK, "a text that describes the task", repr(task))
    _check_text(_TASK, task)
    for name, feature in given_columns(info).items():
        _check_value(name, feature, frame[name])
    return task


def _refuse_keys(wanted: set[str], seen: Any) -> None:
    filled = sorted(set(seen) & set(DEFAULT_FEATURES))
    missing, extra = sorted(wanted - set(seen)), sorted(set(seen) - wanted - set(DEFAULT_FEATURES))
    problems = [f"missing: {', '.join(missing)}"] * bool(missing)
    problems += [f"unknown: {', '.join(extra)}"] * bool(extra)
    problems += [f"filled by the recorder, so leave out: {', '.join(filled)}"] * bool(filled)
    raise FrameError(
        f"a frame has exactly the features of the dataset and a task; {'; '.join(problems)}; nothing of it was taken",
        expected=", ".join(sorted(wanted)),
        seen=", ".join(map(str, seen)),
    )


def _check_value(name: str, feature: Feature, value: Any) -> None:
    if feature.dtype == "string":
        if not isinstance(value, str):
            raise _refusal(name, "a str", f"a {type(value).__name__}")
        _check_text(name, value)
        return
    expected = f"a numpy array of shape {feature.shape} and dtype {feature.dtype}"
    if not isinstance(value, np.ndarray):
        raise _refusal(name, expected, f"a {type(value).__name__}")
    if value.dtype != np.dtype(feature.dtype) or value.shape != feature.shape:
        raise _refusal(name, expected, f"shape {value.shape} and dtype {value.dtype}")


def _check_text(name: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as err:  # e.g. a lone surrogate from os.fsdecode
        raise _refusal(name, "text that has a UTF-8 encoding", repr(value)) from err


def _refusal(name: str, expected: str, seen: str) -> FrameError:
    return FrameError(
        f"{name!r} must be {expected}, got {seen}; nothing of this frame was taken", expected=expected, seen=seen
    )


def _stacked(feature: Feature, values: Sequence[Any]) -> Any:
    if feature.dtype == "string":
        return list(values)
    return np.stack(values) if values else np.empty((0, *feature.shape), feature.dtype)


class RowLog:
    """Time steps of an episode as JSON lines.  Each is written at once, and synced like the videos.

    Each line has the number of its frame, so recovery never counts.  Only lines before an offset that the caller keeps are
    valid.  Whatever an interrupt or a full disk leaves behind that offset is overwritten.

    Args:
        path: the file; it must not exist.
        first: see `SyncedFile`.
    """

    def __init__(self, path: Path, *, first: Callable[[], None] = lambda: None) -> None:
        self._file = SyncedFile(path, first=first)
        self._longest = 0  # bytes that may be in the file

    def write(self, line: bytes, *, at: int) -> int:
        """Write a line at an offset, remove everything behind it, and return the offset of the next line.

        Raises:
            OutputError: the disk is full or failed.
        """
        end = at + len(line)
        if self._longest > at:
            self._file.truncate(at)
        self._longest = end
        self._file.write_at(at, line)
        return end

    def close(self, *, at: int) -> None:
        """Truncate it behind the last valid line, sync and close it; a second call does nothing."""
        if self._longest > at:
            self._file.truncate(at)
        self._longest = at
        self._file.release()

    def release(self) -> None:
        """Close it without truncating it; a second call does nothing."""
        self._file.release()


def row_line(number: int, row: Row) -> bytes:
    """Return the line of the row that belongs to frame ``number`` of every camera.

    Raises:
        FrameError: JSON cannot hold a value.
    """
    values = {name: _jsonable(value) for name, value in row.values.items()}
    document = {"frame": number, "task": row.task, "values": values}
    if row.shown is not None:
        document["shown"] = row.shown
    if row.capture is not None:
        document["captured_ms"] = row.capture.times_ms
        document["repeated"] = row.capture.repeated
    try:
        return _line(document)
    except TypeError as err:
        raise FrameError(
            f"a row cannot be written: {err}; nothing of this frame was taken",
            expected="values that JSON can hold",
            seen=str(err),
        ) from err


def drop_line(drop: Drop) -> bytes:
    """Return the line of a dropped time step."""
    return _line({"drop": {"step": drop.step, "time_s": drop.time_s, "cameras": drop.cameras, "reason": drop.reason}})


def _line(document: Mapping[str, Any]) -> bytes:
    return dump_json(document) + b"\n"


def _jsonable(value: Any) -> Any:
    # JSON has no infinity; numpy reads texts back as numbers.
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and not np.isfinite(value).all():
        return value.astype(str).tolist()
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSteps:
    """Time steps that were read from a log.

    Attributes:
        rows: row ``n`` belongs to frame ``n`` of every camera.
        drops: dropped time steps.
    """

    rows: EpisodeRows
    drops: tuple[Drop, ...]

    def drops_among(self, frames: int) -> tuple[Drop, ...]:
        """Return the drops before, between and directly behind the first frames."""
        return tuple(drop for number, drop in enumerate(self.drops) if drop.step - number <= frames)


def read_log(path: Path, info: DatasetInfo) -> LoggedSteps:
    """Return the steps of a log up to the first line that is damaged or out of order; none if the log does not exist.

    Raises:
        InputError: the log cannot be read.
    """
    rows: list[Row] = []
    drops: list[Drop] = []
    features = given_columns(info)
    try:
        lines = read_regular(path).splitlines()
    except FileNotFoundError:
        lines = []
    except OSError as err:
        raise InputError(f"cannot read {path}: {err.strerror}", path=path) from err
    for line in lines:
        try:
            document = load_json(line)
            if "drop" in document:
                drop = _drop(document["drop"])
                if drop.step != len(rows) + len(drops):
                    break
                drops.append(drop)
            elif document["frame"] == len(rows):
                rows.append(_row(document, features))
            else:
                break
        except (ValueError, TypeError, KeyError, OverflowError):
            break  # a crash or a full disk cut it off
    return LoggedSteps(rows=EpisodeRows(info=info, rows=rows), drops=tuple(drops))


def _drop(document: Mapping[str, Any]) -> Drop:
    step, time_s, reason = int(document["step"]), float(document["time_s"]), document["reason"]
    if reason not in get_args(DropReason):
        raise ValueError(reason)
    return Drop(step=step, time_s=time_s, cameras=tuple(map(str, document["cameras"])), reason=reason)


def _row(document: Mapping[str, Any], features: Mapping[str, Feature]) -> Row:
    values = {name: _typed(feature, document["values"][name]) for name, feature in features.items()}
    task = document["task"]
    if not isinstance(task, str):
        raise TypeError(task)
    shown = document.get("shown")
    return Row(
        task=task, values=values, shown=shown if isinstance(shown, dict) else None, capture=_capture_of(document)
    )


def _capture_of(document: Mapping[str, Any]) -> Capture | None:
    if "captured_ms" not in document:
        return None
    given = document["captured_ms"]
    if not isinstance(given, dict):
        raise TypeError(given)
    times_ms = {name: int(time_ms) for name, time_ms in given.items()}
    return Capture(times_ms=times_ms, repeated=tuple(map(str, document["repeated"])))


def _typed(feature: Feature, value: Any) -> Any:
    if feature.dtype != "string":
        return np.array(value, feature.dtype).reshape(feature.shape)
    if not isinstance(value, str):
        raise TypeError(value)
    return value
