"""Install ffenc in LeRobot's worker processes: with each function that they run, and each dataset that they read.

A forked process already has ffenc installed.  A spawned process imports this module when it unpickles one of these.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ffenc.lerobot.installation import install, original, status


def carry(own: Callable[..., Any], self: Any, protocol: Any) -> Any:
    """Pickle an object so that unpickling it installs ffenc first; wraps ``__reduce_ex__``."""
    make, arguments, *state = own(self, protocol)
    return (_made_with_ffenc, (make, arguments), *state)


def _made_with_ffenc(make: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    if not status().installed:
        install()
    return make(*arguments)


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
