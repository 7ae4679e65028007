"""The rows of an episode that is being recorded: in memory, and line by line on disk, so that a crash does not lose them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from ffenc.dataset.schema import DEFAULT_FEATURES, DatasetInfo, Feature
from ffenc.errors import FrameError
from ffenc.streaming.ledger import Drop
from ffenc.video.recording import SyncedFile

_TASK = "task"


@dataclass(slots=True, kw_only=True)
class EpisodeRows:
    """What is known of each time step of one episode, beside its pictures.

    Attributes:
        info: of the dataset.
        tasks: the text of each row's task.
        columns: for each feature that the caller gives and that is no camera, the values of all rows.
    """

    info: DatasetInfo
    tasks: list[str] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in given_columns(self.info):
            self.columns.setdefault(name, [])

    def __len__(self) -> int:
        return len(self.tasks)

    def add(self, values: Mapping[str, Any], task: str) -> None:
        """Add a row that was checked; arrays are copied, because callers reuse theirs."""
        self.tasks.append(task)
        for name, column in self.columns.items():
            value = values[name]
            column.append(value.copy() if isinstance(value, np.ndarray) else value)

    def first(self, count: int) -> EpisodeRows:
        """Only the first rows."""
        columns = {name: values[:count] for name, values in self.columns.items()}
        return EpisodeRows(info=self.info, tasks=self.tasks[:count], columns=columns)

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
        given = {name: _stacked(self.info.features[name], values) for name, values in self.columns.items()}
        return given | made


def given_columns(info: DatasetInfo) -> dict[str, Feature]:
    """The features of a frame that the caller gives and that are no cameras."""
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
        return
    expected = f"a numpy array of shape {feature.shape} and dtype {feature.dtype}"
    if not isinstance(value, np.ndarray):
        raise _refusal(name, expected, f"a {type(value).__name__}")
    if value.dtype != np.dtype(feature.dtype) or value.shape != feature.shape:
        raise _refusal(name, expected, f"shape {value.shape} and dtype {value.dtype}")


def _refusal(name: str, expected: str, seen: str) -> FrameError:
    return FrameError(
        f"{name!r} must be {expected}, got {seen}; nothing of this frame was taken", expected=expected, seen=seen
    )


def _stacked(feature: Feature, values: Sequence[Any]) -> Any:
    if feature.dtype == "string":
        return list(values)
    return np.stack(values) if values else np.empty((0, *feature.shape), feature.dtype)


class RowLog:
    """The rows and the dropped steps of an episode as JSON lines, each written at once and synced like its videos.

    Args:
        path: the file; it must not exist.
    """

    def __init__(self, path: Path) -> None:
        self._file = SyncedFile(path)

    def add(self, values: Mapping[str, Any], task: str, names: Sequence[str]) -> None:
        """Write one row."""
        row = {name: values[name] for name in names}
        self._write({"task": task, "values": row})

    def add_drop(self, drop: Drop) -> None:
        """Write one dropped step."""
        self._write({"drop": {"step": drop.step, "time_s": drop.time_s, "cameras": drop.cameras}})

    def close(self) -> None:
        """Sync and close it; a second call does nothing."""
        self._file.release()

    def _write(self, document: Mapping[str, Any]) -> None:
        line = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE, default=_plain)
        self._file.append(line)


def _plain(value: object) -> object:
    # orjson takes arrays of native byte order in C order; all others come here.
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no value of a row")


def read_rows(path: Path, info: DatasetInfo) -> EpisodeRows:
    """The whole rows of a log; a last line that a crash cut off is left out."""
    rows = EpisodeRows(info=info)
    features = given_columns(info)
    for line in path.read_bytes().splitlines():
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError:
            break
        if "values" in document:
            values = {name: _typed(features[name], value) for name, value in document["values"].items()}
            rows.add(values, document["task"])
    return rows


def _typed(feature: Feature, value: Any) -> Any:
    return value if feature.dtype == "string" else np.array(value, feature.dtype).reshape(feature.shape)
