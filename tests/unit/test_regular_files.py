"""Untrusted paths that are not regular files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ffenc.errors import InputError
from ffenc.regular_files import check_regular, file_path, iterate_json_lines, read_json_line, read_regular


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


@pytest.mark.parametrize("form", [str, Path])
@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "https://example.org/a.mp4",
            "https://example.org/a.mp4 is a URL, but ffenc reads and writes local files only",
        ),
        ("s3://bucket/a.mp4", "download the file first, or upload the finished one"),
        ("file:///data/a.mp4", "write the path alone: /data/a.mp4"),
    ],
)
def test_url_is_not_the_path_of_a_file(url: str, said: str, form) -> None:
    with pytest.raises(InputError, match=said):
        file_path(form(url))
    for read in (read_regular, check_regular):
        with pytest.raises(OSError, match="it is a URL; download the file first"):
            read(Path(url))


@pytest.mark.parametrize("path", ["a.mp4", "./https:/a", "/https:/a", "C:/a.mp4", "a b://c"])
def test_path_with_a_colon_is_not_a_url(path: str) -> None:
    assert file_path(path) == Path(path)
