"""Find the complete fragments of a fragmented MP4 file, which may still be growing."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_HEADER = struct.Struct(">I4s")
_LARGE = struct.Struct(">Q")
_MOST_HEADER_BYTES = 1 << 20  # the index of a fragmented file lists no frames


class FragmentIndex:
    """The complete fragments of a file.

    Attributes:
        path: the file.
        ends: byte offset of the end of each complete fragment, ascending.
        has_header: the index before the fragments (``moov``) is complete.
        is_fragmented: the index declares fragments (``mvex``).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ends: list[int] = []
        self._next = 0
        self.has_header = self.is_fragmented = self._in_fragment = False

    def update(self) -> FragmentIndex:
        """Continue reading where the last call ended.

        Raises:
            OSError: the file cannot be read.
        """
        with self.path.open("rb") as file:
            size = file.seek(0, 2)
            while (box := _read_box(file, self._next)) is not None:
                kind, length = box
                end = self._next + length
                if length < _HEADER.size or end > size:
                    break
                if kind == b"moov":
                    self.has_header = True
                    file.seek(self._next)
                    self.is_fragmented = b"mvex" in file.read(min(length, _MOST_HEADER_BYTES))
                self._take(kind, end)
                self._next = end
        return self

    @property
    def count(self) -> int:
        """Number of complete fragments: frames, in the files that ffenc records."""
        return len(self.ends)

    def _take(self, kind: bytes, end: int) -> None:
        if kind == b"moof":
            self._in_fragment = self.has_header
        elif kind == b"mdat" and self._in_fragment:
            self._in_fragment = False
            self.ends.append(end)


def _read_box(file: BinaryIO, start: int) -> tuple[bytes, int] | None:
    """Return (kind, length) of the box at ``start``; None if its header is incomplete."""
    file.seek(start)
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    length, kind = _HEADER.unpack(header)
    if length == 1:
        large = file.read(_LARGE.size)
        if len(large) < _LARGE.size:
            return None
        (length,) = _LARGE.unpack(large)
    return kind, length
