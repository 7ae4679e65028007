"""Read the structure that TIFF files and EXIF data share: directories of tags."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO


class UnreadableImageError(Exception):
    """An image file cannot be used; the message has the reason without the file's name."""


def take(file: BinaryIO, count: int) -> bytes:
    """Read exactly ``count`` bytes of a file."""
    data = file.read(count)
    if len(data) < count:
        raise UnreadableImageError("is cut off")
    return data


_ORIENTATION = 0x112
_SIZES = {1: 1, 3: 2, 4: 4}
_LETTERS = {1: "B", 3: "H", 4: "I"}
_MOST_VALUES = 1 << 18


class TiffDirectory:
    """The first directory of a TIFF structure."""

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self._file, self._size_bytes = file, size_bytes
        head = self._at(0, 8)
        if head[:4] not in (b"II*\0", b"MM\0*"):
            raise UnreadableImageError("is damaged: it does not start like a TIFF file")
        self._order = "<" if head[:2] == b"II" else ">"
        (place,) = struct.unpack(f"{self._order}I", head[4:])
        self.entries, self.following = self._directory(place)

    def _at(self, place: int, count: int) -> bytes:
        if place + count > self._size_bytes:
            raise UnreadableImageError("is cut off")
        self._file.seek(place)
        return take(self._file, count)

    def _directory(self, place: int) -> tuple[dict[int, tuple[int, int, bytes]], int]:
        (count,) = struct.unpack(f"{self._order}H", self._at(place, 2))
        table = self._at(place + 2, 12 * count)
        found: dict[int, tuple[int, int, bytes]] = {}
        for k in range(count):
            tag, kind, values, field = struct.unpack(f"{self._order}HHI4s", table[12 * k : 12 * k + 12])
            found.setdefault(tag, (kind, values, field))
        end = place + 2 + 12 * count
        following = self._at(end, 4) if end + 4 <= self._size_bytes else b"\0\0\0\0"
        return found, int(struct.unpack(f"{self._order}I", following)[0])

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Return the values of a tag; empty if it is missing or does not hold integers."""
        kind, count, field = self.entries.get(tag, (0, 0, b""))
        if kind not in _SIZES or not 0 < count <= _MOST_VALUES:
            return ()
        size = _SIZES[kind] * count
        data = field[:size] if size <= 4 else self._at(struct.unpack(f"{self._order}I", field)[0], size)
        return struct.unpack(f"{self._order}{count}{_LETTERS[kind]}", data)

    def number(self, tag: int, default: int) -> int:
        """Return the first value of a tag."""
        return (*self.numbers(tag), default)[0]

    @property
    def orientation(self) -> int:
        """EXIF orientation, 1 to 8; 1 for any other value."""
        value = self.number(_ORIENTATION, 1)
        return value if 1 <= value <= 8 else 1

    def kind_of_following(self) -> int:
        """Return ``NewSubfileType`` of the second directory."""
        entries, _ = self._directory(self.following)
        kind, count, field = entries.get(254, (0, 0, b""))
        return int(struct.unpack(f"{self._order}I", field)[0]) if (kind, count) == (4, 1) else 0


def exif_orientation(data: bytes) -> int:
    """Return the orientation in EXIF data, with or without its ``Exif`` mark; 1 if it is missing or damaged."""
    if data.startswith(b"Exif\0\0"):
        data = data[6:]
    try:
        return TiffDirectory(io.BytesIO(data), len(data)).orientation
    except UnreadableImageError:
        return 1
