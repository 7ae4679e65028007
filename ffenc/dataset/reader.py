"""Read the frames of a dataset for training: numpy arrays under LeRobot's keys."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ffenc.config import DepthEncoderConfig
from ffenc.dataset.format.arrow import pa
from ffenc.dataset.format.camera_frames import depth_settings, frame_layout
from ffenc.dataset.format.dataset_tables import load_episodes, load_tasks
from ffenc.dataset.format.documents import load_info, load_stats
from ffenc.dataset.format.episode_columns import EpisodeRow
from ffenc.dataset.format.frame_columns import column_values
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.format.parquet_series import iterate_row_groups, open_parquet
from ffenc.dataset.format.schema import DatasetInfo, Feature
from ffenc.depth import DepthUnit
from ffenc.errors import DatasetError, InputError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.statistics import FeatureStatistics
from ffenc.video.image_reader import ImageReader
from ffenc.video.reader import LEROBOT_TOLERANCE_S, VideoReader

Item = dict[str, Any]
"""Arrays by key, and the text of the task."""

Colours = Literal["rgb_chw", "rgb"]

_MOST_FRAMES_OPEN = 1_000_000  # in the indices of open videos, about 100 MB
_GROUPS_KEPT = 8  # cached row groups with images


class DatasetReader:
    """Reads the frames of a dataset, one item per row; a map-style dataset for PyTorch's ``DataLoader``.

    An item has every feature under LeRobot's key: numbers as arrays of the feature's dtype (0-dimensional for scalars),
    cameras as uint8 frames, and ``task`` as text.  A feature in ``delta_timestamps`` has a first axis for its times.
    ``<key>_is_pad`` marks times outside the episode, which repeat its first or last frame.  As in LeRobot, a video with a
    single time does not have this axis.

    Colours are bytes from 0 to 255, but floats from 0 to 1 in LeRobot.  Divide them on the device that trains.

    The reader can be pickled and used by threads, and by forked and spawned workers.

    Example::

        reader = DatasetReader("datasets/pick", delta_timestamps={"action": [0, 1 / 30]})
        item = reader[0]  # {"observation.images.top": (3, 480, 640) uint8, "action": (2, 6) float32, ...}
        batch = reader.batch([5, 17, 3])  # the same keys, with a first axis for the items

    Attributes:
        root: directory of the dataset.
        info: its ``info.json``.
        fps: frames per second.
        stats: its statistics by feature; None if it has no statistics.
        tasks: texts of its tasks, by number.
        cameras: the cameras that are read.
        episodes: the episodes that are read.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        cameras: Sequence[str] | None = None,
        episodes: Sequence[int] | None = None,
        delta_timestamps: Mapping[str, Sequence[float]] | None = None,
        size: tuple[int, int] | None = None,
        layout: Colours = "rgb_chw",
        depth_unit: DepthUnit = "mm",
        tolerance_s: float = LEROBOT_TOLERANCE_S,
        binaries: Binaries | None = None,
    ) -> None:
        """Read the tables; no frame is decoded yet.

        Args:
            root: directory of the dataset.
            cameras: keys of the cameras to read; None reads all.
            episodes: numbers of the episodes to read; None reads all.
            delta_timestamps: for a feature, the times to read in seconds from the time of the item.
            size: (height, width) to scale video frames to; None keeps the stored size.
            layout: ``"rgb_chw"`` for ``(channels, height, width)`` as in LeRobot, ``"rgb"`` for channels last.
            depth_unit: ``"mm"`` for uint16 millimetres, ``"m"`` for float32 metres.
            tolerance_s: largest distance of a frame from the time of its row, and of a delta from a multiple of 1/fps.
            binaries: the executables; found by `find_binaries` if None.

        Raises:
            DatasetError: the directory is not a complete dataset, or does not have a given camera, episode or feature.
            ValueError: a delta is not a multiple of 1/fps, the layout or unit is unknown, or ``size`` is given for a camera
                that is stored as images.
        """
        self._arguments: dict[str, Any] = {
            "cameras": cameras,
            "episodes": episodes,
            "delta_timestamps": delta_timestamps,
            "size": size,
            "layout": layout,
            "depth_unit": depth_unit,
            "tolerance_s": tolerance_s,
            "binaries": binaries,
        }
        self.root = Path(root)
        self._directory = self.root.stat().st_ino if self.root.exists() else None
        self.info: DatasetInfo = load_info(self.root)
        self.fps = self.info.fps
        self.stats: dict[str, FeatureStatistics] | None = load_stats(self.root)
        self.tasks: tuple[str, ...] = tuple(load_tasks(self.root))
        all_cameras = tuple(name for name, feature in self.info.features.items() if feature.is_camera)
        self.cameras = _known("camera", all_cameras if cameras is None else tuple(cameras), all_cameras, self.root)
        self._rows: list[EpisodeRow] = load_episodes(self.root, self.info, statistics=False)
        all_episodes = tuple(range(len(self._rows)))
        self.episodes = _known(
            "episode", all_episodes if episodes is None else tuple(episodes), all_episodes, self.root
        )
        if layout not in ("rgb_chw", "rgb"):
            raise ValueError(f"unknown layout {layout!r}; expected rgb_chw or rgb")
        if depth_unit not in ("mm", "m"):
            raise ValueError(f"unknown depth_unit {depth_unit!r}; expected 'mm' or 'm'")
        self._size, self._layout, self._depth_unit, self._tolerance_s = size, layout, depth_unit, tolerance_s
        images = [key for key in self.cameras if not self.info.features[key].is_video]
        if size is not None and images:
            raise ValueError(
                f"size= applies only to videos, but {', '.join(images)} is stored as images; scale it after reading"
            )
        self._deltas = {key: self._frames_of(key, deltas) for key, deltas in (delta_timestamps or {}).items()}
        self._binaries = binaries or find_binaries()
        self._layout_on_disk = DatasetLayout.of(self.root, self.info)
        self._columns = self._load_columns()
        self._first_rows = np.cumsum([0, *(self._rows[episode].length for episode in self.episodes)])
        self._open: OrderedDict[Path, VideoReader] = OrderedDict()
        self._images = _ImageColumns(self._layout_on_disk.data_files()) if images else None

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root, **self._arguments}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __len__(self) -> int:
        """Return the number of items: rows of the episodes that are read."""
        return int(self._first_rows[-1])

    def __getitem__(self, index: int) -> Item:
        """Return one item; negative indices count from the end.

        Raises:
            TypeError: the index is not an integer.
            IndexError: the item does not exist.
            InputError: a frame cannot be decoded, or no frame is at the time of the row.
            DatasetError: the dataset was changed in place after it was opened.
        """
        item = self.batch([index])
        return {key: values[0] for key, values in item.items()}

    def __getitems__(self, indices: Sequence[int]) -> list[Item]:
        """Return the items of a batch; PyTorch's ``DataLoader`` calls this once per batch.  See `batch`."""
        batch = self.batch(indices)
        return [{key: values[place] for key, values in batch.items()} for place in range(len(indices))]

    def __iter__(self) -> Iterator[Item]:
        """Yield every item in order."""
        return (self[index] for index in range(len(self)))

    def batch(self, indices: Sequence[int]) -> Item:
        """Return several items with an additional first axis; ``task`` is a list of texts.

        Decodes the frames of each video together, which is faster than reading the items one by one.

        Raises:
            TypeError, IndexError, InputError, DatasetError: as for one item.
        """
        places = [self._place(operator.index(index)) for index in indices]
        rows = np.array([row for _, row in places], np.int64)
        batch: Item = {}
        for key in self.cameras:
            wanted, _ = self._wanted(key, places)
            batch[key] = self._frames(key, places, wanted)
        for key, values in self._columns.items():
            if key in self._deltas:
                wanted, _ = self._wanted(key, places)
                batch[key] = values[wanted]
            else:
                batch[key] = values[rows]
        for key in self._deltas:
            batch[f"{key}_is_pad"] = self._wanted(key, places)[1]
        batch["task"] = [self.tasks[number] for number in self._columns["task_index"][rows].tolist()]
        # An in-place change replaces the directory, and files that were not open until then may hold other frames.
        if not self.root.exists() or self.root.stat().st_ino != self._directory:
            raise DatasetError(f"{self.root} was changed in place after it was opened; open it again", path=self.root)
        return batch

    def _place(self, index: int) -> tuple[EpisodeRow, int]:
        """Return (episode, row in the whole dataset) of an item."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"{self.root} has no item {index}; it has {len(self)}")
        index %= len(self)
        place = int(np.searchsorted(self._first_rows, index, side="right")) - 1
        episode = self._rows[self.episodes[place]]
        return episode, episode.dataset_from_index + index - int(self._first_rows[place])

    def _wanted(
        self, key: str, places: Sequence[tuple[EpisodeRow, int]]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Return the rows to read for each item and time, and whether each is padding."""
        firsts = np.array([[episode.dataset_from_index] for episode, _ in places], np.int64)
        lasts = np.array([[episode.dataset_to_index - 1] for episode, _ in places], np.int64)
        wanted = np.array([[row] for _, row in places], np.int64) + self._deltas.get(key, np.zeros(1, np.int64))
        return np.clip(wanted, firsts, lasts), (wanted < firsts) | (wanted > lasts)

    def _frames(
        self, key: str, places: Sequence[tuple[EpisodeRow, int]], wanted: npt.NDArray[np.int64]
    ) -> npt.NDArray[Any]:
        if not places:
            raise ValueError("a batch needs at least one item")
        is_video = self.info.features[key].is_video
        frames = self._video_frames(key, places, wanted) if is_video else self._image_frames(key, wanted)
        if frames.ndim == 3:
            frames = frames[:, None] if self._layout == "rgb_chw" else frames[..., None]
        frames = frames.reshape(*wanted.shape, *frames.shape[1:])
        return frames[:, 0] if wanted.shape[1] == 1 and (is_video or key not in self._deltas) else frames

    def _image_frames(self, key: str, wanted: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        assert self._images is not None
        feature = self.info.features[key]
        files = [self._images.file(key, row) for row in wanted.reshape(-1).tolist()]
        if not feature.is_depth:
            frames = _decoded(files, "rgb", self._binaries)
            return np.ascontiguousarray(frames.transpose(0, 3, 1, 2)) if self._layout == "rgb_chw" else frames
        if (feature.info or {}).get("depth_unit", "mm") != "mm":
            raise DatasetError(
                f"{key} is stored as images in metres, which are not supported; record it as video", path=self.root
            )
        depth = _decoded(files, "gray16", self._binaries)
        return depth if self._depth_unit == "mm" else depth.astype(np.float32) / np.float32(1000)

    def _video_frames(
        self, key: str, places: Sequence[tuple[EpisodeRow, int]], wanted: npt.NDArray[np.int64]
    ) -> npt.NDArray[Any]:
        feature = self.info.features[key]
        by_file: dict[Path, list[tuple[int, Fraction]]] = {}
        for place, (episode, _) in enumerate(places):
            span = episode.videos[key]
            start = Fraction(span.from_frame, self.fps)
            cells = by_file.setdefault(self._layout_on_disk.video(key, span.file), [])
            times = self._columns["timestamp"][wanted[place]].tolist()
            cells += [(place * wanted.shape[1] + column, start + Fraction(time)) for column, time in enumerate(times)]
        result: npt.NDArray[Any] | None = None
        for path, cells in by_file.items():
            reader = self._reader(path, feature)
            if result is None:
                result = np.empty((wanted.size, *reader.shape), reader.dtype)
            if result.shape[1:] != reader.shape:
                raise InputError(
                    f"{path} has frames of shape {reader.shape}, but other videos of {key} have {result.shape[1:]}",
                    path=path,
                )
            times_s = [time_s for _, time_s in cells]
            if len(by_file) == 1:
                reader.frames_at(times_s, tolerance_s=self._tolerance_s, out=result)
            else:
                result[[cell for cell, _ in cells]] = reader.frames_at(times_s, tolerance_s=self._tolerance_s)
        assert result is not None
        return result

    def _reader(self, path: Path, feature: Feature) -> VideoReader:
        reader = self._open.pop(path, None)
        if reader is None:
            depth, layout = None, str(self._layout)
            if feature.is_depth:
                layout = f"depth_{self._depth_unit}"
                pix_fmt = frame_layout(feature) + "le"
                settings = depth_settings(feature) if pix_fmt == "gray12le" else {}
                depth = DepthEncoderConfig(pix_fmt=pix_fmt, **settings)
            reader = VideoReader(path, layout=layout, size=self._size, depth=depth, binaries=self._binaries)
            if reader.fps != self.fps:
                raise DatasetError(
                    f"{path} has {reader.fps} frames per second, but info.json has {self.fps}", path=path
                )
        self._open[path] = reader
        while len(self._open) > 1 and sum(map(len, self._open.values())) > _MOST_FRAMES_OPEN:
            self._open.popitem(last=False)
        return reader

    def _frames_of(self, key: str, deltas: Sequence[float]) -> npt.NDArray[np.int64]:
        if key not in self.info.features or (self.info.features[key].is_camera and key not in self.cameras):
            known = [name for name, feature in self.info.features.items() if not feature.is_camera]
            raise DatasetError(
                f"delta_timestamps has {key!r}, which the reader does not read; it reads "
                f"{', '.join([*self.cameras, *known])}",
                path=self.root,
            )
        numbers = [round(delta * self.fps) for delta in deltas]
        for delta, number in zip(deltas, numbers, strict=True):
            if abs(Fraction(delta) - Fraction(number, self.fps)) > self._tolerance_s:
                raise ValueError(
                    f"delta_timestamps[{key!r}] has {delta}, which is not a multiple of 1/{self.fps} s; the nearest is "
                    f"{number / self.fps:.6f}"
                )
        if not numbers:
            raise ValueError(f"delta_timestamps[{key!r}] is empty; leave the key out or give a time")
        return np.array(numbers, np.int64)

    def _load_columns(self) -> dict[str, npt.NDArray[Any]]:
        """Read all columns except images into memory; they are small."""
        columns = {name: feature for name, feature in self.info.columns.items() if not feature.is_camera}
        tables = list(iterate_row_groups(self._layout_on_disk.data_files(), columns=list(columns)))
        if not tables:
            raise DatasetError(f"{self.root} has no data", path=self.root)
        table = pa.concat_tables(tables)
        rows = self._rows[-1].dataset_to_index if self._rows else 0
        loaded: dict[str, npt.NDArray[Any]] = {}
        for name, feature in columns.items():
            if feature.is_numeric:
                loaded[name] = column_values(table, name, feature)
            else:
                loaded[name] = np.empty(len(table), object)
                loaded[name][:] = table.column(name).to_pylist()
        if len(table) != rows or not np.array_equal(loaded["index"], np.arange(rows)):
            raise DatasetError(
                f"the data tables of {self.root} do not have the {rows} rows of its episodes in order; `ffenc verify "
                f"{self.root}` lists all faults",
                path=self.root,
            )
        return loaded

    def __repr__(self) -> str:
        return f"<DatasetReader {self.root}: {len(self)} items of {len(self.episodes)} episodes, {len(self.cameras)} cameras>"


class _ImageColumns:
    """Reads image files that are stored in the data tables, one row group at a time."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._groups: list[tuple[Path, int]] = []
        firsts = [0]
        for path in paths:
            with open_parquet(path) as file:
                for group in range(file.num_row_groups):
                    self._groups.append((path, group))
                    firsts.append(firsts[-1] + file.metadata.row_group(group).num_rows)
        self._firsts = np.array(firsts)
        self._kept: OrderedDict[tuple[int, str], list[Any]] = OrderedDict()

    def file(self, key: str, row: int) -> bytes:
        """Return the image file of a camera in a row.

        Raises:
            DatasetError: the table has only the path of the image file.
        """
        group = int(np.searchsorted(self._firsts, row, side="right")) - 1
        path, number = self._groups[group]
        values = self._kept.pop((group, key), None)
        if values is None:
            with open_parquet(path) as file:
                values = file.read_row_group(number, columns=[key]).column(key).to_pylist()
        self._kept[group, key] = values
        while len(self._kept) > _GROUPS_KEPT:
            self._kept.popitem(last=False)
        value = values[row - int(self._firsts[group])]
        content = value.get("bytes") if isinstance(value, dict) else None
        if not isinstance(content, bytes):
            raise DatasetError(f"{path} does not contain the image of {key} in row {row}", path=path)
        return content


def _decoded(files: Sequence[bytes], layout: str, binaries: Binaries) -> npt.NDArray[Any]:
    """Decode image files of the same size and pixel format."""
    with TemporaryDirectory(prefix="ffenc-images-") as directory:
        for number, content in enumerate(files):
            suffix = next((suffix for magic, suffix in _SUFFIXES.items() if content.startswith(magic)), ".png")
            (Path(directory) / f"{number:06}{suffix}").write_bytes(content)
        return np.stack(list(ImageReader(directory, fps=1, layout=layout, binaries=binaries)))


_SUFFIXES = {b"\xff\xd8": ".jpg", b"II*\0": ".tiff", b"MM\0*": ".tiff"}
"""Suffix of an image file by its first bytes; others are PNG."""


def _known(what: str, wanted: tuple[Any, ...], known: Sequence[Any], root: Path) -> tuple[Any, ...]:
    for one in wanted:
        if one not in known:
            shown = ", ".join(map(str, known[:20])) or "none"
            raise DatasetError(f"{root} has no {what} {one!r}; it has {shown}", path=root)
    if not wanted or len(set(wanted)) != len(wanted):
        if not wanted and what == "camera":
            return wanted
        raise DatasetError(f"{what}s of {root}: {list(wanted)}; give at least one, without repeats", path=root)
    return wanted
