"""Every operation on every kind of directory tree gives the right result or a typed error, and changes nothing else."""

from __future__ import annotations

import ctypes
import gc
import os
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from ffenc import Binaries
from ffenc.errors import FFencError

pytest.importorskip("pyarrow")
from tests.crashes import DONE, REFUSED, exit_code, start_fork
from tests.dataset_operations import (
    LAPTOP,
    OPERATIONS,
    WRIST,
    check_whole,
    copy_tree,
    listing,
    prepare,
    signature,
)

pytestmark = [
    pytest.mark.net,
    pytest.mark.integration,
    pytest.mark.one_build,
    pytest.mark.skipif(sys.platform != "linux", reason="capabilities and file systems of Linux"),
]

VIDEO = f"videos/{LAPTOP}/chunk-000/file-001.mp4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of tree.

    Attributes:
        change: makes the tree from a dataset and an empty directory elsewhere, and returns the path to name it by.
        works: operations succeed: ``"always"``, ``"followed"`` (views, and all others with ``follow_links``), ``"views"``
            (only those that just look), or ``"never"``.
        adding: whether operations that add files succeed too if links are followed.
    """

    change: Callable[[Path, Path], Path]
    works: str
    adding: bool = True


def _linked_root(root: Path, elsewhere: Path) -> Path:
    root.rename(elsewhere / "real")
    root.symlink_to(os.path.relpath(elsewhere / "real", root.parent))
    return root


def _moved_and_linked(name: str) -> Callable[[Path, Path], Path]:
    def change(root: Path, elsewhere: Path) -> Path:
        (root / name).rename(elsewhere / "part")
        (root / name).symlink_to(elsewhere / "part")
        return root

    return change


def _added(make: Callable[[Path, Path], object]) -> Callable[[Path, Path], Path]:
    def change(root: Path, elsewhere: Path) -> Path:
        make(root, elsewhere)
        return root

    return change


def _replaced(name: str, make: Callable[[Path], object]) -> Callable[[Path, Path], Path]:
    def change(root: Path, elsewhere: Path) -> Path:
        (root / name).unlink()
        make(root / name)
        return root

    return change


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        directory = os.open(path.parent, os.O_RDONLY)
        server.bind(f"/proc/self/fd/{directory}/{path.name}")  # its own path may be too long
        os.close(directory)


def _hard_linked(root: Path, elsewhere: Path) -> Path:
    for path in sorted(root.rglob("*")):
        other = elsewhere / "copy" / path.relative_to(root)
        other.parent.mkdir(parents=True, exist_ok=True)
        other.mkdir(exist_ok=True) if path.is_dir() else os.link(path, other)
    return root


def _missing(root: Path, elsewhere: Path) -> Path:
    root.rename(elsewhere / "set")
    return root


def _journal_that_leads_out(root: Path, elsewhere: Path) -> None:
    staging = root / "meta/ffenc/recording/000003-aaaaaaaa"
    staging.mkdir(parents=True)
    (staging / "k").write_text("attack")
    (elsewhere / "keys").write_text("important")
    (root / "out").symlink_to(elsewhere)
    (staging / "commit.json").write_text('[["k","out/keys"]]')


KINDS: dict[str, Kind] = {
    "linked root": Kind(change=_linked_root, works="always"),
    "hard-linked copy": Kind(change=_hard_linked, works="always"),
    "linked data": Kind(change=_moved_and_linked("data"), works="followed", adding=False),
    "linked camera": Kind(change=_moved_and_linked(f"videos/{LAPTOP}"), works="followed", adding=False),
    "linked episodes": Kind(change=_moved_and_linked("meta/episodes"), works="followed", adding=False),
    "linked extra folder": Kind(change=_moved_and_linked("extra"), works="followed"),
    "linked video": Kind(change=_moved_and_linked(VIDEO), works="followed"),
    "linked document": Kind(change=_moved_and_linked("meta/stats.json"), works="followed"),
    "linked meta": Kind(change=_moved_and_linked("meta"), works="views"),
    "linked own folder": Kind(change=_moved_and_linked("meta/ffenc"), works="views"),
    "journal through a link": Kind(change=_added(_journal_that_leads_out), works="views"),
    "dangling link": Kind(change=_added(lambda root, _: (root / "extra/x").symlink_to("nothing")), works="views"),
    "link to itself": Kind(change=_added(lambda root, _: (root / "extra/x").symlink_to("x")), works="views"),
    "link to a folder above": Kind(change=_added(lambda root, _: (root / "extra/x").symlink_to("..")), works="views"),
    "link to a device": Kind(change=_added(lambda root, _: (root / "extra/x").symlink_to("/dev/zero")), works="views"),
    "pipe": Kind(change=_added(lambda root, _: os.mkfifo(root / "extra/x")), works="views"),
    "socket": Kind(change=_added(lambda root, _: _socket(root / "extra/x")), works="views"),
    "pipe for a document": Kind(change=_replaced("meta/info.json", os.mkfifo), works="never"),
    "pipe for a table": Kind(change=_replaced("data/chunk-000/file-001.parquet", os.mkfifo), works="never"),
    "device for a document": Kind(
        change=_replaced("meta/info.json", lambda path: path.symlink_to("/dev/zero")), works="never"
    ),
    "pipe for a video": Kind(change=_replaced(VIDEO, os.mkfifo), works="never"),
    "missing": Kind(change=_missing, works="never"),
}

FOLLOWED = ["linked data", "linked camera", "linked extra folder", "linked video"]
FOLLOWING = ["merge", "reencode in place", "pack", "repair", "resume"]
GUARDED = [name for name in OPERATIONS if name not in ("info", "preview", "delete", "split")]  # one of each way to work
# What only looks may find fault with part of a dataset, or not need it.
LENIENT = {"info", "preview", "verify"}


def _run(
    tmp_path: Path, recorded: Path, binaries: Binaries, name: str, kind: Kind, *, follow: bool
) -> FFencError | None:
    """Run an operation in its own directory and check the remaining files."""
    operation = OPERATIONS[name]
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    root = copy_tree(recorded, home / "set")
    prepare(name, root)
    named = kind.change(root, elsewhere)
    before, outside = listing(home), listing(elsewhere)
    error: FFencError | None = None
    try:
        operation.run(named, home / "out", binaries, follow)
    except FFencError as err:
        error = err
    after = listing(home)
    new = {path for path in after if path.split("/")[0] not in ("set", "out")}
    assert new == set(), "something was left beside the dataset"
    if error is not None or operation.kind != "in place":
        assert {path: what for path, what in after.items() if path.split("/")[0] != "out"} == before
        assert listing(elsewhere) == outside
    if error is not None and operation.kind != "view":
        assert not (home / "out").exists()
    if root.is_symlink():
        assert after["set"] == before["set"], "the link was replaced"
    else:
        assert listing(elsewhere) == outside, "something outside of the dataset was changed"
    return error


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_on_every_kind_of_tree(tmp_path: Path, recorded: Path, binaries: Binaries, name: str) -> None:
    operation = OPERATIONS[name]
    for number, (label, kind) in enumerate(KINDS.items()):
        if label == "hard-linked copy" and operation.kind != "in place":
            continue  # nothing is written into the dataset
        place = tmp_path / str(number)
        place.mkdir()
        error = _run(place, recorded, binaries, name, kind, follow=False)
        looks_on = operation.kind == "view" and not operation.adds_files
        succeeds = kind.works == "always" or (looks_on and kind.works in ("followed", "views"))
        if name not in LENIENT or kind.works != "never":
            assert (error is None) == succeeds, (label, error)


@pytest.mark.parametrize("name", FOLLOWING)
def test_links_are_followed_on_request(tmp_path: Path, recorded: Path, binaries: Binaries, name: str) -> None:
    for number, label in enumerate(FOLLOWED):
        place, kind = tmp_path / str(number), KINDS[label]
        place.mkdir()
        error = _run(place, recorded, binaries, name, kind, follow=True)
        assert (error is None) == (kind.adding or not OPERATIONS[name].adds_files), (label, error)
        if error is None:
            root = place / "home/set"
            check_whole(root, binaries)
            assert (root / "extra/notes.txt").read_text() == "notes"


@pytest.mark.parametrize("name", ["reencode in place", "pack", "images to video"])
def test_linked_root_stays_a_link_after_changes(tmp_path: Path, recorded: Path, binaries: Binaries, name: str) -> None:
    real = copy_tree(recorded, tmp_path / "real")
    (tmp_path / "set").symlink_to("real")
    for each in (name, "resume", "pack" if name == "images to video" else name):
        OPERATIONS[each].run(tmp_path / "set", tmp_path / "out", binaries, False)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["real", "set"]
        assert (tmp_path / "set").readlink() == Path("real")
        check_whole(real, binaries)


def run_unprivileged(work: Callable[[], object]) -> int:
    """Run work in a fork that obeys the modes of files even if the tests run as root; return its exit code."""

    def unprivileged() -> None:
        if os.getuid() == 0:
            _give_up_capabilities()
        work()

    return exit_code(start_fork(unprivileged))


def _give_up_capabilities() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, also for executables that are started
        assert libc.prctl(24, capability, 0, 0, 0) == 0  # PR_CAPBSET_DROP
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, data) == 0
    for part in (0, 1, 2):
        data[part] &= ~0b110
    assert libc.capset(header, data) == 0


@pytest.mark.parametrize("what", ["read-only dataset", "read-only place", "unreadable folder", "unreadable document"])
def test_file_modes_are_respected(tmp_path: Path, recorded: Path, binaries: Binaries, what: str) -> None:
    for number, name in enumerate(GUARDED):
        operation = OPERATIONS[name]
        home = tmp_path / str(number)
        home.mkdir()
        root = copy_tree(recorded, home / "set")
        prepare(name, root)
        # To be readable again for the comparison, and removable in the end.
        modes = {path: path.stat().st_mode for path in (home, root, *root.rglob("*"))}
        locked = {
            "read-only dataset": [(path, 0o222) for path in (root, *root.rglob("*"))],
            "read-only place": [(home, 0o222)],
            "unreadable folder": [(root / "extra", 0o777)],
            "unreadable document": [(root / "meta/tasks.parquet", 0o777)],
        }[what]
        before = listing(home)
        for path, bits in locked:
            path.chmod(modes[path] & ~bits)
        status = run_unprivileged(partial(operation.run, home / "set", home / "out", binaries, False))
        for path, _ in locked:
            if path.exists():
                path.chmod(modes[path])
        assert status in (DONE, REFUSED), (name, "no typed error")
        if status == REFUSED or operation.kind != "in place":
            assert {p: w for p, w in listing(home).items() if p.split("/")[0] != "out"} == before, name
        if what == "read-only dataset":
            assert status == (operation.kind == "in place"), name
        elif what == "unreadable folder":
            assert status == (operation.kind != "view" or operation.adds_files), name
        elif what == "read-only place" and operation.kind == "in place":
            assert status == (not operation.adds_files), name


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no second file system")
def test_dataset_on_another_file_system(tmp_path: Path, recorded: Path, binaries: Binaries) -> None:
    shared = Path("/dev/shm") / f"ffenc-{os.getpid()}-{tmp_path.name}"
    for name in ("merge", "reencode in place", "pack", "repair", "resume"):
        operation = OPERATIONS[name]
        try:
            shared.mkdir()
            root = copy_tree(recorded, shared / "set")
            prepare(name, root)
            operation.run(root, tmp_path / f"out-{name}", binaries, False)
            check_whole(root, binaries)
            assert [path.name for path in shared.iterdir()] == ["set"]
        finally:
            shutil.rmtree(shared)


class Mover:
    """Audit hook that moves a dataset away at the n-th file operation below a directory."""

    def __init__(self) -> None:
        self.root, self.left = Path(), -1

    def hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.left < 0 or event not in ("open", "os.rename", "os.mkdir", "os.link", "os.scandir", "os.remove"):
            return
        if not isinstance(arguments[0], str | os.PathLike) or str(self.root.parent) not in str(arguments[0]):
            return
        self.left -= 1
        if self.left < 0:
            self.root.rename(self.root.with_name("moved"))


MOVER = Mover()
sys.addaudithook(MOVER.hook)


@pytest.mark.parametrize("name", [n for n in OPERATIONS if n not in ("resume", "info", "preview", "split")])
def test_dataset_moved_during_operation(tmp_path: Path, recorded: Path, binaries: Binaries, name: str) -> None:
    for number, at in enumerate((3, 40)):
        home = tmp_path / str(number)
        home.mkdir()
        root = copy_tree(recorded, home / "set")
        prepare(name, root)
        before, old = listing(root), signature(root)
        MOVER.root, MOVER.left = root, at
        error: FFencError | None = None
        try:
            OPERATIONS[name].run(root, home / "out", binaries, False)
        except FFencError as err:
            error = err
        finally:
            MOVER.left = -1
        left = {path.name for path in home.iterdir()}
        if "moved" in left and error is not None:
            assert "set" not in left or name.startswith("repair"), "a dataset was made where there was none"
            assert OPERATIONS[name].kind == "in place" or listing(home / "moved") == before
        if error is not None:
            assert "out" not in left or OPERATIONS[name].kind == "view"
        assert not {each for each in left if each.startswith(".")}
        kept = home / ("moved" if "moved" in left else "set")
        assert signature(kept) == old or error is None or name == "repair"
        assert WRIST in (kept / "meta/info.json").read_text()
    gc.collect()  # the traceback of an error keeps files open
