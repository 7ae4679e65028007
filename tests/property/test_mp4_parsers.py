"""The parsers of MP4 files under damage: bounded memory and time, and no answer that FFmpeg contradicts."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ffenc import Binaries, probe_packets
from ffenc.errors import ProbeError
from ffenc.ffmpeg.mp4.boxes import declared_frames
from ffenc.ffmpeg.mp4.fragments import FragmentIndex
from ffenc.ffmpeg.mp4.sample_tables import read_mp4_index
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from tests.children import run_python

pytestmark = [pytest.mark.net, pytest.mark.integration, pytest.mark.one_build]

MUTATIONS = 10_000
COMPARED = 100
MEMORY_BYTES = 512 << 20
SECONDS_EACH = 1.0
CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"moof", b"traf", b"mvex")
TABLES = (b"stts", b"ctts", b"stsc", b"stsz", b"stco", b"stss", b"elst", b"dref", b"stsd", b"mdhd", b"mvhd", b"trun")
NUMBERS = (0, 1, 2, 7, 0x7F, 0xFFFF, 10**6, 200_000_000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)

Content = bytearray
Mutation = Callable[[Content, random.Random], None]


def boxes_of(content: Content) -> list[tuple[int, int, bytes]]:
    """(start, end, type) of all boxes, the inner ones included."""
    found, rows = [], [(0, len(content))]
    while rows:
        at, end = rows.pop()
        while at + 8 <= end:
            size, kind = struct.unpack_from(">I4s", content, at)
            if size < 8 or at + size > end:
                break
            found.append((at, at + size, kind))
            if kind in CONTAINERS:
                rows.append((at + 8, at + size))
            at += size
    return sorted(found)


def header_boxes(content: Content) -> list[tuple[int, int, bytes]]:
    return [box for box in boxes_of(content) if box[2] != b"mdat"]


def flip(content: Content, chance: random.Random) -> None:
    start, end, _ = chance.choice(header_boxes(content))
    content[chance.randrange(start, end)] ^= 1 << chance.randrange(8)


def replace_byte(content: Content, chance: random.Random) -> None:
    start, end, _ = chance.choice(header_boxes(content))
    content[chance.randrange(start, end)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))


def truncate(content: Content, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


def resize_box(content: Content, chance: random.Random) -> None:
    start, end, _ = chance.choice(boxes_of(content))
    size = chance.choice((*NUMBERS, end - start + 8, end - start - 8))
    struct.pack_into(">I", content, start, size % 2**32)


def widen_box(content: Content, chance: random.Random) -> None:
    """A 64-bit size, also one beyond what a signed number holds."""
    start, end, _ = chance.choice(boxes_of(content))
    if end - start >= 16:
        struct.pack_into(">I", content, start, 1)
        struct.pack_into(">Q", content, start + 8, chance.choice((0, 8, 16, end - start, 2**62, 2**63, 2**64 - 1)))


def change_number(content: Content, chance: random.Random) -> None:
    """One of the first numbers of a table, which are counts, uniform sizes and first rows."""
    tables = [box for box in boxes_of(content) if box[2] in TABLES]
    if tables:
        start, end, _ = chance.choice(tables)
        at = start + 12 + 4 * chance.randrange(5)
        if at + 4 <= end:
            struct.pack_into(">I", content, at, chance.choice((*NUMBERS, chance.randrange(100))))


def remove_box(content: Content, chance: random.Random) -> None:
    start, end, _ = chance.choice(boxes_of(content))
    del content[start:end]


def repeat_box(content: Content, chance: random.Random) -> None:
    start, end, _ = chance.choice(boxes_of(content))
    content[end:end] = content[start:end]


def nest_box(content: Content, chance: random.Random) -> None:
    """A box inside one of its own type, many times."""
    start, end, kind = chance.choice(header_boxes(content))
    inner = bytes(content[start:end])
    for _ in range(chance.choice((1, 50, 500))):
        inner = struct.pack(">I4s", len(inner) + 8, kind) + inner
    content[start:end] = inner


MUTATE: tuple[Mutation, ...] = (
    *(flip, replace_byte, truncate, resize_box, widen_box, change_number, change_number),
    *(remove_box, repeat_box, nest_box),
)


def mutants(seeds: list[Path], count: int) -> Iterator[tuple[int, bytes]]:
    contents = [path.read_bytes() for path in seeds]
    for number in range(count):
        chance = random.Random(number)  # noqa: S311
        content = Content(chance.choice(contents))
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            if header_boxes(content):
                chance.choice(MUTATE)(content, chance)
        yield number, bytes(content)


def check_in_child(directory: str, count: str) -> None:
    """Run all parsers on all mutants, and print what the index of each says."""
    seeds = sorted(Path(directory).glob("*.mp4"))
    path = Path(directory) / "mutant"
    path.write_bytes(seeds[0].read_bytes())
    assert read_mp4_index(path) is not None
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))
    slowest = 0.0
    answers: dict[int, object] = {}
    for number, content in mutants(seeds, int(count)):
        path.write_bytes(content)
        start = time.process_time()
        index = read_mp4_index(path)
        declared_frames(path)
        FragmentIndex(path).update()
        slowest = max(slowest, time.process_time() - start)
        if index is not None:
            answers[number] = list(index.packets.pts)
    json.dump({"slowest_s": slowest, "answers": answers}, sys.stdout)


def make_seeds(directory: Path, binaries: Binaries) -> None:
    source = ["-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x64:rate=30", "-frames:v", "24"]
    for name, options in {
        "b-frames": ["-c:v", "libx264", "-bf", "2", "-g", "8"],
        "no-b-frames": ["-c:v", "libx264", "-bf", "0", "-g", "2", "-movflags", "+faststart"],
        "all-keys": ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"],
        "fragments": ["-c:v", "libx264", "-g", "6", "-movflags", "+frag_keyframe+delay_moov+default_base_moof"],
    }.items():
        run_tool([binaries.ffmpeg, *source, *options, directory / f"{name}.mp4"], timeout_s=60)
    shutil.copy(Path(__file__).parents[1] / "data" / "media" / "audio.mp4", directory)


def test_damage_costs_no_memory_and_gives_no_wrong_answer(tmp_path: Path, binaries: Binaries) -> None:
    make_seeds(tmp_path, binaries)
    seeds = sorted(tmp_path.glob("*.mp4"))
    result = json.loads(run_python(check_in_child, str(tmp_path), str(MUTATIONS), timeout_s=300))
    assert result["slowest_s"] < SECONDS_EACH
    answers = {int(number): answer for number, answer in result["answers"].items()}
    assert len(answers) > MUTATIONS // 50  # the parser is not merely refusing everything

    whole = [read_mp4_index(seed) for seed in seeds]
    undamaged = [list(index.packets.pts) for index in whole if index is not None]
    changed = [number for number, answer in answers.items() if answer not in undamaged]
    others = [number for number in answers if number not in changed]
    chosen = {*changed[: COMPARED // 2], *others[: COMPARED - min(len(changed), COMPARED // 2)]}
    path = tmp_path / "one.mp4"
    compared = 0
    for number, content in mutants(seeds, max(chosen) + 1):
        if number not in chosen:
            continue
        path.write_bytes(content)
        try:
            seen = probe_packets(path, binaries=binaries)
        except ProbeError:  # which `verify` reports
            continue
        compared += 1
        # Not the keyframes: FFmpeg corrects what the table says of them by the stream itself.
        assert list(seen.pts) == answers[number], number
    assert compared > COMPARED // 2


def test_counts_that_ask_for_all_memory_are_refused(tmp_path: Path, binaries: Binaries) -> None:
    """The counts of each table, one by one, at the largest value."""
    make_seeds(tmp_path, binaries)
    whole = Content((tmp_path / "b-frames.mp4").read_bytes())
    path = tmp_path / "bomb.mp4"
    for start, end, kind in boxes_of(whole):
        if kind not in TABLES or kind in (b"mdhd", b"mvhd", b"elst"):
            continue
        for at in (start + 12, start + 16):
            bomb = Content(whole)
            struct.pack_into(">I", bomb, min(at, end - 4), 0xFFFFFFFF)
            path.write_bytes(bomb)
            assert read_mp4_index(path) is None or kind in (b"stss", b"stsd"), (kind, at - start)


@pytest.mark.parametrize("uniform", [1, 1000])
def test_sparse_file_of_many_equal_samples_is_left_to_ffmpeg(tmp_path: Path, binaries: Binaries, uniform: int) -> None:
    """Every number fits the size of the file, which holds nothing."""
    make_seeds(tmp_path, binaries)
    content = Content((tmp_path / "no-b-frames.mp4").read_bytes())
    (start, end) = next((start, end) for start, end, kind in boxes_of(content) if kind == b"stsz")
    struct.pack_into(">II", content, start + 12, uniform, 3_000_000_000 // uniform)
    assert end
    path = tmp_path / "sparse.mp4"
    path.write_bytes(content)
    os.truncate(path, 3_100_000_000)
    assert read_mp4_index(path) is None
