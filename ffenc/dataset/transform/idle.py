"""Find the frames at both ends of episodes in which nothing moves."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ffenc.dataset.format.camera_frames import frame_layout
from ffenc.dataset.format.dataset_tables import iterate_episodes
from ffenc.dataset.format.frame_columns import column_values
from ffenc.dataset.format.parquet_series import iterate_episode_tables
from ffenc.dataset.format.schema import DEFAULT_FEATURES
from ffenc.dataset.transform.source import DatasetSource
from ffenc.errors import DatasetError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.plan.cut import Range
from ffenc.video.reader import VideoReader
from ffenc.video.run_context import ProgressCallback

logger = logging.getLogger(__name__)

IDLE_FROM = {"state": "observation.state", "action": "action"}
"""Short names of features; ``"frames"`` compares the frames of the colour cameras."""

THRESHOLD = 0.02
MIN_IDLE_S = 0.5

_LEAST_SHARE = 0.2  # of the largest range: a joint that is not used moves only by noise
_CELLS = 16  # in each direction
_LEVELS = 255

Values = npt.NDArray[np.floating]


def find_idle(
    source: str | Path,
    *,
    idle_from: str = "state",
    threshold: float = THRESHOLD,
    min_idle_s: float = MIN_IDLE_S,
    follow_links: bool = False,
    binaries: Binaries | None = None,
    progress: ProgressCallback | None = None,
) -> dict[int, Range]:
    """Find idle frames at the beginning and end of episodes; nothing is written.

    The beginning of an episode is idle while every value stays near that of the first row, and the end while it stays near that
    of the last row.  One idle frame is kept at each end.  Episodes that are idle throughout are not returned; a warning names
    them.

    Args:
        source: directory of the dataset.
        idle_from: ``"state"`` (``observation.state``), ``"action"``, the name of another numeric feature, or ``"frames"``, which
            decodes all colour cameras and compares the mean colours of 16x16 cells.
        threshold: largest distance of a value that does not move, as a share of the range of this value in the dataset, or of
            the colour range.  If a range is less than a fifth of the largest one of the feature, that fifth takes its place.
        min_idle_s: an end with fewer idle seconds is kept.
        follow_links: read through symbolic links in the source.
        binaries: the executables, for ``"frames"``; found by `find_binaries` if None.
        progress: called with (episodes done, total).

    Returns:
        For each episode with an idle end, the range of the other frames, for `trim_episodes`.

    Raises:
        DatasetError: the feature does not exist, no camera is a colour video, or the dataset is inconsistent.
        ValueError: ``threshold`` is not between 0 and 1, or ``min_idle_s`` is negative.
    """
    if not 0 < threshold < 1 or not min_idle_s >= 0:
        raise ValueError(
            f"threshold={threshold} and min_idle_s={min_idle_s}; expected a threshold between 0 and 1 (--threshold), and at "
            "least 0 seconds (--min_idle_s)"
        )
    opened = DatasetSource.open(source, follow_links=follow_links)
    if idle_from == "frames":
        values, limits = _cell_colours(opened, binaries or find_binaries()), np.float64(threshold)
    else:
        name = _feature(opened, idle_from)
        values, limits = _feature_values(opened, name), _limits(opened, name, threshold)
    least = max(1, round(min_idle_s * opened.info.fps))
    found: dict[int, Range] = {}
    idle: list[int] = []
    for episode, rows in enumerate(values):
        before, after = _still(rows, limits) - 1, _still(rows[::-1], limits) - 1
        kept = (before if before >= least else 0, len(rows) - (after if after >= least else 0))
        if before + after >= len(rows):
            idle.append(episode)
        elif kept != (0, len(rows)):
            found[episode] = kept
        if progress is not None:
            progress(episode + 1, opened.info.total_episodes)
    if idle:
        logger.warning(
            "nothing moves in the episodes %s of %s (measured by %s); delete them instead of trimming them",
            ", ".join(map(str, idle)),
            opened.root,
            idle_from,
        )
    return found


def _feature(source: DatasetSource, idle_from: str) -> str:
    columns = {name: each for name, each in source.info.columns.items() if each.is_numeric}
    usable = [name for name in columns if name not in DEFAULT_FEATURES]
    name = IDLE_FROM.get(idle_from, idle_from)
    if name not in usable:
        raise DatasetError(
            f"{source.root} does not have the numeric feature {name!r}; it has {', '.join(usable) or 'none'}. "
            f"{'Name one of them (--idle_from), or compare' if usable else 'Compare'} the frames (--idle_from=frames)",
            path=source.root,
        )
    return name


def _feature_values(source: DatasetSource, name: str) -> Iterator[Values]:
    for table in iterate_episode_tables(source.layout.data_files(), columns=[name]):
        values = column_values(table, name, source.info.features[name])
        rows = values.reshape(len(table), -1).astype(np.float64)
        yield np.where(np.isfinite(rows), rows, np.nan)  # an infinite range would make every row still


def _limits(source: DatasetSource, name: str, threshold: float) -> Values:
    """Return the largest distance without movement of each component."""
    lows, highs = zip(
        *((np.fmin.reduce(rows), np.fmax.reduce(rows)) for rows in _feature_values(source, name)), strict=True
    )
    ranges = np.fmax.reduce(highs) - np.fmin.reduce(lows)
    limits: Values = threshold * np.maximum(ranges, _LEAST_SHARE * np.fmax.reduce(ranges))
    return limits


def _cell_colours(source: DatasetSource, binaries: Binaries) -> Iterator[Values]:
    """Yield the mean colours of the cells of each frame, for one episode after the other."""
    cameras = [key for key, feature in source.info.videos.items() if frame_layout(feature) == "rgb"]
    if not cameras:
        raise DatasetError(
            f"{source.root} has no colour video to compare; take a feature (--idle_from)", path=source.root
        )
    readers: dict[str, VideoReader] = {}
    for row in iterate_episodes(source.root, source.info, statistics=False):
        colours = []
        for key in cameras:
            span = row.videos[key]
            path = source.layout.video(key, span.file)
            if key not in readers or readers[key].path != path:
                readers[key] = VideoReader(path, binaries=binaries)
            frames = readers[key].read_range(span.from_frame, span.to_frame)
            colours.append(np.stack([_cells(frame) for frame in frames]))
        yield np.concatenate(colours, axis=1)


def _cells(frame: npt.NDArray[np.uint8]) -> Values:
    rows, columns = (np.linspace(0, size, min(_CELLS, size) + 1).astype(int) for size in frame.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(frame, rows[:-1], axis=0, dtype=np.float32), columns[:-1], axis=1)
    sizes = np.diff(rows)[:, None, None] * np.diff(columns)[None, :, None]
    colours: Values = (sums / sizes / _LEVELS).ravel()
    return colours


def _still(values: Values, limits: Values) -> int:
    """Return the number of first rows that stay near the first one; a value that is not a number moves."""
    moves = ~(np.abs(values - values[0]) <= limits).all(axis=1)
    return int(moves.argmax()) if moves.any() else len(values)
