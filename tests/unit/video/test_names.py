"""check_path_part: a name stays one visible part of a path."""

from __future__ import annotations

import os

import pytest

from ffenc.errors import UnsafePathError
from ffenc.video.names import check_path_part


@pytest.mark.parametrize(
    "name",
    ["laptop", "observation.images.laptop", "left wrist", "Kamera-ü", "日本", "100%d", "-dash", "~", "a:b", "x" * 200],
)
def test_a_plain_name_is_taken(name: str) -> None:
    check_path_part(name, "the name of a camera")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "it is empty"),
        (None, "it is not text"),
        (3, "it is not text"),
        (b"laptop", "it is not text"),
        ("a/b", "it contains a slash"),
        ("/etc", "it contains a slash"),
        ("..", "it begins or ends with a dot"),
        (".", "it begins or ends with a dot"),
        ("../up", "it contains a slash"),
        ("a\\b", "it contains a slash"),
        (".hidden", "it begins or ends with a dot"),
        ("end.", "it begins or ends with a dot"),
        (" blank", "it begins or ends with a dot or a space"),
        ("blank ", "it begins or ends with a dot or a space"),
        ("new\nline", "it contains a control character"),
        ("nul\0", "it contains a control character"),
        ("esc\x1b[2J", "it contains a control character"),
        ("lone \udc80", "it contains a control character"),
        ("x" * 201, "it is longer than 200 bytes"),
        ("ü" * 101, "it is longer than 200 bytes"),
    ],
    ids=repr,
)
def test_unsafe_name_is_refused_with_the_reason(name: object, why: str) -> None:
    with pytest.raises(UnsafePathError, match="cannot be the name of a camera: " + why) as caught:
        check_path_part(name, "the name of a camera")  # type: ignore[arg-type]
    assert caught.value.text == str(name)


def test_the_longest_name_leaves_room_for_a_hidden_recording() -> None:
    longest = "x" * 200
    check_path_part(longest, "a name")
    # .NAME.XXXXXXXX.recording.mp4, of a second part that itself is hidden
    assert len(os.fsencode(f"..{longest}.part0.00000000.recording.mp4")) <= 255
