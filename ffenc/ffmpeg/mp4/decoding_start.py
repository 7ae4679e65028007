"""Detect coded frames at which a decoder can start, even if it decoded another file before.

Not every keyframe of a container is one: in an open GOP, frames after a keyframe refer to frames before it.  A decoder that
last decoded another file would silently use frames of that file as references.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

_H264_SLICES, _H264_IDR, _H264_SETS = range(1, 6), 5, range(7, 9)
_HEVC_SLICES, _HEVC_RANDOM_ACCESS, _HEVC_SETS = range(32), range(16, 22), range(32, 35)
_AV1_SEQUENCE, _AV1_FRAMES = 1, (3, 6)

Coded: TypeAlias = bytes | memoryview
"""The bytes of a coded frame."""


def _h264_starts(frame: Coded) -> bool:
    return next((kind == _H264_IDR for kind, _ in _h264_units(frame) if kind in _H264_SLICES), False)


def _hevc_starts(frame: Coded) -> bool:
    return next((kind in _HEVC_RANDOM_ACCESS for kind, _ in _hevc_units(frame) if kind in _HEVC_SLICES), False)


def _h264_units(frame: Coded) -> Iterator[tuple[int, Coded]]:
    return ((unit[0] & 0x1F, unit) for unit in _nal_units(frame))


def _hevc_units(frame: Coded) -> Iterator[tuple[int, Coded]]:
    return ((unit[0] >> 1 & 0x3F, unit) for unit in _nal_units(frame))


def _nal_units(frame: Coded) -> Iterator[Coded]:
    """Yield the NAL units of a frame; a length of 4 bytes precedes each unit."""
    at = 0
    while at + 4 < len(frame):
        start = at + 4
        at = start + int.from_bytes(frame[at:start], "big")
        if at > start:
            yield frame[start:at]


def _av1_starts(frame: Coded) -> bool:
    """Return whether the first frame is a shown key frame after a sequence header."""
    has_sequence = False
    at = 0
    while at + 2 < len(frame):
        header = frame[at]
        kind = header >> 3 & 0xF
        at += 2 if header & 4 else 1  # an extension byte
        size = len(frame) - at
        if header & 2:
            size, at = _leb128(frame, at)
        if kind == _AV1_SEQUENCE:
            has_sequence = True
        elif kind in _AV1_FRAMES:
            # show_existing_frame 0, frame_type 0 (key frame), show_frame 1
            return has_sequence and frame[at] >> 4 == 0b0001
        at += size
    return False


def _leb128(data: Coded, at: int) -> tuple[int, int]:
    """Return (value, position after it) of a number in groups of 7 bits, the lowest first."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _vp9_starts(frame: Coded) -> bool:
    """Return whether the first frame is a key frame: frame_marker 2, any profile, show_existing_frame 0, frame_type 0."""
    if not frame or frame[0] >> 6 != 0b10:
        return False
    is_profile_3 = frame[0] >> 4 & 0b11 == 0b11  # one more bit follows
    return frame[0] >> (1 if is_profile_3 else 2) & 0b11 == 0


STARTS: Mapping[bytes, Callable[[Coded], bool]] = MappingProxyType(
    {b"avc1": _h264_starts, b"hvc1": _hevc_starts, b"hev1": _hevc_starts, b"av01": _av1_starts, b"vp09": _vp9_starts}
)
"""By type of sample entry, a function of a frame's bytes that returns whether decoding can start at it.

H.264 has to begin with an IDR picture.  HEVC may begin with any random access picture after an end of sequence."""

_SETS: Mapping[bytes, tuple[Callable[[Coded], Iterator[tuple[int, Coded]]], range]] = MappingProxyType(
    {b"avc1": (_h264_units, _H264_SETS), b"hvc1": (_hevc_units, _HEVC_SETS), b"hev1": (_hevc_units, _HEVC_SETS)}
)


def has_other_headers(codec: bytes, entry: bytes, frame: Coded) -> bool:
    """Return whether a frame brings parameter sets that are not in the sample entry.

    A decoder keeps them, and would decode another file with an equal entry by them.  AV1 and VP9 have no such headers: every
    frame at which decoding starts replaces all.
    """
    if codec not in _SETS:
        return False
    units, kinds = _SETS[codec]
    # The entry stores each set after its length in 2 bytes.
    sets = (bytes(unit) for kind, unit in units(frame) if kind in kinds)
    return any(struct.pack(">H", len(one) & 0xFFFF) + one not in entry for one in sets)


def has_long_lengths(entry: bytes) -> bool:
    """Return whether a sample entry declares NAL unit lengths of 4 bytes; True for codecs without NAL units."""
    for name, place in ((b"avcC", 4), (b"hvcC", 21)):
        at = entry.find(name)
        if at >= 0:
            at += len(name) + place
            return at < len(entry) and entry[at] & 3 == 3
    return True
