"""Flags that several sub-commands share, and what is made of them."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonargparse import SUPPRESS, ArgumentParser, Namespace
from pydantic import ValidationError

from ffenc.cli.screen import Screen
from ffenc.cli.values import PARSER_MODE, load_leniently, positive
from ffenc.config import VideoEncoderConfig
from ffenc.ffmpeg.binaries import Binaries, find_binaries

ENCODER_GROUPS = ("camera_encoder", "rgb_encoder")
"""The prefix of the encoder's flags, and its other name."""


class UsageError(Exception):
    """The command line itself is wrong; nothing was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One sub-command.

    Attributes:
        name: what one types.
        aliases: other names for it.
        summary: one line for the list of commands.
        parser: of its own arguments.
        run: does the work and prints the result.
    """

    name: str
    aliases: tuple[str, ...] = ()
    summary: str
    parser: ArgumentParser
    run: Callable[[Namespace, Screen], None]


def command_parser(usage: str, description: str) -> ArgumentParser:
    """A parser for one sub-command, with the flags that all of them have."""
    parser = ArgumentParser(
        usage=f"ffenc {usage}",
        description=description,
        formatter_class=RawDescriptionHelpFormatter,
        parser_mode=PARSER_MODE,
        print_config=None,
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("--config", action="config", metavar="FILE", help="YAML file with values for these flags")
    parser.add_argument(
        "--ffmpeg",
        type=str,
        metavar="PATH",
        help="the ffmpeg to use (default: $FFENC_FFMPEG, then PATH, then the package imageio-ffmpeg)",
    )
    parser.add_argument(
        "--ffprobe",
        type=str,
        metavar="PATH",
        help="the ffprobe to use, or none (default: $FFENC_FFPROBE, then PATH; without one ffmpeg answers as well)",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON and nothing else")
    parser.add_argument("-v", "--verbose", action="store_true", help="log every command that is run")
    return parser


def add_job_flags(parser: ArgumentParser) -> None:
    """Flags of commands that write a file."""
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    parser.add_argument(
        "--dry_run",
        "--dry-run",
        action="store_true",
        help="check everything, print the command that would be run, and write nothing",
    )


def add_encoder_flags(parser: ArgumentParser) -> None:
    """One flag per field of `VideoEncoderConfig`.

    None has a default here, so what the user gave can be told from what was left alone.  The values are judged by the
    model; jsonargparse only reads them.
    """
    group = parser.add_argument_group(
        "camera encoder", "Also as --rgb_encoder.NAME. Fields that are not given apply where the encoder has them."
    )
    for prefix in ENCODER_GROUPS:
        for name, field in VideoEncoderConfig.model_fields.items():
            is_dict = name == "extra_options"
            default = field.get_default(call_default_factory=True)
            help_text = f"{field.description} (default: {_as_typed(default)})".replace("%", "%%")
            if is_dict:
                help_text += f"; quote it, '{{\"bf\": 2}}', or write --{prefix}.{name}.bf=2"
            group.add_argument(
                f"--{prefix}.{name}",
                type=dict[str, Any] if is_dict else Any,
                default=SUPPRESS,
                metavar="DICT" if is_dict else "VALUE",
                help=help_text if prefix == ENCODER_GROUPS[0] else SUPPRESS,
            )
    group.add_argument(
        "--encoder_threads", type=positive, metavar="N", help="threads of the encoder (default: the encoder decides)"
    )


def encoder_config(arguments: Namespace) -> VideoEncoderConfig:
    """The config with exactly the fields that the user gave.

    Raises:
        UsageError: a value that is wrong on every machine, or a field under both names.
    """
    given: dict[str, object] = {}
    flags: dict[str, str] = {}
    for prefix in ENCODER_GROUPS:
        values = arguments.get(prefix)
        for name, value in (values.as_dict() if values else {}).items():
            if name in given:
                raise UsageError(f"--{flags[name]} and --{prefix}.{name} are the same setting; give one of them")
            given[name], flags[name] = value, f"{prefix}.{name}"
    if isinstance(options := given.get("extra_options"), Mapping):
        given["extra_options"] = _nested(options)
    try:
        return VideoEncoderConfig.model_validate(given)
    except ValidationError as err:
        raise UsageError("\n".join(_explain(err, flags))) from err


def binaries_of(arguments: Namespace) -> Binaries:
    """The executables that ``--ffmpeg`` and ``--ffprobe`` name, or those that are found."""
    return find_binaries(arguments.ffmpeg, arguments.ffprobe)


def is_same_file(first: Path, second: Path) -> bool:
    """Whether both names lead to one existing file."""
    return first.exists() and second.exists() and first.samefile(second)


def _nested(options: Mapping[str, object]) -> dict[str, object]:
    """``{"x264-params.aq-mode": 2}``, as jsonargparse leaves it, is a dictionary in a dictionary."""
    nested: dict[str, object] = {}
    for name, value in options.items():
        outer, dot, inner = name.partition(".")
        if not dot:
            nested[name] = value
            continue
        group = nested.setdefault(outer, {})
        if not isinstance(group, dict):
            raise UsageError(f"extra_options has {outer!r} as a value and as a dictionary; give one of them")
        group[inner] = value
    return nested


def _explain(err: ValidationError, flags: Mapping[str, str]) -> Iterator[str]:
    """One paragraph per field: what was given, what is accepted, what the field is for."""
    reasons: dict[str, list[str]] = {}
    errors = {}
    for error in err.errors(include_url=False):
        name = str(error["loc"][0])
        flag = f"--{flags.get(name, name)}"
        if name == "extra_options" and len(error["loc"]) > 1:
            flag += f".{error['loc'][1]}"
        reason = error["msg"].removeprefix("Value error, ").removeprefix("Input ").replace("should", "must")
        reasons.setdefault(flag, []).append(reason.removeprefix("must be ") if flag in reasons else reason)
        errors.setdefault(flag, (name, error["input"]))
    for flag, (name, value) in errors.items():
        yield f"{flag} was given {_as_typed(value)}: {' or '.join(dict.fromkeys(reasons[flag]))}"
        field = VideoEncoderConfig.model_fields.get(name)
        known = f"fields: {', '.join(VideoEncoderConfig.model_fields)}"
        yield f"  {known if field is None else field.description}"


def _as_typed(value: object) -> str:
    """A value as one would write it on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str) and load_leniently(value) == value:
        return value
    return repr(value)
