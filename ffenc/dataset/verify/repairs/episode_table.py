"""Repair the table of episodes from the data and the videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.dataset.format.arrow import pa, pq
from ffenc.dataset.format.episode_columns import episodes_schema, time_of_frame
from ffenc.dataset.format.layout import FileId
from ffenc.dataset.format.parquet_series import iterate_episode_tables, open_parquet
from ffenc.dataset.storage.atomic_file import write_atomically
from ffenc.dataset.verify.checks.decoded_frames import measured_statistics
from ffenc.dataset.verify.checks.frame_rows import FrameChecks
from ffenc.dataset.verify.checks.packets import Measurer
from ffenc.dataset.verify.checks.spans import VideoUse, video_uses
from ffenc.dataset.verify.checks.statistics import Recorded, expected_shape, mismatch, recorded_statistics
from ffenc.dataset.verify.checks.subject import Episode, Subject
from ffenc.dataset.verify.repairs.changes import Changes
from ffenc.errors import DatasetError, FFencError, OutputError
from ffenc.statistics import FeatureStatistics, vector_statistics


@dataclass(slots=True, kw_only=True)
class EpisodeRepair:
    """Collects new values of table cells, then writes the files that contain them.

    Attributes:
        subject: the dataset as the checks read it.
        changes: collects the changes.
        measure: reads videos.
        cells: new values, by place of the row and column.
    """

    subject: Subject
    changes: Changes
    measure: Measurer
    cells: dict[int, dict[str, Any]] = field(default_factory=dict)

    def run(self) -> None:
        """Repair the table, in new files that replace the old ones."""
        if not self.subject.episodes_whole:
            return
        self._take_rows()
        self._take_spans()
        self._take_numbers()
        self._take_camera_statistics()
        for path in dict.fromkeys(episode.path for episode in self.subject.episodes):
            self._write(path)

    def _set(self, place: int, **values: Any) -> None:
        self.cells.setdefault(place, {}).update(values)

    def _take_rows(self) -> None:
        """Derive row ranges and file numbers from the data, if the videos or the old numbers agree."""
        subject = self.subject
        for episode in subject.episodes:
            own = subject.layout.episodes_number(episode.path) or FileId()
            self._set(episode.place, **_file("meta/episodes", own))
        if not subject.findings.has(
            "episode-length-wrong", "episode-range-wrong", "episode-data-file-wrong", "data-rows-wrong"
        ):
            return
        try:
            runs = [(table["episode_index"][0].as_py(), len(table)) for table in self._tables()]
        except DatasetError:
            return  # unreadable data has a finding
        path = subject.layout.data_files()[0] if subject.layout.data_files() else subject.layout.info
        if [index for index, _ in runs] != [episode.index for episode in subject.episodes]:
            self.changes.refuse(path, "the data does not have the rows of the episodes in order")
            return
        start = 0
        for episode, (_, length) in zip(subject.episodes, runs, strict=True):
            if length != episode.length and not self._videos_agree(episode, length):
                self.changes.refuse(path, f"episode {episode.place} has {length} rows, but not as many frames")
                return
            self._set(episode.place, length=length, dataset_from_index=start, dataset_to_index=start + length)
            start += length
        self._take_data_files()

    def _tables(self) -> Iterator[pa.Table]:
        return iterate_episode_tables(self.subject.layout.data_files(), columns=["episode_index"])

    def _take_data_files(self) -> None:
        layout = self.subject.layout
        for path in layout.data_files():
            file = layout.data_number(path)
            if file is None:
                continue  # a wrong name has a finding
            for table in iterate_episode_tables([path], columns=["episode_index"]):
                place = table["episode_index"][0].as_py()
                self._set(place, **_file("data", file))

    def _videos_agree(self, episode: Episode, length: int) -> bool:
        fps = self.subject.known_info.fps
        return all(round((span.to_s - span.from_s) * fps) == length for span in episode.spans.values())

    def _take_spans(self) -> None:
        """Derive times in videos from the numbers of rows, if the video has as many frames."""
        if not self.subject.findings.has(
            *("video-time-off-grid", "video-time-drift", "video-range-wrong", "video-range-gap", "video-range-overlap")
        ):
            return
        for use in video_uses(self.subject):
            if all(span.is_right for span in use.spans) and not self._overlaps(use):
                starts = [span.start or 0 for span in use.spans]
                ordered = [span.episode for span in use.spans]
            else:
                ordered = sorted((span.episode for span in use.spans), key=lambda episode: episode.place)
                lengths = [self._length(episode) for episode in ordered]
                if not self._holds(use, sum(lengths)):
                    continue
                starts = [sum(lengths[:number]) for number in range(len(lengths))]
            for episode, start in zip(ordered, starts, strict=True):
                self._set_times(episode, use.camera, start)

    def _length(self, episode: Episode) -> int:
        return int(self.cells[episode.place].get("length", episode.length or 0))

    def _overlaps(self, use: VideoUse) -> bool:
        """Return whether episodes share frames of a video, or leave gaps."""
        stops = [0, *(span.stop or 0 for span in use.spans[:-1])]
        return any((span.start or 0) != stop for span, stop in zip(use.spans, stops, strict=True))

    def _holds(self, use: VideoUse, frames: int) -> bool:
        if not use.path.is_file():
            return False
        try:
            packets = self.measure.packets(use.path)
        except FFencError as err:
            self.changes.refuse(use.path, f"it cannot be read: {str(err).splitlines()[0]}")
            return False
        exact = packets.first_off_grid(Fraction(self.subject.known_info.fps)) is None and not packets.hidden
        if packets.count != frames or not exact:
            self.changes.refuse(
                use.path, f"it has {packets.count} frames for {frames} rows, so the frame ranges are unknown"
            )
            return False
        return True

    def _set_times(self, episode: Episode, camera: str, start: int) -> None:
        fps = self.subject.known_info.fps
        times = {"from": time_of_frame(start, fps), "to": time_of_frame(start + self._length(episode), fps)}
        self._set(episode.place, **{f"videos/{camera}/{end}_timestamp": time_s for end, time_s in times.items()})

    def _take_numbers(self) -> None:
        """Derive tasks and statistics from the rows, if all of them are right."""
        recorded = recorded_statistics(self.subject)
        place = -1
        row: Recorded = {}

        def take(episode: Episode, columns: Mapping[str, npt.NDArray[Any]]) -> None:
            nonlocal place, row
            while place < episode.place:
                place, row = next(recorded, (episode.place, {}))
            if place != episode.place:
                return
            tasks, numbers = self.subject.tasks, columns.get("task_index")
            if tasks is not None and numbers is not None:
                named = [tasks[number] for number in dict.fromkeys(numbers.tolist())]
                if set(named) != set(episode.tasks):
                    self._set(place, tasks=named)
            for name, rows in columns.items():
                stored = row.get(name)
                if len(rows) and rows.dtype.kind in "biuf" and np.isfinite(rows).all():
                    right = vector_statistics(rows)
                    if not isinstance(stored, FeatureStatistics) or stored.q50 is None or mismatch(stored, right):
                        self._set_statistics(place, name, right)

        FrameChecks(self.subject, take).run()

    def _take_camera_statistics(self) -> None:
        """Derive statistics of cameras from the decoded frames, if they are missing."""
        missing = {
            (place, name)
            for place, row in recorded_statistics(self.subject)
            for name, feature in self.subject.known_info.videos.items()
            if name not in self.subject.impossible
            and (
                not isinstance(stored := row.get(name), FeatureStatistics)
                or stored.mean.shape != expected_shape(feature)
            )
        }
        cameras = {name for _, name in missing}
        if not cameras:
            return
        for place, camera, statistics in measured_statistics(self.subject, self.measure.binaries, cameras):
            if (place, camera) in missing:
                self._set_statistics(place, camera, statistics)
                missing.remove((place, camera))
        for camera in sorted({name for _, name in missing}):
            count = sum(name == camera for _, name in missing)
            message = f"the statistics of {camera!r} in {count} episodes: their videos cannot be decoded"
            self.changes.refuse(self.subject.layout.stats, message)

    def _set_statistics(self, place: int, name: str, statistics: FeatureStatistics) -> None:
        self._set(place, **{f"stats/{name}/{key}": values for key, values in statistics.to_json().items()})

    def _write(self, path: Path) -> None:
        """Write the new values into one file; row groups and all other values are unchanged."""
        places = [episode.place for episode in self.subject.episodes if episode.path == path]
        types = {field.name: field.type for field in episodes_schema(self.subject.known_info)}
        changed: Counter[str] = Counter()
        with open_parquet(path) as file:
            tables, done = [], 0
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                rows = [self.cells.get(place, {}) for place in places[done : done + len(table)]]
                done += len(table)
                tables.append(_with_cells(table, rows, types, changed))
        if not changed:
            return
        schema = pa.unify_schemas([table.schema for table in tables], promote_options="permissive")
        try:
            with (
                write_atomically(path) as temporary,
                pa.OSFile(str(temporary), "wb") as sink,
                pq.ParquetWriter(sink, schema, compression="snappy") as writer,
            ):
                for table in tables:
                    writer.write_table(_fitted(table, schema), row_group_size=max(1, len(table)))
        except (OSError, pa.ArrowException) as err:
            raise OutputError(f"cannot write {path}: {err}", path=path) from err
        for name, count in sorted(_grouped(changed).items()):
            self.changes.make(path, f"{name} of {count} episodes" if count > 1 else f"{name} of one episode")


def _file(series: str, file: FileId) -> dict[str, int]:
    return {f"{series}/chunk_index": file.chunk, f"{series}/file_index": file.file}


def _with_cells(
    table: pa.Table, rows: list[dict[str, Any]], types: Mapping[str, pa.DataType], changed: Counter[str]
) -> pa.Table:
    for name in dict.fromkeys(name for row in rows for name in row):
        there = name in table.column_names
        old = table[name].to_pylist() if there else [None] * len(table)
        new = [row.get(name, value) for row, value in zip(rows, old, strict=True)]
        count = sum(one != other for one, other in zip(old, new, strict=True))
        if not count:
            continue
        changed[name] += count
        column = pa.array(new, table.schema.field(name).type if there else types[name])
        place = table.column_names.index(name) if there else len(table.column_names)
        table = (table.drop_columns([name]) if there else table).add_column(place, name, column)
    return table


def _fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    for field_ in schema:
        if field_.name not in table.column_names:
            table = table.append_column(field_, pa.nulls(len(table), field_.type))
    return table.select(schema.names).cast(schema)


def _grouped(changed: Mapping[str, int]) -> dict[str, int]:
    """Group changed columns: statistics by feature, times by camera."""
    grouped: dict[str, int] = {}
    for name, count in changed.items():
        parts = name.split("/")
        label = "/".join(parts[:2]) if parts[0] in ("stats", "videos") else name
        grouped[label] = max(count, grouped.get(label, 0))
    return grouped
