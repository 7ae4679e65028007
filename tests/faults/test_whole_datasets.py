"""If any file operation of merge, delete, split or re-encode fails, there is no output and the source is unchanged."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ffenc import Binaries, VideoEncoderConfig
from ffenc.errors import FFencError
from tests.datasets import copy_of, tree_of

pytest.importorskip("pyarrow")
from ffenc.dataset.transform.edit import delete_episodes
from ffenc.dataset.transform.merge import merge_datasets
from ffenc.dataset.transform.reencode import reencode_dataset
from ffenc.dataset.transform.trim import trim_episodes

pytestmark = [pytest.mark.net, pytest.mark.integration, pytest.mark.one_build]

_PHONE = "observation.images.phone"
_CREATING = frozenset({"os.rename", "os.mkdir", "os.link", "os.symlink"})


class DiskFull:
    """Fails the n-th operation that changes files below a directory, counted over all threads."""

    def __init__(self) -> None:
        self.below = ""
        self.fail_at = 0
        self.count = 0
        self._guard = threading.Lock()

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Install an audit hook; Python cannot remove it again."""
        if not self.below:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, str) and isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR):
                self.step(path)
        elif event in _CREATING:
            self.step(os.fsdecode(arguments[1] if event in ("os.rename", "os.link", "os.symlink") else arguments[0]))

    def step(self, path: str) -> None:
        if self.below not in path:
            return
        with self._guard:
            self.count += 1
            if self.count == self.fail_at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


DISK = DiskFull()
sys.addaudithook(DISK.hook)


@contextmanager
def failing(directory: Path, at: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[DiskFull]:
    """Let the operation with this number fail; 0 only counts."""
    fsync = os.fsync

    def synced(descriptor: int) -> None:
        DISK.step(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    DISK.count, DISK.fail_at = 0, at
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", synced)
        DISK.below = str(directory)
        try:
            yield DISK
        finally:
            DISK.below = ""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return LeRobot's dataset B with one camera."""
    root = copy_of("B", tmp_path, "source")
    document = json.loads((root / "meta/info.json").read_text())
    del document["features"][_PHONE]
    (root / "meta/info.json").write_text(json.dumps(document, indent=4))
    shutil.rmtree(root / "videos" / _PHONE)
    return root


SETTINGS = VideoEncoderConfig(vcodec="h264", preset="ultrafast")
OPERATIONS: dict[str, Callable[[Path, Path, Binaries], object]] = {
    "merge": lambda source, out, binaries: merge_datasets([source, source], out, binaries=binaries),
    "delete": lambda source, out, binaries: delete_episodes(source, [0], out, binaries=binaries),
    "trim": lambda source, out, binaries: trim_episodes(source, {0: (1, 9)}, out, binaries=binaries),
    "reencode": lambda source, out, binaries: reencode_dataset(
        source, camera_encoder=SETTINGS, output=out, binaries=binaries
    ),
}


@pytest.mark.skipif(sys.platform != "linux", reason="names of open files are read from /proc")
@pytest.mark.parametrize("name", OPERATIONS)
def test_new_dataset_is_complete_or_missing(
    tmp_path: Path, source: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before, output = tree_of(tmp_path), tmp_path / "out"
    number = 1
    while True:
        with failing(tmp_path, number, monkeypatch) as disk:
            try:
                OPERATIONS[name](source, output, binaries)
            except FFencError:
                assert [path.name for path in tmp_path.iterdir()] == ["source"]
                assert tree_of(tmp_path) == before
            else:
                assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]
                assert {k: v for k, v in tree_of(tmp_path).items() if not k.startswith("out/")} == before
                if disk.count < number:
                    break
                shutil.rmtree(output)  # something failed that may
        number += 1
    assert number > 20


@pytest.mark.skipif(sys.platform != "linux", reason="names of open files are read from /proc")
def test_work_in_place_leaves_old_or_new_dataset(
    tmp_path: Path, source: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, number = tree_of(tmp_path), 1
    while True:
        with failing(tmp_path, number, monkeypatch) as disk:
            try:
                reencode_dataset(source, camera_encoder=SETTINGS, binaries=binaries)
            except FFencError:
                assert [path.name for path in tmp_path.iterdir()] == ["source"]
                assert tree_of(tmp_path) == before
            else:
                assert [path.name for path in tmp_path.iterdir()] == ["source"]
                if disk.count < number:
                    break
                before = tree_of(tmp_path)
        number += 1
    assert number > 20
    document = json.loads((source / "meta/info.json").read_text())
    assert {f["info"]["video.codec"] for f in document["features"].values() if "info" in f} == {"h264"}
