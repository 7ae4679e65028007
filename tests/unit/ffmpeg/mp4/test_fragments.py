"""FragmentIndex: the ends of complete fragments, in synthetic files cut at every byte."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from ffenc.ffmpeg.mp4.fragments import FragmentIndex


def box(kind: bytes, size: int = 0, *, large: bool = False) -> bytes:
    if large:
        return struct.pack(">I4sQ", 1, kind, 16 + size) + bytes(size)
    return struct.pack(">I4s", 8 + size, kind) + bytes(size)


HEADER = box(b"ftyp", 12) + box(b"moov", 40)
FRAGMENT = box(b"moof", 24) + box(b"mdat", 9)


def ends_of(path: Path, data: bytes) -> list[int]:
    path.write_bytes(data)
    return FragmentIndex(path).update().ends


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.mp4"


def test_every_complete_fragment_is_found(file: Path) -> None:
    data = HEADER + FRAGMENT * 3
    assert ends_of(file, data) == [len(HEADER) + len(FRAGMENT) * (number + 1) for number in range(3)]
    assert FragmentIndex(file).update().count == 3


def test_only_complete_fragments_count_wherever_the_file_is_cut(file: Path) -> None:
    data = HEADER + FRAGMENT * 3
    ends = ends_of(file, data)
    for cut in range(len(data) + 1):
        assert ends_of(file, data[:cut]) == [end for end in ends if end <= cut]


def test_growing_file_is_read_from_the_last_position(file: Path) -> None:
    data = HEADER + FRAGMENT * 4
    file.write_bytes(b"")
    index = FragmentIndex(file)
    with file.open("ab") as growing:
        for number, byte in enumerate(data):
            growing.write(bytes([byte]))
            growing.flush()
            assert index.update().ends == [end for end in ends_of(file.with_name("all"), data) if end <= number + 1]
    assert index.update().count == 4


def test_other_boxes_are_allowed_anywhere(file: Path) -> None:
    free = box(b"free", 5)
    data = free + HEADER + box(b"sidx", 30) + free + box(b"styp", 8) + box(b"moof", 24) + free + box(b"mdat", 9) + free
    assert ends_of(file, data + box(b"mfra", 20)) == [len(data) - len(free)]


def test_a_fragment_without_a_header_before_it_cannot_be_read(file: Path) -> None:
    assert ends_of(file, box(b"ftyp", 12) + FRAGMENT * 2) == []
    late = box(b"ftyp", 12) + FRAGMENT + box(b"moov", 40) + FRAGMENT
    assert ends_of(file, late) == [len(late)]


def test_media_data_belongs_to_the_fragment_before_it(file: Path) -> None:
    first = HEADER + FRAGMENT
    assert ends_of(file, first + box(b"mdat", 9) + box(b"moof", 24)) == [len(first)]
    assert ends_of(file, box(b"ftyp", 12) + box(b"mdat", 900) + box(b"moov", 40)) == []  # no fragments at all


def test_large_boxes(file: Path) -> None:
    data = HEADER + box(b"moof", 24) + box(b"mdat", 9, large=True)
    assert ends_of(file, data + FRAGMENT) == [len(data), len(data) + len(FRAGMENT)]
    for cut in range(len(HEADER) + 32, len(data)):
        assert ends_of(file, data[:cut]) == []


@pytest.mark.parametrize("size", [0, 1, 7])
def test_box_of_impossible_size_ends_the_search(file: Path, size: int) -> None:
    good = HEADER + FRAGMENT
    broken = struct.pack(">I4s", size, b"mdat") + bytes(8)
    assert ends_of(file, good + box(b"moof", 24) + broken + FRAGMENT) == [len(good)]


@pytest.mark.parametrize("data", [b"", b"\0", b"no video at all, but long enough", bytes(1000), b"\xff" * 1000])
def test_other_files_have_no_fragments(file: Path, data: bytes) -> None:
    assert ends_of(file, data) == []


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FragmentIndex(tmp_path / "missing.mp4").update()
