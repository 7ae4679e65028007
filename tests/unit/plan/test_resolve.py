"""Resolve a config with recorded listings: the option of every field, and every refusal with its reason and remedy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ffenc.config import VideoEncoderConfig
from ffenc.errors import CapabilityError, EncoderOptionError, EncoderUnavailableError
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.plan.resolve import (
    ResolvedEncoder,
    candidate_encoders,
    library_version_patterns,
    name_encoder,
    resolve_encoder,
)
from tests.recordings import recorded

NEW, OLD, DEBIAN = "9.0.2", "4.2.2", "5.1.9-deb"


def resolve(
    build: str | Capabilities = NEW,
    *,
    size: tuple[int, int] = (640, 480),
    threads: int | None = None,
    node: str | None = None,
    muxer: str | None = None,
    **settings: Any,
) -> ResolvedEncoder:
    """Resolve a config; the muxer is one that can hold the codec."""
    config = VideoEncoderConfig.model_validate(settings)
    capabilities = recorded(build) if isinstance(build, str) else build
    muxer = muxer or ("mov" if config.vcodec == "ffv1" else "mp4")
    return resolve_encoder(
        config, capabilities, width=size[0], height=size[1], muxer=muxer, encoder_threads=threads, device_node=node
    )


def options(build: str | Capabilities = NEW, **settings: Any) -> dict[str, str]:
    return dict(resolve(build, **settings).options)


def refusal(build: str | Capabilities = NEW, **settings: Any) -> EncoderOptionError:
    with pytest.raises(EncoderOptionError) as caught:
        resolve(build, **settings)
    assert isinstance(caught.value, ValueError)
    return caught.value


def with_svt(version: tuple[int, ...] | None) -> Capabilities:
    return replace(recorded(NEW), library_versions={"libsvtav1": version} if version else {})


# Names


@pytest.mark.parametrize(
    ("build", "vcodec", "encoder"),
    [
        (NEW, "h264", "libx264"),
        (NEW, "hevc", "libx265"),
        (NEW, "av1", "libsvtav1"),
        (NEW, "vp9", "libvpx-vp9"),
        # FFmpeg's own alias would be libaom-av1 here, too, but of 5.1.9 and 9.0.2 as well.
        (OLD, "av1", "libaom-av1"),
        ("7.0.2", "av1", "libaom-av1"),
        (DEBIAN, "av1", "libsvtav1"),
        (NEW, "ffv1", "ffv1"),
        (NEW, "mpeg4", "mpeg4"),
        (NEW, "h264_nvenc", "h264_nvenc"),
        (NEW, "libx264rgb", "libx264rgb"),
    ],
)
def test_encoder_name_means_one_encoder_of_this_build(build, vcodec, encoder):
    assert name_encoder(vcodec, recorded(build)) == encoder


def test_next_encoder_of_a_codec_is_used_if_the_best_is_missing():
    new = recorded(NEW)
    lgpl = replace(new, encoders={name: row for name, row in new.encoders.items() if not name.startswith("libx26")})
    assert name_encoder("h264", lgpl) == "libopenh264"
    with pytest.raises(EncoderUnavailableError, match="no software encoder for hevc") as caught:
        name_encoder("hevc", lgpl)
    # Only what encodes in software stands for a codec; hardware has to be named.
    assert "hevc_nvenc" in caught.value.alternatives


@pytest.mark.parametrize(
    ("build", "vcodec", "said", "alternative"),
    [
        (NEW, "libx2644", "did you mean 'libx264'", "libx264"),
        (NEW, "h265", "did you mean 'h264'", "libx264"),
        (OLD, "libsvtav1", "no video encoder 'libsvtav1'", "libaom-av1"),
        (OLD, "h264_nvenc", "no video encoder 'h264_nvenc'", "libx264"),
        (NEW, "aac", "no video encoder 'aac'", "libx264"),
        (NEW, "auto", "trial", ""),
    ],
)
def test_unknown_encoder_is_refused_with_available_encoders(build, vcodec, said, alternative):
    with pytest.raises(EncoderUnavailableError, match=said) as caught:
        resolve(build, vcodec=vcodec)
    assert caught.value.requested == vcodec
    assert alternative in (*caught.value.alternatives, "")


def test_only_listings_of_candidate_encoders_are_requested():
    assert candidate_encoders("av1") == ("libsvtav1", "libaom-av1", "librav1e")
    assert candidate_encoders("h264_nvenc") == ("h264_nvenc",)
    assert set(library_version_patterns("av1")) == {"libaom-av1", "libsvtav1"}
    assert library_version_patterns("h264") == {}


def test_the_effective_config_names_the_encoder_and_its_defaults():
    effective = resolve(vcodec="av1").config
    assert (effective.vcodec, effective.preset, effective.g, effective.crf) == ("libsvtav1", 12, 2, 30)
    effective = resolve(vcodec="ffv1").config
    assert (effective.vcodec, effective.preset, effective.g, effective.crf) == ("ffv1", None, 2, None)
    effective = resolve(vcodec="mjpeg", pix_fmt="yuvj420p").config
    assert (effective.g, effective.crf, effective.preset) == (1, 30, None)


# g


@pytest.mark.parametrize("g", [1, 2, 30])
@pytest.mark.parametrize("vcodec", ["libx264", "libsvtav1", "libaom-av1", "libvpx-vp9", "ffv1", "mpeg4"])
def test_g_is_ffmpegs_g(vcodec, g):
    assert options(vcodec=vcodec, g=g)["g"] == str(g)


def test_g_of_x265_is_its_own_key_and_closes_the_gop():
    assert options(OLD, vcodec="libx265", g=7)["x265-params"] == "open-gop=0:keyint=7"
    assert options(vcodec="libx265", g=None)["x265-params"] == "open-gop=0"
    assert "g" not in options(vcodec="libx265", g=7)


def test_g_of_none_sets_no_option():
    assert "g" not in options(vcodec="libx264", g=None)
    assert resolve(vcodec="libx264", g=None).config.g is None


def test_g_1_is_refused_where_it_means_no_key_frames_at_all():
    error = refusal(DEBIAN, vcodec="libsvtav1", g=1)
    assert "takes g=1 for 'not set'" in str(error)
    assert error.option == "g"
    assert options(vcodec="libsvtav1", g=1)["g"] == "1"


def test_g_of_an_intra_only_encoder():
    assert "every frame is a keyframe" in str(refusal(vcodec="mjpeg", pix_fmt="yuvj420p", g=5))
    assert "g" not in options(vcodec="mjpeg", pix_fmt="yuvj420p", g=1)
    assert "is set by g" in str(refusal(vcodec="mjpeg", pix_fmt="yuvj420p", extra_options={"g": 5}))


def test_short_gops_of_libaom_have_no_look_ahead_by_default():
    assert options(vcodec="libaom-av1")["lag-in-frames"] == "0"
    assert "lag-in-frames" not in options(vcodec="libaom-av1", g=3)
    assert options(vcodec="libaom-av1", extra_options={"lag-in-frames": 5})["lag-in-frames"] == "5"


def test_hardware_has_b_frames_only_on_request():
    assert options(vcodec="h264_nvenc")["bf"] == "0"
    assert options(vcodec="h264_nvenc", g=30, extra_options={"bf": 2})["bf"] == "2"


# crf


@pytest.mark.parametrize(
    ("vcodec", "settings", "written"),
    [
        ("libx264", {}, {"crf": "30"}),
        ("libx264", {"crf": 23.5}, {"crf": "23.5"}),
        ("libx264", {"crf": 0}, {"crf": "0"}),
        ("libx265", {"crf": 51}, {"crf": "51"}),
        ("libsvtav1", {"crf": 63}, {"crf": "63"}),
        ("libsvtav1", {"crf": 30.0}, {"crf": "30"}),
        ("libsvtav1", {"crf": 30.5}, {"svtav1-params": "crf=30.5"}),
        ("libaom-av1", {}, {"crf": "30", "b": "0"}),
        ("libvpx-vp9", {}, {"crf": "30", "b": "0"}),
        ("librav1e", {}, {"qp": "121"}),
        ("libopenh264", {}, {"qmin": "30", "qmax": "30", "rc_mode": "quality"}),
        ("mpeg4", {"crf": 0}, {"q": "1"}),
        ("mpeg4", {"crf": 51}, {"q": "31"}),
        ("h264_nvenc", {"crf": 23.5}, {"cq": "23.5", "rc": "vbr", "b": "0"}),
        ("av1_nvenc", {"crf": 63}, {"cq": "63", "rc": "vbr", "b": "0"}),
        ("h264_qsv", {"crf": 23}, {"global_quality": "23"}),
        ("h264_amf", {"crf": 23}, {"qp_i": "23", "qp_p": "23", "qp_b": "23", "rc": "cqp"}),
        ("hevc_amf", {"crf": 23}, {"qp_i": "23", "qp_p": "23", "rc": "cqp"}),
        ("av1_amf", {"crf": 63}, {"qp_i": "255", "qp_p": "255", "qp_b": "255", "rc": "cqp"}),
    ],
)  # fmt: skip
def test_crf_is_written_on_the_scale_of_every_encoder(vcodec, settings, written):
    assert written.items() <= options(vcodec=vcodec, **settings).items()


@pytest.mark.parametrize("vcodec", ["h264_vaapi", "hevc_vaapi", "av1_vaapi", "h264_vulkan", "hevc_vulkan"])
def test_crf_of_an_encoder_behind_a_device(vcodec):
    name = "global_quality" if vcodec == "av1_vaapi" else "qp"
    value = "81" if vcodec == "av1_vaapi" else "20"
    resolved = resolve(vcodec=vcodec, crf=20, node="/dev/dri/renderD129")
    assert dict(resolved.options)[name] == value
    assert dict(resolved.options)["rc_mode"].lower() == "cqp"
    assert resolved.upload_filters == ("hwupload",)


def test_a_device_file_is_named_or_it_is_an_error():
    assert resolve(vcodec="h264_vaapi", node="/dev/dri/renderD129").device_options == (
        ("init_hw_device", "vaapi=ffenc:/dev/dri/renderD129"),
        ("filter_hw_device", "ffenc"),
    )
    with pytest.raises(EncoderUnavailableError, match="renderD"):
        resolve(vcodec="h264_vaapi")


@pytest.mark.parametrize(
    ("vcodec", "crf", "accepted"),
    [
        ("libx264", 52, "0 to 51"),
        ("libx264", 51.5, "0 to 51"),
        ("libx265", 63, "0 to 51"),
        ("libsvtav1", 64, "1 to 63"),
        ("libsvtav1", 0, "1 to 63"),
        ("libsvtav1", 0.5, "1 to 63"),
        ("libaom-av1", 64, "0 to 63"),
        ("libopenh264", 0, "1 to 51"),
        ("h264_nvenc", 0, "0.01 to 51"),
        ("h264_qsv", 0, "1 to 51"),
    ],
)
def test_crf_that_the_encoder_would_clamp_or_ignore_is_refused(vcodec, crf, accepted):
    error = refusal(vcodec=vcodec, crf=crf)
    assert (error.option, error.value, error.encoder, error.accepted) == ("crf", crf, vcodec, accepted)
    assert accepted in str(error)


@pytest.mark.parametrize("vcodec", ["libaom-av1", "libvpx-vp9", "libopenh264", "h264_qsv", "h264_amf"])
def test_fractional_crf_is_refused_if_the_encoder_drops_the_fraction(vcodec):
    assert "whole numbers only" in str(refusal(vcodec=vcodec, crf=30.5))


@pytest.mark.parametrize("version", [(1, 4, 1), (3, 1, 0), None])
def test_fractional_crf_is_refused_for_svt_that_would_use_35(version):
    error = refusal(with_svt(version), vcodec="libsvtav1", crf=30.5)
    assert "from version 4" in str(error)
    assert (".".join(map(str, version)) if version else "unknown") in str(error)


def test_a_scale_that_is_not_crf_takes_fractions_by_rounding():
    assert options(vcodec="librav1e", crf=30.5)["qp"] == "123"
    assert options(vcodec="mpeg4", crf=30.5)["q"] == "18.941"


@pytest.mark.parametrize(
    ("vcodec", "given"), [("ffv1", "crf"), ("ffv1", "preset"), ("h264_v4l2m2m", "crf"), ("mpeg4", "preset")]
)
def test_field_without_a_setting_is_refused_only_if_given(vcodec, given):
    error = refusal(vcodec=vcodec, **{given: 20})
    assert f"has no {given} setting" in str(error)
    assert (error.option, error.value) == (given, 20)
    assert getattr(resolve(vcodec=vcodec).config, given) is None
    assert getattr(resolve(vcodec=vcodec, **{given: None}).config, given) is None


def test_no_crf_leaves_the_quality_to_the_encoder_and_rates_to_the_user():
    assert not {"crf", "b"} & set(options(vcodec="libaom-av1", crf=None))
    assert options(vcodec="libx264", crf=None, extra_options={"b": "1.5M"})["b"] == "1500000"


@pytest.mark.parametrize(
    ("vcodec", "rival"),
    [
        ("libx264", {"b": "1M"}),
        ("libx264", {"qp": 20}),
        ("libx265", {"qp": 20}),
        ("libsvtav1", {"qp": 20}),
        ("libsvtav1", {"b": 100_000}),
        ("libsvtav1", {"qmin": 10}),
        ("libaom-av1", {"b": "1M"}),
        ("libvpx-vp9", {"lossless": 1}),
        ("libvpx-vp9", {"minrate": "1M"}),
        ("h264_nvenc", {"rc": "cbr"}),
        ("h264_nvenc", {"qp": 20}),
        ("h264_nvenc", {"b": "4M"}),
        ("h264_qsv", {"maxrate": "4M"}),
        ("h264_amf", {"bufsize": "4M"}),
    ],
)
def test_a_second_rate_control_beside_crf_is_refused(vcodec, rival):
    (name,) = rival
    error = refusal(vcodec=vcodec, crf=30, extra_options=rival)
    assert "contradicts crf" in str(error)
    assert error.option == name
    assert "None" in str(error)


# preset


@pytest.mark.parametrize(
    ("vcodec", "preset", "option", "text"),
    [
        ("libx264", "veryfast", "preset", "veryfast"),
        ("libx265", "placebo", "preset", "placebo"),
        ("libsvtav1", 8, "preset", "8"),
        ("libsvtav1", "8", "preset", "8"),
        ("libsvtav1", -2, "preset", "-2"),
        ("libaom-av1", 6, "cpu-used", "6"),
        ("libvpx-vp9", -8, "cpu-used", "-8"),
        ("librav1e", 10, "speed", "10"),
        ("h264_nvenc", "p7", "preset", "p7"),
        ("h264_qsv", "veryslow", "preset", "veryslow"),
        ("h264_amf", "speed", "quality", "speed"),
    ],
)
def test_preset_is_written_by_the_option_of_every_encoder(vcodec, preset, option, text):
    resolved = resolve(vcodec=vcodec, preset=preset)
    assert dict(resolved.options)[option] == text
    assert resolved.config.preset == preset


def test_an_unset_preset_is_lerobots_for_svt_and_the_encoders_own_elsewhere():
    assert options(vcodec="libsvtav1")["preset"] == "12"
    assert "preset" not in options(vcodec="libx264")
    assert "cpu-used" not in options(vcodec="libaom-av1")


@pytest.mark.parametrize(
    ("vcodec", "preset", "said"),
    [
        ("libx264", "verfast", "did you mean 'veryfast'"),
        ("libx264", 12, "one of ultrafast"),
        ("libx264", "12", "one of ultrafast"),
        ("libx264", "p4", "one of ultrafast"),
        ("libsvtav1", 14, "-2 to 13"),
        ("libsvtav1", -3, "-2 to 13"),
        ("libsvtav1", "fast", "not accepted"),
        ("libaom-av1", 9, "0 to 8"),
        ("libaom-av1", "medium", "0 to 8"),
        ("h264_nvenc", 4, "use a name: "),
        ("h264_nvenc", "4", "use a name: "),
        ("h264_nvenc", "veryfast", "one of slow, medium, fast, p1"),
        ("h264_qsv", "ultrafast", "veryfast"),
    ],
)
def test_a_preset_that_this_build_does_not_know_is_refused(vcodec, preset, said):
    error = refusal(vcodec=vcodec, preset=preset)
    assert said in str(error)
    assert (error.option, error.value) == ("preset", preset)


def test_the_range_of_a_preset_is_that_of_the_build():
    assert options(DEBIAN, vcodec="libsvtav1", preset=-1)["preset"] == "-1"
    assert "-1 to 13" in str(refusal(DEBIAN, vcodec="libsvtav1", preset=-2))


# fast_decode


@pytest.mark.parametrize("vcodec", ["libx264", "libx265", "h264", "hevc"])
def test_fast_decode_is_a_tune_of_x264_and_x265(vcodec):
    assert options(vcodec=vcodec, fast_decode=2)["tune"] == "fastdecode"
    assert "tune" not in options(vcodec=vcodec)
    error = refusal(vcodec=vcodec, fast_decode=1, extra_options={"tune": "animation"})
    assert "use fast_decode instead" in str(error)


@pytest.mark.parametrize(
    ("version", "preset", "level", "size", "said"),
    [
        ((1, 4, 1), 10, 1, (640, 480), None),
        ((1, 4, 1), 10, 2, (640, 480), "knows fast_decode 0 to 1"),
        ((1, 4, 1), 11, 1, (640, 480), "above preset 10"),
        ((1, 4, 1), None, 1, (640, 480), "this is preset 12"),
        ((3, 0, 0), 7, 2, (1280, 720), None),
        ((3, 0, 0), 8, 2, (1280, 720), "above preset 7"),
        ((4, 2, 0), 8, 2, (1280, 720), None),
        ((4, 2, 0), 9, 2, (1280, 720), "above preset 8"),
        ((4, 2, 0), None, 1, (1920, 1080), "this is preset 12"),
        ((4, 2, 0), 8, 1, (640, 480), "less than 314880 pixels, such as 640x480"),
        # 640x490 is coded as 640x496.
        ((4, 2, 0), 8, 1, (640, 490), None),
        (None, 10, 1, (640, 480), None),
        (None, 10, 2, (640, 480), "unknown"),
    ],
)
def test_fast_decode_of_svt_is_refused_if_it_has_no_effect(version, preset, level, size, said):
    settings = {"vcodec": "libsvtav1", "preset": preset, "fast_decode": level, "size": size}
    if said is None:
        assert options(with_svt(version), **settings)["svtav1-params"] == f"fast-decode={level}"
    else:
        assert said in str(refusal(with_svt(version), **settings))


@pytest.mark.parametrize("vcodec", ["libaom-av1", "libvpx-vp9", "ffv1", "h264_nvenc", "h264_qsv"])
def test_fast_decode_is_refused_for_an_encoder_without_it(vcodec):
    assert "no fast-decode setting" in str(refusal(vcodec=vcodec, fast_decode=1))
    assert resolve(vcodec=vcodec, fast_decode=0).config.fast_decode == 0


# encoder_threads


@pytest.mark.parametrize(
    ("vcodec", "written"),
    [
        ("libx264", {"threads": "2"}),
        ("libx265", {"x265-params": "open-gop=0:keyint=2:pools=2"}),
        ("libsvtav1", {"svtav1-params": "lp=2"}),
        ("libaom-av1", {"threads": "2", "row-mt": "1"}),
        ("libvpx-vp9", {"threads": "2", "row-mt": "1"}),
        ("librav1e", {"threads": "2"}),
        ("libopenh264", {"threads": "2"}),
        ("ffv1", {"threads": "2"}),
        ("mpeg4", {"threads": "2"}),
    ],
)
def test_threads_are_written_by_the_option_of_every_software_encoder(vcodec, written):
    assert written.items() <= options(vcodec=vcodec, threads=2).items()
    assert not {"threads", "row-mt"} & set(options(vcodec=vcodec))


@pytest.mark.parametrize(
    ("version", "written"), [(None, "0"), ((1, 0, 0), "0"), ((3, 1, 9), "0"), ((3, 2, 0), "1"), ((3, 15, 1), "1")]
)
def test_libaom_uses_threads_for_rows_only_in_versions_that_write_sound_streams(version, written):
    here = replace(recorded(NEW), library_versions={"libaom-av1": version} if version else {})
    assert options(here, vcodec="libaom-av1", threads=2)["row-mt"] == written
    assert options(here, vcodec="libaom-av1").get("row-mt", "1") == written
    settings = {"vcodec": "libaom-av1", "extra_options": {"row-mt": 1}}
    if written == "1":
        assert options(here, **settings)["row-mt"] == "1"
    else:
        assert "needs row-mt=0: several threads for the rows of a frame" in str(refusal(here, **settings))


@pytest.mark.parametrize("threads", [0, -1, True, 2.0, "2"])
def test_invalid_number_of_threads_is_refused(threads):
    assert refusal(vcodec="libx264", threads=threads).option == "encoder_threads"


def test_levels_of_parallelism_end_at_6_since_svt_3():
    assert options(with_svt((4, 2, 0)), vcodec="libsvtav1", threads=6)["svtav1-params"] == "lp=6"
    assert "1 to 6" in str(refusal(with_svt((4, 2, 0)), vcodec="libsvtav1", threads=7))
    assert options(with_svt((1, 4, 1)), vcodec="libsvtav1", threads=16)["svtav1-params"] == "lp=16"


@pytest.mark.parametrize("vcodec", ["h264_nvenc", "h264_qsv", "h264_v4l2m2m", "libx264rgb"])
def test_threads_are_refused_for_an_encoder_without_them(vcodec):
    settings = {"pix_fmt": "rgb24"} if vcodec == "libx264rgb" else {}
    assert "no thread setting" in str(refusal(vcodec=vcodec, threads=2, **settings))


def test_fields_that_share_a_dictionary_are_joined_with_the_users_keys():
    written = options(
        vcodec="libsvtav1", preset=8, size=(1280, 720), fast_decode=1, threads=2, crf=30.5,
        extra_options={"svtav1-params": {"tune": 0, "film-grain": 8}},
    )["svtav1-params"]  # fmt: skip
    assert written == "crf=30.5:fast-decode=1:lp=2:tune=0:film-grain=8"


# Encoders without a row


def test_an_encoder_without_a_row_takes_fields_that_its_own_help_lists():
    written = options(vcodec="libx264rgb", pix_fmt="rgb24", crf=20, g=5)
    assert (written["crf"], written["g"]) == ("20", "5")
    assert "-1 to" in str(refusal(vcodec="libx264rgb", pix_fmt="rgb24", extra_options={"me_method": 99}))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"preset": "fast"}, "free text"),
        ({"fast_decode": 1}, "no fast-decode setting"),
        ({"extra_options": {"x264-params": "aq-mode=1"}}, "free text"),
        ({"extra_options": {"stats": "/tmp/x"}}, "free text"),
        ({"extra_options": {"crf": 20}}, "is set by crf"),
        ({"extra_options": {"bf": 2}}, "ignores"),
    ],
)
def test_encoder_without_a_row_refuses_unknown_options(settings, said):
    assert said in str(refusal(vcodec="libx264rgb", pix_fmt="rgb24", **settings))


def test_an_encoder_without_a_row_and_without_a_quality_setting():
    new = recorded(NEW)
    mpeg2 = replace(new, helps={**new.helps, "mpeg2video": replace(new.helps["mpeg4"], name="mpeg2video", options={})})
    assert dict(resolve(mpeg2, vcodec="mpeg2video").options) == {"g": "2"}
    assert dict(resolve(mpeg2, vcodec="mpeg2video", extra_options={"b": "2M"}).options) == {"g": "2", "b": "2000000"}
    assert "no crf setting" in str(refusal(mpeg2, vcodec="mpeg2video", crf=20))


def test_missing_listing_is_a_clear_error():
    with pytest.raises(CapabilityError, match="probe_capabilities"):
        resolve(replace(recorded(NEW), helps={}), vcodec="libx264")


# The rest


def test_an_experimental_encoder_is_allowed_to_ffmpeg():
    assert options(OLD, vcodec="libaom-av1")["strict"] == "experimental"
    assert "strict" not in options(vcodec="libaom-av1")


def test_hevc_gets_the_tag_hvc1():
    assert options(vcodec="libx265")["tag"] == "hvc1"
    assert "tag" not in options(vcodec="libx264")


def test_codec_name_of_every_row_is_known():
    assert [resolve(vcodec=name).codec for name in ("libx264", "libx265", "libsvtav1")] == ["h264", "hevc", "av1"]
