"""PendingFile and check_packets: a file gets its name complete and checked, or there is no file."""

from __future__ import annotations

import errno
import os
from fractions import Fraction
from pathlib import Path

import pytest

from ffenc.errors import OutputError, OutputExistsError
from ffenc.ffmpeg.stream_info import PacketIndex
from ffenc.video.output import PendingFile, check_packets


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def test_sibling_is_hidden_until_the_commit(tmp_path: Path) -> None:
    with PendingFile(tmp_path / "a.mp4", overwrite=False) as pending:
        pending.path.write_bytes(b"whole")
        assert names(tmp_path) == [pending.path.name]
        assert pending.path.name.startswith(".a.")
        assert pending.path.suffix == ".mp4"
        pending.commit()
        assert names(tmp_path) == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"whole"


def test_uncommitted_leaves_nothing(tmp_path: Path) -> None:
    with PendingFile(tmp_path / "a.mp4", overwrite=False) as pending:
        pending.path.write_bytes(b"half")
    assert names(tmp_path) == []
    pending.discard()


@pytest.mark.parametrize("link_error", [None, errno.EPERM, errno.ENOTSUP], ids=["links", "no-links", "unsupported"])
def test_file_that_appeared_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link_error: int | None
) -> None:
    if link_error is not None:

        def no_links(*_: object) -> None:
            raise OSError(link_error, os.strerror(link_error))

        monkeypatch.setattr(os, "link", no_links)
    pending = PendingFile(tmp_path / "a.mp4", overwrite=False)
    (tmp_path / "a.mp4").write_bytes(b"precious")
    with pytest.raises(OutputExistsError):
        pending.commit()
    assert names(tmp_path) == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"precious"


def test_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "not here")

    monkeypatch.setattr(os, "link", no_links)
    pending = PendingFile(tmp_path / "a.mp4", overwrite=False)
    pending.path.write_bytes(b"whole")
    pending.commit()
    assert (tmp_path / "a.mp4").read_bytes() == b"whole"
    assert names(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_failing_sync_leaves_nothing_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool) -> None:
    pending = PendingFile(tmp_path / "a.mp4", overwrite=overwrite)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        pending.commit()
    assert names(tmp_path) == []


def test_overwrite_replaces_in_one_step(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"old")
    with PendingFile(tmp_path / "a.mp4", overwrite=True) as pending:
        pending.path.write_bytes(b"new")
        assert (tmp_path / "a.mp4").read_bytes() == b"old"
        pending.commit()
    assert (tmp_path / "a.mp4").read_bytes() == b"new"
    assert names(tmp_path) == ["a.mp4"]


def test_invalid_targets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a directory"):
        PendingFile(tmp_path, overwrite=True)
    with pytest.raises(OutputError, match="does not exist; create it"):
        PendingFile(tmp_path / "nowhere" / "a.mp4", overwrite=False)
    assert names(tmp_path) == []


def packets(*pts: int, errors: str = "", hidden: int = 0) -> PacketIndex:
    return PacketIndex(
        time_base=Fraction(1, 15360), pts=pts, keyframes=(0,), size_bytes=1, errors=errors, hidden=hidden
    )


@pytest.mark.parametrize(
    ("index", "message"),
    [
        pytest.param(packets(0, 512), "3 frames were sent, but the file has 2", id="one-missing"),
        pytest.param(packets(0, 512, 1024, 1536), "3 frames were sent, but the file has 4", id="one-too-many"),
        pytest.param(packets(0, 512, 1025), "frame 2 is shown at", id="off-the-grid"),
        pytest.param(packets(1, 513, 1025), "frame 0 is shown at", id="starts-late"),
        pytest.param(packets(0, 512, 1024, hidden=1), "hidden", id="edit-list"),
        pytest.param(packets(0, 512, 1024, errors="broken"), "broken", id="damaged"),
    ],
)
def test_wrong_file_is_refused(tmp_path: Path, index: PacketIndex, message: str) -> None:
    with pytest.raises(OutputError, match=message):
        check_packets(index, path=tmp_path / "a.mp4", fps=Fraction(30), frames=3)


def test_right_file_passes(tmp_path: Path) -> None:
    check_packets(packets(0, 512, 1024), path=tmp_path / "a.mp4", fps=Fraction(30), frames=3)
