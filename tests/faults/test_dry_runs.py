"""A dry run changes nothing after any crash, and files of a live process are never removed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ffenc import Binaries
from ffenc.cli.main import main

pytest.importorskip("pyarrow")
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.dataset.storage.lock import DatasetLock, FileLock
from ffenc.dataset.storage.new_directory import build_dataset, clear_abandoned
from tests.dataset_operations import EPISODES, LENGTH, check_whole, frame_of, listing, make_dataset

pytestmark = [pytest.mark.net, pytest.mark.integration, pytest.mark.one_build]


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory, binaries: Binaries) -> Path:
    """Return a directory with a dataset and all kinds of leftovers in it and beside it."""
    home = tmp_path_factory.mktemp("crashed")
    root = home / "set"
    make_dataset(root, binaries)
    with pytest.raises(ZeroDivisionError), DatasetRecorder.resume(root, binaries=binaries) as recorder:
        for number in range(LENGTH):
            recorder.add_frame(frame_of(EPISODES, number))
        raise ZeroDivisionError
    for name in (".set.ffenc-new", ".set.ffenc-new.work", ".out.0123abcd.part", ".out.0123abcd.part.work"):
        (home / name).mkdir()
        (home / name / "file").write_text("left over")
    (home / ".out.0123abcd.part.lock").write_text("")
    (root / "data/chunk-000/.file-009.parquet.0123abcd.part").write_text("left over")
    return home


@pytest.mark.parametrize(
    "words",
    [
        ["salvage", "set", "--dry-run"],
        ["repair", "set", "--dry-run"],
        ["merge", "set", "set", "--output=out", "--dry-run"],
        ["reencode-dataset", "set", "--camera_encoder.vcodec=h264", "--dry-run"],
        ["convert", "out", "set/videos/observation.images.laptop/chunk-000/file-000.mp4", "--task=x", "--dry-run"],
        ["info", "set"],
        ["verify", "set"],
    ],
    ids=lambda words: words[0],
)
def test_dry_run_changes_nothing(
    tmp_path: Path, crashed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    home = tmp_path / "home"
    shutil.copytree(crashed, home, symlinks=True)
    before = listing(home)
    monkeypatch.chdir(home)
    status = main(words)
    said = capsys.readouterr()
    assert status == (words[0] in ("verify", "repair")), said.err  # the kept episode is a warning
    assert listing(home) == before
    if words[0] == "salvage":
        assert f"{LENGTH} rows" in said.out


@pytest.mark.parametrize("command", ["salvage", "repair"])
def test_dry_run_of_a_dataset_that_is_being_written_is_refused(
    tmp_path: Path, crashed: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    root = tmp_path / "set"
    shutil.copytree(crashed / "set", root)
    with DatasetLock(root):
        assert main([command, str(root), "--dry-run"]) == 1
    assert "another process" in capsys.readouterr().err


def test_the_next_run_removes_leftovers(tmp_path: Path, crashed: Path, binaries: Binaries) -> None:
    home = tmp_path / "home"
    shutil.copytree(crashed, home)
    with DatasetRecorder.resume(home / "set", binaries=binaries) as recorder:
        (interrupted,) = recorder.interrupted
        recorder.recover(interrupted)
    with build_dataset(home / "other") as building:
        (building / "file").write_text("new")
    assert sorted(path.name for path in home.iterdir()) == ["other", "set"]
    (home / "set/data/chunk-000/.file-009.parquet.0123abcd.part").unlink()
    check_whole(home / "set", binaries)


def test_files_of_live_process_are_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with build_dataset(tmp_path / "out") as building:
        (building / "file").write_text("new")
        unknown = tmp_path / ".out.0123abcd.part"
        unknown.mkdir()
        clear_abandoned(tmp_path)
        assert building.exists()
        assert unknown.exists()
        assert f"{unknown} may be left over" in caplog.text
        unknown.rmdir()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_linked_leftover_is_removed_without_its_target(tmp_path: Path, crashed: Path, binaries: Binaries) -> None:
    root, elsewhere = tmp_path / "set", tmp_path / "elsewhere"
    shutil.copytree(crashed / "set", root)
    elsewhere.mkdir()
    (elsewhere / "keys").write_text("important")
    (tmp_path / ".set.ffenc-new").symlink_to(elsewhere)
    with DatasetRecorder.resume(root, binaries=binaries):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "set"]
    assert (elsewhere / "keys").read_text() == "important"


def test_lock_file_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("")
    lock, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert lock.acquire()
    assert not other.acquire()
    lock.release()
    assert not (tmp_path / "lock").exists()
    assert other.acquire()
    other.release()
