"""How single values are read: numbers, truth values and null where JSON has them, everything else as text."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import yaml

from ffenc.cli.parsing.values import (
    episode_numbers,
    frame_number,
    frame_rate,
    frame_size,
    load_leniently,
    load_value,
    names,
    names_or_none,
    positive,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("30", 30),
        ("-4", -4),
        ("22.5", 22.5),
        ("1e-3", 0.001),
        ("true", True),
        ("false", False),
        ("null", None),
        ("film", "film"),
        ("2M", "2M"),
        ('"30"', "30"),
        ('{"tune": "film", "profile:v": "high", "bf": 2}', {"tune": "film", "profile:v": "high", "bf": 2}),
        ("[1, two]", [1, "two"]),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
    ],
)
def test_values_as_json_has_them(text: str, value: object) -> None:
    read = load_value(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text", ["1:1", "4:3", "on", "off", "yes", "No", "010", "0x10", "1_000", "~", "True", "2026-01-02", "+5", ".5"]
)
def test_what_yaml_would_turn_into_something_else_stays_text(text: str) -> None:
    """``deblock=1:1`` is 61 to YAML 1.1."""
    assert load_value(text) == text


def test_a_file_of_values() -> None:
    text = "camera_encoder:\n  crf: 28\n  preset:\n  extra_options: {deblock: 1:1}\n"
    assert load_value(text) == {"camera_encoder": {"crf": 28, "preset": None, "extra_options": {"deblock": "1:1"}}}


def test_broken_yaml() -> None:
    with pytest.raises(yaml.YAMLError):
        load_value("{a: [")
    assert load_leniently("{a: [") == "{a: ["


def test_a_number_beyond_all_bounds() -> None:
    with pytest.raises(ValueError, match="digits"):
        load_value("1" * 5000)


@pytest.mark.parametrize(
    ("read", "given", "value"),
    [
        (frame_rate, "30", Fraction(30)),
        (frame_rate, 25, Fraction(25)),
        (frame_rate, "30000/1001", Fraction(30000, 1001)),
        (frame_size, "640x480", (640, 480)),
        (names, "a, b,c", ("a", "b", "c")),
        (names, ["a", "b"], ("a", "b")),
        (names, "[a,b]", ("a", "b")),
        (names, " [ 'a', \"b.c\" ] ", ("a", "b.c")),
        (names, "[a]", ("a",)),
        (names, "action[0],action[1]", ("action[0]", "action[1]")),
        (names, [0, 3], ("0", "3")),
        (names, "it's,b", ("it's", "b")),
        (names_or_none, "[gripper, wrist]", ("gripper", "wrist")),
        (names_or_none, "none", ()),
        (names_or_none, "[]", ()),
        (positive, "1", 1),
        (positive, 12, 12),
        (frame_number, "0", 0),
    ],
)
def test_types_of_flags(read: Callable[[Any], object], given: object, value: object) -> None:
    assert read(given) == value
    assert read(value) == value, "jsonargparse hands a value in again"


@pytest.mark.parametrize(
    ("read", "given", "says"),
    [
        (frame_rate, "29.97", "29.97"),
        (frame_rate, "0", "above 0"),
        (frame_rate, "abc", "abc"),
        (frame_size, "640", "640x480"),
        (frame_size, "0x5", "0x5"),
        (frame_size, 640, "640"),
        (names, ",", "names nothing"),
        (names, "[]", "names nothing"),
        (names, "[a,b", r"\[a,b.* has a bracket without its partner"),
        (names, "a,b]", r"a,b\].* has a bracket without its partner"),
        (positive, "0", "at least 1"),
        (positive, "1.5", "at least 1"),
        (positive, True, "at least 1"),
        (frame_number, "-1", "counted from 0"),
        (frame_number, "4x", "4x"),
    ],
)
def test_wrong_values_are_refused_in_words(read: Callable[[Any], object], given: object, says: str) -> None:
    with pytest.raises(ArgumentTypeError, match=says):
        read(given)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1,4", (1, 4)),
        ("0,3-5", (0, 3, 4, 5)),
        (7, (7,)),
        ([1, 2], (1, 2)),
        (" 1 , 2", (1, 2)),
        ("[1, 4]", (1, 4)),
        ("[0,3-5]", (0, 3, 4, 5)),
        ([0, "3-5"], (0, 3, 4, 5)),
        ("[7]", (7,)),
    ],
)
def test_episodes_are_numbers_and_ranges(text: Any, numbers: tuple[int, ...]) -> None:
    assert episode_numbers(text) == numbers


@pytest.mark.parametrize("text", ["", "1-", "a", "5-3", "-1", "1.5", "[]", "[1", "1]", [True], [1.5]])
def test_what_names_no_episodes_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        episode_numbers(text)
