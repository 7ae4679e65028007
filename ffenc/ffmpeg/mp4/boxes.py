"""Read the boxes of an MP4 file, and its declared number of frames, which ffmpeg does not print.

ISO/IEC 14496-12: a file is a sequence of boxes, each with a 32-bit size, a four-character type and its contents.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

_INDEX_BYTES_MAX = 64 * 1024 * 1024
_MOST_BOXES = 100_000  # in one sequence; an empty box is 8 bytes, and a file may consist of nothing else


def declared_frames(path: Path) -> int | None:
    """Return the number of samples in the header of the first video track, which ffprobe calls ``nb_frames``.

    None for a fragmented MP4, and for a file that is not well-formed MP4.
    """
    with path.open("rb") as file:
        moov = movie_box(file)
    if moov is None:
        return None
    for kind, track in boxes(moov):
        if kind == b"trak" and is_video(track):
            time_to_sample = descend(track, b"mdia", b"minf", b"stbl", b"stts")
            return None if time_to_sample is None else _sample_count(time_to_sample) or None
    return None


def movie_box(file: BinaryIO) -> memoryview | None:
    """Return the contents of the top-level ``moov`` box; None if it is missing or exceeds 64 MiB."""
    for position, kind, size in islice(top_level_boxes(file), _MOST_BOXES):
        if kind == b"moov":
            available = file.seek(0, os.SEEK_END) - position
            if min(size, available) > _INDEX_BYTES_MAX:
                return None
            file.seek(position)
            return memoryview(file.read(min(size, available)))
    return None


def top_level_boxes(file: BinaryIO) -> Iterator[tuple[int, bytes, int]]:
    """Yield (position of the contents, type, size of the contents) of every top-level box; the contents are not read."""
    end = file.seek(0, os.SEEK_END)
    position = 0
    while position + 8 <= end:
        file.seek(position)
        head = file.read(16)
        size, kind = struct.unpack(">I4s", head[:8])
        header_bytes = 8
        if size == 1 and len(head) == 16:  # a 64-bit size follows
            size, header_bytes = int.from_bytes(head[8:], "big"), 16
        elif size == 0:  # to the end of the file
            size = end - position
        if size < header_bytes:
            return
        yield position + header_bytes, kind, size - header_bytes
        position += size


def boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield (type, contents) of every box in a sequence; a box that is longer than the sequence is cut off."""
    position = 0
    for _ in range(_MOST_BOXES):
        if position + 8 > len(data):
            return
        size, kind = struct.unpack_from(">I4s", data, position)
        if size < 8:  # nothing inside an index is large or open-ended
            return
        yield kind, data[position + 8 : position + size]
        position += size


def descend(data: memoryview, *kinds: bytes) -> memoryview | None:
    """Return the contents of the box at a path of types, taking the first of each type; None if one is missing."""
    inner: memoryview | None = data
    for kind in kinds:
        if inner is None:
            return None
        inner = next((contents for found, contents in boxes(inner) if found == kind), None)
    return inner


def is_video(track: memoryview) -> bool:
    """Return whether a ``trak`` box is a video track."""
    handler = descend(track, b"mdia", b"hdlr")
    return handler is not None and bytes(handler[8:12]) == b"vide"


def _sample_count(time_to_sample: memoryview) -> int:
    """Return the sum of the run lengths in an ``stts`` box: version and flags, number of runs, then (count, duration)."""
    runs = time_to_sample[8:]
    return int(np.frombuffer(runs[: len(runs) - len(runs) % 8], ">u4")[::2].sum(dtype=np.uint64))
