"""The encoder rows: properties that every row must have, and how rows are looked up."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from ffenc.encoders.generic import GENERIC_OPTIONS
from ffenc.encoders.hardware import DEVICES, HARDWARE
from ffenc.encoders.lerobot_names import DEFAULT_ENCODER, encoder_for_stored_codec
from ffenc.encoders.proven import RUN
from ffenc.encoders.software import SOFTWARE
from ffenc.encoders.table import (
    AUTO_CODECS,
    CODECS,
    ENCODERS,
    auto_candidates,
    auto_fallbacks,
    device_of,
    encoders_for_codec,
    find_encoder,
)

ROWS = pytest.mark.parametrize("row", SOFTWARE + HARDWARE, ids=lambda row: row.name)


def test_every_encoder_name_is_one_row():
    assert list(ENCODERS) == [row.name for row in SOFTWARE + HARDWARE]
    assert all(find_encoder(row.name) is row for row in SOFTWARE + HARDWARE)
    assert find_encoder("libx264rgb") is None


@ROWS
def test_quality_runs_one_way_within_its_scale(row):
    if row.quality is None:
        return
    low, high = row.quality.crf
    values = [row.quality.value(low + (high - low) * step / 100) for step in range(101)]
    rising, falling = (
        all(step(a, b) for a, b in pairwise(values)) for step in (lambda a, b: a <= b, lambda a, b: a >= b)
    )
    assert rising != falling
    assert row.quality.value(low) != row.quality.value(high)
    if row.quality.floor is None:
        assert (values[0], values[-1]) == row.quality.values


@ROWS
def test_a_row_names_generic_options_that_are_in_the_table(row):
    assert row.generic <= set(GENERIC_OPTIONS)


@ROWS
def test_quality_excludes_or_sets_the_bit_rate(row):
    if row.quality and "b" in row.generic:
        assert "b" in {*row.quality.excludes, *row.quality.options, *row.quality.companions}


@ROWS
def test_no_key_of_a_dictionary_is_both_passed_on_and_owned(row):
    for parameters in row.parameters.values():
        assert not parameters.keys & set(parameters.owned)


# What reads or writes files, runs a second pass or writes logs, from the parameter documents of x264 164, x265 4.1,
# SVT-AV1 4, libaom 3.13 and rav1e 0.8.  (x264 reads ``cqm`` as a file name unless it says flat or jvt.)
FORBIDDEN_KEYS = frozenset(
    [
        "stats",
        "pass",
        "passes",
        "multipass",
        "two-pass",
        "qpfile",
        "qp-file",
        "use-q-file",
        "dump-yuv",
        "cqm",
        "cqmfile",
        "cqm4",
        "cqm8",
        "tcfile-in",
        "tcfile-out",
        "opencl-clbin",
        "log",
        "log-level",
        "log-file",
        "log-file-level",
        "csv",
        "csv-log-level",
        "analysis-save",
        "analysis-load",
        "analysis-reuse-file",
        "analysis-reuse-mode",
        "lambda-file",
        "zonefile",
        "zones",
        "recon",
        "recon-file",
        "recon-depth",
        "scaling-list",
        "dhdr10-info",
        "dolby-vision-rpu",
        "nalu-file",
        "film-grain-file",
        "aom-film-grain",
        "abr-ladder",
        "input",
        "input-res",
        "output",
        "config",
        "errlog",
        "stat-file",
        "fgs-table",
        "roi-map-file",
        "pred-struct-file",
        "film-grain-table",
        "vmaf-model-path",
        "partition-info-path",
        "rate-distribution-info-path",
        "first-pass",
        "second-pass",
        "first_pass",
        "second_pass",
        "frames",
        "skip",
        "seek",
        "n",
        "nb",
    ]
)


@ROWS
def test_no_key_of_a_dictionary_could_name_a_file(row):
    for parameters in row.parameters.values():
        assert not parameters.keys & FORBIDDEN_KEYS


@ROWS
def test_no_text_that_is_passed_on_could_name_a_file_or_hide_an_option(row):
    for pattern in row.text_options.values():
        for text in ("/tmp/x", "../x", "a/b", "x=y", "-y", "file:x", "a b", "", "x\n", "%d", "pipe:1"):
            assert not re.fullmatch(pattern, text), (pattern, text)


@ROWS
def test_the_patterns_of_a_row_are_patterns(row):
    assert all(re.compile(pattern) for pattern in row.complaints)
    assert row.library_version is None or re.compile(row.library_version).groups == 1


@ROWS
def test_a_row_can_be_stored_somewhere(row):
    assert row.muxers
    assert set(row.muxers) <= {"mp4", "mov"}
    assert set(row.tags) <= set(row.muxers)


def test_hardware_rows_are_marked_as_never_run():
    assert all(row.device is not None and row.never_run == (row.name not in RUN) for row in HARDWARE)
    assert not any(row.never_run for row in SOFTWARE)
    assert all(row.threads is None and row.fast_decode is None for row in HARDWARE)
    assert {row.device.name for row in HARDWARE} == {device.name for device in DEVICES}


@pytest.mark.parametrize(
    ("codec", "best_first"),
    [
        ("h264", ["libx264", "libopenh264"]),
        ("hevc", ["libx265"]),
        ("av1", ["libsvtav1", "libaom-av1", "librav1e"]),
        ("vp9", ["libvpx-vp9"]),
        ("ffv1", []),
        ("mpeg2video", []),
        ("libx264", []),
        ("auto", []),
    ],
)
def test_codec_name_means_its_software_encoders_best_first(codec, best_first):
    assert [row.name for row in encoders_for_codec(codec)] == best_first
    assert (codec in CODECS) == bool(best_first)


@pytest.mark.parametrize(
    ("platform", "families"),
    [
        ("linux", ["nvenc", "vaapi", "qsv", "amf", "vulkan", "rkmpp", "nvmpi", "v4l2m2m"]),
        ("darwin", ["videotoolbox"]),
        ("win32", ["nvenc", "qsv", "amf", "vulkan", "d3d12va", "mf"]),
        ("freebsd13", []),
    ],
)
def test_auto_tries_hardware_of_the_platform_by_family_then_codec(platform, families):
    rows = auto_candidates(platform)
    assert list(dict.fromkeys(row.device.name for row in rows)) == families
    for family in families:
        codecs = [row.codec for row in rows if row.device.name == family]
        assert codecs == [codec for codec in AUTO_CODECS if codec in codecs]


def test_auto_falls_back_to_the_default_encoder_first():
    assert [row.name for row in auto_fallbacks()] == [
        "libsvtav1", "libx264", "libopenh264", "libx265", "libaom-av1", "librav1e"
    ]  # fmt: skip
    assert DEFAULT_ENCODER == "libsvtav1"


def test_a_stored_codec_is_read_back_as_lerobot_does():
    assert [encoder_for_stored_codec(codec) for codec in ("av1", "h264", "hevc", "vp9")] == [
        "libsvtav1", "h264", "hevc", "vp9"
    ]  # fmt: skip


def test_the_hardware_behind_an_encoder_is_known():
    assert device_of("h264_vaapi").name == "vaapi"
    assert device_of("libx264") is None
    assert device_of("h264_rkmpp").name == "rkmpp"
    assert device_of("h264_mediacodec") is None


@ROWS
def test_no_accepted_crf_means_unset_to_the_encoder(row):
    if row.quality and row.quality.unset_below:
        assert row.quality.value(row.quality.unset_below) != 0
