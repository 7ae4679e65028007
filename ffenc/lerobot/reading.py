"""Decode frames for LeRobot's readers, unless another reader is named and can be used."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ffenc.errors import InputError
from ffenc.lerobot.pyav_stand_in import is_stand_in
from ffenc.video.reader import VideoReader

BACKEND = "ffmpeg"
"""Value of LeRobot's ``video_backend`` for this reader."""

_CACHED_READERS = 32


def default_backend() -> str:
    """Return the reader that is used if none is named; replaces ``get_safe_default_video_backend``."""
    return BACKEND


def construct_dataset_config(own: Callable[..., Any], *arguments: Any, **options: Any) -> None:
    """Fill in `default_backend`; wraps ``DatasetConfig.__init__``, which holds on to LeRobot's default."""
    if "video_backend" not in inspect.signature(own).bind(*arguments, **options).arguments:
        options["video_backend"] = default_backend()
    own(*arguments, **options)


def decode_video_frames(
    own: Callable[..., Any],
    video_path: Path | str,
    timestamps: Sequence[float],
    tolerance_s: float,
    backend: str | None = None,
    return_uint8: bool = False,
    is_depth: bool = False,
) -> Any:
    """Decode through ffmpeg if it is the backend, if none is named, or if PyAV is needed and missing.

    Wraps LeRobot's function of this name, which reads with torchcodec and PyAV if they are named.
    """
    backend = backend or default_backend()
    # LeRobot always reads depth with PyAV.
    needs_pyav = is_depth or backend in ("pyav", "video_reader")
    if backend == BACKEND or (needs_pyav and is_stand_in(sys.modules.get("av"))):
        return _decode(video_path, timestamps, tolerance_s, return_uint8=return_uint8, is_depth=is_depth)
    return own(video_path, timestamps, tolerance_s, backend=backend, return_uint8=return_uint8, is_depth=is_depth)


def _decode(
    video_path: Path | str, timestamps: Sequence[float], tolerance_s: float, *, return_uint8: bool, is_depth: bool
) -> Any:
    """Return an (n, C, H, W) tensor like LeRobot's decoders: floats from 0 to 1, uint8, or 12-bit depth codes."""
    torch: Any = import_module("torch")
    path = Path(video_path)
    state = path.stat()
    reader = _reader(path, "gray12" if is_depth else "rgb", state.st_mtime_ns, state.st_size)
    try:
        frames = reader.frames_at([float(time_s) for time_s in timestamps], tolerance_s=tolerance_s)
    except InputError as err:
        error: type[ValueError] = import_module("lerobot.datasets.video_utils").FrameTimestampError
        raise error(str(err)) from err
    if is_depth:
        return torch.from_numpy(frames).unsqueeze(1)
    tensor = torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous()
    return tensor if return_uint8 else tensor.type(torch.float32) / 255


@functools.lru_cache(maxsize=_CACHED_READERS)
def _reader(path: Path, layout: str, _modified_ns: int, _size_bytes: int) -> VideoReader:
    return VideoReader(path, layout=layout)
