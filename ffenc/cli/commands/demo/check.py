"""Read a recorded dataset back as a training program would, and compare it with what went in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ffenc.cli.commands.demo.footage import Footage
from ffenc.cli.commands.demo.synthetic_frames import number_in
from ffenc.dataset.format.dataset_tables import load_episodes
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.episode_columns import EpisodeRow, time_of_frame
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.errors import OutputError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.video import similarity
from ffenc.video.reader import VideoReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One frame that came back.

    Attributes:
        camera: of which camera.
        episode: of which episode.
        number: which step it was, over all episodes.
        psnr_db: likeness to what went in, in decibels; None if they are equal in every bit.
        number_seen: which one the picture itself says it is; None for a clip's.
    """

    camera: str
    episode: int
    number: int
    psnr_db: float | None
    number_seen: int | None


def check_dataset(root: Path, footage: Footage, *, binaries: Binaries) -> list[Sample]:
    """Find the kept frames by episode and time, as LeRobot does, and look at them.

    Raises:
        OutputError: an episode has another length, or a frame shows another number than it should.
    """
    info = load_info(root)
    layout = DatasetLayout.of(root, info)
    episodes = load_episodes(root, info, statistics=False)
    lengths = tuple(episode.length for episode in episodes)
    if lengths != footage.lengths:
        raise OutputError(f"{root} has episodes of {lengths} frames instead of {footage.lengths}", path=root)
    return [
        sample
        for camera in footage.sizes
        for episode in episodes
        for sample in _samples(camera, episode, layout, footage, binaries)
    ]


def psnr_db(original: npt.NDArray[Any], decoded: npt.NDArray[Any]) -> float | None:
    """Peak signal-to-noise ratio of two uint8 pictures in decibels; None if they are equal in every bit."""
    likeness_db = similarity.psnr_db(original, decoded, largest=255)
    return None if math.isinf(likeness_db) else likeness_db


def _samples(
    camera: str, episode: EpisodeRow, layout: DatasetLayout, footage: Footage, binaries: Binaries
) -> Iterator[Sample]:
    first = episode.dataset_from_index
    numbers = [number for name, number in footage.kept if name == camera and first <= number < first + episode.length]
    span = episode.videos[camera]
    video = layout.video(camera, span.file)
    times_s = [time_of_frame(span.from_frame + number - first, footage.fps) for number in numbers]
    reader = VideoReader(video, binaries=binaries)
    for number, frame in zip(numbers, reader.frames_at(times_s), strict=True):
        seen = number_in(frame) if footage.is_numbered(camera) else None
        if seen not in (None, number):
            raise OutputError(f"frame {number} in {video} shows the picture of frame {seen}", path=video)
        yield Sample(
            camera=camera,
            episode=episode.episode_index,
            number=number,
            psnr_db=psnr_db(footage.kept[camera, number], frame),
            number_seen=seen,
        )
