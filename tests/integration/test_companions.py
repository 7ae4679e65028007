"""Files that ffenc does not know are copied when a dataset is rewritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffenc import Binaries

pytest.importorskip("pyarrow")
from ffenc.dataset.transform.merge import merge_datasets
from tests.dataset_operations import OPERATIONS, check_whole, copy_tree

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

UNKNOWN = {
    "README.md": "what it is",
    ".gitattributes": "*.mp4 binary",
    "meta/modality.json": "{}",
    "extra/notes.txt": "notes",
    "calibration/arm/left.yaml": "a: 1",
}
LEFT_OUT = {
    ".cache/huggingface/x.lock": "",
    "meta/episodes.jsonl": "{}",
    "meta/.x.0123abcd.part": "a killed writer's",
}
ROOTS = {"delete": ["out"], "split": ["out/a", "out/b"], "reencode": ["out"], "merge": ["out"], "images to video": ["set"],
         "reencode in place": ["set"], "pack": ["set"], "trim": ["out"], "trim in place": ["set"]}  # fmt: skip


def add(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def unknown_in(root: Path) -> dict[str, str]:
    return {name: (root / name).read_text() for name in {**UNKNOWN, **LEFT_OUT} if (root / name).exists()}


@pytest.mark.parametrize("name", ROOTS)
def test_unknown_files_are_copied(name: str, recorded: Path, tmp_path: Path, binaries: Binaries) -> None:
    root = add(copy_tree(recorded, tmp_path / "set"), UNKNOWN)
    if name in ("delete", "split", "merge"):
        add(root, LEFT_OUT)
    OPERATIONS[name].run(root, tmp_path / "out", binaries, False)
    for made in ROOTS[name]:
        assert unknown_in(tmp_path / made) == UNKNOWN
        check_whole(tmp_path / made, binaries)


def test_merge_copies_equal_files_and_names_others(
    recorded: Path, tmp_path: Path, binaries: Binaries, caplog: pytest.LogCaptureFixture
) -> None:
    first = add(copy_tree(recorded, tmp_path / "first"), UNKNOWN)
    second = add(copy_tree(recorded, tmp_path / "second"), {**UNKNOWN, "README.md": "another"})
    (second / "meta/modality.json").unlink()
    merge_datasets([first, second], tmp_path / "out", binaries=binaries)
    equal = {name: text for name, text in UNKNOWN.items() if name not in ("README.md", "meta/modality.json")}
    assert unknown_in(tmp_path / "out") == equal
    (said,) = [each.getMessage() for each in caplog.records if "not copied" in each.getMessage()]
    assert said.endswith(": README.md, meta/modality.json")
