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
        ("https://example.org/a.mp4", "download it with `curl -fLO https://example.org/a.mp4`, and give the path of the copy"),
        ("https://example.org/a.mp4?x=1&y=2", "`curl -fLO 'https://example.org/a.mp4?x=1&y=2'`"),
        ("https://example.org/runs", "only; download it first, and give the path of the copy"),
        ("https://example.org", "only; download it first, and give the path of the copy"),
        ("s3://bucket/a.mp4", "`aws s3 cp s3://bucket/a.mp4 .`"),
        ("gs://bucket/a.mp4", "`gcloud storage cp gs://bucket/a.mp4 .`"),
        ("rtsp://camera/a.mp4", "only; download it first, and give the path of the copy"),
        ("file:///data/a.mp4", "write the path alone: /data/a.mp4"),
        ("hf://datasets/me/cubes", "&& hf download me/cubes --repo-type=dataset --local-dir=cubes`"),
        ("hf://datasets/me/cubes@v1/videos/a b.mp4",
         "hf download me/cubes 'videos/a b.mp4' --repo-type=dataset --revision=v1 --local-dir=cubes`"),
        ("https://huggingface.co/datasets/me/cubes/resolve/main/videos/a.mp4?download=true",
         "hf download me/cubes videos/a.mp4 --repo-type=dataset --revision=main --local-dir=cubes`"),
        ("https://huggingface.co/datasets/me/cubes/tree/main/videos",
         "hf download me/cubes --repo-type=dataset --revision=main --local-dir=cubes`"),
    ],
)  # fmt: skip
def test_url_is_not_the_path_of_a_file(url: str, said: str, form) -> None:
    with pytest.raises(InputError) as caught:
        file_path(form(url))
    assert str(caught.value).startswith(f"{url} is a URL, but ffenc reads local files only; ")
    assert said in str(caught.value)
    with pytest.raises(InputError, match=r"ffenc writes local files only; (give a local path|write the path)"):
        file_path(form(url), written=True)
    for read in (read_regular, check_regular):
        with pytest.raises(OSError, match="ffenc reads local files only"):
            read(Path(url))


@pytest.mark.parametrize("path", ["a.mp4", "./https:/a", "/https:/a", "C:/a.mp4", "a b://c"])
def test_path_with_a_colon_is_not_a_url(path: str) -> None:
    assert file_path(path) == Path(path)
