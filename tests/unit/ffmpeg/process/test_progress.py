"""ProgressReader: the reports of every FFmpeg version, cut anywhere."""

from __future__ import annotations

import itertools

import pytest

from ffenc.ffmpeg.process.progress import Progress, ProgressReader

# Written by: ffmpeg -v error -re -f lavfi -i testsrc=s=64x64:r=5:d=1 -c:v libx264 -progress pipe:1 -nostats ...
FFMPEG_4_2 = b"""\
frame=3
fps=0.00
stream_0_0_q=0.0
bitrate=N/A
total_size=48
out_time_us=0
out_time_ms=0
out_time=00:00:00.000000
dup_frames=0
drop_frames=0
speed=   0x
progress=continue
frame=5
fps=4.98
stream_0_0_q=-1.0
bitrate=  56.5kbits/s
total_size=2825
out_time_us=400098
out_time_ms=400098
out_time=00:00:00.400098
dup_frames=0
drop_frames=0
speed=0.399x
progress=end
"""
FFMPEG_9_0 = b"""\
frame=0
fps=0.00
stream_0_0_q=0.0
bitrate=N/A
total_size=0
out_time_us=N/A
out_time_ms=N/A
out_time=N/A
dup_frames=0
drop_frames=0
speed=N/A
progress=continue
frame=5
fps=0.00
stream_0_0_q=-1.0
bitrate=  37.8kbits/s
total_size=2834
out_time_us=600000
out_time_ms=600000
out_time=00:00:00.600000
dup_frames=0
drop_frames=0
speed=1.96x
progress=end
"""
# FFmpeg 9.0 and 4.2 encoding nothing to -f null, and 4.2 encoding sound.
NO_FRAMES = b"frame=0\nfps=0.00\nbitrate=N/A\ntotal_size=N/A\nout_time_us=N/A\nout_time=N/A\nspeed=N/A\nprogress=end\n"
SOUND = b"bitrate=N/A\ntotal_size=N/A\nout_time_us=510839\nout_time_ms=510839\nspeed=1.01x\nprogress=continue\n"


def reports(written: bytes, size: int = 10_000) -> list[Progress]:
    seen: list[Progress] = []
    reader = ProgressReader(seen.append)
    for start in range(0, len(written), size):
        reader.feed(written[start : start + size])
    reader.end()
    assert reader.latest == (seen[-1] if seen else None)
    return seen


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param(
            FFMPEG_4_2,
            [
                Progress(frame=3, fps=0.0, size_bytes=48, out_time_s=0.0, speed=0.0, done=False),
                Progress(frame=5, fps=4.98, size_bytes=2825, out_time_s=0.400098, speed=0.399, done=True),
            ],
            id="4.2",
        ),
        pytest.param(
            FFMPEG_9_0,
            [
                Progress(frame=0, fps=0.0, size_bytes=0, out_time_s=None, speed=None, done=False),
                Progress(frame=5, fps=0.0, size_bytes=2834, out_time_s=0.6, speed=1.96, done=True),
            ],
            id="9.0",
        ),
        pytest.param(
            NO_FRAMES,
            [Progress(frame=0, fps=0.0, size_bytes=None, out_time_s=None, speed=None, done=True)],
            id="no-frames",
        ),
        pytest.param(
            SOUND,
            [Progress(frame=0, fps=None, size_bytes=None, out_time_s=0.510839, speed=1.01, done=False)],
            id="sound",
        ),
        pytest.param(
            b"frame=1\nout_time_us=-9223372036854775807\nprogress=continue\n",
            [Progress(frame=1, fps=None, size_bytes=None, out_time_s=None, speed=None, done=False)],
            id="no-timestamp-constant",
        ),
        pytest.param(
            b"frame=1\nout_time_ms=1500000\nprogress=end\r\n",
            [Progress(frame=1, fps=None, size_bytes=None, out_time_s=1.5, speed=None, done=True)],
            id="only-the-misnamed-key",
        ),
        pytest.param(b"frame=7\nfps=1.0\nprogr", [], id="cut-off"),
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"\xff\x00=\n==\nnot a report\n", [], id="garbage"),
    ],
)
def test_what_is_written_is_read(written: bytes, expected: list[Progress], size: int) -> None:
    assert reports(written, size) == expected


def test_one_report_leaves_nothing_to_the_next() -> None:
    first, second = reports(b"frame=7\nspeed=2x\nprogress=continue\nprogress=end\n")
    assert (first.frame, first.speed) == (7, 2.0)
    assert (second.frame, second.speed) == (0, None)


def test_only_work_counts_as_work() -> None:
    reader = ProgressReader()
    marks = [reader.work_done]
    for report in (
        b"frame=1\nfps=9\ntotal_size=48\nspeed=1x\nprogress=continue\n",
        b"frame=1\nfps=4\ntotal_size=48\nspeed=0.5x\nprogress=continue\n",
        b"frame=2\nfps=4\ntotal_size=48\nspeed=0.5x\nprogress=continue\n",
        b"frame=2\nfps=4\ntotal_size=99\nspeed=0.5x\nprogress=continue\n",
        b"frame=2\nfps=4\ntotal_size=99\nspeed=0.5x\nprogress=end\n",
    ):
        reader.feed(report)
        marks.append(reader.work_done)
    assert [a != b for a, b in itertools.pairwise(marks)] == [True, False, True, True, True]


def test_an_endless_line_costs_no_memory() -> None:
    reader = ProgressReader()
    for _ in range(1000):
        reader.feed(b"x" * 65536)
    reader.feed(b"\n" + FFMPEG_9_0)
    assert reader.latest is not None
    assert reader.latest.frame == 5
    assert len(reader._unfinished) < 5000
