"""Flags that several commands share, and the values that commands derive from them.

``--help`` imports this module, so numpy, rich and the library are imported in the functions that need them.
"""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import wraps
from inspect import getdoc, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from jsonargparse import SUPPRESS, ArgumentParser, Namespace

from ffenc.cli.parsing.values import (
    PARSER_MODE,
    count,
    duration,
    episode_numbers,
    executor_name,
    frame_number,
    frame_rate,
    frame_size,
    load_leniently,
    names,
    positive,
    positive_number,
    seconds,
    whole_rate,
)
from ffenc.regular_files import read_regular

if TYPE_CHECKING:
    from pydantic import ValidationError

    from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
    from ffenc.ffmpeg.binaries import Binaries

ENCODER_GROUPS = ("camera_encoder", "rgb_encoder")
"""The prefix of the encoder's flags, and its alias."""

DEPTH_GROUPS = ("depth_encoder",)

_Result = TypeVar("_Result")
_Config = TypeVar("_Config", bound="VideoEncoderConfig")

BARE_FLAGS = (
    "-h", "--help", "-v", "--verbose", "--json", "--dry_run", "--dry-run", "--overwrite", "--codes", "--retry_failed",
    "--allow_mixed_builds", "--follow_links", "--relative_action", "--relative-action", "--idle", "--yes", "--prove",
)  # fmt: skip
"""The flags that take no value."""

_CONFIG_BYTES = 256 * 1024  # PyYAML takes seconds for as much

_LONGEST_SHOWN = 100  # characters of a value that is repeated in a message


class UsageError(Exception):
    """The command line is wrong; nothing was started."""


class _Parser(ArgumentParser):
    """Parser that reads configuration files of limited size, and knows the settings of single cameras.

    Attributes:
        camera_groups: prefixes of flags that take the name of a camera before the field: ``--PREFIX.CAMERA.FIELD``; each with
            the fields that flags without a camera have.
        camera_flags: flags of this kind that were given.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.camera_groups: dict[str, Collection[str]] = {}
        self.camera_flags: list[str] = []

    def parse_args(self, args: Any = None, *arguments: Any, **options: Any) -> Namespace:  # type: ignore[override]
        """Parse a command line; flags of single cameras are added first."""
        for word in args or ():
            if word.startswith("--"):
                self._add_camera_flag(word[2:].partition("=")[0])
        parsed: Namespace = super().parse_args(args, *arguments, **options)
        return parsed

    def _add_camera_flag(self, name: str) -> None:
        for prefix, fields in self.camera_groups.items():
            camera, _, rest = name.removeprefix(f"{prefix}.").partition(".")
            field = rest.partition(".")[0]
            flag = f"--{prefix}.{camera}.{field}"
            if name.startswith(f"{prefix}.") and field and camera not in fields and flag not in self.camera_flags:
                is_dict = field == "extra_options"
                self.add_argument(flag, type=dict if is_dict else Any, default=SUPPRESS, help=SUPPRESS)
                self.camera_flags.append(flag)

    def parse_path(self, path: Any, *arguments: Any, **options: Any) -> Namespace:
        """Parse a configuration file.

        Raises:
            TypeError: the file cannot be read or is not text. jsonargparse turns this into a usage error.
        """
        try:
            text = read_regular(Path(str(path)), most_bytes=_CONFIG_BYTES).decode()
        except (OSError, ValueError) as err:
            raise TypeError(
                f'Parser key "config": {path} cannot be read: {getattr(err, "strerror", None) or err}'
            ) from err
        for name in _dotted(load_leniently(text)):
            self._add_camera_flag(name)
        parsed: Namespace = super().parse_path(path, *arguments, **options)
        return parsed


def command(usage: str) -> Callable[[Callable[[ArgumentParser], None]], Callable[[], ArgumentParser]]:
    """Turn a function that adds the flags of a command into one that makes the parser of the command.

    The docstring of the function is the description in ``--help``.

    Args:
        usage: the command line without ``ffenc``.
    """

    def decorate(add_flags: Callable[[ArgumentParser], None]) -> Callable[[], ArgumentParser]:
        @wraps(add_flags)
        def make() -> ArgumentParser:
            parser = _Parser(
                usage=f"ffenc {usage}",
                description=getdoc(add_flags),
                formatter_class=RawDescriptionHelpFormatter,
                parser_mode=PARSER_MODE,
                print_config=None,
                exit_on_error=False,
                allow_abbrev=False,
            )
            parser.add_argument(
                "--config", action="config", metavar="FILE", help="YAML file with values for these flags"
            )
            ffmpeg = "the ffmpeg to use (default: $FFENC_FFMPEG, then PATH, then the package imageio-ffmpeg)"
            add_flag(parser, "--ffmpeg", str, ffmpeg, metavar="PATH")
            ffprobe = (
                "the ffprobe to use, or none (default: $FFENC_FFPROBE, then PATH; without ffprobe, ffmpeg is used)"
            )
            add_flag(parser, "--ffprobe", str, ffprobe, metavar="PATH")
            add_flag(parser, "--json", None, "print the result as JSON only")
            parser.add_argument("-v", "--verbose", action="store_true", help="log every command")
            add_flags(parser)
            return parser

        return make

    return decorate


_METAVARS: Mapping[Any, str] = {
    bool: "BOOL", dict: "DICT", str: "NAME", positive: "N", count: "N", whole_rate: "N", frame_rate: "RATE", seconds: "S",
    duration: "TIME", frame_size: "WxH", frame_number: "FRAME", executor_name: "NAME", names: "NAMES", episode_numbers: "NUMBERS",
    positive_number: "N",
}  # fmt: skip
"""Placeholder of a value in ``--help``, by its type."""


def add_flag(group: Any, name: str, kind: Any, text: str, *other_names: str, **options: Any) -> None:
    """Add a flag or an argument.

    Args:
        group: a parser or a group of flags.
        name: ``"--fps"``, or ``"root"`` for an argument, which ``--help`` shows as ``ROOT``.
        kind: type of the value; a tuple of choices; or None for a flag without a value.
        text: description.  The default is appended, unless the text names one.
        other_names: for example ``"-o"``.
        options: further arguments of `ArgumentParser.add_argument`.
    """
    if kind is None:
        options["action"] = "store_true"
    elif isinstance(kind, tuple):
        options["choices"] = kind
    else:
        metavar = _METAVARS.get(kind) if name.startswith("-") else name.upper()
        options = {"type": kind, "metavar": metavar} | options
    default = options.get("default", SUPPRESS)
    if default is not SUPPRESS and "(default:" not in text:
        text += f" (default: {str(default).lower() if isinstance(default, bool) else default})"
    group.add_argument(name, *other_names, help=text, **options)


def flags_first(words: Sequence[str]) -> list[str]:
    """Move flags and their values before the other words.

    argparse takes a list of inputs from one place only: without this, ``OUT --fps=30 IN IN`` would have no inputs.
    """
    flags: list[str] = []
    others: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*flags, "--", *others, *rest]
        if not word.startswith("-") or word == "-":
            others.append(word)
            continue
        flags.append(word)
        if "=" not in word and word not in BARE_FLAGS and rest:
            flags.append(rest.pop(0))
    return flags + others


def add_job_flags(parser: ArgumentParser) -> None:
    """Add the flags of commands that write a file."""
    add_flag(parser, "--overwrite", None, "replace the output if it exists")
    add_dry_run_flag(parser, "check everything, print the command, and write nothing")


def add_dry_run_flag(parser: ArgumentParser, text: str) -> None:
    """Add the flag of commands that can show what they would do."""
    add_flag(parser, "--dry_run", None, text, "--dry-run")


def add_order_flag(parser: ArgumentParser) -> None:
    """Add the flag of commands that read folders of images."""
    text = "sort images by number, without a gap, or by name, for example timestamps"
    add_flag(parser, "--order", ("number", "name"), text, default="number")


def add_output_flag(parser: ArgumentParser, *, in_place: str = "") -> None:
    """Add the flag that names the directory of a new dataset.

    Args:
        parser: gets the flag.
        in_place: what happens without the flag, such as ``"the videos are replaced in place"``.  If empty, it is required.
    """
    otherwise = f"without it, {in_place}" if in_place else "must not exist"
    text = f"directory of the result; {otherwise}"
    add_flag(parser, "--output", Path, text, "-o", required=not in_place, metavar="OUTPUT")


def add_follow_links_flag(parser: ArgumentParser) -> None:
    """Add the flag that allows reading through links in a dataset."""
    add_flag(parser, "--follow_links", None, "follow symbolic links in the dataset instead of refusing them")


def add_executor_flag(parser: ArgumentParser, *, note: str = "") -> None:
    """Add the flag that selects where jobs run."""
    text = f"threads, processes or dask, also with a number of workers (threads:4), or dask://host:port{note}"
    add_flag(parser, "--executor", executor_name, text, default="threads")


def add_encoder_flags(parser: ArgumentParser) -> None:
    """Add a flag for each field of `VideoEncoderConfig`, and ``--encoder_threads``."""
    from ffenc.config import VideoEncoderConfig

    group = add_config_flags(parser, ENCODER_GROUPS, title="camera encoder", model=VideoEncoderConfig)
    add_threads_flag(group, "--encoder_threads")


def add_depth_flags(parser: ArgumentParser) -> None:
    """Add a flag for each field of `DepthEncoderConfig`."""
    from ffenc.config import DepthEncoderConfig

    add_config_flags(parser, DEPTH_GROUPS, title="depth encoder", model=DepthEncoderConfig)


def add_threads_flag(group: Any, name: str) -> None:
    """Add the flag for the number of threads of each encoder."""
    add_flag(group, name, positive, "threads of the encoder (default: the encoder decides)")


def add_layout_flag(group: Any, *names: str) -> None:
    """Add the flag that selects how ``info.json`` marks depth cameras.

    None keeps the layout of the dataset, or means the newer layout for a new dataset.
    """
    text = "write is_depth_map into info.json, or video.is_depth_map as LeRobot did up to 0.5 (default: lerobot-0.6)"
    add_flag(group, names[0], ("lerobot-0.6", "seed"), text, *names[1:])


def add_config_flags(
    parser: ArgumentParser,
    groups: Sequence[str],
    *,
    title: str,
    model: type[VideoEncoderConfig],
    by_camera: bool = False,
) -> Any:
    """Add a flag for each field of a config.

    The flags have no defaults, so that a value the user gave differs from an absent one.  jsonargparse only reads the
    values; the model validates them.

    Args:
        parser: gets the flags.
        groups: prefixes of the flags. ``--help`` describes the first one only.
        title: title of the group in ``--help``.
        model: class of the config.
        by_camera: each field also has a flag for one camera, ``--PREFIX.CAMERA.FIELD``; see `given_by_camera`.

    Returns:
        The group of flags.
    """
    others = "".join(f"Also as --{name}.NAME.\n" for name in groups[1:])
    if by_camera:
        others += f"For one camera, --{groups[0]}.CAMERA.NAME, which takes precedence.\n"
        assert isinstance(parser, _Parser)
        parser.camera_groups |= dict.fromkeys(groups, tuple(model.model_fields))
    group = parser.add_argument_group(title, f"{others}Defaults are skipped if the encoder lacks the setting.")
    for prefix in groups:
        for name, field in model.model_fields.items():
            is_dict = name == "extra_options"
            default = field.get_default(call_default_factory=True)
            help_text = f"{field.description} (default: {_as_typed(default)})".replace("%", "%%")
            if is_dict:
                help_text += f"; quote it, '{{\"bf\": 2}}', or write --{prefix}.{name}.bf=2"
            group.add_argument(
                f"--{prefix}.{name}",
                type=dict if is_dict else Any,
                default=SUPPRESS,
                metavar="DICT" if is_dict else "VALUE",
                help=help_text if prefix == groups[0] else SUPPRESS,
            )
    return group


def encoder_config(arguments: Namespace) -> VideoEncoderConfig:
    """Return the encoder config, with only the fields set that the user gave.

    Raises:
        UsageError: a value that is invalid on every machine, or a field given under both prefixes.
    """
    from ffenc.config import VideoEncoderConfig

    return given_config(arguments, ENCODER_GROUPS, VideoEncoderConfig)


def depth_config(arguments: Namespace) -> DepthEncoderConfig:
    """Return the depth encoder config, with only the fields set that the user gave; see `encoder_config`."""
    from ffenc.config import DepthEncoderConfig

    return given_config(arguments, DEPTH_GROUPS, DepthEncoderConfig)


def given_config(arguments: Namespace, groups: Sequence[str], model: type[_Config]) -> _Config:
    """Return a config from the flags under these prefixes, with only the fields set that the user gave."""
    given: dict[str, object] = {}
    flags: dict[str, str] = {}
    for prefix in groups:
        values = arguments.get(prefix)
        if values is None:
            continue
        if not isinstance(values, Namespace):
            raise UsageError(f"{prefix} was given {_as_typed(values)}; it holds settings such as {prefix}.crf")
        for name, value in values.as_dict().items():
            if name not in model.model_fields:
                continue  # a camera, see `given_by_camera`
            if name in given:
                raise UsageError(f"--{flags[name]} and --{prefix}.{name} are the same setting; give one of them")
            given[name], flags[name] = value, f"{prefix}.{name}"
    if isinstance(options := given.get("extra_options"), Mapping):
        given["extra_options"] = _nested(options)
    return checked_config(given, flags, model)


def given_by_camera(
    arguments: Namespace, groups: Sequence[str], model: type[VideoEncoderConfig]
) -> dict[str, dict[str, tuple[str, object]]]:
    """Return the fields that flags give for single cameras: by camera and field, the flag and the value.

    Raises:
        UsageError: a field was given under both prefixes.
    """
    found: dict[str, dict[str, tuple[str, object]]] = {}
    for prefix in groups:
        values = arguments.get(prefix)
        for camera, fields in values.as_dict().items() if isinstance(values, Namespace) else ():
            if camera in model.model_fields:
                continue
            for name, value in fields.items():
                flag, known = f"{prefix}.{camera}.{name}", found.setdefault(camera, {})
                if name in known:
                    raise UsageError(f"--{known[name][0]} and --{flag} are the same setting; give one of them")
                is_options = name == "extra_options" and isinstance(value, Mapping)
                known[name] = flag, _nested(value) if is_options else value
    return found


def checked_config(given: Mapping[str, object], flags: Mapping[str, str], model: type[_Config]) -> _Config:
    """Validate fields that flags gave.

    Args:
        given: fields and values.
        flags: the flag of each field, without its dashes.
        model: class of the config.

    Raises:
        UsageError: a value that is invalid on every machine.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate(given)
    except ValidationError as err:
        raise UsageError("\n".join(_explain(err, flags, model))) from err


def binaries_of(arguments: Namespace) -> Binaries:
    """Return the executables that ``--ffmpeg`` and ``--ffprobe`` name, or else those found on this machine."""
    from ffenc.ffmpeg.binaries import find_binaries

    return find_binaries(arguments.ffmpeg, arguments.ffprobe)


def call(function: Callable[..., _Result], arguments: Namespace, **given: object) -> _Result:
    """Call a function of the library; each of its parameters gets the value of the flag with the same name.

    Args:
        function: for example `merge_datasets`.
        arguments: the flags.  Encoder configs and ``binaries`` are made from several of them.
        given: values of other parameters, or in place of a flag.
    """
    made = {
        "config": encoder_config,
        "camera_encoder": encoder_config,
        "depth_encoder": depth_config,
        "binaries": binaries_of,
    }
    for name in signature(function).parameters:
        if name not in given and (name in made or name in arguments):
            given[name] = made[name](arguments) if name in made else arguments[name]
    return function(**given)


def is_same_file(first: Path, second: Path) -> bool:
    """Return whether both paths lead to the same existing file."""
    return first.exists() and second.exists() and first.samefile(second)


def _dotted(values: object, before: str = "") -> Iterator[str]:
    """Yield the dotted names of all values in nested dictionaries."""
    if isinstance(values, Mapping) and values:
        for name, value in values.items():
            yield from _dotted(value, f"{before}.{name}" if before else str(name))
    else:
        yield before


def _nested(options: Mapping[str, object]) -> dict[str, object]:
    """Turn dotted keys, as jsonargparse leaves them (``{"x264-params.aq-mode": 2}``), into nested dictionaries."""
    nested: dict[str, object] = {}
    for name, value in options.items():
        outer, dot, inner = name.partition(".")
        part = {inner: _typed(value)} if dot else _typed(value)
        before = nested.get(outer)
        if before is not None and not (isinstance(before, dict) and isinstance(part, dict)):
            raise UsageError(f"extra_options has {outer!r} as a value and as a dictionary; give one of them")
        nested[outer] = {**before, **part} if isinstance(before, dict) and isinstance(part, dict) else part
    return nested


def _typed(value: object) -> object:
    """Return a number for text that FFmpeg would read as the same number.

    jsonargparse leaves the values of dotted flags as text, for example ``extra_options.bf=2``.
    """
    from ffenc.plan.options import number_text

    if isinstance(value, Mapping):
        return {key: _typed(part) for key, part in value.items()}
    if isinstance(value, str):
        read = load_leniently(value)
        if isinstance(read, int | float) and not isinstance(read, bool) and number_text(read) == value:
            return read
    return value


def _explain(err: ValidationError, flags: Mapping[str, str], model: type[VideoEncoderConfig]) -> Iterator[str]:
    """Yield lines for each invalid field: its value, what is accepted, and what the field is for."""
    reasons: dict[str, list[str]] = {}
    given: dict[str, tuple[str, object]] = {}
    for error in err.errors(include_url=False):
        reason = error["msg"].removeprefix("Value error, ").removeprefix("Input ").replace("should", "must")
        if not error["loc"]:  # not about one field, for example an unknown field
            yield reason
            continue
        name = str(error["loc"][0])
        flag = f"--{flags.get(name, name)}"
        if name == "extra_options" and len(error["loc"]) > 1:
            flag += f".{error['loc'][1]}"
        given.setdefault(flag, (name, error["input"]))
        reasons.setdefault(flag, []).append(reason)
    for flag, (name, value) in given.items():
        first, *others = dict.fromkeys(reasons[flag])
        accepted = " or ".join((first, *(reason.removeprefix("must be ") for reason in others)))
        yield f"{flag} was given {_as_typed(value)}: {accepted}"
        field = model.model_fields.get(name)
        known = f"fields: {', '.join(model.model_fields)}"
        yield f"  {known if field is None else field.description}"


def _as_typed(value: object) -> str:
    """Return a value as a user writes it on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = value if isinstance(value, str) and load_leniently(value) == value else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
