"""Read LeRobot's format 2.1: a data file and a video per camera for each episode, and JSON lines instead of tables.

Every problem is reported with its file, and its line or row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.documents import info_path, read_document
from ffenc.dataset.format.episode_columns import TOLERANCE_S, episodes_schema
from ffenc.dataset.format.frame_columns import column_values, conform, data_schema
from ffenc.dataset.format.parquet_series import open_parquet
from ffenc.dataset.format.paths import FixedPath
from ffenc.dataset.format.schema import DATA_PATH, DEFAULT_FEATURES, OLD_COUNTERS, VIDEO_PATH, DatasetInfo
from ffenc.dataset.format.versions import CODEBASE_VERSION, is_known_version, is_upgradable, version_message
from ffenc.errors import DatasetError
from ffenc.regular_files import JsonLine, iterate_json_lines, read_json_line
from ffenc.statistics import STATISTICS, FeatureStatistics

_PATHS = {
    "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
    "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout21:
    """The paths of a dataset of format 2.1.

    Attributes:
        root: its directory.
        chunks_size: episodes per chunk directory.
    """

    root: Path
    chunks_size: int

    info = FixedPath("meta/info.json")
    episodes = FixedPath("meta/episodes.jsonl")
    """One line for each episode."""
    statistics = FixedPath("meta/episodes_stats.jsonl")
    """One line for each episode."""
    tasks = FixedPath("meta/tasks.jsonl")
    """One line for each task."""

    def data(self, episode: int) -> Path:
        """Return the data file of an episode."""
        return self.root / f"data/chunk-{episode // self.chunks_size:03d}/episode_{episode:06d}.parquet"

    def video(self, key: str, episode: int) -> Path:
        """Return the video of an episode and a camera."""
        return self.root / f"videos/chunk-{episode // self.chunks_size:03d}" / key / f"episode_{episode:06d}.mp4"

    def numbered_files(self) -> Iterator[Path]:
        """Yield all files that are named like the data or a video of an episode."""
        yield from self.root.glob("data/*/episode_*.parquet")
        yield from self.root.glob("videos/*/*/episode_*.mp4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode21:
    """One line of ``meta/episodes.jsonl``.

    Attributes:
        number: ``episode_index``.
        tasks: texts of its tasks.
        length: number of frames.
        line: number of the line.
        others: keys that LeRobot does not define.
    """

    number: int
    tasks: tuple[str, ...]
    length: int
    line: int
    others: Mapping[str, Any] = field(default_factory=dict)


def load_info_21(root: Path, *, data_files_size_in_mb: float, video_files_size_in_mb: float) -> DatasetInfo:
    """Read ``meta/info.json`` and convert it to format 3.0.

    As with LeRobot's converter, each feature without videos gets the key ``fps``, and the counters of videos and chunks are
    dropped.  Unknown keys are kept.

    Raises:
        DatasetError: it has another version, or an invalid value.
    """
    path = info_path(root)
    document = read_document(path)
    if not isinstance(document, dict):
        raise DatasetError(f"{path} does not contain a JSON object", path=path)
    version = document.get("codebase_version")
    if is_known_version(version):
        raise DatasetError(f"{path} has the current format {version}, so there is nothing to upgrade", path=path)
    if not is_upgradable(version):
        raise DatasetError(version_message(version, path, root), path=path)
    for name, expected in _PATHS.items():
        if document.get(name) != expected and not (name == "video_path" and document.get(name) is None):
            raise DatasetError(
                f"{path} has the {name} {document.get(name)!r}; format 2.1 has {expected!r}, so move the files first",
                path=path,
            )
    features = document.get("features")
    features = {
        name: {**feature, "fps": document.get("fps")}
        if isinstance(feature, dict) and feature.get("dtype") != "video"
        else feature
        for name, feature in (features.items() if isinstance(features, dict) else ())
    }
    kept = {key: value for key, value in document.items() if key not in OLD_COUNTERS}
    changed = {
        "codebase_version": CODEBASE_VERSION,
        "features": features,
        "data_files_size_in_mb": data_files_size_in_mb,
        "video_files_size_in_mb": video_files_size_in_mb,
        "data_path": DATA_PATH,
        "video_path": None if document.get("video_path") is None else VIDEO_PATH,
    }
    info = DatasetInfo.from_json({**kept, **changed}, path=path)
    for name, default in DEFAULT_FEATURES.items():
        if name not in info.features or info.features[name].shape != default.shape:
            raise DatasetError(f"{path} lacks the feature {name!r} with the shape {default.shape}", path=path)
    if info.videos and info.video_path is None:
        raise DatasetError(f"{path} has the video_path null, but {', '.join(info.videos)} are videos", path=path)
    return info


def load_tasks_21(path: Path) -> tuple[list[str], list[Mapping[str, Any]]]:
    """Return the texts of ``meta/tasks.jsonl`` by number, and the keys of each that LeRobot does not define.

    Raises:
        DatasetError: a number or a text is missing, invalid or listed twice.
    """
    lines: dict[int, JsonLine] = {}
    texts: dict[str, int] = {}
    for line in _lines(path):
        number, text = _number(line, "task_index", path), line.value.get("task")
        if not isinstance(text, str):
            raise _wrong(path, line.number, f"the task is {text!r}; expected a text")
        _check_new(lines, number, line, path, f"task {number}")
        if text in texts:
            raise _wrong(
                path, line.number, f"the task {text!r} is listed in line {texts[text]} too; give it one number"
            )
        lines[number], texts[text] = line, line.number
    _check_complete(lines, path, "task")
    found = [lines[number].value for number in range(len(lines))]
    known = ("task_index", "task")
    return [line["task"] for line in found], [{k: v for k, v in line.items() if k not in known} for line in found]


def load_episodes_21(path: Path, info: DatasetInfo) -> list[Episode21]:
    """Return ``meta/episodes.jsonl`` by number.

    Raises:
        DatasetError: an episode is missing, invalid or listed twice.
    """
    taken = set(episodes_schema(info).names)
    lines: dict[int, JsonLine] = {}
    episodes: dict[int, Episode21] = {}
    for line in _lines(path):
        number, length = _number(line, "episode_index", path), _number(line, "length", path)
        tasks = line.value.get("tasks")
        if not isinstance(tasks, list) or not all(isinstance(task, str) for task in tasks):
            raise _wrong(path, line.number, f"tasks is {tasks!r}; expected a list of texts")
        if length < 1:
            raise _wrong(path, line.number, "the episode has no frames")
        _check_new(lines, number, line, path, f"episode {number}")
        others = {key: value for key, value in line.value.items() if key not in ("episode_index", "tasks", "length")}
        for key in others:
            if key in taken or key.startswith(("stats/", "videos/")):
                raise _wrong(path, line.number, f"the key {key!r} is the name of a column of format 3.0; rename it")
        lines[number] = line
        episodes[number] = Episode21(number=number, tasks=tuple(tasks), length=length, line=line.number, others=others)
    _check_complete(lines, path, "episode")
    return [episodes[number] for number in range(len(episodes))]


class StatisticsLines:
    """The lines of ``meta/episodes_stats.jsonl``, which are read when they are needed.

    Args:
        path: the file.
        info: document of the dataset; statistics of features that it does not have are left out.

    Raises:
        DatasetError: an episode is missing, invalid or listed twice.
    """

    def __init__(self, path: Path, info: DatasetInfo) -> None:
        self._path, self._features = path, info.features
        self.columns: set[str] = set()
        """The columns ``stats/FEATURE/STATISTIC`` that at least one episode has."""
        lines: dict[int, JsonLine] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        for line in _lines(path):
            number, stats = _number(line, "episode_index", path), line.value.get("stats")
            _check_new(lines, number, line, path, f"episode {number}")
            for name, values in self._read(stats, line.number).items():
                if values.mean.shape != shapes.setdefault(name, values.mean.shape) or values.count[0] < 1:
                    what = f"{name} has the shape {values.mean.shape} and the count {values.count[0]}"
                    raise _wrong(
                        path, line.number, f"{what}; expected {shapes[name]} as in earlier lines, and at least 1"
                    )
                self.columns |= {f"stats/{name}/{key}" for key in STATISTICS if getattr(values, key) is not None}
            lines[number] = JsonLine(number=line.number, offset=line.offset, value=None)
        _check_complete(lines, path, "episode")
        self._places = [(lines[number].number, lines[number].offset) for number in range(len(lines))]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, episode: int) -> dict[str, FeatureStatistics]:
        number, offset = self._places[episode]
        try:
            return self._read(read_json_line(self._path, offset).get("stats"), number)
        except (OSError, ValueError, AttributeError) as err:
            raise _wrong(self._path, number, f"it cannot be read: {err}") from err

    def _read(self, stats: object, number: int) -> dict[str, FeatureStatistics]:
        if not isinstance(stats, dict):
            raise _wrong(self._path, number, f"stats is {type(stats).__name__}; expected an object")
        found = {}
        for name, feature in self._features.items():
            if name in stats and feature.has_statistics:
                try:
                    found[name] = FeatureStatistics.from_json(stats[name])
                except (AttributeError, TypeError, ValueError) as err:
                    raise _wrong(self._path, number, f"{name}: {err}") from err
        return found


def read_rows_21(path: Path, episode: Episode21, info: DatasetInfo, *, first: int) -> pa.Table:
    """Read and check the rows of an episode, and return them with the column types of LeRobot's recorder.

    Args:
        path: its data file.
        episode: its line.
        info: document of the dataset.
        first: ``index`` of its first row.

    Raises:
        DatasetError: a column or row is not what the episode declares.
    """
    with open_parquet(path) as file:
        table = file.read()
    if len(table) != episode.length:
        raise DatasetError(
            f"{path} has {len(table)} rows, but line {episode.line} of meta/episodes.jsonl says {episode.length}",
            path=path,
        )
    try:
        table = conform(table, data_schema(info))
        columns = {name: column_values(table, name, each) for name, each in info.columns.items() if each.is_numeric}
    except DatasetError as err:
        raise DatasetError(f"{path}: {err}", path=path) from err
    for name in table.column_names:
        if table[name].null_count:
            raise DatasetError(f"{path}: the column {name!r} has {table[name].null_count} missing values", path=path)
    steps = np.arange(episode.length)
    expected = {"episode_index": np.full(episode.length, episode.number), "index": first + steps, "frame_index": steps}
    for name, values in expected.items():
        _check_rows(path, name, columns[name], values, columns[name] == values)
    times = steps / info.fps
    off = np.abs(columns["timestamp"].astype(np.float64) - times)
    _check_rows(path, "timestamp", columns["timestamp"], times, off <= float(TOLERANCE_S))
    tasks = columns["task_index"]
    known = (tasks >= 0) & (tasks < info.total_tasks)
    _check_rows(path, "task_index", tasks, np.full(episode.length, f"0 to {info.total_tasks - 1}"), known)
    return table


def _check_rows(
    path: Path, name: str, values: npt.NDArray[Any], expected: npt.NDArray[Any], is_right: npt.NDArray[np.bool_]
) -> None:
    if not is_right.all():
        row = int(np.argmin(is_right))
        raise DatasetError(f"{path}, row {row}: {name} is {values[row]}, expected {expected[row]}", path=path)


def _lines(path: Path) -> Iterator[JsonLine]:
    try:
        for line in iterate_json_lines(path):
            if not isinstance(line.value, dict):
                raise _wrong(path, line.number, "expected a JSON object")
            yield line
    except FileNotFoundError as err:
        raise DatasetError(f"{path} does not exist; every dataset of format 2.1 has it", path=path) from err
    except (OSError, ValueError) as err:
        raise DatasetError(f"{path} cannot be read as JSON lines: {err}", path=path) from err


def _number(line: JsonLine, key: str, path: Path) -> int:
    value = line.value.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(path, line.number, f"{key} is {value!r}; expected an integer of at least 0")
    return value


def _check_new(lines: Mapping[int, JsonLine], number: int, line: JsonLine, path: Path, what: str) -> None:
    if number in lines:
        raise _wrong(path, line.number, f"{what} is listed in line {lines[number].number} too; remove one of the lines")


def _check_complete(lines: Mapping[int, JsonLine], path: Path, what: str) -> None:
    if not lines:
        raise DatasetError(f"{path} is empty", path=path)
    missing = next((number for number in range(len(lines)) if number not in lines), None)
    if missing is not None:
        later = lines[min(number for number in lines if number > missing)]
        raise _wrong(path, later.number, f"{what} {missing} is missing, but a later one is listed here")


def _wrong(path: Path, line: int, what: str) -> DatasetError:
    return DatasetError(f"{path}, line {line}: {what}", path=path)
