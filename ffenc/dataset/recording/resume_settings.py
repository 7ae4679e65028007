"""Which settings a recording goes on with, so that all videos of a camera are alike."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.dataset.format.provenance import load_provenance
from ffenc.dataset.format.schema import DatasetInfo, Feature
from ffenc.dataset.format.video_info import encoder_config_from_info
from ffenc.errors import DatasetError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.frames import FrameFormat
from ffenc.plan.resolve import ResolvedEncoder, resolve_encoder
from ffenc.video.selection import prepare

logger = logging.getLogger(__name__)

Given = VideoEncoderConfig | Mapping[str, VideoEncoderConfig] | None

_TUNING = ("g", "crf", "preset", "fast_decode", "extra_options")
_DEPTH = ("depth_min", "depth_max", "shift", "use_log")


def settle_encoders(
    root: Path,
    info: DatasetInfo,
    camera_encoder: Given,
    depth_encoder: Mapping[str, DepthEncoderConfig] | DepthEncoderConfig | None,
    *,
    allow_mixed: bool,
    binaries: Binaries,
) -> dict[str, VideoEncoderConfig]:
    """The settings of every camera with video.

    Settings that were not given are those of the last episode: as ffenc kept them, or as ``info.json`` tells.

    Raises:
        DatasetError: settings were given that are not those of the dataset, and ``allow_mixed`` is False; or there are some
            for a camera that is not there.
    """
    configs: dict[str, VideoEncoderConfig] = {}
    for name in (*_names(camera_encoder), *_names(depth_encoder)):
        if name not in info.videos:
            raise DatasetError(
                f"there are encoder settings for {name!r}, which is not a camera of {root}; it has {', '.join(info.videos)}",
                path=root,
            )
    for name, feature in info.videos.items():
        _warn_of_millimetres(name, _of(depth_encoder, name) if feature.is_depth else None)
        given = _of(depth_encoder if feature.is_depth else camera_encoder, name)
        if given is None:
            configs[name] = _stored(root, info, name)
            continue
        configs[name] = given
        unlike = _unlike(given, feature, info.fps, binaries)
        if unlike and not allow_mixed:
            raise DatasetError(
                f"{name} of {root} was recorded with other settings: {unlike}; leave them out to go on as before, or pass "
                "allow_mixed=True",
                path=root,
            )
        if unlike:
            logger.warning("%s of %s goes on with other settings, which info.json does not say: %s", name, root, unlike)
    return configs


def resolved(config: VideoEncoderConfig, feature: Feature, fps: int, binaries: Binaries) -> ResolvedEncoder:
    """The settings as they take effect here."""
    height, width = feature.shape[:2]
    layout = config.layout if isinstance(config, DepthEncoderConfig) else "rgb"
    frames = FrameFormat(width=width, height=height, layout=layout)
    prepared = prepare(config, binaries=binaries, frames=frames, fps=Fraction(fps))
    return resolve_encoder(
        prepared.config,
        prepared.capabilities,
        width=width,
        height=height,
        muxer="mov" if isinstance(config, DepthEncoderConfig) and not config.quantizes else "mp4",
        device_node=prepared.device_node,
    )


def _warn_of_millimetres(name: str, config: VideoEncoderConfig | None) -> None:
    if isinstance(config, DepthEncoderConfig) and not config.quantizes:
        logger.warning(
            "%s is stored as 16-bit millimetres, which LeRobot takes for 12-bit codes; read it with ffenc.read_depth",
            name,
        )


def _names(given: Given) -> tuple[str, ...]:
    return tuple(given) if isinstance(given, Mapping) else ()


def _of(given: Given, name: str) -> VideoEncoderConfig | None:
    return given.get(name) if isinstance(given, Mapping) else given


def _stored(root: Path, info: DatasetInfo, name: str) -> VideoEncoderConfig:
    feature = info.features[name]
    kind = DepthEncoderConfig if feature.is_depth else VideoEncoderConfig
    for document in reversed(list(load_provenance(root).values())):
        config = document["cameras"].get(name, {}).get("config")
        if config is not None:
            return kind.from_record(config)
    if feature.info and "video.codec" in feature.info:
        try:
            return encoder_config_from_info(feature.info)
        except ValueError as err:
            raise DatasetError(
                f"the settings of {name} in the info.json of {root} cannot be used; give camera_encoder: {err}",
                path=root,
            ) from err
    return kind()


def _unlike(given: VideoEncoderConfig, feature: Feature, fps: int, binaries: Binaries) -> str:
    known = feature.info or {}
    if "video.codec" not in known:
        return ""
    encoder = resolved(given, feature, fps, binaries)
    wanted: dict[str, Any] = {"codec": encoder.codec, "pix_fmt": encoder.config.pix_fmt}
    wanted |= {name: getattr(encoder.config, name) for name in _TUNING}
    if encoder.config.crf is None and not given.was_given("crf"):
        del wanted["crf"]  # a default that gave way, to a lossless switch for example, which extra_options has
    if isinstance(given, DepthEncoderConfig):
        wanted |= {name: getattr(given, name) for name in _DEPTH}
    # A merge of unlike datasets leaves null, and {} for options: nothing that could be kept to.
    unlike = {
        name: (known[f"video.{name}"], value)
        for name, value in wanted.items()
        if known.get(f"video.{name}") not in (None, {}, value)
    }
    return ", ".join(f"{name} was {old!r}, now {new!r}" for name, (old, new) in unlike.items())
