"""Untrusted paths that are not regular files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ffenc.regular_files import iterate_json_lines, read_json_line, read_regular


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["directory", "pipe"])
def test_error_names_a_path_that_is_not_a_regular_file_and_closes_it(tmp_path: Path, make) -> None:
    path = tmp_path / "episodes.jsonl"
    make(path)
    free = os.dup(0)
    os.close(free)
    with pytest.raises(OSError, match=r"episodes\.jsonl"):
        read_regular(path)
    after = os.dup(0)
    os.close(after)
    assert after <= free


def test_lines_have_their_numbers_and_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"a": "\u00e4"}\n\n[NaN, 2]\r\n3')
    lines = list(iterate_json_lines(path))
    assert [(line.number, repr(line.value)) for line in lines] == [(1, "{'a': '\u00e4'}"), (3, "[nan, 2]"), (4, "3")]
    assert [repr(read_json_line(path, line.offset)) for line in lines] == [repr(line.value) for line in lines]


@pytest.mark.parametrize("line", [b"{", b"\xff", b"[" * 200 + b"]" * 200, b"[" + b"0," * 2_000_000 + b"0]"])
def test_error_names_the_line(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"{}\n" + line)
    with pytest.raises(ValueError, match="line 2: "):
        list(iterate_json_lines(path))
