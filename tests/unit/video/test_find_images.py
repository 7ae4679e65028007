"""The series of numbered images in a directory, found from names alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffenc.errors import InputError
from ffenc.video.encode import find_images


def touch(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).touch()


def test_order_is_that_of_the_numbers(tmp_path: Path) -> None:
    touch(tmp_path, "f9.png", "f10.png", "f11.png", "readme.txt")
    assert [path.name for path in find_images(tmp_path)] == ["f9.png", "f10.png", "f11.png"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        pytest.param([], "no numbered images", id="empty"),
        pytest.param(["a.txt", "cover.png"], "no numbered images", id="nothing-numbered"),
        pytest.param(
            ["f1.png", "f2.png", "f4.png", "f7.png"], r"3 of the images 1 to 7 are missing: 3, 5, 6", id="gap"
        ),
        pytest.param(["f1.png", "f2.jpg"], "more than one series", id="two-kinds"),
        pytest.param(["a1.png", "b2.png"], "more than one series", id="two-prefixes"),
        pytest.param(["f1.png", "f01.png"], "twice", id="one-number-twice"),
        pytest.param(["f01.png", "f2.png"], "number of digits", id="mixed-padding"),
    ],
)
def test_refused(tmp_path: Path, names: list[str], message: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(InputError, match=message):
        find_images(tmp_path)


def test_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no directory"):
        find_images(tmp_path / "nowhere")
