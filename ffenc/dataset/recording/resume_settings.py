"""Choose the encoder settings of a recording so that all videos of a camera match."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from ffenc.config import QUANTIZER_FIELDS, DepthEncoderConfig, PerCamera, VideoEncoderConfig
from ffenc.dataset.format.provenance import load_provenance, provenance_path
from ffenc.dataset.format.schema import DatasetInfo, Feature
from ffenc.dataset.format.video_info import encoder_config_from_info
from ffenc.errors import DatasetError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.frames import FrameFormat
from ffenc.plan.encode import RawFrames
from ffenc.plan.resolve import ResolvedEncoder
from ffenc.video.planning import plan_for
from ffenc.video.run_context import RunContext

logger = logging.getLogger(__name__)

_TUNING = ("g", "crf", "preset", "fast_decode", "extra_options")


def settle_encoders(
    root: Path,
    info: DatasetInfo,
    camera_encoder: PerCamera[VideoEncoderConfig] | None,
    depth_encoder: PerCamera[DepthEncoderConfig] | None,
    *,
    allow_mixed: bool,
    binaries: Binaries,
) -> dict[str, VideoEncoderConfig]:
    """Return the settings of every video camera.

    Settings that are not given come from the last episode: from ffenc's provenance, or else from ``info.json``.

    Raises:
        DatasetError: the given settings differ from the dataset's and ``allow_mixed`` is False, a camera is unknown, or the
            stored settings cannot be read.
    """
    configs: dict[str, VideoEncoderConfig] = {}
    for name in (name for given in (camera_encoder, depth_encoder) if isinstance(given, Mapping) for name in given):
        if name not in info.videos:
            raise DatasetError(
                f"encoder settings for {name!r}, which is not a camera of {root}; its cameras are {', '.join(info.videos)}",
                path=root,
            )
    for name, feature in info.videos.items():
        per_camera = depth_encoder if feature.is_depth else camera_encoder
        given = per_camera.get(name) if isinstance(per_camera, Mapping) else per_camera
        if feature.is_depth and isinstance(given, DepthEncoderConfig) and not given.quantizes:
            logger.warning(
                "%s is stored as 16-bit millimetres, which LeRobot reads as 12-bit codes; read it with ffenc.read_depth",
                name,
            )
        if given is None:
            configs[name] = _stored(root, info, name)
            continue
        configs[name] = given
        mismatch = _mismatch(given, feature, info.fps, binaries)
        if mismatch and not allow_mixed:
            raise DatasetError(
                f"{name} of {root} was recorded with other settings: {mismatch}; leave them out to keep the dataset's settings, "
                "or pass allow_mixed=True",
                path=root,
            )
        if mismatch:
            logger.warning("%s of %s is recorded with settings that differ from info.json: %s", name, root, mismatch)
    return configs


def resolved(config: VideoEncoderConfig, feature: Feature, fps: int, binaries: Binaries) -> ResolvedEncoder:
    """Return the settings as they take effect on this machine."""
    height, width = feature.shape[:2]
    layout = config.layout if isinstance(config, DepthEncoderConfig) else "rgb"
    frames = FrameFormat(width=width, height=height, layout=layout)
    source = RawFrames(frames=frames, fps=Fraction(fps))
    return plan_for(config, source, None, RunContext(binaries=binaries)).encoder


def _stored(root: Path, info: DatasetInfo, name: str) -> VideoEncoderConfig:
    feature = info.features[name]
    kind = DepthEncoderConfig if feature.is_depth else VideoEncoderConfig
    recorded = _last_recorded(root, name, kind)
    if recorded is not None:
        return recorded
    if feature.info and "video.codec" in feature.info:
        try:
            return encoder_config_from_info(feature.info)
        except ValueError as err:
            raise DatasetError(
                f"the settings of {name} in the info.json of {root} cannot be used; give camera_encoder: {err}",
                path=root,
            ) from err
    return kind()


def _last_recorded(root: Path, name: str, kind: type[VideoEncoderConfig]) -> VideoEncoderConfig | None:
    """Return the valid settings of the last episode in the provenance, or None; a warning reports invalid ones."""
    path = provenance_path(root)
    try:
        known = load_provenance(root)
    except OSError as err:
        raise DatasetError(f"cannot read {path}: {err.strerror}; move it away to resume without it", path=path) from err
    config, invalid = None, []
    for number in reversed(list(known)):
        try:
            config = _recorded(known[number], name, kind)
        except ValueError as err:
            invalid.append(f"episode {number}: {err}".replace("\n", " "))
        if config is not None:
            break
    if invalid:
        logger.warning(
            "%s has invalid settings of %s in %d of %d lines, so those of %s are used; %s",
            path,
            name,
            len(invalid),
            len(known),
            "info.json" if config is None else "an earlier episode",
            invalid[0],
        )
    return config


def _recorded(document: Mapping[str, Any], name: str, kind: type[VideoEncoderConfig]) -> VideoEncoderConfig | None:
    """Return the settings of a camera in a line of the provenance, or None.

    Raises:
        ValueError: they are invalid.
    """
    value: Any = document
    for key in ("cameras", name, "config"):
        value = value.get(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise ValueError(f"{key} is not an object")
    return kind.from_record(value)


def _mismatch(given: VideoEncoderConfig, feature: Feature, fps: int, binaries: Binaries) -> str:
    known = feature.info or {}
    if "video.codec" not in known:
        return ""
    encoder = resolved(given, feature, fps, binaries)
    wanted: dict[str, Any] = {"codec": encoder.codec, "pix_fmt": encoder.config.pix_fmt}
    wanted |= {name: getattr(encoder.config, name) for name in _TUNING}
    if encoder.config.crf is None and not given.was_given("crf"):
        # Another quality setting replaces the default, for example a lossless switch in extra_options.
        del wanted["crf"]
    if isinstance(given, DepthEncoderConfig):
        wanted |= {name: getattr(given, name) for name in QUANTIZER_FIELDS}
    # A merge of datasets with different settings leaves null, and {} for options.
    return ", ".join(
        f"{name} was {old!r}, now {value!r}"
        for name, value in wanted.items()
        if (old := known.get(f"video.{name}")) not in (None, {}, value)
    )
