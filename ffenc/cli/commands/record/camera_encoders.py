"""Join the encoder settings of all cameras with those of single cameras, from flags and from ``--cameras``."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from jsonargparse import Namespace

from ffenc.cli.commands.record.cameras import FEATURE_PREFIX, CameraSettings
from ffenc.cli.parsing.arguments import UsageError, checked_config, given_by_camera, given_config
from ffenc.config import VideoEncoderConfig

_Config = TypeVar("_Config", bound=VideoEncoderConfig)


def camera_configs(
    arguments: Namespace,
    cameras: Mapping[str, CameraSettings],
    groups: Sequence[str],
    model: type[_Config],
    *,
    others: Collection[str] = (),
) -> _Config | dict[str, _Config] | None:
    """Return the given settings: one config if no camera has its own, else one for each feature; None if there are none.

    A flag for the camera takes precedence over the block ``encoder`` of the camera, and that over a flag for all cameras.

    Args:
        arguments: the parsed flags.
        cameras: cameras of this kind, colour or depth.
        groups: prefixes of the flags.
        model: class of the config.
        others: names of the cameras of the other kind, which these flags do not take.

    Raises:
        UsageError: a camera or a field is unknown, or a value is invalid on every machine.
    """
    for_all = given_config(arguments, groups, model)
    flags = given_by_camera(arguments, groups, model)
    for name, fields in flags.items():
        if name not in cameras:
            raise UsageError(_unknown(name, f"--{next(iter(fields.values()))[0]}", cameras, model, others))
    if not flags and not any(camera.encoder for camera in cameras.values()):
        return for_all if for_all.model_fields_set else None
    general = {name: (f"{groups[0]}.{name}", getattr(for_all, name)) for name in for_all.model_fields_set}
    configs = {}
    for name, camera in cameras.items():
        block = {field: (f"cameras: {name}.encoder.{field}", value) for field, value in camera.encoder.items()}
        given = general | block | flags.get(name, {})
        for field, (place, _) in given.items():
            if field not in model.model_fields:
                near = difflib.get_close_matches(field, model.model_fields, n=1)
                hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(model.model_fields)}"
                raise UsageError(f"--{place}: unknown setting {field!r}; {hint}")
        if given:
            configs[FEATURE_PREFIX + name] = checked_config(
                {field: value for field, (_, value) in given.items()},
                {field: place for field, (place, _) in given.items()},
                model,
            )
    return configs


def _unknown(
    name: str, flag: str, cameras: Collection[str], model: type[VideoEncoderConfig], others: Collection[str]
) -> str:
    if name in others:
        kind = "a colour camera" if "depth_encoder" in flag else "a depth camera"
        encoder = "camera_encoder" if "depth_encoder" in flag else "depth_encoder"
        return f"{flag}: {name} is {kind}; its settings are --dataset.{encoder}.{name}"
    near = difflib.get_close_matches(name, [*cameras, *model.model_fields], n=1)
    hint = f"did you mean {near[0]}?" if near else f"the cameras are {', '.join(cameras) or 'of another kind'}"
    return f"{flag}: unknown camera {name!r}; {hint}"
