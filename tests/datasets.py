"""Variants of LeRobot's small datasets, and the contents of a dataset: its tables, and the frame of every row."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ffenc import Binaries, VideoEncoderConfig, probe_video, video_info
from ffenc.video.join import frame_hashes
from ffenc.video.reencode import reencode_video
from tests.lerobot_data import LEROBOT

pytest.importorskip("pyarrow")
import pyarrow.parquet as pq

from ffenc.dataset.format.dataset_tables import load_episodes
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.layout import DatasetLayout


def copy_of(name: str, directory: Path, new_name: str | None = None) -> Path:
    """A copy of one of LeRobot's datasets that may be changed."""
    root = directory / (new_name or name)
    shutil.copytree(LEROBOT / name, root)
    return root


def change_info(root: Path, **values: Any) -> None:
    """Change keys of ``info.json``."""
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values, indent=4))


def encoded_with(root: Path, settings: dict[str, Any], binaries: Binaries) -> Path:
    """Re-encode all videos of a dataset, in place, and say so in its info.json."""
    config = VideoEncoderConfig.model_validate(settings)
    document = json.loads((root / "meta/info.json").read_text())
    for path in sorted(root.glob("videos/*/*/*.mp4")):
        path.rename(path.with_suffix(".old.mp4"))
        result = reencode_video(path.with_suffix(".old.mp4"), path, config=config, binaries=binaries)
        path.with_suffix(".old.mp4").unlink()
        feature = document["features"][path.parts[-3]]
        feature["info"] = video_info(probe_video(path, binaries=binaries), result.encoder.config)
    (root / "meta/info.json").write_text(json.dumps(document, indent=4))
    return root


def rows_of(root: Path) -> list[dict[str, Any]]:
    """All rows of the data files, in reading order."""
    return [row for path in sorted(root.glob("data/*/*.parquet")) for row in pq.read_table(path).to_pylist()]


def frames_of(root: Path, binaries: Binaries) -> list[dict[str, list[str]]]:
    """Return the hash of each frame by episode and camera, read at the positions in the episode table."""
    info = load_info(root)
    layout = DatasetLayout.of(root, info)
    hashes: dict[Path, list[str]] = {}
    episodes = []
    for row in load_episodes(root, info):
        frames = {}
        for key, span in row.videos.items():
            path = layout.video(key, span.file)
            if path not in hashes:
                hashes[path] = frame_hashes(path, binaries=binaries)
            frames[key] = hashes[path][span.from_frame : span.to_frame]
            assert len(frames[key]) == row.length
        episodes.append(frames)
    return episodes


def tree_of(root: Path) -> dict[str, bytes]:
    """Every file below a directory with its content."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
