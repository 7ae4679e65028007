"""Read the frames of a LeRobot dataset, as a source of a benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ffenc.dataset.format.dataset_tables import load_episodes
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.errors import InputError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.video.reader import VideoReader


def episode_frames(
    root: Path, *, camera: str | None, episodes: Sequence[int] | None, binaries: Binaries
) -> tuple[Fraction, Iterator[npt.NDArray[Any]]]:
    """Return the frame rate of a dataset, and the frames of one camera in the order of episodes.

    Args:
        root: the dataset's directory.
        camera: a video feature; None means the first one without depth.
        episodes: episode numbers; None means all.
        binaries: the executables.

    Raises:
        InputError: no such camera or episode.
        DatasetError: the dataset cannot be read.
    """
    info = load_info(root)
    cameras = [key for key, feature in info.videos.items() if not feature.is_depth]
    if camera is None and cameras:
        camera = cameras[0]
    if camera not in cameras:
        raise InputError(f"{root} has no camera {camera}; its videos are {', '.join(cameras) or 'none'}", path=root)
    layout = DatasetLayout.of(root, info)
    rows = load_episodes(root, info, statistics=False)
    wanted = range(len(rows)) if episodes is None else episodes
    for number in wanted:
        if not 0 <= number < len(rows):
            raise InputError(f"{root} has no episode {number}; it has {len(rows)}", path=root)

    def frames() -> Iterator[npt.NDArray[Any]]:
        for number in wanted:
            span = rows[number].videos[camera]
            reader = VideoReader(layout.video(camera, span.file), binaries=binaries)
            yield from reader.read_range(span.from_frame, span.to_frame)

    return Fraction(info.fps), frames()
