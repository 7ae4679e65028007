"""StderrTail: bounded, aware of carriage returns, and safe with any bytes."""

from __future__ import annotations

import itertools
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffenc.ffmpeg.process.stderr import LINE_BYTES, MATCHES_KEPT, TAIL_BYTES, TAIL_LINES, StderrTail

# Written by FFmpeg 5.1 between two lines of its log.
STATUS = (
    b"frame=   10 fps=0.0 q=-1.0 size=       0kB time=00:00:00.40 bitrate=   0.9kbits/s speed=97x    \r"
    b"frame=   25 fps=0.0 q=-1.0 Lsize=       3kB time=00:00:00.92 bitrate=  26.4kbits/s speed= 79x    \n"
)


def fed(*chunks: bytes, max_lines: int = TAIL_LINES, max_bytes: int = TAIL_BYTES) -> StderrTail:
    tail = StderrTail(max_lines=max_lines, max_bytes=max_bytes)
    for chunk in chunks:
        tail.feed(chunk)
    tail.end()
    return tail


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param(b"", "", id="nothing"),
        pytest.param(b"one\ntwo\n", "one\ntwo", id="lines"),
        pytest.param(b"one\ntwo", "one\ntwo", id="no-final-newline"),
        pytest.param(b"one\n\ntwo\n", "one\n\ntwo", id="blank-line"),
        pytest.param(b"one\r\ntwo\r\n", "one\ntwo", id="crlf"),
        pytest.param(b"1\r2\r3\nend", "3\nend", id="rewritten"),
        pytest.param(b"1\r2\r3\r", "3", id="rewritten-to-the-end"),
        pytest.param(b"\r\r\rone\r\r\n", "one", id="only-returns"),
        pytest.param(STATUS, STATUS.split(b"\r")[1].decode().rstrip(), id="status-of-ffmpeg"),
        pytest.param("Größe\n".encode(), "Größe", id="utf-8"),
        pytest.param(b"\xff\xfe\x00x\x1b[31m\x07\x7f\n", "\ufffd\ufffd\ufffdx\ufffd[31m\ufffd\ufffd", id="binary"),
        pytest.param(b"a\tb\n", "a\tb", id="tabs-are-kept"),
    ],
)
def test_what_is_shown(written: bytes, expected: str) -> None:
    assert fed(written).text == expected
    # However it is cut into chunks.
    assert fed(*(bytes([byte]) for byte in written)).text == expected


pieces = st.lists(st.sampled_from([b"word", b"\n", b"\r", b"\r\n", "ö".encode(), b"\xff", b"Error", b"x" * 9000]))


@given(pieces=pieces, cuts=st.lists(st.floats(0, 1)))
def test_any_cut_gives_the_same_text_and_matches(pieces: list[bytes], cuts: list[float]) -> None:
    def text_and_matches(chunks: list[bytes]) -> tuple[str, tuple[str, ...]]:
        tail = StderrTail(patterns=[re.compile("Error")])
        for chunk in chunks:
            tail.feed(chunk)
        tail.end()
        return tail.text, tail.matches

    written = b"".join(pieces)
    places = [0, *sorted(int(cut * len(written)) for cut in cuts), len(written)]
    chunks = [written[start:stop] for start, stop in itertools.pairwise(places)]
    assert text_and_matches(chunks) == text_and_matches([written])


def test_an_unfinished_line_is_part_of_the_text_at_once() -> None:
    tail = StderrTail()
    tail.feed(b"one\ntw")
    assert tail.text == "one\ntw"
    tail.feed(b"o\r")
    assert tail.text == "one\ntwo"


def test_the_newest_lines_are_kept() -> None:
    tail = fed(*(b"line %d\n" % n for n in range(1000)))
    assert tail.text.splitlines() == [f"line {n}" for n in range(1000 - TAIL_LINES, 1000)]


def test_bytes_are_bounded_too() -> None:
    tail = fed(*(b"%03d" % n + b"x" * 1000 + b"\n" for n in range(100)))
    lines = tail.text.splitlines()
    assert lines[-1].startswith("099")
    assert len(lines) == TAIL_BYTES // 1004


def test_ten_megabytes_leave_little_behind() -> None:
    for chunk in (bytes(range(256)) * 256, b"\r" * 65536, b"no end " * 9362, b"\n" * 65536, b"status\r" * 9362):
        tail = fed(*[chunk] * 160)
        assert len(tail.text) <= TAIL_BYTES


def test_a_line_without_end_is_cut() -> None:
    tail = StderrTail()
    for _ in range(10_000):
        tail.feed(b"x" * 10)
        assert len(tail._unfinished) <= LINE_BYTES + 2
    tail.end()
    assert tail.text == "x" * LINE_BYTES + " [...]"


def test_last_words_of_a_long_text_are_short() -> None:
    tail = fed(*(b"line %d\n" % n for n in range(10_000)), max_lines=10**6, max_bytes=10**6)
    assert len(tail.text.splitlines()) == 10_000
    assert tail.last_words.splitlines() == [f"line {n}" for n in range(10_000 - TAIL_LINES, 10_000)]
    assert fed(b"x" * 8000 + b"\n", b"y" * 8000 + b"\n", b"z\n").last_words.endswith("z")


def test_matching_lines_outlive_the_tail() -> None:
    tail = StderrTail(patterns=[re.compile("Unknown option"), re.compile(r"^\[libx264 .*Error parsing option")])
    tail.feed(b"[libx264 @ 0x55] Error parsing option 'a = b'.\n")
    tail.feed(b"status\rUnknown option 1\rstatus\n" + b"noise\n" * 10_000)
    tail.feed(b"Unknown option 2")
    assert tail.matches == ("[libx264 @ 0x55] Error parsing option 'a = b'.", "Unknown option 1")
    tail.end()
    tail.end()
    assert tail.matches[2:] == ("Unknown option 2",)
    assert "Error parsing" not in tail.text


def test_matches_are_bounded_and_the_first_ones_kept() -> None:
    tail = StderrTail(patterns=[re.compile("bad")])
    tail.feed(b"".join(b"bad %d\n" % n for n in range(10_000)))
    assert tail.matches == tuple(f"bad {n}" for n in range(MATCHES_KEPT))


def test_it_can_be_read_while_it_is_fed() -> None:
    tail = StderrTail()
    feeding = threading.Thread(target=lambda: [tail.feed(b"0123456789\n" * 100) for _ in range(300)])
    feeding.start()
    while feeding.is_alive():
        assert set(tail.text.splitlines()) <= {"0123456789"}
    feeding.join()
