"""The ``info`` block of a video feature in ``meta/info.json``: what was measured, joined with what was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from ffenc.config import QUANTIZER_FIELDS, DepthEncoderConfig, VideoEncoderConfig
from ffenc.errors import DatasetError
from ffenc.ffmpeg.stream_info import VideoStreamInfo

InfoLayout: TypeAlias = Literal["lerobot-0.6", "seed"]
"""How ``info.json`` marks depth: LeRobot 0.6 writes ``is_depth_map``, versions up to 0.5 ``video.is_depth_map``.

LeRobot merges only datasets whose blocks have the same keys, so a dataset keeps one layout for all of its life.
"""

DEPTH_MARKERS: Mapping[InfoLayout, str] = MappingProxyType(
    {"lerobot-0.6": "is_depth_map", "seed": "video.is_depth_map"}
)

LEROBOT_BACKEND = "pyav"
"""What ``video.video_backend`` says in metadata written for LeRobot, whichever program encoded.

LeRobot reads the key as "the backend to re-encode with" and refuses every other value, so ffenc's own ``"ffmpeg"``
would make a dataset that its editing tools cannot open.
"""


def video_info(
    stream: VideoStreamInfo, config: VideoEncoderConfig | None = None, *, is_depth_map: bool = False
) -> dict[str, Any]:
    """The ``info`` block with the keys of all LeRobot versions, in their order.

    Values measured from the file win over those asked for.  A dataset has one of the two depth markers, see `in_layout`.

    Args:
        stream: measured from the first video file of the camera.
        config: as it took effect (`EncodeResult.encoder.config`), with defaults filled in; None leaves the
            encoder-derived keys out.
        is_depth_map: the stream holds depth; True for every `DepthEncoderConfig`.  Given under both of LeRobot's
            spellings.

    Returns:
        A dictionary of JSON values.  ``video.fps`` is a whole number, as LeRobot stores it; a rate that is not whole
        is rounded, where LeRobot truncates 29.97 to 29.
    """
    is_depth_map = is_depth_map or isinstance(config, DepthEncoderConfig)
    info: dict[str, Any] = {
        "video.height": stream.height,
        "video.width": stream.width,
        "video.codec": stream.codec,
        "video.pix_fmt": stream.pix_fmt,
        "video.fps": round(stream.fps),
        "video.channels": stream.channels,
        "video.is_depth_map": is_depth_map,
    }
    audio = stream.audio
    if audio is not None:
        info |= {
            "audio.channels": audio.channels,
            "audio.codec": audio.codec,
            "audio.bit_rate": audio.bit_rate,
            "audio.sample_rate": audio.sample_rate,
            "audio.bit_depth": audio.bit_depth,
            "audio.channel_layout": audio.channel_layout,
        }
    info["has_audio"] = audio is not None
    if config is not None:
        info |= {
            "video.g": config.g,
            "video.crf": config.crf,
            "video.preset": config.preset,
            "video.fast_decode": config.fast_decode,
            "video.video_backend": LEROBOT_BACKEND,
            "video.extra_options": dict(config.extra_options),
        }
    if isinstance(config, DepthEncoderConfig) and config.quantizes:
        info |= {f"video.{field}": getattr(config, field) for field in QUANTIZER_FIELDS}
    info["is_depth_map"] = is_depth_map
    return info


def layout_of(blocks: Iterable[Mapping[str, Any] | None]) -> frozenset[str]:
    """The depth markers that the cameras of a dataset have: of the first ``info`` block that was measured.

    Args:
        blocks: of the video features.

    Returns:
        The keys; empty without any measured block, and for datasets of writers that have no marker.
    """
    measured = next((block for block in blocks if block and "video.codec" in block), {})
    return frozenset(measured.keys() & set(DEPTH_MARKERS.values()))


def in_layout(block: Mapping[str, Any], markers: Iterable[str]) -> dict[str, Any]:
    """An ``info`` block with these depth markers only.

    Args:
        block: of one camera, with or without depth markers.
        markers: as `layout_of` gives them; a depth camera keeps one even if there are none.
    """
    wanted = set(markers) or ({DEPTH_MARKERS["lerobot-0.6"]} if is_depth(block) else set())
    known = {key: value for key, value in block.items() if key not in DEPTH_MARKERS.values() or key in wanted}
    return known | {key: is_depth(block) for key in sorted(wanted - known.keys())}


def chosen_layout(blocks: Iterable[Mapping[str, Any] | None], wanted: InfoLayout | None) -> frozenset[str]:
    """The depth markers to write: those that the dataset has, or those of the layout that the caller chose.

    Raises:
        DatasetError: the dataset has another layout than the chosen one, or there is no such layout.
    """
    if wanted is not None and wanted not in DEPTH_MARKERS:
        raise DatasetError(f"unknown info_layout {wanted!r}; expected {' or '.join(map(repr, DEPTH_MARKERS))}")
    found = layout_of(blocks)
    if found and wanted is not None and found != {DEPTH_MARKERS[wanted]}:
        raise DatasetError(
            f"info_layout={wanted!r} (--dataset.info_layout) writes {DEPTH_MARKERS[wanted]}, but the cameras of this dataset "
            f"have {' and '.join(sorted(found))}; leave it out, because LeRobot merges blocks with the same keys only"
        )
    return found or frozenset({DEPTH_MARKERS[wanted or "lerobot-0.6"]})


def is_depth(info: Mapping[str, Any]) -> bool:
    """Whether an ``info`` block says that its stream is depth, in either of LeRobot's spellings."""
    return bool(info.get("is_depth_map") or info.get("video.is_depth_map"))


def encoder_config_from_info(info: Mapping[str, Any]) -> VideoEncoderConfig:
    """The config that an ``info`` block describes: a `DepthEncoderConfig` if `is_depth`.

    Raises:
        pydantic.ValidationError: a stored value that no config can have.
    """
    return (DepthEncoderConfig if is_depth(info) else VideoEncoderConfig).from_video_info(info)
