"""Define the columns of ``meta/episodes/*.parquet``: one row per episode with the place and statistics of its frames.

Files store places in videos as times.  ffenc converts them to frame numbers and back, rounding once.  LeRobot sums measured
durations, so times are read with the tolerance of its reader.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.layout import FileId
from ffenc.dataset.format.schema import LARGEST_COUNT, DatasetInfo
from ffenc.errors import DatasetError
from ffenc.statistics import STATISTICS, FeatureStatistics

_FILES = ("data", "meta/episodes")  # series of files that an episode names by chunk and number

TOLERANCE_S = Fraction(1, 10_000)
"""Largest distance of a stored time from that of a frame; LeRobot refuses to decode beyond it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSpan:
    """The frames of an episode in the videos of one camera.

    Attributes:
        file: the video.
        from_frame: first frame of the episode in the video.
        to_frame: one after its last frame; the difference is ``length`` except in a damaged dataset.
    """

    file: FileId
    from_frame: int
    to_frame: int

    def part(self, first: int, stop: int) -> VideoSpan:
        """Return the frames of rows ``[first, stop)`` of the episode."""
        return VideoSpan(file=self.file, from_frame=self.from_frame + first, to_frame=self.from_frame + stop)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeRow:
    """One episode of a dataset.

    Attributes:
        episode_index: its number.
        tasks: the texts of its tasks.
        length: number of frames.
        data: the data file with its rows.
        dataset_from_index: index of its first row in the dataset.
        videos: its frames in the videos of each camera.
        meta: the episodes file with this row.
        statistics: statistics by feature; a feature may be missing.
        others: values of columns that LeRobot does not define.
    """

    episode_index: int
    tasks: tuple[str, ...]
    length: int
    data: FileId
    dataset_from_index: int
    videos: Mapping[str, VideoSpan] = field(default_factory=dict)
    meta: FileId = field(default_factory=FileId)
    statistics: Mapping[str, FeatureStatistics] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dataset_to_index(self) -> int:
        """One after the index of its last row."""
        return self.dataset_from_index + self.length


def time_of_frame(frame: int, fps: int) -> float:
    """Return the time of a frame in seconds from the start of a video, rounded once."""
    return float(Fraction(frame, fps))


def frame_at_time(time_s: float, fps: int) -> int:
    """Return the frame that starts at a time.

    Raises:
        DatasetError: no frame starts within 0.1 ms.
    """
    frame = round(time_s * fps)
    if abs(Fraction(time_s) - Fraction(frame, fps)) > TOLERANCE_S:
        raise DatasetError(f"{time_s} s is not the time of a frame at {fps} frames per second")
    return frame


def episodes_schema(
    info: DatasetInfo, others: Mapping[str, pa.DataType] | None = None, *, leave_out: Collection[str] = ()
) -> pa.Schema:
    """Return the columns of LeRobot's recorder in its order except ``leave_out``, followed by ``others``."""
    count, text = pa.int64(), pa.string()
    fields = [
        ("episode_index", count), ("tasks", pa.list_(text)), ("length", count), ("data/chunk_index", count),
        ("data/file_index", count), ("dataset_from_index", count), ("dataset_to_index", count),
    ]  # fmt: skip
    for key in info.videos:
        fields += [(f"videos/{key}/chunk_index", count), (f"videos/{key}/file_index", count)]
        fields += [(f"videos/{key}/from_timestamp", pa.float64()), (f"videos/{key}/to_timestamp", pa.float64())]
    for name, feature in info.features.items():
        if feature.has_statistics:
            values = pa.list_(pa.float64())
            if feature.is_camera:
                values = pa.list_(pa.list_(values))
            fields += [(f"stats/{name}/{key}", pa.list_(count) if key == "count" else values) for key in STATISTICS]
    fields += [("meta/episodes/chunk_index", count), ("meta/episodes/file_index", count)]
    return pa.schema([*(field for field in fields if field[0] not in leave_out), *(others or {}).items()])


def other_columns(schema: pa.Schema, info: DatasetInfo) -> dict[str, pa.DataType]:
    """Return the columns of an episodes file that LeRobot does not define.

    Columns of removed features are not included, because LeRobot leaves them behind.
    """
    known = set(episodes_schema(info).names)
    cameras = tuple(f"videos/{key}/" for key in info.videos)
    return {
        name: schema.field(name).type
        for name in schema.names
        if name not in known and (name.startswith(cameras) or not name.startswith(("stats/", "videos/")))
    }


def episodes_table(
    rows: Sequence[EpisodeRow],
    info: DatasetInfo,
    others: Mapping[str, pa.DataType] | None = None,
    *,
    leave_out: Collection[str] = (),
) -> pa.Table:
    """Return the rows as a table; unknown statistics and missing values of ``others`` are null.

    Args:
        rows: the episodes.
        info: document of the dataset.
        others: columns that LeRobot does not define.
        leave_out: columns that the table does not have.

    Raises:
        DatasetError: a row does not have exactly the cameras of ``info``, or statistics of the wrong shape.
    """
    schema = episodes_schema(info, others, leave_out=leave_out)
    for row in rows:
        if row.videos.keys() != info.videos.keys():
            raise DatasetError(
                f"episode {row.episode_index} has videos of {sorted(row.videos)}; expected {sorted(info.videos)}"
            )
    documents = [_document(row, info) for row in rows]
    try:
        arrays = [
            pa.array([document.get(name) for document in documents], schema.field(name).type) for name in schema.names
        ]
    except (pa.ArrowException, TypeError) as err:
        raise DatasetError(f"the statistics of an episode do not match the shape of their feature: {err}") from err
    return pa.Table.from_arrays(arrays, schema=schema)


def _document(row: EpisodeRow, info: DatasetInfo) -> dict[str, Any]:
    document: dict[str, Any] = {
        **row.others,
        "episode_index": row.episode_index,
        "tasks": list(row.tasks),
        "length": row.length,
        "dataset_from_index": row.dataset_from_index,
        "dataset_to_index": row.dataset_to_index,
    }
    document |= _file_columns("data", row.data) | _file_columns("meta/episodes", row.meta)
    for key, span in row.videos.items():
        document |= _file_columns(f"videos/{key}", span.file)
        document[f"videos/{key}/from_timestamp"] = time_of_frame(span.from_frame, info.fps)
        document[f"videos/{key}/to_timestamp"] = time_of_frame(span.to_frame, info.fps)
    for name, statistics in row.statistics.items():
        document |= {f"stats/{name}/{key}": values for key, values in statistics.to_json().items()}
    return document


def _file_columns(series: str, file: FileId) -> dict[str, int]:
    return {f"{series}/chunk_index": file.chunk, f"{series}/file_index": file.file}


def episode_rows(table: pa.Table, info: DatasetInfo) -> list[EpisodeRow]:
    """Read a table of episodes, including statistics of removed features, which LeRobot leaves behind.

    Raises:
        DatasetError: a column is missing, or a value is invalid.
    """
    others = list(other_columns(table.schema, info))
    # A feature name cannot contain a slash, so it is the second part of the column name.
    named = list(dict.fromkeys(name.split("/")[1] for name in table.column_names if name.startswith("stats/")))
    try:
        return [_row(with_derived(values, info), info, named, others) for values in table.to_pylist()]
    except KeyError as err:
        raise DatasetError(f"the table of episodes lacks the column {err}") from err
    except (TypeError, ValueError, AttributeError, ArithmeticError) as err:
        raise DatasetError(f"the table of episodes has an invalid value: {err}") from err


def is_derivable(column: str) -> bool:
    """Return True if `with_derived` fills a column of the episodes; LeRobot's reader does not use these columns."""
    return (
        column in ("tasks", "length")
        or column.endswith("/to_timestamp")
        or column.startswith(tuple(f"{series}/" for series in _FILES))
    )


def with_derived(values: Mapping[str, Any], info: DatasetInfo) -> dict[str, Any]:
    """Return a row of the episodes with missing columns derived from others; missing file numbers become those of file 0."""
    length = values["dataset_to_index"] - values["dataset_from_index"]
    derived: dict[str, Any] = {"length": length}
    for series in _FILES:
        derived |= _file_columns(series, FileId())
    for key in info.videos:
        derived[f"videos/{key}/to_timestamp"] = values[f"videos/{key}/from_timestamp"] + length / info.fps
    return derived | dict(values)


def _row(values: Mapping[str, Any], info: DatasetInfo, named: Sequence[str], others: Sequence[str]) -> EpisodeRow:
    episode, start, length = (_whole(values[key]) for key in ("episode_index", "dataset_from_index", "length"))
    if values["dataset_to_index"] != start + length or length < 1:
        raise DatasetError(
            f"episode {episode} has length {length}, but its rows are {start} to {values['dataset_to_index']}"
        )
    spans = {}
    for key in info.videos:
        times = (values[f"videos/{key}/from_timestamp"], values[f"videos/{key}/to_timestamp"])
        first, last = (frame_at_time(time_s, info.fps) for time_s in times)
        spans[key] = VideoSpan(file=_file(values, f"videos/{key}"), from_frame=first, to_frame=last)
    statistics = {}
    for name in named:
        known = {key: values.get(f"stats/{name}/{key}") for key in STATISTICS}
        if any(value is not None for value in known.values()):
            statistics[name] = FeatureStatistics.from_json(known)
    return EpisodeRow(
        episode_index=episode,
        tasks=tuple(values.get("tasks") or ()),
        length=length,
        data=_file(values, "data"),
        dataset_from_index=start,
        videos=spans,
        meta=_file(values, "meta/episodes"),
        statistics=statistics,
        others={name: values[name] for name in others},
    )


def _file(values: Mapping[str, Any], series: str) -> FileId:
    return FileId(chunk=_whole(values[f"{series}/chunk_index"]), file=_whole(values[f"{series}/file_index"]))


def _whole(value: Any) -> int:
    """Return the number of an episode, a row or a file as int."""
    if isinstance(value, bool) or int(value) != value or not 0 <= value <= LARGEST_COUNT:
        raise ValueError(f"{value!r} is not an integer from 0 to {LARGEST_COUNT}")
    return int(value)
