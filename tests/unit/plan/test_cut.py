"""Which packets can be copied, for every order in which frames can be stored, and the list that copies them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffenc.ffmpeg.stream_info import Packet, PacketIndex, find_cut_points
from ffenc.plan.cut import Piece, cut_pieces, join_ranges
from ffenc.plan.frame_stride import FrameStride


def index_of(stored: str) -> PacketIndex:
    """Packets in the order of the file: ``0k 3 1 2 4k``, a number for the time of each."""
    packets = [Packet(int(word.rstrip("k")), 100, word.endswith("k"), False) for word in stored.split()]
    return PacketIndex.from_packets(packets, path=Path("x.mp4"), time_base=Fraction(1, 30))


@pytest.mark.parametrize(
    ("stored", "points"),
    [
        ("0k 1 2k 3", (0, 2)),
        ("0k 3 1 2 4k 5", (0, 4)),
        ("0k 2k 1 3 4k", (0, 4)),  # an open GOP: 1 is stored behind the keyframe 2
        ("0k 1 3 2k", (0,)),  # 3 is stored before the keyframe 2
        ("1 0k", ()),
    ],
)
def test_cut_points_are_only_where_no_frame_refers_across(stored: str, points: tuple[int, ...]) -> None:
    assert index_of(stored).cut_points == points


@given(st.permutations(range(8)), st.sets(st.integers(0, 7)))
def test_cut_points_match_their_definition(times: list[int], keys: set[int]) -> None:
    stored = [(time, place in keys) for place, time in enumerate(times)]
    for place, (time, is_key) in enumerate(stored):
        before, behind = times[:place], times[place:]
        divides = is_key and all(t < time for t in before) and min(behind) == time
        assert (place in find_cut_points(stored)) is divides


def pieces(text: str) -> list[Piece]:
    return [
        Piece(first=int(a), stop=int(b), copied=how == "copy")
        for a, b, how in (word.replace("-", ":").split(":") for word in text.split())
    ]


@pytest.mark.parametrize(
    ("ranges", "delay", "expected"),
    [
        ([(0, 4)], 0, "0-4:copy"),
        ([(4, 8)], 0, "4-8:copy"),
        ([(4, 6)], 0, "4-6:copy"),
        ([(4, 6)], 1, "4-6:new"),
        ([(0, 6)], 1, "0-4:copy 4-6:new"),
        ([(2, 8)], 0, "2-4:new 4-8:copy"),
        ([(1, 3)], 0, "1-3:new"),
        ([(0, 2), (2, 4), (5, 10)], 0, "0-4:copy 5-8:new 8-10:copy"),
        ([(9, 10)], 0, "9-10:new"),
        ([(3, 10)], 0, "3-4:new 4-10:copy"),
        ([(3, 10)], 1, "3-8:new 8-10:copy"),
        ([(2, 10)], 1, "2-4:new 4-10:copy"),
        ([(2, 10)], 2, "2-10:new"),
        ([(0, 5)], 1, "0-5:new"),
        ([(0, 9)], 1, "0-4:copy 4-9:new"),
        ([(3, 9)], 1, "3-9:new"),
        ([(3, 9)], 9, "3-9:new"),
    ],
)
def test_copied_piece_begins_at_a_cut_point(ranges: list[tuple[int, int]], delay: int, expected: str) -> None:
    packets = index_of("0k 1 2 3 4k 5 6 7 8k 9")
    assert cut_pieces(packets, ranges, delay=delay) == pieces(expected)


@given(st.lists(st.integers(0, 30), min_size=2, max_size=10, unique=True), st.integers(0, 4))
def test_pieces_together_are_the_ranges(bounds: list[int], delay: int) -> None:
    bounds.sort()
    ranges = list(zip(bounds[::2], bounds[1::2], strict=False))
    packets = index_of(" ".join(f"{k}k" if k % 5 == 0 else f"{k}" for k in range(31)))
    made = cut_pieces(packets, ranges, delay=delay)
    assert join_ranges([(piece.first, piece.stop) for piece in made]) == join_ranges(ranges)
    kept = {bound for joined in join_ranges(ranges) for bound in joined}
    for piece in made:
        if piece.copied:
            assert piece.first in packets.cut_points
            assert delay == 0 or piece.stop in (*packets.cut_points, packets.count)
        elif not {piece.first, piece.stop} <= kept:
            assert piece.count > delay


@given(st.integers(1, 5), st.lists(st.integers(1, 12), min_size=1, max_size=6))
def test_stride_counts_again_in_every_range(every: int, lengths: list[int]) -> None:
    starts = [sum(lengths[:number]) for number in range(len(lengths))]
    ranges = tuple((start, start + length) for start, length in zip(starts, lengths, strict=True))
    stride = FrameStride(every=every, ranges=ranges)
    wanted = [n for first, stop in ranges for n in range(first, stop) if (n - first) % every == 0]
    assert stride.count == len(wanted)
    assert [first + step * every for first, count in stride.runs for step in range(count)] == wanted
