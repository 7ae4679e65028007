"""Hidden siblings have valid names, and damaged lines of the episode record are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffenc.dataset.format.provenance import load_provenance
from ffenc.dataset.storage.new_directory import WORK, build_dataset, work_beside
from ffenc.dataset.storage.swap_directory import NEW, SIBLINGS, sibling


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "set"])
def test_siblings_fit(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    for mark in SIBLINGS:
        sibling(root, mark).mkdir()
    assert sibling(root, NEW).name + WORK == sibling(root, NEW + WORK).name
    with build_dataset(root) as building, work_beside(building):
        (building / "a").write_text("a")
    assert (root / "a").read_text() == "a"


def test_damaged_lines_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "meta/ffenc/episodes.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text('{"episode_index": 0}\n{"episo\n[]\n{"episode_index": "1"}\n{"episode_index": 2}\n')
    unreadable: list[int] = []
    assert list(load_provenance(tmp_path, unreadable=unreadable)) == [0, 2]
    assert unreadable == [2, 3, 4]
