"""Parse the listings of seven real builds; see ``tests/recorded``."""

from __future__ import annotations

import logging
import pickle
from collections import Counter
from pathlib import Path

import pytest

from ffenc.errors import ProbeError
from ffenc.ffmpeg.listing import (
    EncoderHelp,
    EncoderOption,
    FFmpegVersion,
    OptionChoice,
    parse_encoder_help,
    parse_encoders,
    parse_pix_fmts,
    parse_version,
)

RECORDED = Path(__file__).parents[2] / "recorded"
BUILDS = sorted(folder.name for folder in RECORDED.iterdir())
HELPS = sorted(
    (file.parent.name, file.name.removeprefix("h_encoder_").removesuffix(".stdout.txt"))
    for file in RECORDED.glob("*/h_encoder_*.stdout.txt")
    if not file.name.endswith(("_alias.stdout.txt", "_UNKNOWN.stdout.txt"))
)

on_every_build = pytest.mark.parametrize("build", BUILDS)
on_every_help = pytest.mark.parametrize(("build", "encoder"), HELPS, ids=lambda value: value)


def recorded(build: str, what: str) -> str:
    return (RECORDED / build / f"{what}.stdout.txt").read_text(encoding="utf-8")


def recorded_help(build: str, encoder: str) -> EncoderHelp:
    found = parse_encoder_help(recorded(build, f"h_encoder_{encoder}"), encoder)
    assert found is not None
    return found


def option(build: str, encoder: str, name: str) -> EncoderOption:
    return recorded_help(build, encoder).options[name]


def test_all_seven_builds_are_recorded():
    assert BUILDS == ["4.2.2", "4.4", "5.1.9-deb", "7.0.2", "7.1-hw", "8.0", "9.0.2"]
    assert Counter(build for build, _ in HELPS)["9.0.2"] > 20


# -version


@pytest.mark.parametrize(
    ("build", "text", "release", "libavcodec"),
    [
        ("4.2.2", "4.2.2-static https://johnvansickle.com/ffmpeg/", (4, 2), (58, 54, 100)),
        ("4.4", "n4.4", (4, 4), (58, 134, 100)),
        ("5.1.9-deb", "5.1.9-0+deb12u1", (5, 1), (59, 37, 100)),
        ("7.0.2", "7.0.2-static https://johnvansickle.com/ffmpeg/", (7, 0), (61, 3, 100)),
        ("7.1-hw", "n7.1", (7, 1), (61, 19, 100)),
        ("9.0.2", "n9.0.2-17-g2a571b6068-20260930", (9, 0), (63, 1, 102)),
    ],
)
def test_version_of_real_builds(build, text, release, libavcodec):
    version = parse_version(recorded(build, "version"))
    assert (version.text, version.release, version.libavcodec) == (text, release, libavcodec)


def test_exit_message_of_8_and_9_is_not_part_of_an_answer():
    for build in ("8.0", "9.0.2"):
        assert "Exiting with exit code 0" in recorded(build, "version")
        assert "Exiting" not in repr(parse_version(recorded(build, "version")))
        assert "Exiting" in recorded(build, "h_encoder_libx264")
        assert "Exiting" not in repr(recorded_help(build, "libx264"))


def test_version_of_ffprobe_reads_like_that_of_ffmpeg():
    text = recorded("5.1.9-deb", "version").replace("ffmpeg version", "ffprobe version", 1)
    assert parse_version(text) == parse_version(recorded("5.1.9-deb", "version"))


@pytest.mark.parametrize(
    ("text", "libavcodec", "release"),
    [
        ("N-47683-g0e8eb07980-static", (58, 42, 102), (4, 0)),
        ("git-2020-01-01-abcdef", (58, 65, 100), (4, 0)),
        ("2026-10-01-git-0123456789-full_build", (63, 1, 100), (9, 0)),
        ("2024.10.1", (61, 19, 100), (7, 0)),
        ("6.1", (60, 31, 102), (6, 1)),
        ("4.4.2-0ubuntu0.22.04.1", (58, 134, 100), (4, 4)),
        ("N-12345-gabcdef", (57, 107, 100), None),
    ],
)
def test_release_follows_from_libavcodec_where_the_text_has_no_number(text, libavcodec, release):
    assert FFmpegVersion(text=text, libavcodec=libavcodec).release == release


# -encoders


@on_every_build
def test_every_encoder_row_is_read_and_the_legend_is_not(build):
    text = recorded(build, "encoders")
    rows = text.partition(" ------\n")[2].splitlines()
    found = parse_encoders(text)
    assert list(found) == [row.split()[1] for row in rows]
    assert "=" not in found
    assert {row.split()[1] for row in rows if row[1] == "A"} == {
        name for name, listing in found.items() if listing.media_type == "audio"
    }


@on_every_build
def test_codec_is_named_only_where_it_differs_from_the_encoder(build):
    found = parse_encoders(recorded(build, "encoders"))
    assert (found["libx264"].codec, found["libx264"].media_type) == ("h264", "video")
    assert found["libx264"].description == "libx264 H.264 / AVC / MPEG-4 AVC / MPEG-4 part 10"
    assert (found["ffv1"].codec, found["ffv1"].description) == ("ffv1", "FFmpeg video codec #1")
    assert found["dvdsub"].media_type == "subtitle"


def test_libaom_was_experimental_until_4_2():
    assert parse_encoders(recorded("4.2.2", "encoders"))["libaom-av1"].experimental
    assert not parse_encoders(recorded("4.4", "encoders"))["libaom-av1"].experimental


def test_legacy_names_of_4_4_are_encoders_of_their_own():
    found = parse_encoders(recorded("4.4", "encoders"))
    assert {found[name].codec for name in ("nvenc", "nvenc_h264", "h264_nvenc")} == {"h264"}


# -pix_fmts


@on_every_build
def test_every_pixel_format_row_is_read(build):
    text = recorded(build, "pix_fmts")
    rows = [row.split() for row in text.partition("-----\n")[2].splitlines()]
    found = parse_pix_fmts(text)
    assert [(f.name, f.components, f.bits_per_pixel) for f in found.values()] == [
        (row[1], int(row[2]), int(row[3])) for row in rows
    ]
    assert list(found) == [f.name for f in found.values()]


@on_every_build
@pytest.mark.parametrize(
    ("name", "components", "bits_per_pixel"),
    [
        ("yuv420p", 3, 12),
        ("gray12le", 1, 12),
        ("nv12", 3, 12),
        ("yuv420p10le", 3, 15),
        ("pal8", 1, 8),
        ("rgb24", 3, 24),
    ],
)
def test_pixel_formats_are_the_same_in_every_build(build, name, components, bits_per_pixel):
    found = parse_pix_fmts(recorded(build, "pix_fmts"))[name]
    assert (found.components, found.bits_per_pixel, found.hardware) == (components, bits_per_pixel, False)
    assert found.input


@pytest.mark.parametrize(
    ("build", "name", "depths"),
    [
        ("4.4", "rgb24", ()),
        ("5.1.9-deb", "rgb24", (8, 8, 8)),
        ("9.0.2", "rgb565le", (5, 6, 5)),
        ("9.0.2", "gray12le", (12,)),
        ("9.0.2", "yuva444p16le", (16, 16, 16, 16)),
        ("9.0.2", "vaapi", ()),
    ],
)
def test_depths_are_there_since_5_0(build, name, depths):
    assert parse_pix_fmts(recorded(build, "pix_fmts"))[name].depths == depths


def test_flags_of_pixel_formats():
    found = parse_pix_fmts(recorded("9.0.2", "pix_fmts"))
    assert (found["vaapi"].hardware, found["vaapi"].components, found["vaapi"].input) == (True, 0, False)
    assert (found["pal8"].input, found["pal8"].output) == (True, False)
    assert (found["x2rgb10be"].input, found["x2rgb10be"].output) == (False, False)
    assert (found["rgb24"].input, found["rgb24"].output) == (True, True)


# -h encoder=NAME


@on_every_help
def test_every_option_and_every_choice_of_an_encoder_is_read(build, encoder):
    lines = recorded(build, f"h_encoder_{encoder}").splitlines()
    found = recorded_help(build, encoder)
    assert list(found.options) == [line.split()[0][1:] for line in lines if line.startswith("  -")]
    choices = [choice.name for option in found.options.values() for choice in option.choices]
    assert choices == [line.split()[0] for line in lines if line.startswith("     ")]


@on_every_help
def test_every_number_has_range_and_default(build, encoder):
    for found in recorded_help(build, encoder).options.values():
        if found.type in ("int", "float", "int64", "double"):
            assert found.minimum is not None, found
            assert found.maximum is not None, found
            assert found.minimum <= found.maximum
            assert found.default is not None
        else:
            assert found.minimum is found.maximum is None
        assert found.help == found.help.strip()


@on_every_build
def test_range_named_by_c_constants_becomes_numbers(build):
    crf, b_bias = option(build, "libx264", "crf"), option(build, "libx264", "b-bias")
    assert (crf.type, crf.minimum, crf.maximum, crf.default) == ("float", -1.0, pytest.approx(3.4e38, rel=0.01), "-1")
    assert (b_bias.minimum, b_bias.maximum) == (-(2.0**31), 2.0**31 - 1)
    assert b_bias.default == "-2147483648"


def test_range_is_the_last_of_two_in_the_line():
    found = option("5.1.9-deb", "h264_nvenc", "cq")
    assert (found.minimum, found.maximum, found.default) == (0, 51, "0")
    assert found.help.startswith("Set target quality level (0 to 51, 0 means automatic) for constant")


def test_default_in_the_prose_of_the_help_is_not_the_default():
    assert "(default auto) (from -1 to 23) (default auto)" in recorded("9.0.2", "h_encoder_av1_amf")
    found = option("9.0.2", "av1_amf", "level")
    assert (found.minimum, found.maximum, found.default) == (-1, 23, "auto")
    assert found.help == "Set the encoding level (default auto)"


@pytest.mark.parametrize(
    ("build", "encoder", "name", "default"),
    [
        ("4.2.2", "libx264", "preset", "medium"),
        ("9.0.2", "libx264", "preset", "medium"),
        ("9.0.2", "libx264", "tune", None),
        ("9.0.2", "libx264", "psy", "auto"),
        ("9.0.2", "libx264", "fastfirstpass", "true"),
        ("5.1.9-deb", "h264_nvenc", "preset", "p4"),
        ("5.1.9-deb", "libsvtav1", "hielevel", "4level"),
        ("8.0", "hevc_vaapi", "sei", "hdr+a53_cc"),
        ("5.1.9-deb", "hevc_qsv", "load_plugins", ""),
    ],
)
def test_default(build, encoder, name, default):
    assert option(build, encoder, name).default == default


def test_type_of_an_option():
    options = recorded_help("9.0.2", "libaom-av1").options
    assert options["crf"].type == "int"
    assert options["aom-params"].type == "dictionary"
    assert options["tiles"].type == "image_size"
    assert option("5.1.9-deb", "hevc_vaapi", "sei").type == "flags"
    assert option("4.2.2", "libx264", "x264-params").type == "string"
    assert option("4.4", "libx264", "x264-params").type == "dictionary"


def test_numbers_of_choices_are_there_since_4_4():
    by_build = {build: option(build, "libx264", "aq-mode").choices for build in ("4.2.2", "4.4", "9.0.2")}
    names = ("none", "variance", "autovariance", "autovariance-biased")
    assert {build: tuple(c.name for c in found) for build, found in by_build.items()} == dict.fromkeys(by_build, names)
    assert [choice.value for choice in by_build["4.2.2"]] == [None] * 4
    assert [choice.value for choice in by_build["4.4"]] == [0, 1, 2, 3]
    assert [choice.value for choice in by_build["9.0.2"]] == [0, 1, 2, 3]


def test_negative_and_repeated_values_of_choices():
    found = {choice.name: choice.value for choice in option("9.0.2", "libx264", "coder").choices}
    assert found == {"default": -1, "cavlc": 0, "cabac": 1, "vlc": 0, "ac": 1}


def test_choices_belong_to_the_option_above_them():
    found = recorded_help("5.1.9-deb", "h264_nvenc").options
    assert found["preset"].choices[15] == OptionChoice(name="p4", value=15)
    assert [choice.name for choice in found["tune"].choices] == ["hq", "ll", "ull", "lossless"]
    assert found["rc-lookahead"].choices == ()


@pytest.mark.parametrize(
    ("encoder", "name"), [("h264_v4l2m2m", "num_capture_buffers"), ("h264_nvenc", "single-slice-intra-refresh")]
)
def test_name_longer_than_its_column(encoder, name):
    assert name in recorded_help("9.0.2", encoder).options


def test_deprecated_options_are_known_since_4_4():
    assert option("5.1.9-deb", "libsvtav1", "la_depth").deprecated
    assert not option("5.1.9-deb", "libsvtav1", "crf").deprecated
    assert not any(found.deprecated for found in recorded_help("4.2.2", "libx264").options.values())


@on_every_build
def test_pixel_formats_decided_at_run_time_are_not_printed(build):
    assert recorded_help(build, "h264_v4l2m2m").pixel_formats is None
    assert "yuv420p" in (recorded_help(build, "libx264").pixel_formats or ())


@on_every_build
def test_depth_of_x265_differs_by_build(build):
    found = recorded_help(build, "libx265").pixel_formats
    assert found is not None
    assert "gray" in found
    assert ("gray12le" in found) is (build not in {"4.4", "7.1-hw"})


def test_hardware_devices_are_named_once():
    assert "Supported hardware devices: cuda cuda \n" in recorded("5.1.9-deb", "h_encoder_h264_nvenc")
    assert recorded_help("5.1.9-deb", "h264_nvenc").hardware_devices == ("cuda",)
    assert recorded_help("5.1.9-deb", "libx264").hardware_devices == ()
    assert recorded_help("9.0.2", "h264_vulkan").pixel_formats == ("vulkan",)


@pytest.mark.parametrize("build", ["8.0", "9.0.2"])
@pytest.mark.parametrize(
    ("codec", "encoders"),
    [
        ("h264", ["libx264", "h264_amf", "h264_nvenc", "h264_qsv", "h264_v4l2m2m", "h264_vaapi", "h264_vulkan"]),
        ("hevc", ["libx265", "hevc_amf", "hevc_nvenc", "hevc_qsv", "hevc_vaapi", "hevc_vulkan"]),
        ("av1", ["libaom-av1", "libsvtav1", "av1_nvenc", "av1_qsv", "av1_amf", "av1_vaapi"]),
    ],
)
def test_help_of_a_codec_has_many_blocks_and_one_is_read(build, codec, encoders):
    text = recorded(build, f"h_encoder_{codec}_alias")
    assert text.count("\nEncoder ") >= 5
    assert parse_encoder_help(text, codec) is None
    for encoder in encoders:
        assert parse_encoder_help(text, encoder) == recorded_help(build, encoder)


@on_every_build
def test_unknown_encoder_is_none(build):
    assert parse_encoder_help(recorded(build, "h_encoder_UNKNOWN"), "doesnotexist") is None


def test_codec_without_an_encoder_is_none():
    text = (
        "Codec 'vp6' is known to FFmpeg, but no encoders for it are available. "
        "FFmpeg might need to be recompiled with additional external libraries.\n"
    )
    assert parse_encoder_help(text, "vp6") is None


def test_options_that_are_not_for_video_are_left_out():
    # 9.0.2, -h encoder=libopus, the first lines; the option of video is libx264's.
    text = (
        "Encoder libopus [libopus Opus]:\n"
        "    General capabilities: dr1 delay small \n"
        "    Threading capabilities: none\n"
        "libopus AVOptions:\n"
        "  -application       <int>        E...A...... Intended application type (from 2048 to 2051) (default audio)\n"
        "     voip            2048         E...A...... Favor improved speech intelligibility\n"
        "  -a53cc             <boolean>    E..V....... Use A53 Closed Captions (if available) (default true)\n"
    )
    found = parse_encoder_help(text, "libopus")
    assert found is not None
    assert list(found.options) == ["a53cc"]
    assert found.options["a53cc"].choices == ()


def test_array_option_as_opt_c_prints_it_since_7_1():
    # No encoder has one yet; log_type() writes "[%-10s]" and no space after it.
    text = "Encoder x [x]:\nx AVOptions:\n  -weights           [<float>   ]E..V.......  (default 1,2)\n\n"
    found = parse_encoder_help(text, "x")
    assert found is not None
    assert (found.options["weights"].type, found.options["weights"].default) == ("float array", "1,2")


# What cannot be read


@pytest.mark.parametrize("text", ["", "\n\n", "Segmentation fault", "Encoders:\n ------\n", "<html>-----</html>"])
@pytest.mark.parametrize(
    "parse",
    [parse_version, parse_encoders, parse_pix_fmts, lambda text, origin: parse_encoder_help(text, "x", origin=origin)],
    ids=["version", "encoders", "pix_fmts", "help"],
)
def test_empty_listing_is_an_error_that_names_the_executable(parse, text):
    with pytest.raises(ProbeError, match=r"/opt/ffmpeg: the output of -") as caught:
        parse(text, origin="/opt/ffmpeg")
    assert caught.value.path == Path("/opt/ffmpeg")
    assert (repr(text.strip())[1:-1] or "it begins with 'nothing'") in str(caught.value)


def test_version_without_libraries_is_an_error():
    with pytest.raises(ProbeError, match="no line of libavcodec"):
        parse_version("ffmpeg version 5.1 Copyright (c) 2000-2022 the FFmpeg developers\n")


def test_a_line_that_cannot_be_read_is_logged_and_the_rest_is_kept(caplog):
    caplog.set_level(logging.DEBUG, logger="ffenc")
    encoders = parse_encoders(recorded("9.0.2", "encoders") + " V??? odd1 of a later FFmpeg\n")
    pixel_formats = parse_pix_fmts(recorded("9.0.2", "pix_fmts") + "IO... odd2 three twelve\n")
    text = recorded("9.0.2", "h_encoder_ffv1").replace("  -slicecrc", "  -odd3 of a later FFmpeg\n  -slicecrc")
    ffv1 = parse_encoder_help(text, "ffv1")
    assert "odd1" not in encoders
    assert "libx264" in encoders
    assert "odd2" not in pixel_formats
    assert "yuv420p" in pixel_formats
    assert ffv1 == recorded_help("9.0.2", "ffv1")
    assert [name for name in ("odd1", "odd2", "odd3") if name not in caplog.text] == []


def test_values_can_be_pickled():
    found = recorded_help("9.0.2", "libx264")
    assert pickle.loads(pickle.dumps(found)) == found
