"""Two processes change one dataset: the second starts at a file operation of the first, and nothing is lost.

The result is that of one of the two orders, or of one process alone if the other was refused with a typed error.
"""

from __future__ import annotations

import sys
from functools import partial, reduce
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from ffenc import Binaries
from ffenc.errors import DatasetLockedError, FFencError, OutputExistsError

pytest.importorskip("pyarrow")
from ffenc.dataset.verify.verify import verify_dataset
from tests.crashes import Paused
from tests.dataset_operations import (
    CRF,
    OPERATIONS,
    TOP,
    check_whole,
    copy_tree,
    listing,
    make_dataset,
    prepare,
    signature,
)

pytestmark = [
    pytest.mark.net,
    pytest.mark.integration,
    pytest.mark.one_build,
    pytest.mark.skipif(sys.platform == "win32", reason="it forks"),
]

IN_PLACE = [name for name, operation in OPERATIONS.items() if operation.kind == "in place"]
STEPS = (1, 2, 4, 8, 15, 30, 50, 70)  # file operations at which the second one starts; one of them for each pair


@pytest.fixture(scope="module")
def repairable(tmp_path_factory: pytest.TempPathFactory, recorded: Path) -> Path:
    """The recorded dataset with a fault that `repair` repairs."""
    root = copy_tree(recorded, tmp_path_factory.mktemp("repairable") / "set")
    prepare("repair", root)
    return root


def _after(name: str, before: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the `signature` of a dataset after an operation in place."""
    episodes, files, laptop, wrist, splits = before
    return {
        "reencode in place": (episodes, files, (laptop[0], CRF), wrist, splits),
        "images to video": (episodes, 1, laptop, "video", f"0:{episodes}"),
        "rename features": (episodes, files, (TOP, laptop[1]), wrist, f"0:{episodes}"),
        "trim in place": (episodes, 1, laptop, wrist, f"0:{episodes}"),
        "pack": (episodes, 1, laptop, wrist, splits),
        "repair": (episodes, files, laptop, wrist, f"0:{episodes}"),
        "resume": (episodes + 1, files + 1, laptop, wrist, f"0:{episodes + 1}"),
    }[name]


def _succeeds(name: str, root: Path, binaries: Binaries) -> bool:
    try:
        OPERATIONS[name].run(root, root.with_name("out"), binaries, False)
    except FFencError:
        return False
    return True


@pytest.mark.parametrize("first", IN_PLACE)
def test_two_operations_in_place(tmp_path: Path, repairable: Path, binaries: Binaries, first: str) -> None:
    refused = 0
    for number, second in enumerate(IN_PLACE, start=IN_PLACE.index(first)):
        home = tmp_path / second
        home.mkdir()
        root = copy_tree(repairable, home / "set")
        before = signature(root)
        paused = Paused(
            partial(OPERATIONS[first].run, root, home / "out", binaries, False), home, STEPS[number % len(STEPS)]
        )
        was_paused = paused.wait()
        try:
            OPERATIONS[second].run(root, home / "out", binaries, False)
            done = [second]
        except DatasetLockedError:
            done, refused = [], refused + 1
        except FFencError:  # after the first one there is nothing to convert
            assert not was_paused
            done = []
        if paused.finish():
            done.append(first)
        assert done, "each has refused the other"
        orders = [reduce(lambda state, name: _after(name, state), order, before) for order in permutations(done)]
        assert signature(root) in orders, (second, done)
        assert [path.name for path in home.iterdir()] == ["set"]
        if "splits-wrong" not in verify_dataset(root).counts:
            check_whole(root, binaries)
    assert refused, "no pair met"


@pytest.mark.parametrize("second", ["reencode in place", "pack", "resume"])
@pytest.mark.parametrize("first", ["merge", "delete"])
def test_dataset_changed_while_it_is_read(
    tmp_path: Path, repairable: Path, binaries: Binaries, first: str, second: str
) -> None:
    root = copy_tree(repairable, tmp_path / "set")
    output = tmp_path / "out"
    at = {"reencode in place": 2, "pack": 6, "resume": 12}[second]
    paused = Paused(lambda: OPERATIONS[first].run(root, output, binaries, False), tmp_path, at)
    paused.wait()
    OPERATIONS[second].run(root, output, binaries, False)
    finished = paused.finish()
    assert output.exists() == finished
    if finished:
        check_whole(output, binaries)
    assert sorted(path.name for path in tmp_path.iterdir()) == (["out", "set"] if finished else ["set"])
    assert signature(root) == _after(second, signature(repairable))


def test_two_new_datasets_of_one_name(tmp_path: Path, repairable: Path, binaries: Binaries) -> None:
    for at in (0, 1, 3, 6, 12, 30, 60):
        home = tmp_path / str(at)
        home.mkdir()
        paused = Paused(partial(make_dataset, home / "set", binaries), home, at)
        paused.wait()
        try:
            make_dataset(home / "set", binaries)
            second = True
        except (DatasetLockedError, OutputExistsError):
            second = False
        assert paused.finish() != second, "one of them records, the other one is refused"
        check_whole(home / "set", binaries)
        assert [path.name for path in home.iterdir()] == ["set"]


@pytest.mark.parametrize("name", ["merge", "split"])
def test_two_outputs_of_one_name(tmp_path: Path, repairable: Path, binaries: Binaries, name: str) -> None:
    root, output = copy_tree(repairable, tmp_path / "set"), tmp_path / "out"
    paused = Paused(lambda: OPERATIONS[name].run(root, output, binaries, False), tmp_path, 8)
    paused.wait()
    (part,) = tmp_path.glob(".out.*.part")
    assert _succeeds(name, root, binaries)
    assert part.exists(), "the work of a process that is alive was removed"
    whole = listing(output)
    assert not paused.finish()
    assert listing(output) == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "set"]
