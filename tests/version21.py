"""Make datasets of LeRobot's format 2.1 from datasets of format 3.0, by the definition of the older format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ffenc import Binaries, DepthEncoderConfig, VideoEncoderConfig, cut_video

pytest.importorskip("pyarrow")
import pyarrow as pa
import pyarrow.parquet as pq

from ffenc.dataset.format.dataset_tables import iterate_episodes, load_tasks
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.format.parquet_series import iterate_episode_tables

VERSION_3_KEYS = ("data_files_size_in_mb", "video_files_size_in_mb")
QUANTILES = ("q01", "q10", "q50", "q90", "q99")


def version_21_of(root: Path, output: Path, binaries: Binaries) -> Path:
    """Write a dataset in format 2.1: one data file and one video per camera for each episode, and JSON lines."""
    info, layout = load_info(root), DatasetLayout.of(root, load_info(root))
    (output / "meta").mkdir(parents=True)
    document = {key: value for key, value in info.to_json().items() if key not in VERSION_3_KEYS} | {
        "codebase_version": "v2.1",
        "total_videos": info.total_episodes * len(info.videos),
        "total_chunks": 1,
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
        if info.videos
        else None,
    }
    (output / "meta/info.json").write_text(json.dumps(document, indent=4))
    write_lines(
        output / "meta/tasks.jsonl",
        [{"task_index": number, "task": task} for number, task in enumerate(load_tasks(root))],
    )
    # For episodes of one or two frames, which cannot be copied if the video has B-frames.
    colour, depth = VideoEncoderConfig(vcodec="h264", preset="veryfast", crf=16), DepthEncoderConfig()
    episodes, statistics = [], []
    tables = iterate_episode_tables(layout.data_files())
    for row, table in zip(iterate_episodes(root, info), tables, strict=True):
        number, chunk = row.episode_index, f"chunk-{row.episode_index // info.chunks_size:03d}"
        path = output / f"data/{chunk}/episode_{number:06d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(_variable_lists(table), path)
        for key, span in row.videos.items():
            video = output / f"videos/{chunk}/{key}/episode_{number:06d}.mp4"
            video.parent.mkdir(parents=True, exist_ok=True)
            cut_video(
                layout.video(key, span.file),
                video,
                [(span.from_frame, span.to_frame)],
                config=depth if info.features[key].is_depth else colour,
                binaries=binaries,
            )
        episodes.append({"episode_index": number, "tasks": list(row.tasks), "length": row.length})
        stats = {name: _without_quantiles(values.to_json()) for name, values in row.statistics.items()}
        statistics.append({"episode_index": number, "stats": stats})
    write_lines(output / "meta/episodes.jsonl", episodes)
    write_lines(output / "meta/episodes_stats.jsonl", statistics)
    return output


def write_lines(path: Path, documents: list[dict[str, Any]]) -> None:
    """Write a JSON lines file."""
    path.write_text("".join(f"{json.dumps(document)}\n" for document in documents))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a JSON lines file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def change_lines(path: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change the documents of a JSON lines file in place."""
    documents = read_lines(path)
    change(documents)
    write_lines(path, documents)


def _without_quantiles(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in QUANTILES}


def _variable_lists(table: pa.Table) -> pa.Table:
    """Return a table with the lists of variable length that LeRobot wrote at the time."""
    for place, field in enumerate(table.schema):
        if isinstance(field.type, pa.FixedSizeListType):
            column = pa.array(table[field.name].to_pylist(), pa.list_(field.type.value_type))
            table = table.set_column(place, field.name, column)
    return table.replace_schema_metadata(None)
