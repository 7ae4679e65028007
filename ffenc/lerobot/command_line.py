"""Run LeRobot's commands with ffenc as their encoder."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

import yaml  # type: ignore[import-untyped]

from ffenc.errors import FFencError, LeRobotError
from ffenc.lerobot.installation import NOT_INSTALLED, Status, install, installed_version
from ffenc.lerobot.settings import ffenc_config
from ffenc.video.encoder_options import resolved_encoder

_PREFIX = "lerobot-"

_RGB_NAMES = ("rgb_encoder", "camera_encoder")
"""Names of the RGB encoder settings in versions of LeRobot; supported versions use the first."""

_SAVING_IN_BACKGROUND = ("record",)
"""Commands that do not read a saved episode before they finalize the dataset."""

_DEPTH_NAME = "depth_encoder"

_ENCODER_FLAG = re.compile(rf"--(?:[\w]+\.)*(?:{'|'.join(_RGB_NAMES)})(?=[.=]|$)")


def command_names() -> tuple[str, ...]:
    """Return the names of LeRobot's commands without their prefix, such as ``record`` and ``edit-dataset``.

    Raises:
        LeRobotError: LeRobot is not installed.
    """
    return tuple(sorted(_entry_points()))


def dictionary_flags(words: Sequence[str]) -> list[str]:
    """Return the flags on a command line whose value is a dictionary of encoder options."""
    names = (word.partition("=")[0] for word in words)
    return [name for name in names if name.startswith("--") and name.endswith("_encoder.extra_options")]


def translated(words: Sequence[str]) -> list[str]:
    """Rename the flags of the RGB encoder for the installed LeRobot: ``camera_encoder`` becomes ``rgb_encoder``.

    Raises:
        LeRobotError: both names are given.
    """
    used = {name for word in words if (found := _ENCODER_FLAG.match(word)) for name in _RGB_NAMES if name in found[0]}
    if len(used) > 1:
        raise LeRobotError(f"{' and '.join(_RGB_NAMES)} are two names of the same settings; give one of them")
    return [
        _ENCODER_FLAG.sub(lambda found: found[0].replace(_RGB_NAMES[1], _RGB_NAMES[0]), word, count=1) for word in words
    ]


def run(name: str, words: Sequence[str]) -> int:
    """Install ffenc into LeRobot, print one line with versions and encoders, and run LeRobot's own command.

    Args:
        name: one of `command_names`.
        words: arguments of the command.

    Returns:
        Exit status of the command.

    Raises:
        LeRobotError: the command does not exist, or `install` failed.
    """
    commands = _entry_points()
    if name not in commands:
        raise LeRobotError(
            f"LeRobot {installed_version()} has no command {name!r}; it has {', '.join(sorted(commands))}"
        )
    words = translated(words)
    state = install(save_in_background=name in _SAVING_IN_BACKGROUND)
    sys.stderr.write(f"{introduction(state, words)}\n")
    sys.argv = [f"{_PREFIX}{name}", *words]
    try:
        status = commands[name].load()()
    except Exception as err:
        # LeRobot's parser reports only which dataclass it could not make.
        reason = err.__cause__
        while reason is not None and not isinstance(reason, FFencError):
            reason = reason.__cause__
        if reason is None:
            raise
        raise reason from err
    return status if isinstance(status, int) else 0


def introduction(state: Status, words: Sequence[str]) -> str:
    """Return one line with the versions and the encoder of each camera on the command line."""
    settings = import_module("lerobot.configs.video")
    kinds = {
        "RGB": (settings.RGBEncoderConfig, _RGB_NAMES[0]),
        "depth": (settings.DepthEncoderConfig, _DEPTH_NAME),
    }
    encoders = {}
    for kind, (config_class, group) in kinds.items():
        try:
            config = config_class(**_given(words, group))
            encoders[kind] = resolved_encoder(ffenc_config(config)).name
        except (FFencError, ValueError, TypeError):
            return str(state)  # LeRobot's parser or the check of the settings reports the error
    cameras = _cameras(words)
    if not cameras:
        return f"{state}; RGB cameras: {encoders['RGB']}, depth cameras: {encoders['depth']}"
    return f"{state}; " + ", ".join(
        f"{name}: {encoders['RGB']}" + (f" (depth: {encoders['depth']})" if has_depth else "")
        for name, has_depth in cameras.items()
    )


def _entry_points() -> Mapping[str, importlib.metadata.EntryPoint]:
    try:
        points = importlib.metadata.distribution("lerobot").entry_points
    except importlib.metadata.PackageNotFoundError as err:
        raise LeRobotError(NOT_INSTALLED) from err
    return {
        point.name.removeprefix(_PREFIX): point
        for point in points
        if point.group == "console_scripts" and point.name.startswith(_PREFIX)
    }


def _given(words: Sequence[str], group: str) -> dict[str, object]:
    """Return the encoder settings on a command line, parsed as YAML."""
    found = (re.fullmatch(rf"--[\w.]+\.{group}\.(\w+)=(.*)", word, re.DOTALL) for word in words)
    return {match[1]: _read(match[2]) for match in found if match}


def _cameras(words: Sequence[str]) -> dict[str, bool]:
    """Return the cameras on a command line, and for each whether it records depth."""
    for word in words:
        name, _, value = word.partition("=")
        if name.endswith(".cameras") and isinstance(read := _read(value), dict):
            return {str(name): bool(isinstance(each, dict) and each.get("use_depth")) for name, each in read.items()}
    return {}


def _read(text: str) -> object:
    try:
        value: object = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return value
