"""Write coded frames as a fragmented MP4 stream, so that one ffmpeg process can decode frames of many files.

The stream starts with a header whose sample entry is copied from a file.  Each frame follows in a separate fragment, with
its bytes unchanged and a new timestamp.  ISO/IEC 14496-12 describes the boxes.
"""

from __future__ import annotations

import struct

TIMESCALE = 90_000
"""Ticks per second of the stream."""

_IDENTITY_MATRIX = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
_FILE_TYPE = b"iso5" + struct.pack(">I", 512) + b"iso5iso6mp41"
_TRACK = 1
_KEY_FLAGS, _OTHER_FLAGS = 0x0200_0000, 0x0101_0000
_FRAGMENT_OFFSET_AT = 0x02_0000  # tfhd: offsets start at the first byte of the fragment
_RUN_FIELDS = 0x0F01  # trun: data offset; duration, size, flags and composition offset of each sample
_VERSION_1 = 1 << 24
# The headers of a fragment have the same size for every frame.
_FRAGMENT = struct.Struct(
    ">I4s"  # moof
    "I4sII"  # mfhd: version and flags, sequence number
    "I4s"  # traf
    "I4sII"  # tfhd: flags, track
    "I4sIQ"  # tfdt: version 1, decoding time
    "I4sIIiIIIi"  # trun: flags, samples, data offset, duration, size, sample flags, composition offset
    "I4s"  # mdat
)
_MDAT_HEADER_BYTES = 8


def stream_header(*, entry: bytes, display: bytes) -> bytes:
    """Return the ``ftyp`` and ``moov`` boxes at the start of a stream.

    Args:
        entry: contents of the ``stsd`` box of a file.
        display: last 44 bytes of its ``tkhd`` box: display matrix, width and height.
    """
    no_rows = bytes(8)
    table = _box(
        b"stbl",
        _box(b"stsd", entry),
        _box(b"stts", no_rows),
        _box(b"stsc", no_rows),
        _box(b"stsz", bytes(12)),
        _box(b"stco", no_rows),
    )
    own_media = _box(b"dinf", _box(b"dref", struct.pack(">II", 0, 1), _box(b"url ", struct.pack(">I", 1))))
    media = _box(
        b"mdia",
        _box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, TIMESCALE, 0, 0x55C4, 0)),
        _box(b"hdlr", struct.pack(">II4s12x", 0, 0, b"vide"), b"\0"),
        _box(b"minf", _box(b"vmhd", struct.pack(">I8x", 1)), own_media, table),
    )
    track_header = _box(b"tkhd", struct.pack(">IIIIII16x", 7, 0, 0, _TRACK, 0, 0), display)
    movie_header = _box(
        b"mvhd",
        struct.pack(">IIIIIIH10x", 0, 0, 0, TIMESCALE, 0, 1 << 16, 1 << 8),
        _IDENTITY_MATRIX,
        struct.pack(">24xI", _TRACK + 1),
    )
    fragments_follow = _box(b"mvex", _box(b"trex", struct.pack(">IIIIII", 0, _TRACK, 1, 0, 0, 0)))
    return _box(b"ftyp", _FILE_TYPE) + _box(b"moov", movie_header, _box(b"trak", track_header, media), fragments_follow)


def fragment_header(*, number: int, dts: int, pts: int, duration: int, is_key: bool, size_bytes: int) -> bytes:
    """Return the boxes and box headers that precede the bytes of one coded frame.

    Args:
        number: sequence number of the fragment, from 1.
        dts, pts, duration: decoding time, presentation time and duration in ticks.
        is_key: whether decoding can start at the frame.
        size_bytes: size of the coded frame.
    """
    moof_bytes = _FRAGMENT.size - _MDAT_HEADER_BYTES
    return _FRAGMENT.pack(
        moof_bytes, b"moof",
        16, b"mfhd", 0, number & 0xFFFF_FFFF,
        moof_bytes - 24, b"traf",
        16, b"tfhd", _FRAGMENT_OFFSET_AT, _TRACK,
        20, b"tfdt", _VERSION_1, dts,
        36, b"trun", _VERSION_1 | _RUN_FIELDS, 1, _FRAGMENT.size, duration, size_bytes,
        _KEY_FLAGS if is_key else _OTHER_FLAGS, pts - dts,
        _MDAT_HEADER_BYTES + size_bytes, b"mdat",
    )  # fmt: skip


def _box(kind: bytes, *contents: bytes) -> bytes:
    inner = b"".join(contents)
    return struct.pack(">I4s", 8 + len(inner), kind) + inner
