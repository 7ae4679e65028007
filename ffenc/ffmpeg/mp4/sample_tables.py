"""Read the sample tables of a regular MP4 file with one video track, without starting a process.

ffprobe takes 3 ms (static build) to 120 ms (Debian's), and a merge measures thousands of files.  `read_mp4_index` takes
half a millisecond.  It supports only files without unusual features.  For all others it returns None, and the caller uses
FFmpeg.  ISO/IEC 14496-12 describes the boxes.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from ffenc.ffmpeg.mp4.boxes import boxes, descend, is_video, movie_box, top_level_boxes
from ffenc.ffmpeg.stream_info import PacketIndex

_Ints = npt.NDArray[np.int64]

# A visual sample entry has fields of fixed size, then boxes.
_ENTRY_FIXED_BYTES = 78
# The bit rate of the file, which does not affect decoding.
_ENTRY_INCIDENTAL = (b"btrt",)
_HOLDS_HEADERS: dict[bytes, Callable[[bytes], bool]] = {
    b"avcC": lambda box: box[5] & 0x1F > 0,  # number of sequence parameter sets
    b"hvcC": lambda box: box[22] > 0,  # number of arrays of parameter sets
    b"av1C": lambda box: len(box) > 4 and box[4] >> 3 & 0xF == 1,  # a sequence header
    b"vpcC": lambda box: True,
    b"esds": lambda box: re.search(rb"\x00\x00\x01[\x20-\x2f]", box) is not None,  # a video object layer
}
"""Whether a box of a sample entry holds the headers of the codec.  FFV1 and MJPEG have none: their entries are equal for other
pixel formats."""

_SQUARE = b"pasp" + struct.pack(">II", 1, 1)
# The contents of a `dref` box: one entry of type `url ` with the flag for "in this file".
_IN_THIS_FILE = struct.pack(">III4sI", 0, 1, 12, b"url ", 1)
_UNIFORM_BYTES = 12
_MOST_SAMPLES = 2_000_000  # 18 hours at 30 frames per second, in 300 MB; FFmpeg measures longer files
_MOST_TOP_LEVEL_BOXES = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleTable:
    """Position and frame number of each coded frame (sample) of a file, in about 12 bytes per frame.

    Samples are numbered in the order of the file, frames in presentation order.

    Attributes:
        entry: contents of the ``stsd`` box without parts that do not affect decoding.
        display: display matrix, width and height, the last 44 bytes of the ``tkhd`` box.
        codec: type of the sample entry, such as ``b"avc1"``.
        offsets: sample ``s`` is in bytes ``[offsets[s], offsets[s + 1])`` of the file.
        frames: frame number of each sample.
        samples: sample number of each frame; the same array as ``frames`` if no frame is reordered.
        cut_points: frames at which the file can be cut into two independent parts, see `PacketIndex`.
        keyframes: frames that the file marks as keyframes.
        delay: largest number of frames that are stored before a frame and presented after it.
    """

    entry: bytes
    display: bytes
    codec: bytes
    offsets: _Ints
    frames: npt.NDArray[np.int32]
    samples: npt.NDArray[np.int32]
    cut_points: npt.NDArray[np.int32]
    keyframes: npt.NDArray[np.int32]
    delay: int

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.frames)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mp4Index:
    """The index of one video track.

    Attributes:
        stream_key: equal for two files if a decoder treats their streams alike: coded headers, size, colour, display
            matrix, ticks per second, ticks per frame, and delay by B-frames.  Never equal for two files whose sample
            entries do not hold the headers of the codec.
        packets: timestamps and keyframes; every frame is within the file.
        delay: number of frames between decoding and presentation of the first one.
        has_square_pixels: whether the file declares square pixels, which FFmpeg adds when it joins files; not part of
            ``stream_key``.
        is_evenly_timed: whether all decode times, and so the durations, are one frame apart.
        table: positions of the frames in the file.
    """

    stream_key: tuple[object, ...]
    packets: PacketIndex
    delay: int
    has_square_pixels: bool
    is_evenly_timed: bool
    table: SampleTable = field(compare=False, repr=False)


def read_mp4_index(path: Path) -> Mp4Index | None:
    """Read the sample tables of a file.

    Returns:
        None unless the file has exactly one video track with one sample entry and at most one simple edit, is not
        fragmented, and its tables match each other and the media exactly.  Comparing counts with the size of the file
        limits the memory.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except (OSError, struct.error, ValueError, LookupError, StopIteration):
        return None  # the caller then uses FFmpeg, which reports the error


def _read(file: BinaryIO) -> Mp4Index | None:  # noqa: PLR0911 - one return per unusual property
    moov = movie_box(file)
    if moov is None:
        return None
    tracks = [contents for kind, contents in boxes(moov) if kind == b"trak"]
    fragmented = any(kind == b"mvex" for kind, _ in boxes(moov))
    if len(tracks) != 1 or fragmented or not is_video(tracks[0]):
        return None
    (track,) = tracks
    tables = dict(boxes(descend(track, b"mdia", b"minf", b"stbl") or memoryview(b"")))
    entry, header, display = (
        _sample_entry(tables.get(b"stsd")),
        descend(track, b"mdia", b"mdhd"),
        descend(track, b"tkhd"),
    )
    if entry is None or header is None or display is None or not _has_own_media(track):
        return None
    sizes = _sizes(tables[b"stsz"], _media(file)[1])
    if len(sizes) == 0 or not _fill_the_media(file, tables, sizes):
        return None
    steps = _runs(tables[b"stts"], ">u4", len(sizes))
    times = np.concatenate([[0], np.cumsum(steps)[:-1]])
    delay = 0
    if b"ctts" in tables:
        offsets = _runs(tables[b"ctts"], ">i4", len(sizes))
        times = times + offsets
        delay = int(offsets[0] - min(0, offsets.min())) // max(1, int(steps[0]))
    timescale = _timescale(header)
    shift = _edit_start(moov, track, timescale, last=int(times.max()))
    if shift is None or timescale == 0:
        return None
    times = times - shift
    order = np.argsort(times, kind="stable")
    if times.min() < 0 or (np.diff(times[order]) == 0).any():
        return None
    is_key = _keys(tables.get(b"stss"), len(sizes))
    packets = PacketIndex(
        time_base=Fraction(1, timescale),
        pts=tuple(times[order].tolist()),
        keyframes=tuple(np.flatnonzero(is_key[order]).tolist()),
        size_bytes=int(sizes.sum()),
        cut_points=_cut_points(times, is_key),
        is_reordered=bool((np.diff(times) < 0).any()),
    )
    # The last 44 bytes of a track header are its matrix, width and height.
    stream_key: tuple[object, ...] = (entry, bytes(display[-44:]), timescale, int(steps[0]), shift)
    described = [(box[:4], box[4:]) for box in _entry_boxes(tables[b"stsd"])]
    if not any(kind in _HOLDS_HEADERS and _HOLDS_HEADERS[kind](contents) for kind, contents in described):
        status = os.fstat(file.fileno())
        stream_key = (*stream_key, status.st_dev, status.st_ino, status.st_mtime_ns)
    return Mp4Index(
        stream_key=stream_key,
        packets=packets,
        delay=delay,
        has_square_pixels=_SQUARE in _entry_boxes(tables[b"stsd"]),
        is_evenly_timed=bool((steps == steps[0]).all()),
        table=_sample_table(tables[b"stsd"], bytes(display[-44:]), packets, order, _media(file)[0] + _ends(sizes)),
    )


def _sample_table(stsd: memoryview, display: bytes, packets: PacketIndex, order: _Ints, offsets: _Ints) -> SampleTable:
    samples = frames = order.astype(np.int32)
    if packets.is_reordered:
        frames = np.empty_like(samples)
        frames[samples] = np.arange(len(samples), dtype=np.int32)
    kind, entry = next(boxes(stsd[8:]))
    inner = [box for box in _entry_boxes(stsd) if box[:4] not in _ENTRY_INCIDENTAL]
    contents = bytes(entry[:_ENTRY_FIXED_BYTES]) + b"".join(struct.pack(">I", 4 + len(box)) + box for box in inner)
    return SampleTable(
        entry=bytes(stsd[:8]) + struct.pack(">I", 8 + len(contents)) + kind + contents,
        display=display,
        codec=kind,
        offsets=offsets,
        frames=frames,
        samples=samples,
        cut_points=np.array(packets.cut_points, np.int32),
        keyframes=np.array(packets.keyframes, np.int32),
        delay=max(0, int((np.arange(len(frames)) - frames).max())),
    )


def _ends(sizes: _Ints) -> _Ints:
    """Return 0 and the cumulative sums of the sizes."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _cut_points(times: _Ints, is_key: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    """Find cut points from arrays; equivalent to `find_cut_points`."""
    earliest = np.minimum.accumulate(times[::-1])[::-1]
    after_all = np.concatenate([[True], np.maximum.accumulate(times)[:-1] < times[1:]])
    return tuple(np.flatnonzero(is_key & (earliest == times) & after_all).tolist())


def _numbers(table: memoryview, dtype: str, *, columns: int = 1, at: int = 4) -> _Ints:
    """Return the rows of a table: a 32-bit count at ``at``, then exactly that many rows.

    Raises:
        ValueError: the table has a different number of rows.
    """
    (count,) = struct.unpack_from(">I", table, at)
    values = np.frombuffer(table[at + 4 :], dtype)
    if len(values) != count * columns:
        raise ValueError(f"the table has {len(values)} values, but its header declares {count} rows of {columns}")
    return values.astype(np.int64).reshape(count, columns)


def _runs(table: memoryview, value_type: str, samples: int) -> _Ints:
    """Expand (count, value) pairs.

    Raises:
        ValueError: the counts do not add up to ``samples``; without this check a few bytes could use all memory.
    """
    counts = _numbers(table, ">u4", columns=2)[:, 0]
    if counts.sum() != samples:
        raise ValueError(f"the runs are for {counts.sum()} samples, not {samples}")
    return np.repeat(np.frombuffer(table[8:], value_type)[1::2].astype(np.int64), counts)


def _sizes(table: memoryview, media_bytes: int) -> _Ints:
    """Return the size of each sample.

    Raises:
        ValueError: their sum is not the size of the media.
    """
    (uniform,) = struct.unpack_from(">I", table, 4)
    if uniform:
        (count,) = struct.unpack_from(">I", table, 8)
        if len(table) != _UNIFORM_BYTES or count * uniform != media_bytes or count > _MOST_SAMPLES:
            raise ValueError(f"{count} samples of {uniform} bytes do not add up to {media_bytes} bytes")
        return np.full(count, uniform, np.int64)
    sizes = _numbers(table, ">u4", at=8)[:, 0]
    if sizes.sum() != media_bytes or len(sizes) > _MOST_SAMPLES:
        raise ValueError(f"{len(sizes)} samples add up to {sizes.sum()} bytes, not {media_bytes}")
    return sizes


def _keys(table: memoryview | None, count: int) -> npt.NDArray[np.bool_]:
    """Return a mask of the samples that are keyframes; without a table, all samples are."""
    if table is None:
        return np.ones(count, np.bool_)
    numbers = _numbers(table, ">u4")[:, 0]
    if len(numbers) == 0 or numbers[0] < 1 or numbers[-1] > count or (np.diff(numbers) <= 0).any():
        raise ValueError("the sample numbers of keyframes are not ascending or not within the file")
    is_key = np.zeros(count, np.bool_)
    is_key[numbers - 1] = True
    return is_key


def _sample_entry(table: memoryview | None) -> bytes | None:
    if table is None or struct.unpack_from(">I", table, 4)[0] != 1:
        return None
    kind, entry = next(boxes(table[8:]))
    inner = [box for box in _entry_boxes(table) if box[:4] not in _ENTRY_INCIDENTAL and box != _SQUARE]
    return b"|".join([kind, bytes(entry[:_ENTRY_FIXED_BYTES]), *inner])


def _entry_boxes(table: memoryview) -> list[bytes]:
    """Return the boxes of the sample entry, each preceded by its type."""
    _, entry = next(boxes(table[8:]))
    return [name + bytes(box) for name, box in boxes(entry[_ENTRY_FIXED_BYTES:])]


def _has_own_media(track: memoryview) -> bool:
    """Return whether the track declares its samples to be in this file, in the usual form."""
    references = descend(track, b"mdia", b"minf", b"dinf", b"dref")
    return references is not None and bytes(references) == _IN_THIS_FILE


def _timescale(header: memoryview) -> int:
    """Return the ticks per second of an ``mdhd`` or ``mvhd`` box; in version 1, 64-bit times precede them."""
    return int(struct.unpack_from(">I", header, 20 if header[0] == 1 else 12)[0])


def _edit_start(moov: memoryview, track: memoryview, timescale: int, *, last: int) -> int | None:
    """Return the media time at which presentation starts; None if the edits do more, such as cutting off the end."""
    edits = descend(track, b"edts", b"elst")
    if edits is None:
        return 0
    layout = ">Qqi" if edits[0] == 1 else ">Iii"
    movie = descend(moov, b"mvhd")
    if struct.unpack_from(">I", edits, 4)[0] != 1 or movie is None or len(edits) != 8 + struct.calcsize(layout):
        return None
    duration, start, rate = struct.unpack_from(layout, edits, 8)
    if _timescale(movie) == 0:
        return None
    reaches = start + Fraction(duration * timescale, _timescale(movie))
    return int(start) if start >= 0 and rate == 1 << 16 and reaches > last else None


def _media(file: BinaryIO) -> tuple[int, int]:
    """Return (position, size) of the contents of the only non-empty ``mdat`` box.

    Raises:
        ValueError: the file has no such box or more than one, or ends within a box.
    """
    found = [(at, kind, size) for at, kind, size in islice(top_level_boxes(file), _MOST_TOP_LEVEL_BOXES)]
    end = file.seek(0, os.SEEK_END)
    media = [(at, size) for at, kind, size in found if kind == b"mdat" and size]
    if len(media) != 1 or sum(found[-1][::2]) != end:
        raise ValueError(f"the file has {len(media)} mdat boxes with contents instead of 1, or is truncated")
    return media[0]


def _fill_the_media(file: BinaryIO, tables: dict[bytes, memoryview], sizes: _Ints) -> bool:
    """Return whether the samples fill the media contiguously from the first byte to the last.

    Samples are stored in chunks.  A single wrong number in the tables of sizes, chunks or samples per chunk causes a gap,
    an overlap or a different end.
    """
    wide = b"co64" in tables
    offsets = _numbers(tables[b"co64" if wide else b"stco"], ">u8" if wide else ">u4")[:, 0]
    runs = _numbers(tables[b"stsc"], ">u4", columns=3)
    lengths = np.diff(np.append(runs[:, 0], len(offsets) + 1))
    if len(runs) == 0 or runs[0, 0] != 1 or (lengths < 1).any() or (runs[:, 1] < 1).any() or (runs[:, 2] != 1).any():
        return False
    if (runs[:, 1] * lengths).sum() != len(sizes):
        return False
    per_chunk = np.repeat(runs[:, 1], lengths)
    starts = np.concatenate([[0], np.cumsum(per_chunk)[:-1]])
    ends = offsets + np.add.reduceat(sizes, starts)
    at, size = _media(file)
    return bool(offsets[0] == at and (offsets[1:] == ends[:-1]).all() and ends[-1] == at + size)
