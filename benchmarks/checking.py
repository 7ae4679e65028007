"""Check that a recorded dataset is consistent, with pyarrow and the video reader only."""

from __future__ import annotations

import json
from collections.abc import Container
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ffenc import Binaries, VideoReader, probe_packets

TOLERANCE_S = 1e-4
"""LeRobot's tolerance between a frame's time and the requested time."""


class BrokenDatasetError(Exception):
    """The dataset cannot be opened, or is inconsistent."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Position of an episode in a file: ``first`` is its first frame."""

    file: Path
    first: int


@dataclass(frozen=True, kw_only=True)
class Episode:
    """An episode of the dataset.

    Attributes:
        length: its rows.
        states: ``(length, joints)`` of ``observation.state``.
        places: by camera feature.
    """

    index: int
    length: int
    states: npt.NDArray[np.float32]
    places: dict[str, Place]


def check_dataset(
    root: Path, *, binaries: Binaries, decode: Container[int] = (), allow_unused: bool = False
) -> list[Episode]:
    """Read and check all episodes.

    Counters against rows; rows without a gap, numbered as LeRobot numbers them; timestamps k/fps; episodes without a gap in
    every video file, and every file whole, with as many frames as its episodes, each at exactly k/fps.

    Args:
        root: of the dataset.
        binaries: the executables.
        allow_unused: do not mind videos, rows and episodes behind those that ``info.json`` counts: a crash may leave them
            until the dataset is opened for writing, and readers do not see them (tried with LeRobot 0.6.1).
        decode: episodes whose frames are read as well: as many as rows.

    Raises:
        BrokenDatasetError: what does not fit.
    """
    info = json.loads((root / "meta/info.json").read_text(encoding="utf-8"))
    if info["total_episodes"] == 0:
        return []
    rows = _read(root, "data")
    table = _read(root, "meta/episodes")
    fps = Fraction(info["fps"])
    if allow_unused:
        rows, table = rows.slice(0, info["total_frames"]), table.slice(0, info["total_episodes"])
    _need(
        info["total_episodes"] == table.num_rows,
        f"info.json counts {info['total_episodes']}, there are {table.num_rows}",
    )
    _need(
        info["total_frames"] == rows.num_rows,
        f"info.json counts {info['total_frames']} rows, there are {rows.num_rows}",
    )
    _need(_column(rows, "index") == list(range(rows.num_rows)), "the row numbers have a gap")
    _need(_column(table, "episode_index") == list(range(table.num_rows)), "the episode numbers have a gap")
    cameras = [name for name, feature in info["features"].items() if feature["dtype"] == "video"]
    episodes = _episodes(root, info, rows, table, cameras, fps)
    for camera in cameras:
        _check_videos(root, camera, episodes, fps, binaries, allow_unused=allow_unused)
    for episode in episodes:
        if episode.index in decode:
            for camera in cameras:
                count = len(frames_of(episode, camera, binaries))
                _need(count == episode.length, f"episode {episode.index}: {count} frames decoded of {episode.length}")
    return episodes


def frames_of(episode: Episode, camera: str, binaries: Binaries) -> list[Any]:
    """Decode the frames of an episode."""
    place = episode.places[camera]
    return list(VideoReader(place.file, binaries=binaries).read_range(place.first, place.first + episode.length))


def check_finals(root: Path, binaries: Binaries) -> int:
    """Check that every file with a final name is complete; hidden files are ignored.

    Returns:
        How many were looked at.

    Raises:
        BrokenDatasetError: one is not.
    """
    finals = [path for path in root.rglob("*") if path.is_file() and not _hidden(path.relative_to(root))]
    for path in finals:
        try:
            if path.suffix == ".mp4":
                packets = probe_packets(path, binaries=binaries)
                _need(packets.count > 0 and not packets.errors, f"{path}: {packets.count} packets, {packets.errors}")
                decoded = sum(1 for _ in VideoReader(path, binaries=binaries))
                _need(decoded == packets.count, f"{path}: {decoded} of {packets.count} frames decoded")
            elif path.suffix == ".parquet":
                pq.ParquetFile(path).read()
            elif path.suffix == ".json":
                json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, pa.ArrowException) as err:
            raise BrokenDatasetError(f"{path} has its final name and is not whole: {err}") from err
    return len(finals)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _episodes(
    root: Path, info: dict[str, Any], rows: pa.Table, table: pa.Table, cameras: list[str], fps: Fraction
) -> list[Episode]:
    states = np.array(_column(rows, "observation.state"), np.float32)
    times, numbers, owners = (np.array(_column(rows, name)) for name in ("timestamp", "frame_index", "episode_index"))
    found, expected = [], 0
    for record in table.select([name for name in table.column_names if not name.startswith("stats/")]).to_pylist():
        index, length = record["episode_index"], record["length"]
        first, end = record["dataset_from_index"], record["dataset_to_index"]
        what = f"episode {index}"
        _need(
            first == expected and end - first == length, f"{what} has rows {first} to {end}, expected from {expected}"
        )
        _need(bool((owners[first:end] == index).all()), f"{what}: rows of another episode")
        _need(bool((numbers[first:end] == np.arange(length)).all()), f"{what}: frame_index has a gap")
        off = np.abs(times[first:end] - np.arange(length) / float(fps)).max(initial=0)
        _need(off < TOLERANCE_S, f"{what}: a row is {off} s off its time")
        places = {camera: _place(root, info, record, camera, fps) for camera in cameras}
        found.append(Episode(index=index, length=length, states=states[first:end], places=places))
        expected = end
    return found


def _place(root: Path, info: dict[str, Any], record: dict[str, Any], camera: str, fps: Fraction) -> Place:
    chunk, file, start, end = (
        record[f"videos/{camera}/{name}"] for name in ("chunk_index", "file_index", "from_timestamp", "to_timestamp")
    )
    first = round(start * fps)
    what = f"episode {record['episode_index']}, {camera}"
    _need(abs(first / float(fps) - start) < TOLERANCE_S, f"{what} starts between two frames: {start} s")
    _need(
        abs((end - start) * fps - record["length"]) < TOLERANCE_S * fps,
        f"{what}: {end - start} s for {record['length']} rows",
    )
    path = info["video_path"].format(video_key=camera, chunk_index=chunk, file_index=file)
    return Place(file=root / path, first=first)


def _check_videos(
    root: Path, camera: str, episodes: list[Episode], fps: Fraction, binaries: Binaries, *, allow_unused: bool
) -> None:
    ends: dict[Path, int] = {}
    for episode in episodes:
        place = episode.places[camera]
        _need(
            place.first == ends.get(place.file, 0), f"episode {episode.index} starts at {place.first} of {place.file}"
        )
        ends[place.file] = place.first + episode.length
    for file, frames in ends.items():
        _need(file.is_file(), f"{file} is missing")
        packets = probe_packets(file, binaries=binaries)
        _need(
            packets.count == frames and not packets.errors,
            f"{file}: {packets.count} of {frames} frames, {packets.errors}",
        )
        off = packets.first_off_grid(fps)
        _need(off is None, f"{file}: frame {off} is off its time")
    unused = set((root / "videos" / camera).rglob("[!.]*.mp4")) - ends.keys()
    _need(allow_unused or not unused, f"{camera}: no episode uses {sorted(unused)}")


def _read(root: Path, folder: str) -> pa.Table:
    """Return all files in the order in which LeRobot reads them."""
    paths = sorted((root / folder).glob("*/[!.]*.parquet"))
    try:
        return pa.concat_tables(
            [pq.read_table(path, partitioning=None) for path in paths], promote_options="permissive"
        )
    except (OSError, pa.ArrowException) as err:
        raise BrokenDatasetError(f"{root / folder} cannot be read: {err}") from err


def _column(table: pa.Table, name: str) -> list[Any]:
    found: list[Any] = table[name].to_pylist()
    return found


def _need(condition: bool, message: str) -> None:
    if not condition:
        raise BrokenDatasetError(message)
