"""Refuse a recording whose rate or cameras differ from those of the dataset that it resumes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ffenc.cli.commands.record.cameras import FEATURE_PREFIX
from ffenc.cli.parsing.arguments import UsageError
from ffenc.dataset.format.schema import DEFAULT_FEATURES, DatasetInfo, Feature


def check_rate(info: DatasetInfo, root: Path, fps: int | None) -> None:
    """Refuse a given rate that differs from the dataset's.

    Raises:
        UsageError: it differs.
    """
    if fps is not None and fps != info.fps:
        raise UsageError(
            f"--dataset.fps={fps}: {root} has {info.fps} frames per second; omit the flag, or record a new dataset"
        )


def check_features(
    info: DatasetInfo, root: Path, cameras: Mapping[str, Mapping[str, Any]], *, is_video: bool | None
) -> None:
    """Refuse cameras that the dataset does not have in this form, and a dataset with further features.

    Args:
        info: the dataset.
        root: its folder.
        cameras: features of the cameras, by name.
        is_video: value of ``--dataset.video``; None if the flag was not given.

    Raises:
        UsageError: something differs.
    """
    wanted = {name: feature for name, feature in info.features.items() if name not in DEFAULT_FEATURES}
    if others := [name for name, feature in wanted.items() if not feature.is_camera]:
        raise UsageError(
            f"--resume: {root} also has {', '.join(others)}, which `ffenc record` cannot record; use LeRobot, or "
            "DatasetRecorder.resume and add_frame from your own loop"
        )
    if wanted.keys() != cameras.keys():
        raise UsageError(
            f"--cameras: {root} has the cameras {_names(wanted)}, but the flag names {_names(cameras)}; name the same cameras"
        )
    for name, feature in wanted.items():
        camera = Feature.model_validate(cameras[name])
        if is_video is not None and is_video != feature.is_video:
            stored = "video" if feature.is_video else "images"
            raise UsageError(
                f"--dataset.video={str(is_video).lower()}: {root} stores {_names([name])} as {stored}; omit the flag"
            )
        if (camera.is_depth, camera.shape) != (feature.is_depth, feature.shape):
            raise UsageError(
                f"--cameras: {_names([name])} is {_form(feature)} in {root}, but the camera gives {_form(camera)}; "
                "set width, height and depth to match, with convert: true to scale"
            )


def _names(features: Mapping[str, object] | list[str]) -> str:
    return ", ".join(name.removeprefix(FEATURE_PREFIX) for name in features)


def _form(feature: Feature) -> str:
    height, width = feature.shape[:2]
    return f"{width}x{height}{' depth' if feature.is_depth else ''}"
