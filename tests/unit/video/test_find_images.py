"""find_images: the images of a directory and their order, by name."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from ffenc.errors import InputError
from ffenc.video.image_series import find_images


def touch(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).touch()


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["f9.png", "f10.png", "f11.png"], id="not-padded"),
        pytest.param(["f008.png", "f009.png", "f010.png"], id="padded"),
        pytest.param(["f008.png", "f9.png", "f0010.png"], id="padded-in-more-than-one-way"),
        pytest.param(["f1.JPG", "f2.jpg", "f3.jpeg"], id="suffixes-of-one-format"),
        pytest.param(["5000000000.png", "5000000001.png"], id="beyond-32-bits"),
        pytest.param([f"{10**200 + k}.png" for k in range(3)], id="two-hundred-digits"),
        pytest.param(["1.png"], id="one"),
        pytest.param(["a\n1.png", "a\n2.png"], id="newline"),
        pytest.param([os.fsdecode(b"caf\xe9%d-1.png"), os.fsdecode(b"caf\xe9%d-2.png")], id="not-utf-8"),
    ],
)
def test_order_is_that_of_the_numbers(tmp_path: Path, names: list[str]) -> None:
    touch(tmp_path, *reversed(names))
    assert [path.name for path in find_images(tmp_path)] == names


@pytest.mark.parametrize("order", ["number", "name"])
def test_hidden_files_of_operating_systems_are_ignored(tmp_path: Path, order: str) -> None:
    touch(tmp_path, "f-0.png", "f-1.png")
    touch(tmp_path, ".DS_Store", "Thumbs.db", "desktop.ini", "._f-0.png", "._f-2.png", ".f-2.png", "notes 3.txt")
    for name in ("@eaDir", "__MACOSX", "more"):
        (tmp_path / name).mkdir()
        touch(tmp_path / name, "f-2.png")
    assert [path.name for path in find_images(tmp_path, order=order)] == ["f-0.png", "f-1.png"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        pytest.param([], "no numbered images", id="empty"),
        pytest.param(["a.txt", "cover.png"], "no numbered images", id="nothing-numbered"),
        pytest.param(
            ["f1.png", "f2.png", "f4.png", "f7.png"], r"3 of the images 1 to 7 are missing: 3, 5, 6", id="gap"
        ),
        pytest.param(
            ["f1.png", "f2.jpg"], r"more than one series of images, such as those of f1\.png, f2\.jpg", id="kinds"
        ),
        pytest.param(["a1.png", "a2.png", "b2.png"], r"such as those of a1\.png, b2\.png", id="two-prefixes"),
        pytest.param([f"{k}.{k}.png" for k in range(900)], "and 896 more.*--order=name", id="many-prefixes"),
        pytest.param(["f1.png", "f01.png"], "image 1 twice: f01.png and f1.png", id="one-number-twice"),
        pytest.param(["f1.jpg", "f1.JPG"], "image 1 twice", id="one-number-in-two-suffixes"),
    ],
)
def test_refused(tmp_path: Path, names: list[str], message: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(InputError, match=message):
        find_images(tmp_path)


def test_timestamps_as_image_numbers_are_refused_quickly(tmp_path: Path) -> None:
    stamps = [10**k for k in (0, 9, 18, 60, 200)]
    touch(tmp_path, *(f"{stamp}.png" for stamp in stamps))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=r"are missing: 2, 3, 4, 5, 6, .*--order=name"):
        find_images(tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 20_000
    assert [path.name for path in find_images(tmp_path, order="name")] == [f"{stamp}.png" for stamp in stamps]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(["1700000000123456789.png", "1700000001123456789.png"], id="nanoseconds"),
        pytest.param(["0.png", "33333333.png", "100000000.png"], id="of-a-simulation"),
        pytest.param(["1305031102.175304.png", "1305031102.211214.png", "1305031103.001.png"], id="seconds"),
        pytest.param(["left.png", "right.png"], id="words"),
        pytest.param(["f.png", "f0.png", "f2.png", "f10.png"], id="gaps-and-none"),
    ],
)
def test_order_of_names(tmp_path: Path, names: list[str]) -> None:
    touch(tmp_path, *reversed(names))
    assert [path.name for path in find_images(tmp_path, order="name")] == names


@pytest.mark.parametrize(
    ("names", "message"),
    [
        pytest.param(
            ["1.5.png", "1.25.png"], "not clear whether 1.5.png comes before 1.25.png", id="fraction-or-number"
        ),
        pytest.param(["a.png", "b.jpg"], "more than one format: a.png, b.jpg", id="formats"),
        pytest.param(["a.txt"], "no images", id="none"),
    ],
)
def test_order_of_names_refused(tmp_path: Path, names: list[str], message: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(InputError, match=message):
        find_images(tmp_path, order="name")


def dangling(path: Path) -> None:
    path.symlink_to("gone.png")


def circular(path: Path) -> None:
    path.symlink_to(path)


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))


@pytest.mark.parametrize("order", ["number", "name"])
@pytest.mark.parametrize("where", [0, 2, 4])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(dangling, "is a link to gone.png, which does not exist", id="dangling-link"),
        pytest.param(circular, "is a link to", id="circular-link"),
        pytest.param(Path.mkdir, "has the name of an image", id="directory"),
        pytest.param(os.mkfifo, "has the name of an image", id="fifo"),
        pytest.param(bound, "has the name of an image", id="socket"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), "has the name of an image", id="device"),
    ],
)
def test_entry_with_the_name_of_an_image_that_is_not_a_file_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], None],
    message: str,
    where: int,
    order: str,
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    touch(tmp_path, *(f"f-{number}.png" for number in range(5) if number != where))
    make(tmp_path / f"f-{where}.png")
    with pytest.raises(InputError, match=rf"f-{where}\.png {message}"):
        find_images(tmp_path, order=order)  # type: ignore[arg-type]


def test_links_to_images_are_images(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    touch(tmp_path, "elsewhere")
    for number in range(3):
        (tmp_path / "in" / f"f-{number}.png").symlink_to(tmp_path / "elsewhere")
    assert len(find_images(tmp_path / "in")) == 3


def test_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a directory"):
        find_images(tmp_path / "nowhere")
