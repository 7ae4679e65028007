"""Write datasets of any size from a few repeated clips, without recording."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ffenc import Binaries, probe_packets, probe_video, video_info
from ffenc.dataset.format.dataset_tables import data_writer, save_episodes, save_tasks
from ffenc.dataset.format.documents import save_info, save_stats
from ffenc.dataset.format.episode_columns import EpisodeRow, VideoSpan
from ffenc.dataset.format.frame_columns import data_table
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.schema import DEFAULT_FEATURES, DatasetInfo
from ffenc.statistics import FeatureStatistics, FrameSampler, aggregate_statistics, vector_statistics

CAMERA = "observation.images.front"
TASK = "do it"
FPS = 30


def make_dataset(root: Path, clips: Sequence[Path], *, fps: int, binaries: Binaries) -> Path:
    """Write a dataset with one camera; each clip is an episode with its own file."""
    stream = probe_video(clips[0], binaries=binaries)
    features = {
        "action": {"dtype": "float32", "shape": (6,), "names": [f"joint{number}" for number in range(6)]},
        CAMERA: {
            "dtype": "video",
            "shape": (stream.height, stream.width, 3),
            "names": ["height", "width", "channels"],
            "info": video_info(stream),
        },
    }
    info = DatasetInfo.create(fps, features)
    layout = DatasetLayout.of(root, info)
    file = FileId()
    spans = []
    lengths: dict[Path, int] = {}
    for clip in clips:
        original = clip.resolve()
        if original not in lengths:
            lengths[original] = probe_packets(original, binaries=binaries).count
        target = layout.video(CAMERA, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(clip, target)
        spans.append(VideoSpan(file=file, from_frame=0, to_frame=lengths[original]))
        file = file.successor(info.chunks_size)
    return write_tables(root, info, spans)


def write_tables(root: Path, info: DatasetInfo, spans: Sequence[VideoSpan]) -> Path:
    """Write the tables of a dataset whose videos exist."""
    parts: list[dict[str, FeatureStatistics]] = []

    def rows() -> Iterator[EpisodeRow]:
        first = 0
        for episode, span in enumerate(spans):
            length = span.to_frame - span.from_frame
            number = np.arange(length)
            columns = {
                "action": np.sin(number[:, None] / 10 + np.arange(6)).astype(np.float32),
                "timestamp": (number / info.fps).astype(np.float32),
                "frame_index": number,
                "episode_index": np.full(length, episode),
                "index": first + number,
                "task_index": np.zeros(length, np.int64),
            }
            statistics = {name: vector_statistics(values) for name, values in columns.items()}
            parts.append(statistics)
            yield EpisodeRow(
                episode_index=episode,
                tasks=(TASK,),
                length=length,
                data=writer.write(data_table(info, columns)),
                dataset_from_index=first,
                videos={CAMERA: span},
                statistics=statistics,
            )
            first += length

    with data_writer(root, info) as writer:
        save_episodes(root, info, rows())
    save_tasks(root, [TASK])
    save_stats(root, aggregate_statistics(parts))
    frames = sum(span.to_frame - span.from_frame for span in spans)
    save_info(root, info.with_totals(episodes=len(spans), frames=frames, tasks=1))
    return root


def make_metadata(root: Path, *, episodes: int, frames: int, per_video: int) -> Path:
    """Write only the folder ``meta/`` of a dataset with two cameras.

    Args:
        root: the dataset.
        episodes: number of episodes; all have the same statistics.
        frames: frames of each episode.
        per_video: episodes in each video.
    """
    camera = {"dtype": "video", "shape": (480, 640, 3), "names": ["height", "width", "channels"]}
    block = {"video.fps": FPS, "video.height": 480, "video.width": 640, "video.codec": "av1"}
    cameras = (CAMERA, "observation.images.wrist")
    features = {"action": {"dtype": "float32", "shape": (6,), "names": None}}
    info = DatasetInfo.create(FPS, features | {key: {**camera, "info": block} for key in cameras})
    sampler = FrameSampler()
    sampler.add(np.zeros((48, 64, 3), np.uint8))
    sampler.add(np.full((48, 64, 3), 200, np.uint8))
    numbers = np.linspace(0, 1, frames)
    vectors = {"action": np.stack([numbers] * 6, axis=1)} | dict.fromkeys(DEFAULT_FEATURES, numbers)
    statistics = {name: vector_statistics(values) for name, values in vectors.items()}
    statistics |= dict.fromkeys(cameras, sampler.statistics())

    def rows() -> Iterator[EpisodeRow]:
        for episode in range(episodes):
            file, place = divmod(episode, per_video)
            span = VideoSpan(file=FileId(file=file), from_frame=place * frames, to_frame=(place + 1) * frames)
            yield EpisodeRow(
                episode_index=episode,
                tasks=(TASK,),
                length=frames,
                data=FileId(),
                dataset_from_index=episode * frames,
                videos=dict.fromkeys(cameras, span),
                statistics=statistics,
            )

    save_episodes(root, info, rows())
    save_tasks(root, [TASK])
    save_stats(root, aggregate_statistics([statistics]))
    save_info(root, info.with_totals(episodes=episodes, frames=episodes * frames, tasks=1))
    return root
