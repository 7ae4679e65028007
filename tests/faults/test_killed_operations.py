"""A killed operation leaves the old or the new dataset, and the next run removes the leftovers."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest

from ffenc import Binaries

pytest.importorskip("pyarrow")
from ffenc.dataset.transform.in_place import locked_dataset
from ffenc.dataset.verify.verify import verify_dataset
from tests.crashes import count_changes, dies_at
from tests.dataset_operations import (
    OPERATIONS,
    check_whole,
    copy_tree,
    prepare,
    signature,
)

pytestmark = [
    pytest.mark.net,
    pytest.mark.integration,
    pytest.mark.one_build,
    pytest.mark.skipif(sys.platform == "win32", reason="it forks"),
]


def _steps(count: int, parts: int) -> list[int]:
    """Return some changes at which to die, evenly spaced from the first to the last."""
    return sorted({part * (count - 1) // (parts - 1) for part in range(parts)})


@pytest.mark.parametrize(
    ("name", "can_exchange"),
    [(name, True) for name, operation in OPERATIONS.items() if operation.kind == "in place"] + [("pack", False)],
)
def test_killed_operation_in_place(
    tmp_path: Path, recorded: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch, name: str, can_exchange: bool
) -> None:
    if not can_exchange:
        monkeypatch.setattr("ffenc.dataset.storage.swap_directory._exchange_call", lambda: None)
    first = copy_tree(recorded, tmp_path / "first/set")
    prepare(name, first)
    before = signature(first)
    count = count_changes(partial(OPERATIONS[name].run, first, first.with_name("out"), binaries, False))
    ends = {before, signature(first)}
    for step in _steps(count, 6 if can_exchange else 12):
        home = tmp_path / str(step)
        root = copy_tree(recorded, home / "set")
        prepare(name, root)
        dies_at(step, partial(OPERATIONS[name].run, root, home / "out", binaries, False))
        with locked_dataset(root):
            pass
        assert [path.name for path in home.iterdir()] == ["set"]
        if name == "resume":
            OPERATIONS[name].run(root, home / "out", binaries, False)  # completes what was decided
            assert signature(root)[0] in (4, 5)
            assert verify_dataset(root, "packets", binaries=binaries).severities["error"] == 0
            continue  # what was recorded of an episode is kept, which is a warning
        assert signature(root) in ends
        if signature(root)[-1] != "0:2":
            check_whole(root, binaries)


@pytest.mark.parametrize("name", ["merge", "delete", "split", "reencode"])
def test_killed_operation_with_new_dataset(tmp_path: Path, recorded: Path, binaries: Binaries, name: str) -> None:
    root = copy_tree(recorded, tmp_path / "first/set")
    count = count_changes(partial(OPERATIONS[name].run, root, root.with_name("out"), binaries, False))
    for step in _steps(count, 4):
        home = tmp_path / str(step)
        root = copy_tree(recorded, home / "set")
        dies_at(step, partial(OPERATIONS[name].run, root, home / "out", binaries, False))
        OPERATIONS[name].run(root, home / "again", binaries, False)
        left = sorted(path.name for path in home.iterdir())
        assert left in (["again", "set"], ["again", "out", "set"])
        for made in (home / each for each in left):
            for dataset in (made / "a", made / "b") if (made / "a").exists() else (made,):
                check_whole(dataset, binaries)
