"""Replace the functions that LeRobot runs in worker processes; each of them installs ffenc first.

A forked process already has ffenc installed.  A spawned process imports this module to find the function.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ffenc.lerobot.installation import install, original


def encode_video_worker(
    video_key: str,
    episode_index: int,
    root: Path,
    fps: int,
    video_encoder: Any = None,
    encoder_threads: int | None = None,
) -> Path:
    """Encode the images of one camera of one episode; replaces ``_encode_video_worker``."""
    install()
    worker = original("lerobot.datasets.dataset_writer._encode_video_worker")
    path: Path = worker(
        video_key, episode_index, root, fps, video_encoder=video_encoder, encoder_threads=encoder_threads
    )
    return path


def reencode_video_worker(args: tuple[Any, ...]) -> Path:
    """Re-encode one video in place; replaces ``_reencode_video_worker``."""
    install()
    path: Path = original("lerobot.datasets.dataset_tools._reencode_video_worker")(args)
    return path
