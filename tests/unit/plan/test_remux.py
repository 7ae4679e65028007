"""The command of a remux: a stream copy of one file that opens no other."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from ffenc.plan.encode import FRAGMENTS
from ffenc.plan.remux import plan_remux


def after(argv: tuple[str, ...], option: str) -> str:
    return argv[argv.index(option) + 1]


@pytest.mark.parametrize("muxer", ["mp4", "mov"])
def test_regular_file_has_its_index_at_the_front(muxer: str) -> None:
    argv = plan_remux(
        Path("/bin/ffmpeg"), Path("/d/.a.recording.mp4"), Path("/d/a.mp4"), fps=Fraction(30000, 1001), muxer=muxer
    )
    assert argv[0] == "/bin/ffmpeg"
    source, output = argv.index("file:/d/.a.recording.mp4"), len(argv)
    assert argv[source - 1] == "-i"
    assert argv[:source][argv[:source].index("-f") + 1] == "mov"  # the demuxer is named
    assert after(argv, "-protocol_whitelist") == "file"
    assert "file:/d/a.mp4" in argv[source:output]
    assert after(argv, "-c:v") == "copy"
    assert argv.index("-r") > source  # of the output: of the input it would make new timestamps
    assert after(argv, "-r") == "30000/1001"
    assert after(argv, "-movflags") == "+faststart"
    assert argv[source:][argv[source:].index("-f") + 1] == muxer
    assert after(argv, "-map") == "0:V:0"  # the first video stream that is not a cover picture


def test_fragments_again() -> None:
    argv = plan_remux(Path("ffmpeg"), Path("a.mp4"), Path("b.mp4"), fps=Fraction(30), muxer="mp4", fragmented=True)
    assert after(argv, "-movflags") == FRAGMENTS
    assert after(argv, "-flush_packets") == "1"


@pytest.mark.parametrize("name", ["-dash.mp4", "concat:a|b.mp4", "100%d.mp4", "http://x/a.mp4"])
def test_file_name_never_becomes_an_option_or_a_protocol(name: str) -> None:
    argv = plan_remux(Path("ffmpeg"), Path(name), Path("out.mp4"), fps=Fraction(30), muxer="mp4")
    assert argv[argv.index("-i") + 1] == f"file:{Path(name).absolute()}"
