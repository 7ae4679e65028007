"""The rows of an episode that is being recorded: in memory, and line by line on disk, so that a crash does not lose them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import orjson

from ffenc.dataset.format.schema import DEFAULT_FEATURES, DatasetInfo, Feature
from ffenc.errors import FrameError, InputError
from ffenc.regular_files import read_regular
from ffenc.streaming.drop_log import Drop, DropReason
from ffenc.video.recording import SyncedFile

_TASK = "task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One time step, without its frames.

    Attributes:
        task: its text.
        values: of the features that the caller gives and that are not cameras.
        shown: for a few rows, what each camera shows, see `ffenc.dataset.format.frame_ties`.
    """

    task: str
    values: Mapping[str, Any]
    shown: Mapping[str, Sequence[int]] | None = None

    @classmethod
    def of(cls, frame: Mapping[str, Any], task: str, names: Sequence[str]) -> Row:
        """Return the row of a frame that was checked; arrays are copied, because callers reuse theirs."""
        values = {name: frame[name] for name in names}
        copied = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in values.items()}
        return cls(task=task, values=copied)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeRows:
    """Rows of all time steps of one episode, without the frames.

    Attributes:
        info: of the dataset.
        rows: one for every frame.
    """

    info: DatasetInfo
    rows: Sequence[Row]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def tasks(self) -> list[str]:
        """The text of each row's task."""
        return [row.task for row in self.rows]

    def first(self, count: int) -> EpisodeRows:
        """Only the first rows."""
        return EpisodeRows(info=self.info, rows=self.rows[:count])

    def arrays(self, *, episode_index: int, first_index: int, task_numbers: Mapping[str, int]) -> dict[str, Any]:
        """All columns of the data file but those of cameras, the default ones included.

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
    """The features of a frame that the caller gives and that are not cameras."""
    return {
        name: feature
        for name, feature in info.features.items()
        if name not in DEFAULT_FEATURES and not feature.is_camera
    }


def check_frame(info: DatasetInfo, frame: Mapping[str, Any]) -> str:
    """Refuse a frame that is not what the features say, before anything of it is taken; cameras are checked elsewhere.

    Returns:
        The text of its task.

    Raises:
        FrameError: a key is missing or unknown, or a value has another type, dtype or shape; the message names the key.
    """
    wanted = {name for name in info.features if name not in DEFAULT_FEATURES} | {_TASK}
    if frame.keys() != wanted:
        _refuse_keys(wanted, frame.keys())
    task = frame[_TASK]
    if not isinstance(task, str) or not task:
        raise _refusal(_TASK, "a text that says what is being done", repr(task))
    _check_text(_TASK, task)
    for name, feature in given_columns(info).items():
        _check_value(name, feature, frame[name])
    return task


def _refuse_keys(wanted: set[str], seen: Any) -> None:
    filled = sorted(set(seen) & set(DEFAULT_FEATURES))
    missing, extra = sorted(wanted - set(seen)), sorted(set(seen) - wanted - set(DEFAULT_FEATURES))
    said = [f"missing: {', '.join(missing)}"] * bool(missing)
    said += [f"unknown: {', '.join(extra)}"] * bool(extra)
    said += [f"filled by the recorder, so not to be given: {', '.join(filled)}"] * bool(filled)
    raise FrameError(
        f"a frame has exactly the features of the dataset and a task; {'; '.join(said)}; nothing of it was taken",
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
    except UnicodeEncodeError as err:  # e.g. a lone surrogate, as os.fsdecode makes them
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
    """The time steps of an episode as JSON lines, each written at once and synced like its videos.

    A line says which frame its row belongs to, so that recovery never has to count.  Only the lines before an offset that the
    caller keeps are valid: what an interrupt or a full disk leaves behind it is overwritten.

    Args:
        path: the file; it must not exist.
    """

    def __init__(self, path: Path) -> None:
        self._file = SyncedFile(path)
        self._longest = 0  # bytes that may be in the file

    def write(self, line: bytes, *, at: int) -> int:
        """Write a line at an offset, and remove what was behind it.

        Returns:
            The offset of the next line.

        Raises:
            OutputError: the disk is full, or it failed.
        """
        end = at + len(line)
        if self._longest > at:
            self._file.truncate(at)
        self._longest = end
        self._file.write_at(at, line)
        return end

    def close(self, *, at: int) -> None:
        """Cut it off behind the last valid line, sync and close it; a second call does nothing."""
        if self._longest > at:
            self._file.truncate(at)
        self._longest = at
        self._file.release()

    def release(self) -> None:
        """Close it as it is; a second call does nothing."""
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
    try:
        return _line(document)
    except orjson.JSONEncodeError as err:
        raise FrameError(
            f"a row cannot be written: {err}; nothing of this frame was taken",
            expected="values that JSON can hold",
            seen=str(err),
        ) from err


def drop_line(drop: Drop) -> bytes:
    """Return the line of a time step that was left out."""
    return _line({"drop": {"step": drop.step, "time_s": drop.time_s, "cameras": drop.cameras, "reason": drop.reason}})


def _line(document: Mapping[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE, default=_plain)


def _jsonable(value: Any) -> Any:
    # JSON has no infinity, and orjson would write null; numpy reads texts back as numbers.
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and not np.isfinite(value).all():
        return value.astype(str).tolist()
    return value


def _plain(value: object) -> object:
    # orjson takes arrays of native byte order in C order; all others come here.
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not a value of a row")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSteps:
    """What a log says of an episode.

    Attributes:
        rows: row ``n`` belongs to frame ``n`` of every camera.
        drops: time steps that were left out.
    """

    rows: EpisodeRows
    drops: tuple[Drop, ...]

    def drops_among(self, frames: int) -> tuple[Drop, ...]:
        """Return the drops before, between and directly behind the first frames."""
        return tuple(drop for number, drop in enumerate(self.drops) if drop.step - number <= frames)


def read_log(path: Path, info: DatasetInfo) -> LoggedSteps:
    """Return the steps of a log up to the first line that is damaged or out of order; empty if there is no log.

    Raises:
        InputError: it cannot be read.
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
            document = orjson.loads(line)
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
    return Row(task=task, values=values, shown=shown if isinstance(shown, dict) else None)


def _typed(feature: Feature, value: Any) -> Any:
    if feature.dtype != "string":
        return np.array(value, feature.dtype).reshape(feature.shape)
    if not isinstance(value, str):
        raise TypeError(value)
    return value
