"""The ``info`` block of a video feature in ``meta/info.json``: what was measured, joined with what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ffenc.config import QUANTIZER_FIELDS, DepthEncoderConfig, VideoEncoderConfig
from ffenc.ffmpeg.stream_info import VideoStreamInfo

LEROBOT_BACKEND = "pyav"
"""What ``video.video_backend`` says in metadata written for LeRobot, whichever program encoded.

LeRobot reads the key as "the backend to re-encode with" and refuses every other value, so ffenc's own ``"ffmpeg"``
would make a dataset that its editing tools cannot open.
"""


def video_info(
    stream: VideoStreamInfo, config: VideoEncoderConfig | None = None, *, is_depth_map: bool = False
) -> dict[str, Any]:
    """The ``info`` block as LeRobot writes it, in its order.

    Values measured from the file win over those asked for.

    Args:
        stream: measured from the first video file of the camera.
        config: as it took effect (`EncodeResult.encoder.config`), with defaults filled in; None leaves the
            encoder-derived keys out.
        is_depth_map: the stream holds depth; True for every `DepthEncoderConfig`.  Written under both of LeRobot's
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


def is_depth(info: Mapping[str, Any]) -> bool:
    """Whether an ``info`` block says that its stream is depth, in either of LeRobot's spellings."""
    return bool(info.get("is_depth_map") or info.get("video.is_depth_map"))


def encoder_config_from_info(info: Mapping[str, Any]) -> VideoEncoderConfig:
    """The config that an ``info`` block describes: a `DepthEncoderConfig` if `is_depth`.

    Raises:
        pydantic.ValidationError: a stored value that no config can have.
    """
    return (DepthEncoderConfig if is_depth(info) else VideoEncoderConfig).from_video_info(info)
