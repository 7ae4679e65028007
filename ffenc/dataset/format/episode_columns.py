"""The columns of ``meta/episodes/*.parquet``: one row for each episode, where its frames are and what they hold.

In a file, a place in a video is a time; here it is a number of frames, and the time is made of it without rounding in between.
LeRobot sums measured durations, so its times are read with the tolerance that its reader has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.layout import FileId
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.errors import DatasetError
from ffenc.statistics import STATISTICS, FeatureStatistics

_FILES = ("data", "meta/episodes")  # series of files that an episode names by chunk and number

TOLERANCE_S = Fraction(1, 10_000)
"""How far a stored time may lie from the grid of frames; LeRobot refuses to decode beyond it."""


_MOST = 1 << 53  # beyond it a float64 cannot count


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSpan:
    """Where the frames of an episode are in the videos of one camera.

    Attributes:
        file: the video.
        from_frame: the first frame of the episode in it.
        to_frame: one after the last; less or more than ``length`` frames on only in a damaged dataset.
    """

    file: FileId
    from_frame: int
    to_frame: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeRow:
    """One episode of a dataset.

    Attributes:
        episode_index: its number.
        tasks: the texts of its tasks.
        length: frames.
        data: the file that has its rows.
        dataset_from_index: number of its first row, over all data files.
        videos: for each camera, where its frames are.
        meta: the file of episodes that has this row.
        statistics: for each feature; a feature may be missing.
        others: values of columns that are not LeRobot's.
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
        """One after the number of its last row."""
        return self.dataset_from_index + self.length


def time_of_frame(frame: int, fps: int) -> float:
    """Seconds from the start of a video to a frame, rounded once."""
    return float(Fraction(frame, fps))


def frame_at_time(time_s: float, fps: int) -> int:
    """The frame that is shown from a time on.

    Raises:
        DatasetError: no frame begins within 0.1 ms.
    """
    frame = round(time_s * fps)
    if abs(Fraction(time_s) - Fraction(frame, fps)) > TOLERANCE_S:
        raise DatasetError(f"{time_s} s is not the time of a frame at {fps} frames per second")
    return frame


def episodes_schema(info: DatasetInfo, others: Mapping[str, pa.DataType] | None = None) -> pa.Schema:
    """The columns of LeRobot's recorder, in its order, and other ones behind them."""
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
    return pa.schema([*fields, *(others or {}).items()])


def other_columns(schema: pa.Schema, info: DatasetInfo) -> dict[str, pa.DataType]:
    """The columns of a file of episodes that are not LeRobot's.

    Statistics and videos of features that were removed are not among them: LeRobot leaves their columns behind.
    """
    known = set(episodes_schema(info).names)
    return {
        name: schema.field(name).type
        for name in schema.names
        if name not in known and not name.startswith(("stats/", "videos/"))
    }


def episodes_table(
    rows: Sequence[EpisodeRow], info: DatasetInfo, others: Mapping[str, pa.DataType] | None = None
) -> pa.Table:
    """The rows as a table; a statistic that is not known is null, and so is a value of ``others`` that a row lacks.

    Raises:
        DatasetError: a row lacks one of the cameras of ``info``, or has one that is not there.
    """
    schema = episodes_schema(info, others)
    for row in rows:
        if row.videos.keys() != info.videos.keys():
            raise DatasetError(
                f"episode {row.episode_index} has videos of {sorted(row.videos)}, the dataset of {sorted(info.videos)}"
            )
    documents = [_document(row, info) for row in rows]
    try:
        arrays = [
            pa.array([document.get(name) for document in documents], schema.field(name).type) for name in schema.names
        ]
    except (pa.ArrowException, TypeError) as err:
        raise DatasetError(f"the statistics of an episode do not have the shape of their feature: {err}") from err
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
    """Read a table of episodes.

    Statistics of features that were removed from the dataset are read too, since LeRobot leaves them behind.

    Raises:
        DatasetError: a column is missing, or a value cannot be right.
    """
    others = list(other_columns(table.schema, info))
    # A name may contain anything but a slash, so the parts of a column are plain.
    named = list(dict.fromkeys(name.split("/")[1] for name in table.column_names if name.startswith("stats/")))
    try:
        return [_row(with_derived(values, info), info, named, others) for values in table.to_pylist()]
    except KeyError as err:
        raise DatasetError(f"the table of episodes has no column {err}") from err
    except (TypeError, ValueError, AttributeError, ArithmeticError) as err:
        raise DatasetError(f"the table of episodes has a value that cannot be right: {err}") from err


def is_derivable(column: str) -> bool:
    """Whether `with_derived` fills a column of the table of episodes; LeRobot's reader does not use these."""
    return (
        column in ("tasks", "length")
        or column.endswith("/to_timestamp")
        or column.startswith(tuple(f"{series}/" for series in _FILES))
    )


def with_derived(values: Mapping[str, Any], info: DatasetInfo) -> dict[str, Any]:
    """A row of the table of episodes with the columns that follow from others, where they are missing.

    The files of its rows are taken for the first ones then; a dataset is read without them.
    """
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
            f"episode {episode} says that its {length} rows are those from {start} to {values['dataset_to_index']}"
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
    """A number of an episode, a row or a file."""
    if isinstance(value, bool) or int(value) != value or not 0 <= value <= _MOST:
        raise ValueError(f"{value!r} is not a whole number from 0 to {_MOST}")
    return int(value)
