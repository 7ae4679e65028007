"""Untrusted paths that are not regular files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ffenc.regular_files import read_regular


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
