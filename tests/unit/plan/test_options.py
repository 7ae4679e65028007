"""Every option of the user takes effect or is refused, with the most similar name, before encoding."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ffenc.config import VideoEncoderConfig
from ffenc.errors import EncoderOptionError
from ffenc.plan.options import nearest_name, number_text, plain_option_name
from ffenc.plan.resolve import resolve_encoder
from tests.recordings import recorded


def written(vcodec: str, options: dict[str, Any], *, build: str = "9.0.2", **settings: Any) -> dict[str, str]:
    config = VideoEncoderConfig.model_validate({"vcodec": vcodec, "extra_options": options, **settings})
    muxer = "mov" if vcodec == "ffv1" else "mp4"
    resolved = resolve_encoder(
        config, recorded(build), width=640, height=480, muxer=muxer, device_node="/dev/dri/renderD128"
    )
    return dict(resolved.options)


def refusal(vcodec: str, options: dict[str, Any], **settings: Any) -> EncoderOptionError:
    with pytest.raises(EncoderOptionError) as caught:
        written(vcodec, options, **settings)
    assert caught.value.encoder == vcodec
    return caught.value


@pytest.mark.parametrize(
    ("vcodec", "options", "expected"),
    [
        ("libx264", {"tune": "film", "profile:v": "high", "bf": 2}, {"tune": "film", "profile": "high", "bf": "2"}),
        ("libx264", {"profile:v:0": "main"}, {"profile": "main"}),
        ("libx264", {"tune": "film,fastdecode"}, {"tune": "film,fastdecode"}),
        ("libx264", {"level": "4.1"}, {"level": "4.1"}),
        ("libx264", {"level": 4.1}, {"level": "4.1"}),
        ("libx264", {"psy": False}, {"psy": "0"}),
        ("libx264", {"psy": "yes"}, {"psy": "1"}),
        ("libx264", {"8x8dct": "auto"}, {"8x8dct": "auto"}),
        ("libx264", {"aq-mode": "autovariance"}, {"aq-mode": "autovariance"}),
        ("libx264", {"aq-mode": 2}, {"aq-mode": "2"}),
        ("libx264", {"aq-mode": "2"}, {"aq-mode": "2"}),
        ("libx264", {"aq-mode": 2.0}, {"aq-mode": "2"}),
        ("libx264", {"aq-strength": 0.8}, {"aq-strength": "0.8"}),
        ("libx264", {"maxrate": "1.5M", "bufsize": "2M"}, {"maxrate": "1500000", "bufsize": "2000000"}),
        ("mpeg4", {"flags": "-qpel"}, {"flags": "-qpel"}),
        ("libx264", {"deblock": "-1,-1"}, {"deblock": "-1,-1"}),
        ("libx264", {"partitions": "p8x8,i4x4"}, {"partitions": "p8x8,i4x4"}),
        ("mpeg4", {"flags": "mv4+qpel"}, {"flags": "mv4+qpel"}),
        ("mpeg4", {"mbd": "rd"}, {"mbd": "rd"}),
        (
            "libaom-av1",
            {"tune": "ssim", "error-resilience": "default"},
            {"tune": "ssim", "error-resilience": "default"},
        ),
        ("libsvtav1", {"maxrate": "2M"}, {"maxrate": "2000000"}),
        ("h264_nvenc", {"spatial-aq": True, "tune": "ull"}, {"spatial-aq": "1", "tune": "ull"}),
    ],
    ids=str,
)
def test_an_option_that_takes_effect_is_written(vcodec, options, expected):
    assert expected.items() <= written(vcodec, options).items()


@pytest.mark.parametrize("params", [{"aq-mode": 2, "mbtree": False, "psy-rd": "1.0,0.1", "qcomp": 0.6}])
def test_a_dictionary_is_joined(params):
    assert written("libx264", {"x264-params": params})["x264-params"] == "aq-mode=2:mbtree=0:psy-rd=1.0,0.1:qcomp=0.6"


@pytest.mark.parametrize("text", ["aq-mode=2:no-mbtree", " aq-mode = 2 :no-mbtree=1", "aq-mode=2:no-mbtree:"])
def test_text_with_colons_is_a_dictionary_too(text):
    assert written("libx264", {"x264-params": text})["x264-params"] == "aq-mode=2:no-mbtree=1"


@pytest.mark.parametrize(
    ("vcodec", "option", "nearest"),
    [
        ("libx264", "tunee", "tune"),
        ("libx264", "aq_mode", "aq-mode"),
        ("libx264", "Profile", "profile"),
        ("libx264", "qmn", "qmin"),
        ("libsvtav1", "svtav1_params", "svtav1-params"),
        ("libaom-av1", "tile-colums", "tile-columns"),
        ("libx264", "zzz", None),
        ("libx264", "profile:a", None),
        ("libx264", "x264-params:v:1", None),
    ],
)
def test_an_unknown_option_is_refused_with_the_nearest_name(vcodec, option, nearest):
    error = refusal(vcodec, {option: 1})
    assert "has no option" in str(error)
    assert error.option == option
    if nearest:
        assert error.nearest == nearest
        assert f"did you mean {nearest!r}" in str(error)


@pytest.mark.parametrize(
    ("vcodec", "option", "value"),
    [
        ("libsvtav1", "tune", "film"),
        ("libx265", "cpu-used", 4),
        ("libx264", "svtav1-params", {"tune": 0}),
        ("libx264", "lag-in-frames", 5),
        ("libvpx-vp9", "x264-params", "aq-mode=1"),
        ("h264_qsv", "spatial-aq", True),
    ],
)
def test_an_option_of_another_encoder_is_refused(vcodec, option, value):
    """With an encoder of another name in the same build, ffmpeg only warns about it."""
    assert refusal(vcodec, {option: value}).option == option


@pytest.mark.parametrize(
    ("vcodec", "option", "value"),
    [
        ("libx264", "minrate", "1M"),
        ("libx264", "compression_level", 5),
        ("libx265", "trellis", 2),
        ("libsvtav1", "bf", 2),
        ("libsvtav1", "refs", 3),
        ("libaom-av1", "bf", 2),
        ("libvpx-vp9", "slices", 4),
        ("ffv1", "b", "1M"),
        ("mjpeg", "refs", 2),
    ],
)
def test_a_generic_option_that_this_encoder_does_not_read_is_refused(vcodec, option, value):
    settings = {"pix_fmt": "yuvj420p"} if vcodec == "mjpeg" else {}
    assert "ignores" in str(refusal(vcodec, {option: value}, **settings))


def test_option_that_an_old_wrapper_ignores_is_refused():
    assert written("libx265", {"bf": 2})["bf"] == "2"
    assert written("libx265", {"bf": 2}, build="4.4")["bf"] == "2"
    assert "ignores" in str(refusal("libx265", {"bf": 2}, build="4.2.2"))


@pytest.mark.parametrize(
    "option",
    [
        "r",
        "t",
        "to",
        "ss",
        "sseof",
        "frames",
        "frames:v",
        "fs",
        "vf",
        "filter:v",
        "filter_complex",
        "s",
        "aspect",
        "vsync",
        "fps_mode",
        "shortest",
        "an",
        "map",
        "f",
        "y",
        "n",
        "i",
        "c",
        "c:v",
        "codec",
        "vcodec",
        "vframes",
        "tag",
        "pass",
        "vstats_file",
        "attach",
        "bsf:v",
        "progress",
        "report",
        "stats",
        "loglevel",
        "force_key_frames",
        "copyts",
        "movflags",
        "metadata",
        "disposition",
    ],
)
def test_an_option_of_the_ffmpeg_program_is_refused(option):
    error = refusal("libsvtav1", {option: 1})
    assert "option of the ffmpeg program" in str(error) or "has no option" in str(error)


@pytest.mark.parametrize(
    ("vcodec", "option", "value", "said"),
    [
        ("libx264", "bf", 17, "0 to 16"),
        ("libx264", "bf", -1, "0 to 16"),
        ("libx264", "bf", 1.5, "whole numbers"),
        ("libx264", "bf", "two", "is not a number"),
        ("libx264", "bf", True, "is not a number"),
        ("libx264", "qmin", 70, "0 to 69"),
        ("libx264", "aq-mode", 4, "0 to 3"),
        ("libx264", "aq-mode", -1, "0 to 3"),
        ("libx264", "aq-mode", "autovarience", "did you mean 'autovariance'"),
        ("libx264", "aq-mode", 1.5, "whole numbers"),
        ("libx264", "rc-lookahead", 999, "0 to 250"),
        ("libx264", "weightp", 3, "0 to 2"),
        ("libx264", "psy", "perhaps", "true, false or auto"),
        ("libx264", "psy", 2, "true, false or auto"),
        ("libx264", "tune", "flim", "did you mean 'film'"),
        ("libx264", "tune", "film,", "does not fit"),
        ("libx264", "profile", "hihg", "did you mean 'high'"),
        ("libx264", "level", "9", "does not fit"),
        ("mpeg4", "flags", "+cgop", "'+'-joined list of aic, mv4, qpel"),
        ("mpeg4", "flags", "mv4++", "'+'-joined list of aic, mv4, qpel"),
        ("mpeg4", "flags", "", "'+'-joined list of aic, mv4, qpel"),
        ("libx264", "maxrate", "fast", "is not a number"),
        ("libx264", "maxrate", -5, "is not a number"),
        ("libx264", "maxrate", 0.5, "whole numbers"),
        ("libx264", "aq-strength", float("nan"), "not accepted"),
        ("libx264", "aq-strength", float("inf"), "not accepted"),
        ("libx264", "aq-strength", "1e2", "not accepted"),
        ("libx264", "bf", {"a": 1}, "one value, not a dictionary"),
        ("libsvtav1", "level", 80, "20 to 73"),
        ("libaom-av1", "arnr-strength", 7, "-1 to 6"),
        ("mpeg4", "mbd", "best", "accepted"),
        ("h264_nvenc", "tune", "fastest", "accepted"),
    ],
)
def test_value_that_would_be_misread_or_clamped_is_refused(vcodec, option, value, said):
    error = refusal(vcodec, {option: value})
    assert said in str(error)
    assert (error.option, error.encoder) == (option, vcodec)


@pytest.mark.parametrize(
    ("vcodec", "options", "field"),
    [
        ("libx264", {"crf": 20}, "crf"),
        ("libx264", {"g": 5}, "g"),
        ("libx264", {"g:v": 5}, "g"),
        ("libx264", {"preset": "slow"}, "preset"),
        ("libx264", {"threads": 4}, "encoder_threads"),
        ("libx264", {"pix_fmt": "yuv444p"}, "pix_fmt"),
        ("libx264", {"color_range": "pc"}, "pix_fmt"),
        ("libx264", {"colorspace": "bt709"}, "pix_fmt"),
        ("libx264", {"x264-params": {"keyint": 5}}, "g"),
        ("libx264", {"x264-params": "crf=20"}, "crf"),
        ("libx264", {"x264-params": "qp=20"}, "crf"),
        ("libx264", {"x264-params": "threads=2"}, "encoder_threads"),
        ("libx264", {"x264-params": "range=pc"}, "pix_fmt"),
        ("libx264", {"x264-params": "open-gop"}, "g"),
        ("libx264", {"x264-params": "intra-refresh=1"}, "g"),
        ("libx265", {"x265-params": {"keyint": 5}}, "g"),
        ("libx265", {"x265-params": {"no-open-gop": 1}}, "g"),
        ("libx265", {"x265-params": {"pools": 2}}, "encoder_threads"),
        ("libsvtav1", {"svtav1-params": {"lp": 2}}, "encoder_threads"),
        ("libsvtav1", {"svtav1-params": {"fast-decode": 1}}, "fast_decode"),
        ("libsvtav1", {"svtav1-params": {"preset": 4}}, "preset"),
        ("libsvtav1", {"svtav1-params": {"rc": 1, "tbr": 500}}, "crf"),
        ("libsvtav1", {"svtav1-params": {"irefresh-type": 1}}, "g"),
        ("libaom-av1", {"cpu-used": 4}, "preset"),
        ("libaom-av1", {"aom-params": {"cq-level": 20}}, "crf"),
        ("librav1e", {"speed": 4}, "preset"),
        ("librav1e", {"rav1e-params": {"quantizer": 90}}, "crf"),
        ("libopenh264", {"qmax": 30}, "crf"),
        ("h264_vaapi", {"compression_level": 3}, "preset"),
    ],
    ids=str,
)
def test_option_that_a_field_sets_is_refused_as_an_extra_option(vcodec, options, field):
    assert field in str(refusal(vcodec, options))


@pytest.mark.parametrize("options", [{"profile": "high", "profile:v": "main"}, {"bf": 1, "bf:v:0": 1}])
def test_one_option_under_two_names_is_refused(options):
    assert "the same option" in str(refusal("libx264", options))


@pytest.mark.parametrize("text", ["aq-mode=1:aq-mode=2", "aq-mode:aq-mode"])
def test_one_key_twice_is_refused(text):
    assert "given twice" in str(refusal("libx264", {"x264-params": text}))


@pytest.mark.parametrize("nothing", ["", " : ", {}])
@pytest.mark.parametrize(("encoder", "name"), [("libx264", "x264-params"), ("librav1e", "rav1e-params")])
def test_empty_dictionary_option_is_refused(encoder, name, nothing):
    assert f"{name} of {encoder} is empty" in str(refusal(encoder, {name: nothing}))


@pytest.mark.parametrize(
    ("vcodec", "options"),
    [
        ("libx264", {"passlogfile": "log"}),
        ("libx264", {"stats": "log"}),
        ("libx264", {"x264opts": "stats=log"}),
        ("libx264", {"x264-params": {"stats": "log"}}),
        ("libx264", {"x264-params": "pass=1:stats=log"}),
        ("libx264", {"x264-params": "dump-yuv=frames.yuv"}),
        ("libx264", {"x264-params": "qpfile=qp.txt"}),
        ("libx264", {"x264-params": "cqm=matrix.cfg"}),
        ("libx264", {"x264-params": "cqmfile=matrix.cfg"}),
        ("libx265", {"x265-stats": "log"}),
        ("libx265", {"x265-params": "csv=log.csv"}),
        ("libx265", {"x265-params": {"analysis-save": "a.dat"}}),
        ("libx265", {"x265-params": {"scaling-list": "list.txt"}}),
        ("libx265", {"x265-params": {"lambda-file": "l.txt"}}),
        ("libsvtav1", {"svtav1-params": "stats=log"}),
        ("libsvtav1", {"svtav1-params": "fgs-table=grain.tbl"}),
        ("libaom-av1", {"aom-params": "film-grain-table=grain.tbl"}),
        ("libaom-av1", {"aom-params": "vmaf-model-path=m.json"}),
        ("librav1e", {"rav1e-params": "first_pass=log"}),
        ("libvpx-vp9", {"ts-parameters": "ts_number_layers=2"}),
        ("mpeg4", {"rc_eq": "1"}),
    ],
    ids=str,
)
def test_options_that_name_files_or_are_unread_are_refused(vcodec, options):
    refusal(vcodec, options)


@pytest.mark.parametrize(
    "value",
    ["a/b", "/etc/passwd", "1 -y out", "a'b", 'a"b', "a\\b", "a=b", "x;y", "$HOME", "a\nb", "%d", "[a]", "nan", "-inf"],
)
def test_a_value_of_a_key_cannot_hide_a_path_or_a_separator(value):
    error = refusal("libx264", {"x264-params": {"aq-mode": value}})
    assert error.option == "x264-params:aq-mode"
    with pytest.raises(EncoderOptionError):
        written("libx264", {"tune": value})


def test_an_unknown_key_is_refused_with_the_nearest():
    error = refusal("libx264", {"x264-params": {"aq-mod": 1}})
    assert "did you mean 'aq-mode'" in str(error)
    assert error.option == "x264-params:aq-mod"


def test_key_given_as_an_option_names_its_dictionary_option():
    assert "svtav1-params has a key of that name" in str(refusal("libsvtav1", {"film-grain": 8}))


@pytest.mark.parametrize("value", [2, 2.5, True])
def test_a_dictionary_option_takes_no_bare_value(value):
    assert "takes a dictionary or text" in str(refusal("libx264", {"x264-params": value}))


@pytest.mark.parametrize(("key", "value"), [("subme", 12), ("ref", 0), ("bframes", 17), ("qcomp", 1.5), ("merange", 2)])
def test_numbers_that_x264_would_clamp_are_refused(key, value):
    assert "out of range" in str(refusal("libx264", {"x264-params": {key: value}}))


@pytest.mark.parametrize(
    ("vcodec", "options", "needed"),
    [
        ("libx264", {"maxrate": "1M"}, "bufsize"),
        ("libx264", {"bufsize": "1M"}, "maxrate"),
        ("libx264", {"crf_max": 40}, "bufsize"),
        ("libx265", {"maxrate": "1M"}, "bufsize"),
        ("libx265", {"rc_init_occupancy": 5000}, "bufsize"),
        ("libsvtav1", {"bufsize": "1M"}, "maxrate"),
    ],
    ids=str,
)
def test_an_option_that_is_ignored_without_another_is_refused(vcodec, options, needed):
    assert f"unless {needed!r} is set" in str(refusal(vcodec, options))


@pytest.mark.parametrize(
    ("vcodec", "option"),
    [
        ("libx264", "intra-refresh"), ("libx264", "fastfirstpass"), ("libaom-av1", "still-picture"),
        ("libaom-av1", "drop-threshold"), ("libvpx-vp9", "drop-threshold"), ("libvpx-vp9", "speed"), ("mpeg4", "bf"),
        ("mpeg4", "skip_threshold"), ("mpeg4", "error_rate"), ("libopenh264", "allow_skip_frames"),
    ],
)  # fmt: skip
def test_an_option_that_would_do_harm_is_refused_with_the_reason(vcodec, option):
    assert "is not passed on: " in str(refusal(vcodec, {option: 1}))


@pytest.mark.parametrize(
    ("value", "text"), [(30, "30"), (30.0, "30"), (30.5, "30.5"), (0.1, "0.1"), (-2, "-2"), (1e6, "1000000")]
)
def test_numbers_are_short_and_exact(value, text):
    assert number_text(value) == text


def test_names_are_compared_without_the_video_specifier():
    assert [plain_option_name(name) for name in ("a", "a:v", "a:v:0", "a:a", "a:v:1")] == [
        "a",
        "a",
        "a",
        "a:a",
        "a:v:1",
    ]


def test_only_a_similar_name_is_suggested():
    assert nearest_name("tun", ["tune", "profile"]) == "tune"
    assert nearest_name("xyz", ["tune", "profile"]) is None


@pytest.mark.parametrize(
    ("vcodec", "options", "builds"),
    [
        ("libx264", {"cplxblur": 5}, "9.0.2"),
        ("libvpx-vp9", {"arnr_strength": 6}, "9.0.2"),
    ],
    ids=str,
)
def test_option_measured_without_effect_is_refused(vcodec, options, builds):
    (option,) = options
    error = refusal(vcodec, options)
    assert error.option == option
    assert re.search(rf"of this FFmpeg ignores '{option}' in one pass \(measured on FFmpeg {builds}: ", str(error))


def test_an_option_is_refused_only_where_it_does_nothing():
    with pytest.raises(EncoderOptionError, match=r"ignores 'chromaoffset'.*measured on FFmpeg 4\.2\.2"):
        written("libx264", {"chromaoffset": 3}, build="4.2.2")
    assert written("libx264", {"chromaoffset": 3}, build="9.0.2")["chromaoffset"] == "3"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("x264-params", "deblock=9,9"),
        ("x264-params", "deblock=-2,7"),
        ("x264-params", {"psy-rd": "11,0"}),
        ("x264-params", {"chroma-qp-offset": 13}),
        ("chromaoffset", -13),
        ("psy-rd", "11:0"),
        ("psy-rd", "1:10.5"),
    ],
)
def test_value_that_x264_clamps_silently_is_refused(option, value):
    with pytest.raises(EncoderOptionError, match=r"is out of range|does not fit"):
        written("libx264", {option: value})


@pytest.mark.parametrize(
    ("option", "value"),
    [("x264-params", "deblock=-6,6:psy-rd=10,0.5:chroma-qp-offset=12"), ("chromaoffset", -12), ("psy-rd", "10:0.25")],
)
def test_limits_of_the_ranges_of_x264_are_accepted(option, value):
    assert str(value) == written("libx264", {option: value})[option]
