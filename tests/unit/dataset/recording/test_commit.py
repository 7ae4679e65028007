"""A list of renames adds the files of an episode to its dataset and does nothing else, even if an attacker wrote it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ffenc.dataset.recording.commit import commit, finish_commits
from ffenc.dataset.recording.episode_directory import EpisodeDirectory
from ffenc.errors import DatasetError
from tests.dataset_operations import listing

NAME = "000003-aaaaaaaa"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A dataset's directory with a file, an interrupted episode, and a directory beside it that must not change."""
    root = tmp_path / "set"
    (root / "meta/ffenc/recording" / NAME / "meta").mkdir(parents=True)
    (root / "meta/info.json").write_text("old")
    (root / "data").mkdir()
    (root / "data/old.parquet").write_text("old")
    (root / "meta/ffenc/recording" / NAME / "new").write_text("new")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/keys").write_text("important")
    return root


def staging(root: Path) -> Path:
    return root / "meta/ffenc/recording" / NAME


def journal(*places: object) -> Callable[[Path], None]:
    return lambda root: (staging(root) / "commit.json").write_text(json.dumps(places)) and None


def both(*changes: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        for each in changes:
            each(root)

    return change


def linked_staging(root: Path) -> None:
    outside = root.parent / "elsewhere/staging"
    staging(root).rename(outside)
    staging(root).symlink_to(outside)


HOSTILE: dict[str, Callable[[Path], None]] = {
    "target above the root": journal(["new", "../elsewhere/keys"]),
    "absolute target": journal(["new", "/tmp/ffenc-must-not-exist"]),
    "target through a link": both(
        lambda root: (root / "link").symlink_to("../elsewhere"), journal(["new", "link/keys"])
    ),
    "target through a link further up": both(
        lambda root: (root / "link").symlink_to(".."), journal(["new", "link/elsewhere/keys"])
    ),
    "target that exists": journal(["new", "data/old.parquet"]),
    "target that is a link": both(
        lambda root: (root / "data/new.parquet").symlink_to("../../elsewhere/keys"),
        journal(["new", "data/new.parquet"]),
    ),
    "target among ffenc's own files": journal(["new", "meta/ffenc/lock"]),
    "target that is the root": journal(["new", "."]),
    "source above": journal(["../../../info.json", "data/new.parquet"]),
    "absolute source": journal(["/etc/hostname", "data/new.parquet"]),
    "source that is a link": both(
        lambda root: (staging(root) / "link").symlink_to("../../../../../elsewhere/keys"),
        journal(["link", "data/new.parquet"]),
    ),
    "source through a link": both(
        lambda root: (staging(root) / "link").symlink_to("../../../../../elsewhere"),
        journal(["link/keys", "data/new.parquet"]),
    ),
    "source that is a directory": journal(["meta", "data/new.parquet"]),
    "staging that is a link": both(linked_staging, journal(["new", "data/new.parquet"])),
    "journal that is a link": lambda root: (staging(root) / "commit.json").symlink_to("/dev/zero"),
    "file that is gone": journal(["gone", "data/new.parquet"]),
    "not a list": lambda root: (staging(root) / "commit.json").write_text("{}]") and None,
    "not pairs": journal("new", 1),
    "numbers": journal([1, 2]),
    "NUL": journal(["new", "data/\0"]),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_journal_is_refused_before_anything_changes(root: Path, kind: str) -> None:
    HOSTILE[kind](root)
    before = listing(root.parent)
    with pytest.raises(DatasetError):
        finish_commits(root)
    assert listing(root.parent) == before
    assert not Path("/tmp/ffenc-must-not-exist").exists()


def test_interrupted_commit_is_finished(root: Path) -> None:
    journal(["renamed before", "data/old.parquet"], ["new", "meta/info.json"])(root)
    assert finish_commits(root) == [staging(root)]
    assert (root / "meta/info.json").read_text() == "new"
    assert not staging(root).exists()


@pytest.mark.parametrize("place", ["recording", "kept"])
def test_finished_commit_of_a_recovered_episode_removes_the_interrupted_one(root: Path, place: str) -> None:
    interrupted = root / "meta/ffenc" / place / "000003-bbbbbbbb"
    restored = interrupted.with_name("000003-bbbbbbbb-restored")
    for directory in (interrupted, restored):
        directory.mkdir(parents=True)
    (restored / "new").write_text("recovered")
    (restored / "commit.json").write_text('[["new", "meta/info.json"]]')
    assert finish_commits(root) == [restored]
    assert (root / "meta/info.json").read_text() == "recovered"
    assert not interrupted.exists()
    assert not restored.exists()


def test_commit_does_not_write_through_a_link(root: Path) -> None:
    (root / "videos").symlink_to("../elsewhere")
    before = listing(root.parent / "elsewhere")
    with pytest.raises(DatasetError, match="is a symbolic link"):
        commit(root, EpisodeDirectory(path=staging(root)), [("new", root / "videos/chunk-000/file-000.mp4")])
    assert listing(root.parent / "elsewhere") == before
