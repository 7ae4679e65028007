"""Write datasets of any size from a few repeated clips, without recording."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ffenc import Binaries, concat_videos, probe_packets, probe_video, video_info
from ffenc.dataset.format.arrow import pq
from ffenc.dataset.format.dataset_tables import data_writer, iterate_episodes, save_episodes, save_tasks
from ffenc.dataset.format.documents import load_info, save_info, save_stats
from ffenc.dataset.format.episode_columns import EpisodeRow, VideoSpan
from ffenc.dataset.format.format21 import Layout21
from ffenc.dataset.format.frame_columns import data_table
from ffenc.dataset.format.layout import DatasetLayout, FileId
from ffenc.dataset.format.parquet_series import iterate_episode_tables
from ffenc.dataset.format.schema import DEFAULT_FEATURES, DatasetInfo
from ffenc.statistics import FeatureStatistics, FrameSampler, aggregate_statistics, vector_statistics

CAMERA = "observation.images.front"
CAMERAS = (CAMERA, "observation.images.wrist")
TASK = "do it"
FPS = 30


def make_dataset(
    root: Path,
    clips: Sequence[Path],
    *,
    fps: int,
    binaries: Binaries,
    cameras: Sequence[str] = (CAMERA,),
    per_video: int = 1,
) -> Path:
    """Write a dataset whose episodes are clips.

    Args:
        root: the dataset.
        clips: one for each episode; all cameras show the same.
        fps: its frame rate.
        binaries: the executables.
        cameras: the names of its cameras.
        per_video: episodes in each video file.
    """
    stream = probe_video(clips[0], binaries=binaries)
    camera = {
        "dtype": "video",
        "shape": (stream.height, stream.width, 3),
        "names": ["height", "width", "channels"],
        "info": video_info(stream),
    }
    action = {"dtype": "float32", "shape": (6,), "names": [f"joint{number}" for number in range(6)]}
    info = DatasetInfo.create(fps, {"action": action} | dict.fromkeys(cameras, camera))
    layout = DatasetLayout.of(root, info)
    file = FileId()
    spans: list[VideoSpan] = []
    lengths = {clip: probe_packets(clip, binaries=binaries).count for clip in set(clips)}
    for place in range(0, len(clips), per_video):
        some = clips[place : place + per_video]
        targets = [layout.video(key, file) for key in cameras]
        for target in targets:
            target.parent.mkdir(parents=True, exist_ok=True)
        if len(some) == 1:
            shutil.copyfile(some[0], targets[0])
        else:
            concat_videos(some, targets[0], binaries=binaries)
        for target in targets[1:]:
            shutil.copyfile(targets[0], target)
        first = 0
        for clip in some:
            spans.append(VideoSpan(file=file, from_frame=first, to_frame=first + lengths[clip]))
            first += lengths[clip]
        file = file.successor(info.chunks_size)
    return write_tables(root, info, spans)


def write_tables(root: Path, info: DatasetInfo, spans: Sequence[VideoSpan]) -> Path:
    """Write the tables of a dataset whose videos exist; all cameras have the same spans, and made-up statistics."""
    parts: list[dict[str, FeatureStatistics]] = []
    frames = dict.fromkeys(info.videos, _frame_statistics())

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
            statistics = {name: vector_statistics(values) for name, values in columns.items()} | frames
            parts.append(statistics)
            yield EpisodeRow(
                episode_index=episode,
                tasks=(TASK,),
                length=length,
                data=writer.write(data_table(info, columns)),
                dataset_from_index=first,
                videos=dict.fromkeys(info.videos, span),
                statistics=statistics,
            )
            first += length

    with data_writer(root, info) as writer:
        save_episodes(root, info, rows())
    save_tasks(root, [TASK])
    save_stats(root, aggregate_statistics(parts))
    length = sum(span.to_frame - span.from_frame for span in spans)
    save_info(root, info.with_totals(episodes=len(spans), frames=length, tasks=1))
    return root


def make_version_21(root: Path, output: Path) -> Path:
    """Write a dataset with one episode in each video in format 2.1, by the definition of that format."""
    info = load_info(root)
    layout, old = DatasetLayout.of(root, info), Layout21(root=output, chunks_size=info.chunks_size)
    old.info.parent.mkdir(parents=True)
    newer = ("data_files_size_in_mb", "video_files_size_in_mb")
    document = {key: value for key, value in info.to_json().items() if key not in newer} | {
        "codebase_version": "v2.1",
        "total_videos": info.total_episodes * len(info.videos),
        "total_chunks": -(-info.total_episodes // info.chunks_size),
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    }
    old.info.write_text(json.dumps(document), encoding="utf-8")
    old.tasks.write_text(json.dumps({"task_index": 0, "task": TASK}) + "\n", encoding="utf-8")
    tables = iterate_episode_tables(layout.data_files())
    with old.episodes.open("w", encoding="utf-8") as episodes, old.statistics.open("w", encoding="utf-8") as statistics:
        for row, table in zip(iterate_episodes(root, info), tables, strict=True):
            number = row.episode_index
            line = {"episode_index": number, "tasks": list(row.tasks), "length": row.length}
            episodes.write(json.dumps(line) + "\n")
            stats = {name: _without_quantiles(each) for name, each in row.statistics.items()}
            statistics.write(json.dumps({"episode_index": number, "stats": stats}) + "\n")
            data = old.data(number)
            data.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table.replace_schema_metadata(None), data)
            for key, span in row.videos.items():
                video = old.video(key, number)
                video.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(layout.video(key, span.file), video)
    return output


def _without_quantiles(statistics: FeatureStatistics) -> dict[str, object]:
    return {name: value for name, value in statistics.to_json().items() if not name.startswith("q")}


def _frame_statistics() -> FeatureStatistics:
    """Return statistics of two flat frames."""
    sampler = FrameSampler()
    sampler.add(np.zeros((48, 64, 3), np.uint8))
    sampler.add(np.full((48, 64, 3), 200, np.uint8))
    return sampler.statistics()


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
    features = {"action": {"dtype": "float32", "shape": (6,), "names": None}}
    info = DatasetInfo.create(FPS, features | {key: {**camera, "info": block} for key in CAMERAS})
    numbers = np.linspace(0, 1, frames)
    vectors = {"action": np.stack([numbers] * 6, axis=1)} | dict.fromkeys(DEFAULT_FEATURES, numbers)
    statistics = {name: vector_statistics(values) for name, values in vectors.items()}
    statistics |= dict.fromkeys(CAMERAS, _frame_statistics())

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
                videos=dict.fromkeys(CAMERAS, span),
                statistics=statistics,
            )

    save_episodes(root, info, rows())
    save_tasks(root, [TASK])
    save_stats(root, aggregate_statistics([statistics]))
    save_info(root, info.with_totals(episodes=episodes, frames=episodes * frames, tasks=1))
    return root
