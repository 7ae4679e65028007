"""Measuring options: what encoders report is read right, and the saved tables and the page belong together."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffenc.encoders.option_effects import load_build, measured_builds, save_build
from ffenc.encoders.software import SOFTWARE
from tests.recordings import recorded
from tools.option_table.clips import CLIPS
from tools.option_table.contexts import CONTEXTS
from tools.option_table.measure import cut_text
from tools.option_table.page import PAGE, page
from tools.option_table.reports import svt_settings, x26x_settings
from tools.option_table.values import options_to_try

# Printed by x264 165 and x265 4.3 (FFmpeg 9.0.2), and by SVT-AV1 1.4.1 and 4.2 (FFmpeg 5.1.9 and 9.0.2), shortened.
X264 = (
    b"\x80x264 - core 165 - H.264/MPEG-4 AVC codec - Copyleft 2003-2025 - http://www.videolan.org/x264.html - options: "
    b"cabac=1 ref=3 deblock=1:0:0 analyse=0x3:0x113 me=hex subme=7 psy=1 psy_rd=1.00:0.00 me_range=16 deadzone=21,11 "
    b"bframes=3 keyint=250 rc=crf mbtree=1 crf=23.0 qcomp=0.60 ip_ratio=1.40 aq=1:1.00\x00\x00\x01"
)
X265 = (
    b"x265 (build 217) - 4.3+49-020d7054:[Linux][GCC 16.2.0][64 bit] 8bit+10bit+12bit - H.265/HEVC codec - options: "
    b"cpuid=1111039 frame-threads=1 no-wpp no-pmode fps=30/1 input-res=128x96 ref=3 info b-pyramid sao psy-rd=2.00 "
    b"no-single-sei conformance-window-offsets right=0\x00"
)
SVT_1_4 = """\
Svt[info]: SVT [version]:\tSVT-AV1 Encoder Lib v1.4.1
Svt[info]: Number of PPCS 37
Svt[info]: SVT [config]: main profile\ttier (auto)\tlevel (auto)
Svt[info]: SVT [config]: width / height / fps numerator / fps denominator \t\t: 128 / 96 / 30 / 1
Svt[info]: SVT [config]: preset / tune / pred struct \t\t\t\t\t: 12 / PSNR / random access
Svt[info]: SVT [config]: BRC mode / rate factor \t\t\t\t\t: CRF / 30 
"""  # noqa: W291  printed so
SVT_4_2 = """\
Svt[info]: SVT [version]:\tSVT-AV1 Encoder Lib v4.2.0-151-g5ed9ffbcb
Svt[warn]: Preset M12 is mapped to M11.
Svt[info]: SVT [config]: AQ mode / Variance Boost \t\t\t\t\t: 2 / 0
Svt[info]: SVT [config]: sharpness / luminance-based QP bias \t\t\t\t: 0 / 0
Svt[info]: SVT [config]: QP scale compress strength \t\t\t\t\t: 0
"""


def test_settings_of_x264_are_read_from_the_stream():
    settings = x26x_settings(X264)
    assert settings["deblock"] == "1:0:0"
    assert settings["deadzone"] == "21,11"
    assert settings["aq"] == "1:1.00"
    assert len(settings) == 18


def test_switches_of_x265_are_read_as_numbers():
    settings = x26x_settings(X265)
    assert {key: settings[key] for key in ("wpp", "pmode", "sao", "b-pyramid", "single-sei", "right")} == {
        "wpp": "0", "pmode": "0", "sao": "1", "b-pyramid": "1", "single-sei": "0", "right": "0",
    }  # fmt: skip


def test_a_stream_without_settings_has_none():
    assert x26x_settings(b"\x00\x01options") == {}


def test_settings_of_svt_are_read_from_lines_that_name_several():
    assert svt_settings(SVT_1_4) == {
        "profile": "main profile tier (auto) level (auto)",
        "width": "128", "height": "96", "fps numerator": "30", "fps denominator": "1",
        "preset": "12", "tune": "PSNR", "pred struct": "random access", "BRC mode": "CRF", "rate factor": "30",
    }  # fmt: skip
    assert svt_settings(SVT_4_2) == {
        "AQ mode": "2", "Variance Boost": "0", "sharpness": "0", "luminance-based QP bias": "0",
        "QP scale compress strength": "0",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "seen", "text"),
    [
        ("16", {"base": "9", "g=2": "9"}, "9"),
        ("16", {"base": "9", "slow": "9", "g=2": "1", "long": "16"}, "9 (g=2: 1, long: as given)"),
        ("2", {"base": "2", "g=2": "1"}, "1 (base: as given)"),
        ("100000", {"base": "65536"}, "65536"),
    ],
)
def test_a_value_that_is_cut_says_where(value, seen, text):
    assert cut_text(value, seen) == text


def test_the_page_is_that_of_the_tables():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tools.option_table --page-only`"


def test_a_table_is_written_as_it_was_read(tmp_path: Path):
    for build in measured_builds():
        save_build(build, tmp_path / "a.json")
        assert load_build(tmp_path / "a.json") == build


def test_every_software_encoder_has_contexts_and_a_table():
    assert set(CONTEXTS) == {row.name for row in SOFTWARE}
    assert {name for build in measured_builds() for name in build.encoders} == set(CONTEXTS)
    for contexts in CONTEXTS.values():
        assert next(iter(contexts)) == "base"
        assert {context.clip for context in contexts.values()} <= set(CLIPS)


@pytest.mark.parametrize("name", ["4.2.2", "5.1.9-deb", "7.0.2", "9.0.2"])
def test_every_option_that_a_recorded_build_lists_was_measured(name):
    capabilities = recorded(name)
    (build,) = (build for build in measured_builds() if build.libavcodec == capabilities.version.libavcodec)
    rows = [row for row in SOFTWARE if row.name in capabilities.helps]
    assert len(rows) >= 6
    for row in rows:
        table = build.encoders[row.name]
        assert table.library == capabilities.library_versions.get(row.name)
        tried = {option: tuple(outcomes) for option, outcomes in table.options.items()}
        assert tried == options_to_try(row, capabilities.help(row.name))
