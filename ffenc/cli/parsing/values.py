"""How a value is read from a flag or a configuration file: YAML, without its traps.

YAML 1.1, which PyYAML and jsonargparse follow, reads ``1:1`` as 61 (base 60), ``on`` as true and ``010`` as 8.  To
FFmpeg those are texts: ``deblock=1:1`` would become ``deblock=61`` without a word.  Here a word is a number, a truth
value or null only where JSON says so too.
"""

from __future__ import annotations

import json
import re
from argparse import ArgumentTypeError
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import yaml  # type: ignore[import-untyped]
from jsonargparse import set_loader

from ffenc.frames import FrameRate, parse_frame_rate, whole_frame_rate
from ffenc.jobs.executors import check_executor

PARSER_MODE = "ffenc"
"""The ``parser_mode`` of all our parsers."""


_UNREADABLE = (yaml.YAMLError, ValueError)


class _PlainLoader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML's structures with JSON's scalars, without its aliases, and with every key once.

    An alias may contain itself, and ten lines of aliases of aliases stand for billions of values.
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
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands there twice", key.start_mark
                )
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
    """Read one value, or a whole file of them: as JSON if it is that, else as YAML.

    Raises:
        yaml.YAMLError: it is neither.
        ValueError: a number of more digits than Python reads, or more levels.
    """
    try:
        try:
            return json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)
        except ValueError:
            # JSON is YAML but for its escapes of characters beyond 16 bits.
            return yaml.load(text, Loader=_PlainLoader)  # noqa: S506  it is a SafeLoader
    except RecursionError as err:
        raise ValueError("lists and dictionaries are nested too deeply") from err


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def load_leniently(text: str) -> Any:
    """The value, or the text itself where it is no YAML."""
    try:
        return load_value(text)
    except _UNREADABLE:
        return text


set_loader(PARSER_MODE, load_value, _UNREADABLE)

# The types of flags.  jsonargparse also hands them what they returned, to check it once more.


def frame_rate(value: FrameRate) -> Fraction:
    """Parse ``30`` or ``30000/1001``."""
    try:
        return parse_frame_rate(value)
    except ValueError as err:
        raise ArgumentTypeError(str(err)) from err


def whole_rate(value: str | float) -> int:
    """Parse ``30`` or ``30.0``, the rate of a dataset."""
    try:
        return whole_frame_rate(value)
    except ValueError as err:
        raise ArgumentTypeError(str(err)) from err


def picture_size(value: str | tuple[int, int]) -> tuple[int, int]:
    """``640x480`` as (width, height)."""
    if isinstance(value, tuple):
        return value
    match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", str(value))
    if match is None:
        raise ArgumentTypeError(f"{value!r} is not a size; write width and height in pixels, for example 640x480")
    return int(match[1]), int(match[2])


def names(value: str | Sequence[str]) -> tuple[str, ...]:
    """``a,b,c``; a list as well, where it comes from a file."""
    parts = value.split(",") if isinstance(value, str) else value
    found = tuple(part.strip() for part in parts if part.strip())
    if not found:
        raise ArgumentTypeError(f"{value!r} names nothing; write names with commas between them")
    return found


def positive(value: str | int) -> int:
    """A whole number of at least 1."""
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", str(value)) or int(value) < 1:
        raise ArgumentTypeError(f"{value!r} must be a whole number of at least 1")
    return int(value)


def seconds(value: str | float) -> float:
    """A length of time of at least 0."""
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", str(value)):
        raise ArgumentTypeError(f"{value!r} is not a length of time; write seconds, for example 60 or 2.5")
    return float(value)


def frame_number(value: str | int) -> int:
    """A whole number of at least 0."""
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,15}", str(value)):
        raise ArgumentTypeError(f"{value!r} is not a frame number; write a whole number, counted from 0")
    return int(value)


def count(value: str | int) -> int:
    """A whole number of at least 0."""
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", str(value)):
        raise ArgumentTypeError(f"{value!r} must be a whole number of at least 0")
    return int(value)


def shard(value: str | tuple[int, int]) -> tuple[int, int]:
    """``3/8`` as (3, 8): the third part of eight."""
    if isinstance(value, tuple):
        return value
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", str(value))
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ArgumentTypeError(f"{value!r} is not a shard; write 1/8 to 8/8 for eight of them")
    return int(match[1]), int(match[2])


def executor_name(value: str) -> str:
    """``threads:4``, ``dask://host:8786``, ..."""
    try:
        check_executor(value)
    except ValueError as err:
        raise ArgumentTypeError(str(err)) from err
    return value


def episode_numbers(value: str | int | Sequence[int]) -> tuple[int, ...]:
    """``1,4`` or ``0,3-5`` as numbers of episodes; a list as well, where it comes from a file."""
    if isinstance(value, list | tuple):
        return tuple(value)
    found: list[int] = []
    for part in str(value).split(","):
        match = re.fullmatch(r"\s*([0-9]{1,9})(?:-([0-9]{1,9}))?\s*", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ArgumentTypeError(f"{value!r} names no episodes; write their numbers, for example 1,4 or 0,3-5")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return tuple(found)
