"""JSON documents keep file names, numbers and nested results."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ffenc.config import VideoEncoderConfig
from ffenc.json_text import as_json, dump_json, load_json


@dataclass(frozen=True)
class Example:
    path: Path
    rate: Fraction


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Example(path=Path("a/b"), rate=Fraction(30000, 1001)), {"path": "a/b", "rate": "30000/1001"}),
        ({Path("a"): (1, 2), 7: None}, {"a": [1, 2], "7": None}),
        (np.array([[1.5, np.inf]], np.float32), [[1.5, None]]),
        (np.bool_(True), True),
        ([float("nan"), -0.5, 1 << 60], [None, -0.5, 1 << 60]),
        (VideoEncoderConfig(g=7), VideoEncoderConfig(g=7).model_dump(mode="json")),
    ],
)
def test_value_becomes_json_types(value, expected):
    assert as_json(value) == expected
    assert load_json(dump_json(value)) == expected


@pytest.mark.parametrize("value", [object(), {1}, b"bytes", Example])
def test_value_without_json_form_is_refused(value):
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        dump_json({"key": value})


def test_file_name_that_is_not_utf8_is_restored():
    name = os.fsdecode(b"caf\xe9.mp4")
    assert os.fsencode(load_json(dump_json([name]))[0]) == b"caf\xe9.mp4"


@pytest.mark.parametrize("text", [b"", b"{", b"[NaN]", b"[Infinity]", b'"\xff"', b"\xef\xbb\xbf[]", b"[" * 100_000])
def test_malformed_document_is_a_value_error(text):
    with pytest.raises(ValueError):
        load_json(text)


def test_keys_are_sorted_and_text_is_compact_on_request():
    assert dump_json({"b": 1, "a": [1, 2]}, sort_keys=True) == b'{"a":[1,2],"b":1}'
    assert dump_json({"b": 1}, indent=True) == b'{\n  "b": 1\n}'
