"""Whether decoding can start at a coded frame, by its first bytes."""

from __future__ import annotations

import pytest

from ffenc.ffmpeg.mp4.decoding_start import STARTS, has_long_lengths, has_other_headers


def unit(*contents: int) -> bytes:
    return len(contents).to_bytes(4, "big") + bytes(contents)


SEI, IDR, SLICE = unit(6, 1), unit(0x65, 0x88), unit(0x41, 0x9A)
HEVC_SEI, HEVC_IDR, HEVC_CRA, HEVC_TRAIL = unit(39 << 1, 1), unit(19 << 1, 1), unit(21 << 1, 1), unit(1 << 1, 1)
DELIMITER, SEQUENCE = bytes([2 << 3 | 2, 0]), bytes([1 << 3 | 2, 2, 0, 0])
KEY, INTER, SHOWN_AGAIN, HIDDEN_KEY = (bytes([6 << 3 | 2, 2, first, 0]) for first in (0x10, 0x30, 0x80, 0x00))


@pytest.mark.parametrize(
    ("codec", "frame", "starts"),
    [
        pytest.param(b"avc1", SEI + IDR, True, id="h264-idr-behind-sei"),
        pytest.param(b"avc1", SEI + SLICE, False, id="h264-recovery-point"),
        pytest.param(b"avc1", SEI, False, id="h264-no-slice"),
        pytest.param(b"avc1", b"", False, id="h264-empty"),
        pytest.param(b"hvc1", HEVC_SEI + HEVC_IDR, True, id="hevc-idr"),
        pytest.param(b"hev1", HEVC_CRA, True, id="hevc-cra"),
        pytest.param(b"hvc1", HEVC_TRAIL, False, id="hevc-trailing"),
        pytest.param(b"av01", DELIMITER + SEQUENCE + KEY, True, id="av1-key"),
        pytest.param(b"av01", SEQUENCE + INTER, False, id="av1-inter"),
        pytest.param(b"av01", SEQUENCE + SHOWN_AGAIN, False, id="av1-shown-again"),
        pytest.param(b"av01", SEQUENCE + HIDDEN_KEY, False, id="av1-key-that-is-not-shown"),
        pytest.param(b"av01", KEY, False, id="av1-without-sequence-header"),
        pytest.param(b"av01", b"", False, id="av1-empty"),
        pytest.param(b"vp09", bytes([0b10000010]), True, id="vp9-key"),
        pytest.param(b"vp09", bytes([0b10000110]), False, id="vp9-inter"),
        pytest.param(b"vp09", bytes([0b10001000]), False, id="vp9-shown-again"),
        pytest.param(b"vp09", bytes([0b10110001]), True, id="vp9-profile-3-key"),
        pytest.param(b"vp09", b"", False, id="vp9-empty"),
    ],
)
def test_start(codec: bytes, frame: bytes, starts: bool) -> None:
    assert STARTS[codec](frame) is starts


@pytest.mark.parametrize(
    ("entry", "is_long"),
    [(b"..avcC" + bytes([1, 100, 0, 31, 0xFF]), True), (b"..avcC" + bytes([1, 100, 0, 31, 0xFD]), False),
     (b"..hvcC" + bytes(21) + b"\x0f", True), (b"..hvcC" + bytes(21) + b"\x0d", False), (b"..av1C", True), (b"..avcC", False)],
)  # fmt: skip
def test_lengths(entry: bytes, is_long: bool) -> None:
    assert has_long_lengths(entry) is is_long


SPS, PPS, OTHER_PPS = bytes([0x67, 100, 0, 31]), bytes([0x68, 0xEB]), bytes([0x68, 0xEC])
HEVC_PPS, OTHER_HEVC_PPS = bytes([34 << 1, 1, 7]), bytes([34 << 1, 1, 8])
ENTRY = b"".join(len(one).to_bytes(2, "big") + one for one in (SPS, PPS, HEVC_PPS))


@pytest.mark.parametrize(
    ("codec", "frame", "has_others"),
    [
        pytest.param(b"avc1", SEI + IDR, False, id="h264-none"),
        pytest.param(b"avc1", unit(*SPS) + unit(*PPS) + IDR, False, id="h264-repeated"),
        pytest.param(b"avc1", unit(*SPS) + unit(*OTHER_PPS) + IDR, True, id="h264-other"),
        pytest.param(b"avc1", SLICE + unit(*PPS[:1]), True, id="h264-prefix-of-a-known-one"),
        pytest.param(b"hev1", unit(*HEVC_PPS) + HEVC_IDR, False, id="hevc-repeated"),
        pytest.param(b"hvc1", unit(*OTHER_HEVC_PPS) + HEVC_CRA, True, id="hevc-other"),
        pytest.param(b"av01", SEQUENCE + KEY, False, id="av1"),
        pytest.param(b"avc1", b"\0\0\0\0" + IDR, False, id="empty-unit"),
    ],
)
def test_headers_that_the_entry_does_not_have(codec: bytes, frame: bytes, has_others: bool) -> None:
    assert has_other_headers(codec, ENTRY, frame) is has_others
