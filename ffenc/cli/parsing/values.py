"""Parse values of flags and configuration files (YAML syntax, JSON scalars), and define the types of flags.

YAML 1.1, which PyYAML and jsonargparse follow, reads ``1:1`` as 61 (base 60), ``on`` as true and ``010`` as 8.  For FFmpeg
these are texts: ``deblock=1:1`` would silently become ``deblock=61``.  Here a word is a number, a boolean or null only if it
is one in JSON.
"""

from __future__ import annotations

import json
import re
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import yaml  # type: ignore[import-untyped]
from jsonargparse import set_loader

from ffenc.frame_rate import FrameRate, parse_frame_rate, whole_frame_rate

PARSER_MODE = "ffenc"
"""The ``parser_mode`` of all parsers of the program."""

_UNREADABLE = (yaml.YAMLError, ValueError)


class _PlainLoader(yaml.SafeLoader):  # type: ignore[misc]
    """Loader of YAML's structures with JSON's scalars; refuses aliases and duplicate keys.

    An alias may contain itself, and ten lines of nested aliases can expand to billions of values.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  PyYAML declares it so

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.composer.ComposerError(
                None, None, f"*{event.anchor} is an alias; write the value itself in its place", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key.value!r}", key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("null", r"null|", ["n", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"-?(0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)", list("-0123456789")),
):
    _PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first)


def load_value(text: str) -> Any:
    """Read a value or a file: as JSON if possible, else as YAML.

    Raises:
        yaml.YAMLError: the text is neither.
        ValueError: a number with more digits, or a value with more levels, than Python reads.
    """
    try:
        try:
            return json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)
        except ValueError:
            # JSON is a subset of YAML, except for escapes of characters beyond 16 bits.
            return yaml.load(text, Loader=_PlainLoader)  # noqa: S506  it is a SafeLoader
    except RecursionError as err:
        raise ValueError("lists and dictionaries are nested too deeply") from err


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("duplicate key")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def load_leniently(text: str) -> Any:
    """Read a value; return the text itself if it is not valid YAML."""
    try:
        return load_value(text)
    except _UNREADABLE:
        return text


set_loader(PARSER_MODE, load_value, _UNREADABLE)

# The types of flags.  jsonargparse also passes their own results to them, to check them again.


def frame_rate(value: FrameRate) -> Fraction:
    """Parse ``30`` or ``30000/1001``."""
    try:
        return parse_frame_rate(value)
    except ValueError as err:
        raise ArgumentTypeError(str(err)) from err


def whole_rate(value: str | float) -> int:
    """Parse ``30`` or ``30.0``, the frame rate of a dataset."""
    try:
        return whole_frame_rate(value)
    except ValueError as err:
        raise ArgumentTypeError(str(err)) from err


def frame_size(value: str | tuple[int, int]) -> tuple[int, int]:
    """Parse ``640x480`` as (width, height)."""
    if isinstance(value, tuple):
        return value
    match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", str(value))
    if match is None:
        raise ArgumentTypeError(f"{value!r} is not a size; write width and height in pixels, for example 640x480")
    return int(match[1]), int(match[2])


def split_list(value: str | Sequence[object]) -> list[str]:
    """Split ``a,b``, or ``[a,b]`` and ``['a', "b"]`` as typed for LeRobot; a file may give a list."""
    if not isinstance(value, str):
        return [str(part) for part in value]
    inner = re.fullmatch(r"\s*\[(.*)\]\s*", value, re.DOTALL)
    parts = [part.strip() for part in (inner[1] if inner else value).split(",")]
    return [re.sub(r"^(['\"])(.*)\1$", r"\2", part) for part in parts] if inner else parts


def names(value: str | Sequence[object]) -> tuple[str, ...]:
    """Parse ``a,b,c`` or another form of `split_list`."""
    if isinstance(value, str) and value.count("[") != value.count("]"):
        raise ArgumentTypeError(f"{value!r} has a bracket without its partner; write a,b or [a,b]")
    found = tuple(part.strip() for part in split_list(value) if part.strip())
    if not found:
        raise ArgumentTypeError(f"{value!r} names nothing; write names with commas between them")
    return found


def names_or_none(value: str | Sequence[object]) -> tuple[str, ...]:
    """Parse ``a,b,c``, or ``none`` or ``[]`` for no names; see `split_list` for other forms."""
    return () if value in ("none", "[]", [], ()) else names(value)


def episode_texts(value: str | Mapping[Any, Any]) -> dict[int, Any]:
    """Parse ``{0: text, 3: text}`` as texts by episode number; the keys of JSON are numbers in quotes."""
    loaded = load_leniently(value) if isinstance(value, str) else value
    if not isinstance(loaded, Mapping) or not all(re.fullmatch(r"[0-9]{1,9}", str(key)) for key in loaded):
        raise ArgumentTypeError(
            f"{value!r} is not a dictionary with each episode number once; write for example '{{0: \"Pick the cube\"}}'"
        )
    return {int(key): text for key, text in loaded.items()}


def _number(value: str | float, pattern: str, expected: str) -> str:
    """Return the text of a number, or raise if it does not match a pattern."""
    if isinstance(value, bool) or not re.fullmatch(pattern, str(value)):
        raise ArgumentTypeError(f"{value!r} {expected}")
    return str(value)


def positive(value: str | int) -> int:
    """Parse a whole number of at least 1."""
    return int(_number(value, r"0*[1-9][0-9]{0,8}", "must be a whole number of at least 1"))


def seconds(value: str | float) -> float:
    """Parse a duration of at least 0 seconds."""
    expected = "is not a duration; write seconds, for example 60 or 2.5"
    return float(_number(value, r"[0-9]{1,9}(\.[0-9]{1,9})?", expected))


def duration(value: str | float) -> float:
    """Parse a duration above 0: ``90``, ``90s``, ``30m`` or ``1.5h``, as seconds."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smh]?)", str(value))
    if isinstance(value, bool) or match is None or not float(match[1]):
        raise ArgumentTypeError(f"{value!r} is not a duration above 0; write for example 90s, 30m or 1h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def positive_number(value: str | float) -> float:
    """Parse a number above 0."""
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", str(value)) or not float(value):
        raise ArgumentTypeError(f"{value!r} must be a number above 0, for example 2 or 0.5")
    return float(value)


def share(value: str | float) -> float:
    """Parse a number between 0 and 1."""
    if isinstance(value, bool) or not re.fullmatch(r"0?\.[0-9]{1,9}", str(value)) or float(value) == 0:
        raise ArgumentTypeError(f"{value!r} is not a share; write a number between 0 and 1, for example 0.02")
    return float(value)


def frame_number(value: str | int) -> int:
    """Parse a whole number of at least 0."""
    return int(_number(value, r"[0-9]{1,15}", "is not a frame number; write a whole number, counted from 0"))


def count(value: str | int) -> int:
    """Parse a whole number of at least 0."""
    return int(_number(value, r"[0-9]{1,9}", "must be a whole number of at least 0"))


def shard(value: str | tuple[int, int]) -> tuple[int, int]:
    """Parse ``3/8`` as (3, 8): part 3 of 8."""
    if isinstance(value, tuple):
        return value
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", str(value))
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ArgumentTypeError(f"{value!r} is not a shard; write 1/8 to 8/8 for eight shards")
    return int(match[1]), int(match[2])


def executor_name(value: str) -> str:
    """Check the name of an executor: ``threads:4``, ``dask://host:8786``."""
    from ffenc.jobs.executors import check_executor

    try:
        check_executor(value)
    except ValueError as err:
        raise ArgumentTypeError(str(err)) from err
    return value


def episode_numbers(value: str | int | Sequence[object]) -> tuple[int, ...]:
    """Parse ``1,4`` or ``0,3-5``, or another form of `split_list`, as episode numbers."""
    found: list[int] = []
    for part in split_list(str(value) if isinstance(value, int) else value):
        match = re.fullmatch(r"\s*([0-9]{1,9})(?:-([0-9]{1,9}))?\s*", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ArgumentTypeError(f"{value!r} names no episodes; write their numbers, for example 1,4 or 0,3-5")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(found)
