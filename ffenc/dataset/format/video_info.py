"""Build and read the ``info`` block of a video feature in ``meta/info.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from ffenc.config import QUANTIZER_FIELDS, DepthEncoderConfig, VideoEncoderConfig
from ffenc.errors import DatasetError
from ffenc.ffmpeg.stream_info import VideoStreamInfo

InfoLayout: TypeAlias = Literal["lerobot-0.6", "seed"]
"""Key for depth cameras: LeRobot 0.6 writes ``is_depth_map``, versions up to 0.5 ``video.is_depth_map``.

LeRobot merges only datasets with the same keys, so a dataset never changes its layout.
"""

DEPTH_MARKERS: Mapping[InfoLayout, str] = MappingProxyType(
    {"lerobot-0.6": "is_depth_map", "seed": "video.is_depth_map"}
)

LEROBOT_BACKEND = "pyav"
"""Value of ``video.video_backend`` in all metadata: LeRobot's editing tools accept no other value."""


def video_info(
    stream: VideoStreamInfo, config: VideoEncoderConfig | None = None, *, is_depth_map: bool = False
) -> dict[str, Any]:
    """Return an ``info`` block with the keys of all LeRobot versions, in their order.

    Measured values take precedence over requested ones.  The block has both depth markers; `with_depth_markers` selects one.

    Args:
        stream: measured from the first video file of the camera.
        config: the effective settings (`EncodeResult.encoder.config`); None omits the encoder keys.
        is_depth_map: the stream contains depth; always True for a `DepthEncoderConfig`.

    Returns:
        A dictionary of JSON values.  ``video.fps`` is rounded to an integer, whereas LeRobot truncates 29.97 to 29.
    """
    is_depth_map = is_depth_map or isinstance(config, DepthEncoderConfig)
    info = {f"video.{name}": getattr(stream, name) for name in ("height", "width", "codec", "pix_fmt")}
    info |= {"video.fps": round(stream.fps), "video.channels": stream.channels, "video.is_depth_map": is_depth_map}
    info |= audio_info(stream)
    if config is not None:
        info |= {f"video.{name}": getattr(config, name) for name in ("g", "crf", "preset", "fast_decode")}
        info |= {"video.video_backend": LEROBOT_BACKEND, "video.extra_options": dict(config.extra_options)}
    if isinstance(config, DepthEncoderConfig) and config.quantizes:
        info |= {f"video.{field}": getattr(config, field) for field in QUANTIZER_FIELDS}
    info["is_depth_map"] = is_depth_map
    return info


def audio_info(stream: VideoStreamInfo) -> dict[str, Any]:
    """Return the keys of an ``info`` block about audio."""
    names = ("channels", "codec", "bit_rate", "sample_rate", "bit_depth", "channel_layout")
    found = {} if stream.audio is None else {f"audio.{name}": getattr(stream.audio, name) for name in names}
    return {**found, "has_audio": stream.audio is not None}


def depth_markers(blocks: Iterable[Mapping[str, Any] | None]) -> frozenset[str]:
    """Return the depth markers of a dataset: the keys in the first measured ``info`` block of its video features."""
    measured = next((block for block in blocks if block and "video.codec" in block), {})
    return frozenset(measured.keys() & set(DEPTH_MARKERS.values()))


def with_depth_markers(block: Mapping[str, Any], markers: Iterable[str]) -> dict[str, Any]:
    """Return an ``info`` block with the given depth markers only; a depth camera always gets at least one."""
    wanted = set(markers) or ({DEPTH_MARKERS["lerobot-0.6"]} if is_depth(block) else set())
    known = {key: value for key, value in block.items() if key not in DEPTH_MARKERS.values() or key in wanted}
    return known | {key: is_depth(block) for key in sorted(wanted - known.keys())}


def markers_to_write(blocks: Iterable[Mapping[str, Any] | None], wanted: InfoLayout | None) -> frozenset[str]:
    """Return the depth markers to write: those of the dataset, or of the layout ``wanted``.

    Raises:
        DatasetError: the layout is unknown, or the dataset has another one.
    """
    if wanted is not None and wanted not in DEPTH_MARKERS:
        raise DatasetError(f"unknown info_layout {wanted!r}; expected {' or '.join(map(repr, DEPTH_MARKERS))}")
    found = depth_markers(blocks)
    if found and wanted is not None and found != {DEPTH_MARKERS[wanted]}:
        raise DatasetError(
            f"info_layout={wanted!r} (--dataset.info_layout) writes {DEPTH_MARKERS[wanted]}, but the cameras of this dataset "
            f"have {' and '.join(sorted(found))}; leave it out, because LeRobot only merges blocks with the same keys"
        )
    return found or frozenset({DEPTH_MARKERS[wanted or "lerobot-0.6"]})


def is_depth(info: Mapping[str, Any]) -> bool:
    """Return True if an ``info`` block has a true depth marker in either of LeRobot's spellings."""
    return bool(info.get("is_depth_map") or info.get("video.is_depth_map"))


def encoder_config_from_info(info: Mapping[str, Any]) -> VideoEncoderConfig:
    """Return the encoder settings in an ``info`` block: a `DepthEncoderConfig` if `is_depth`.

    Raises:
        pydantic.ValidationError: a stored value is invalid.
    """
    return (DepthEncoderConfig if is_depth(info) else VideoEncoderConfig).from_video_info(info)
