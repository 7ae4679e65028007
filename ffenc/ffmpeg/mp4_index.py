"""The sample tables of a plain MP4 file with one video track, read without starting a process.

Asking ffprobe costs 3 ms for a static build and 120 ms for Debian's; a merge asks thousands of files that were all
written alike.  `read_mp4_index` takes half a millisecond and answers only for files without anything unusual; for all
others it returns None, and FFmpeg is asked.  ISO/IEC 14496-12 describes the boxes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ffenc.ffmpeg.mp4_header import boxes, descend, is_video, movie_box
from ffenc.ffmpeg.stream_info import PacketIndex

_Ints = npt.NDArray[np.int64]

# Of a visual sample entry: fields of fixed size, then boxes.
_ENTRY_FIXED_BYTES = 78
# The bit rate of this one file, which says nothing about how to decode it.
_ENTRY_INCIDENTAL = (b"btrt",)
_SQUARE = b"pasp" + struct.pack(">II", 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mp4Index:
    """What the tables of one video track say.

    Attributes:
        likeness: equal for two files if a decoder cannot tell their streams apart: coded headers, size, colour, display
            matrix, ticks per second, ticks per frame, and delay by B-frames.
        packets: every frame, its time and whether it is a key frame; all of them lie within the file.
        delay: frames between the decoding and the showing of the first one.
        has_square_pixels: the file says so itself, as FFmpeg adds to a file that it joins; no part of ``likeness``.
    """

    likeness: tuple[object, ...]
    packets: PacketIndex
    delay: int
    has_square_pixels: bool


def read_mp4_index(path: Path) -> Mp4Index | None:
    """Read the tables of a file.

    Returns:
        None if there is anything but one video track with one sample entry and at most one plain edit, if the file is
        fragmented or damaged, or if a frame would lie beyond its end.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except (OSError, struct.error, ValueError, LookupError):
        return None  # whoever asks turns to FFmpeg then, which says what is wrong


def _read(file: BinaryIO) -> Mp4Index | None:  # noqa: PLR0911 - one return for each thing that is not plain
    moov = movie_box(file)
    if moov is None:
        return None
    tracks = [contents for kind, contents in boxes(moov) if kind == b"trak"]
    fragmented = any(kind == b"mvex" for kind, _ in boxes(moov))
    if len(tracks) != 1 or fragmented or not is_video(tracks[0]):
        return None
    (track,) = tracks
    tables = dict(boxes(descend(track, b"mdia", b"minf", b"stbl") or memoryview(b"")))
    sizes = _sizes(tables[b"stsz"]) if b"stsz" in tables else None
    entry = _sample_entry(tables.get(b"stsd"))
    header, display = descend(track, b"mdia", b"mdhd"), descend(track, b"tkhd")
    if sizes is None or entry is None or header is None or display is None or b"stts" not in tables:
        return None
    if len(sizes) == 0 or not _all_within(file, tables, sizes):
        return None
    steps = _runs(tables[b"stts"], ">u4")
    times = np.concatenate([[0], np.cumsum(steps)[:-1]])
    delay = 0
    if b"ctts" in tables:
        offsets = _runs(tables[b"ctts"], ">i4")
        times = times + offsets
        delay = int(offsets[0] - min(0, offsets.min())) // max(1, int(steps[0]))
    timescale = _timescale(header)
    shift = _edit_start(moov, track, timescale, last=int(times.max()))
    if shift is None or len(times) != len(sizes):
        return None
    times = times - shift
    if times.min() < 0:
        return None
    order = np.argsort(times, kind="stable")
    is_key = np.isin(np.arange(1, len(sizes) + 1), _keys(tables.get(b"stss"), len(sizes)))
    packets = PacketIndex(
        time_base=Fraction(1, timescale),
        pts=tuple(times[order].tolist()),
        keyframes=tuple(np.flatnonzero(is_key[order]).tolist()),
        size_bytes=int(sizes.sum()),
        cut_points=_cut_points(times, is_key),
        is_reordered=bool((np.diff(times) < 0).any()),
    )
    # The last 44 bytes of a track header are its matrix, width and height.
    likeness = (entry, bytes(display[-44:]), timescale, int(steps[0]), shift)
    is_square = _SQUARE in _entry_boxes(tables[b"stsd"])
    return Mp4Index(likeness=likeness, packets=packets, delay=delay, has_square_pixels=is_square)


def _cut_points(times: _Ints, is_key: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    """The same as `find_cut_points`."""
    earliest = np.minimum.accumulate(times[::-1])[::-1]
    behind_all = np.concatenate([[True], np.maximum.accumulate(times)[:-1] < times[1:]])
    return tuple(np.flatnonzero(is_key & (earliest == times) & behind_all).tolist())


def _numbers(data: memoryview, start: int, dtype: str) -> npt.NDArray[Any]:
    size = np.dtype(dtype).itemsize
    usable = data[start:]
    return np.frombuffer(usable[: len(usable) - len(usable) % size], dtype)


def _runs(table: memoryview, value_type: str) -> _Ints:
    """Expand (count, value) pairs behind version, flags and the number of pairs."""
    pairs = np.frombuffer(
        table[8:], np.dtype([("count", ">u4"), ("value", value_type)]), struct.unpack_from(">I", table, 4)[0]
    )
    return np.repeat(pairs["value"].astype(np.int64), pairs["count"])


def _sizes(table: memoryview) -> _Ints:
    uniform, count = struct.unpack_from(">II", table, 4)
    if uniform:
        return np.full(count, uniform, np.int64)
    return _numbers(table, 12, ">u4")[:count].astype(np.int64)


def _keys(table: memoryview | None, count: int) -> _Ints:
    """Numbers, from 1, of the samples that are key frames; without a table all are."""
    return np.arange(1, count + 1) if table is None else _numbers(table, 8, ">u4").astype(np.int64)


def _sample_entry(table: memoryview | None) -> bytes | None:
    if table is None or struct.unpack_from(">I", table, 4)[0] != 1:
        return None
    kind, entry = next(boxes(table[8:]))
    inner = [box for box in _entry_boxes(table) if box[:4] not in _ENTRY_INCIDENTAL and box != _SQUARE]
    return b"|".join([kind, bytes(entry[:_ENTRY_FIXED_BYTES]), *inner])


def _entry_boxes(table: memoryview) -> list[bytes]:
    """The boxes of the one sample entry, each with its name in front."""
    _, entry = next(boxes(table[8:]))
    return [name + bytes(box) for name, box in boxes(entry[_ENTRY_FIXED_BYTES:])]


def _timescale(header: memoryview) -> int:
    """Ticks per second from a ``mdhd`` or ``mvhd`` box, whose times are 64 bits wide in version 1."""
    return int(struct.unpack_from(">I", header, 20 if header[0] == 1 else 12)[0])


def _edit_start(moov: memoryview, track: memoryview, timescale: int, *, last: int) -> int | None:
    """The media time that is shown first; None if the edits do more than that, such as cutting the end off."""
    edits = descend(track, b"edts", b"elst")
    if edits is None:
        return 0
    layout = ">Qqi" if edits[0] == 1 else ">Iii"
    movie = descend(moov, b"mvhd")
    if struct.unpack_from(">I", edits, 4)[0] != 1 or movie is None:
        return None
    duration, start, rate = struct.unpack_from(layout, edits, 8)
    reaches = start + Fraction(duration * timescale, _timescale(movie))
    return int(start) if start >= 0 and rate == 1 << 16 and reaches > last else None


def _all_within(file: BinaryIO, tables: dict[bytes, memoryview], sizes: _Ints) -> bool:
    """Whether every sample lies within the file: samples stand in chunks, one behind the other."""
    if b"co64" in tables:
        offsets = _numbers(tables[b"co64"], 8, ">u8").astype(np.int64)
    else:
        offsets = _numbers(tables[b"stco"], 8, ">u4").astype(np.int64)
    runs = _numbers(tables[b"stsc"], 8, ">u4").astype(np.int64).reshape(-1, 3)
    lengths = np.diff(np.append(runs[:, 0], len(offsets) + 1))
    per_chunk = np.repeat(runs[:, 1], lengths)
    if per_chunk.sum() != len(sizes) or len(per_chunk) != len(offsets):
        return False
    starts = np.concatenate([[0], np.cumsum(per_chunk)[:-1]])
    ends = offsets + np.add.reduceat(sizes, starts)
    return int(ends.max()) <= file.seek(0, 2)
