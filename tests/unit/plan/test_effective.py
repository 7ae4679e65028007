"""Options that limit each other: a table of what is refused, reduced or replaced, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.encoders.table import ENCODERS
from ffenc.errors import EncoderOptionError, PixelFormatError
from ffenc.ffmpeg.encoder_report import parse_report
from ffenc.plan.effective import compare_with_report
from ffenc.plan.resolve import ResolvedEncoder, resolve_encoder
from tests.recordings import recorded


def resolve(
    vcodec: str, *, build: str = "9.0.2", muxer: str = "mp4", library: tuple[int, ...] | None = None, **settings: Any
) -> ResolvedEncoder:
    config = VideoEncoderConfig.model_validate({"vcodec": vcodec, **settings})
    capabilities = recorded(build)
    if library is not None:
        capabilities = replace(capabilities, library_versions={vcodec: library})
    return resolve_encoder(config, capabilities, width=640, height=480, muxer=muxer, device_node="/dev/dri/renderD128")


def params(vcodec: str, **keys: Any) -> dict[str, Any]:
    return {f"{vcodec.removeprefix('lib')}-params": keys}


REDUCED = [
    pytest.param("libx264", {}, {"bf": 2}, {"bf": 1}, "bf=2 to 1", id="bf-at-g-2"),
    pytest.param("libx264", {"g": 10}, {"bf": 16}, {"bf": 9}, "g=10", id="bf-at-g-10"),
    pytest.param("libx264", {"g": None}, {"bf": 16}, {"bf": 16}, "", id="bf-at-x264s-own-g"),
    pytest.param("libx264", {}, params("x264", bframes=2), params("x264", bframes=1), "bframes=2", id="bframes"),
    pytest.param("libx264", {}, {"x264-params": "aq-mode=3:bframes=2"}, {"x264-params": "aq-mode=3:bframes=1"}, "to 1", id="text"),
    pytest.param("libx264", {"g": 10}, {"keyint_min": 10}, {"keyint_min": 6}, "to 6", id="keyint_min"),
    pytest.param("libx264", {"g": 10}, {"keyint_min": 6}, {"keyint_min": 6}, "", id="keyint_min-at-the-limit"),
    pytest.param("libx264", {}, {"me_range": 32}, {"me_range": 16}, "umh", id="me_range"),
    pytest.param("libx264", {}, {"me_range": 32, "motion-est": "umh"}, None, "", id="me_range-with-umh"),
    pytest.param("libx264", {}, {"me_range": 32, "me_method": 2}, None, "", id="me_range-with-a-number-for-umh"),
    pytest.param("libx264", {"preset": "slower"}, {"me_range": 32}, None, "", id="me_range-with-the-umh-of-a-preset"),
    pytest.param("libx264", {}, {"subq": 11}, {"subq": 9}, "trellis=2", id="subq"),
    pytest.param("libx264", {}, {"subq": 11, "trellis": 2}, None, "", id="subq-with-trellis"),
    pytest.param("libx264", {"g": 30}, {"rc-lookahead": 60}, {"rc-lookahead": 30}, "keyframe", id="rc-lookahead"),
    pytest.param("libx264", {"g": 30}, {"rc-lookahead": 60, "maxrate": "1M", "bufsize": "4M"}, None, "", id="rc-lookahead-vbv"),
    pytest.param("libx265", {}, params("x265", ctu=16, **{"max-tu-size": 32}), params("x265", ctu=16, **{"max-tu-size": 16}), "ctu",
                 id="max-tu-size"),
    pytest.param("libx265", {}, {"bf": 4}, None, "", id="x265-keeps-bf"),
]  # fmt: skip


@pytest.mark.parametrize(("vcodec", "fields", "given", "effective", "said"), REDUCED)
def test_value_reduced_by_another_setting_is_used_and_reported(vcodec, fields, given, effective, said):
    """The command has the value as given; the record has what takes effect."""
    resolved = resolve(vcodec, extra_options=given, **fields)
    assert resolved.config.extra_options == (given if effective is None else effective)
    assert len(resolved.reductions) == (1 if said else 0)
    assert said in "".join(resolved.reductions)


NO_EFFECT = [
    ("libx264", {"g": 1}, {"bf": 2}, "g=1"),
    ("libx264", {}, {"b-pyramid": "normal"}, "two B-frames"),
    ("libx264", {"g": 9}, {"b-pyramid": "strict", "bf": 1}, "two B-frames"),
    ("libx264", {}, {"b_strategy": 2, "bf": 0}, "B-frames are off"),
    ("libx264", {"preset": "ultrafast"}, {"weightb": 1}, "B-frames are off"),
    ("libx264", {}, {"tune": "zerolatency", "b-bias": 5}, "B-frames are off"),
    ("libx264", {"g": 1}, {"direct-pred": "auto"}, "B-frames are off"),
    ("libx264", {}, params("x264", **{"b-adapt": 2, "bframes": 0}), "B-frames are off"),
    ("libx264", {}, {"bf": 2, "profile:v": "baseline"}, "baseline"),
    ("libx264", {}, {"coder": "ac", "profile": "baseline"}, "baseline"),
    ("libx264", {}, {"8x8dct": 1, "profile": "main"}, "high"),
    ("libx264", {"preset": "ultrafast"}, {"profile": "high"}, "lower profile"),
    ("libx264", {"preset": "ultrafast"}, {"profile": "main"}, "lower profile"),
    ("libx264", {}, {"mixed-refs": 1, "refs": 1}, "one reference frame"),
    ("libx264", {"preset": "ultrafast"}, {"psy-rd": "1.0,0"}, "subq"),
    ("libx264", {}, {"psy": 0, "psy-rd": "1.0"}, "psy=0"),
    ("libx264", {}, {"mbtree": 1, "rc-lookahead": 0}, "look-ahead"),
    ("libx264", {}, {"aq-mode": 0, "aq-strength": 0.5}, "aq-mode=0"),
    ("libx264", {}, {"qp": 20, "qcomp": 0.7}, "qp leaves"),
    ("libx264", {}, {"motion-est": "tesa", "subq": 1}, "esa"),
    ("libx265", {"g": 1}, {"bf": 2}, "g=1"),
    ("libx265", {}, params("x265", **{"b-pyramid": 1, "bframes": 1}), "two B-frames"),
    ("libx265", {}, params("x265", amp=1), "rect"),
    ("libx265", {}, params("x265", **{"tskip-fast": 1}), "tskip"),
    ("libx265", {}, params("x265", **{"psy-rdoq": 1}), "rdoq-level"),
    ("libx265", {}, params("x265", **{"lossless": 1, "aq-mode": 3}), "lossless leaves"),
]


@pytest.mark.parametrize(("vcodec", "fields", "options", "said"), NO_EFFECT)
def test_value_reduced_to_nothing_is_refused_with_the_other_setting(vcodec, fields, options, said):
    with pytest.raises(EncoderOptionError, match="would have no effect") as caught:
        resolve(vcodec, extra_options=options, **fields)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("vcodec", "fields", "options"),
    [
        ("libx264", {"g": 1}, {"bf": 0}),
        ("libx264", {}, {"b-pyramid": "none"}),
        ("libx264", {"g": 3}, {"b-pyramid": "normal"}),
        ("libx264", {}, {"8x8dct": 0, "profile": "main"}),
        ("libx264", {"preset": "superfast"}, {"profile": "high"}),
        ("libx264", {"preset": "slow"}, {"psy-rd": "1.0,0.2", "subq": 5}),
        ("libx264", {}, params("x264", **{"no-cabac": 1}) | {"profile": "baseline"}),
        ("libx265", {"preset": "slow"}, params("x265", amp=1)),
        ("libx265", {}, params("x265", rect=1, amp=1)),
    ],
)
def test_option_without_a_reduction_is_used_as_given(vcodec, fields, options):
    resolved = resolve(vcodec, extra_options=options, **fields)
    assert resolved.reductions == ()
    assert resolved.config.extra_options == options


@pytest.mark.parametrize(
    ("vcodec", "options", "said"),
    [
        ("libx264", {"qmin": 40, "qmax": 20}, "contradicts"),
        ("libx265", {"qmin": 40, "qmax": 20}, "contradicts"),
        ("libx264", {"qdiff": 1}, "2 to 50"),
        ("libx264", params("x264", qpstep=1), "2 to 69"),
        ("libx264", {"bf": 2, **params("x264", bframes=3)}, "one setting"),
        ("libx264", {"motion-est": "umh", "me_method": "hex"}, "one setting"),
        ("libx264", {"coder": "ac", **params("x264", **{"no-cabac": 1})}, "one setting"),
        ("libx265", {"refs": 3, **params("x265", ref=2)}, "one setting"),
    ],
)
def test_contradictions_and_values_out_of_range_are_refused(vcodec, options, said):
    with pytest.raises(EncoderOptionError, match=said):
        resolve(vcodec, extra_options=options)


@pytest.mark.parametrize(
    ("vcodec", "options", "absent"),
    [
        ("libx264", {"qp": 20}, {"crf"}),
        ("libx264", {"qp": 0}, {"crf"}),
        ("libx264", {"b": "1M"}, {"crf"}),
        ("libx265", {"qp": 20}, {"crf"}),
        ("libx265", params("x265", lossless=1), {"crf"}),
        ("libsvtav1", {"qp": 20}, {"crf"}),
        ("libsvtav1", {"b": "1M", "qmin": 20}, {"crf"}),
        ("libsvtav1", {"svtav1-params": "lossless=1"}, {"crf"}),
        ("libaom-av1", {"aom-params": {"lossless": True}}, {"crf", "b"}),
        ("libvpx-vp9", {"lossless": 1}, {"crf", "b"}),
        ("libvpx-vp9", {"b": "1M"}, {"crf"}),
        ("libvpx-vp9", {"b": "300k", "minrate": "300k", "maxrate": "300k", "bufsize": "60k"}, {"crf"}),
        ("librav1e", {"b": "1M"}, {"qp"}),
        ("mpeg4", {"b": "1M"}, {"q"}),
        ("h264_nvenc", {"rc": "constqp", "qp": 20}, {"cq"}),
        ("h264_nvenc", {"b": "4M"}, {"cq"}),
    ],
)  # fmt: skip
def test_default_crf_yields_to_another_quality_and_a_given_one_does_not(vcodec, options, absent):
    resolved = resolve(vcodec, extra_options=options)
    assert not absent & (dict(resolved.options).keys() - options.keys())
    assert resolved.config.crf is None
    with pytest.raises(EncoderOptionError, match="contradicts crf"):
        resolve(vcodec, crf=30, extra_options=options)


@pytest.mark.parametrize(
    ("vcodec", "options"),
    [
        ("libx265", params("x265", lossless=0)),
        ("libvpx-vp9", {"lossless": 0}),
        ("libaom-av1", {"aom-params": "lossless=0"}),
    ],
)
def test_switch_that_is_off_keeps_the_default_crf(vcodec, options):
    assert resolve(vcodec, extra_options=options).config.crf == 30
    assert resolve(vcodec, crf=20, extra_options=options).config.crf == 20


def test_lossless_depth_records_no_crf():
    resolved = resolve_encoder(DepthEncoderConfig(), recorded("9.0.2"), width=640, height=480)
    assert resolved.config.crf is None
    assert resolved.config.extra_options == {"x265-params": "lossless=1"}


def test_default_crf_stored_by_lerobot_yields_to_a_lossless_switch():
    stored = {
        "video.codec": "hevc", "video.pix_fmt": "gray12le", "video.crf": 30, "video.extra_options": {"x265-params": "lossless=1"},
    }  # fmt: skip
    for config in (
        DepthEncoderConfig.from_video_info(stored),
        DepthEncoderConfig.from_record(DepthEncoderConfig().model_dump()),
    ):
        assert resolve_encoder(config, recorded("9.0.2"), width=640, height=480).config.crf is None


PROFILES = [
    ("libx265", "main10", "yuv420p", "yuv420p10le"),
    ("libx265", "main12", "yuv420p10le", "yuv420p12le"),
    ("libx265", "main", "yuv420p10le", "yuv420p"),
    ("libx265", "main444-8", "yuv420p", "yuv444p"),
    ("libx264", "high10", "yuv420p", "yuv420p10le"),
    ("libx264", "high422", "yuv420p", "yuv422p"),
    ("libx264", "high444", "yuv420p", "yuv444p"),
    ("libx264", "high", "yuv420p10le", "yuv420p"),
    ("libx264", "main", "yuv444p", "yuv420p"),
]


@pytest.mark.parametrize(("vcodec", "profile", "wrong", "right"), PROFILES)
def test_profile_needs_one_of_its_pixel_formats(vcodec, profile, wrong, right):
    with pytest.raises(EncoderOptionError, match=right) as caught:
        resolve(vcodec, pix_fmt=wrong, extra_options={"profile:v": profile})
    assert right in caught.value.accepted
    assert resolve(vcodec, pix_fmt=right, extra_options={"profile:v": profile}).config.extra_options == {
        "profile:v": profile
    }


def test_intra_only_profile_is_refused():
    with pytest.raises(EncoderOptionError, match="every frame a keyframe"):
        resolve("libx265", extra_options={"profile": "main-intra"})


@pytest.mark.parametrize(
    ("vcodec", "pix_fmt", "build"), [("libvpx-vp9", "yuva420p", "9.0.2"), ("libvpx-vp9", "yuva420p", "4.2.2")]
)
def test_alpha_that_would_be_lost_is_refused(vcodec, pix_fmt, build):
    with pytest.raises(PixelFormatError, match="loses the alpha"):
        resolve(vcodec, pix_fmt=pix_fmt, build=build)


def test_ffv1_keeps_alpha():
    assert resolve("ffv1", pix_fmt="bgra", muxer="mov", crf=None).feed_pix_fmt == "bgra"


DAMAGE = [
    # library, fields, preset that takes effect or None if it is refused
    ((4, 2, 0), {"crf": 1}, 7),
    ((4, 2, 0), {"crf": 29}, 7),
    ((4, 2, 0), {"crf": 30}, 12),
    ((4, 2, 0), {}, 12),
    ((4, 2, 0), {"crf": 1, "preset": 12}, None),
    ((4, 2, 0), {"crf": 1, "preset": 8}, None),
    ((4, 2, 0), {"crf": 1, "preset": 7}, 7),
    ((4, 2, 0), {"extra_options": {"qp": 5}}, 7),
    ((4, 2, 0), {"extra_options": {"qp": 5}, "preset": 10}, None),
    ((4, 2, 0), {"extra_options": {"b": "60M"}}, 7),
    ((4, 2, 0), {"extra_options": {"b": "60M"}, "preset": 12}, None),
    ((4, 2, 0), {"extra_options": {"b": "60M", "qmin": 30}, "preset": 12}, 12),
    ((4, 2, 0), {"extra_options": {"svtav1-params": "lossless=1"}, "preset": 12}, 12),
    ((4, 1, 0), {"crf": 1, "preset": 12}, 12),
    ((3, 0, 0), {"crf": 1}, 7),
    ((1, 4, 1), {"crf": 1}, 11),
    ((1, 4, 1), {"crf": 1, "preset": 11}, 11),
    ((1, 4, 1), {"crf": 1, "preset": 12}, None),
]


@pytest.mark.parametrize(("library", "fields", "preset"), DAMAGE)
def test_svt_of_10_bits_gets_a_preset_that_does_not_damage_frames(library, fields, preset):
    fields = {"pix_fmt": "yuv420p10le", **fields}
    if preset is None:
        with pytest.raises(EncoderOptionError, match=r"damages frames of 10 bits .* use preset \d+ or lower, a crf"):
            resolve("libsvtav1", library=library, **fields)
        return
    resolved = resolve("libsvtav1", library=library, **fields)
    assert resolved.config.preset == preset
    assert dict(resolved.options)["preset"] == str(preset)
    assert len(resolved.reductions) == ("preset" not in fields and preset != 12)


@pytest.mark.parametrize(
    ("library", "fields", "preset"),
    [
        ((4, 2), {"crf": 5}, 12),
        ((4, 2), {"crf": 1, "g": 2}, 12),
        ((4, 2), {"crf": 1, "g": 30}, 10),
        ((4, 1), {"crf": 1, "g": None}, 10),
        ((4, 1), {"crf": 8, "g": 30}, 12),
        ((4, 1), {"extra_options": {"b": "60M"}, "g": 30}, 12),
        ((1, 4, 1), {"crf": 1, "g": 30}, 12),
    ],
)
def test_svt_of_8_bits_gets_a_slower_preset_if_its_stream_could_not_be_decoded(library, fields, preset):
    assert resolve("libsvtav1", library=library, **fields).config.preset == preset
    if preset == 10:
        with pytest.raises(
            EncoderOptionError, match=r"use preset 10 or lower, a crf or quantizer of 8 or more, or g=2"
        ):
            resolve("libsvtav1", library=library, preset=12, **fields)


@pytest.mark.parametrize("option", [{"tier": "high"}, {"sc_detection": 1}])
def test_option_that_an_old_svt_ignores_is_refused(option):
    with pytest.raises(EncoderOptionError, match=r"ignores|has no option"):
        resolve("libsvtav1", build="5.1.9-deb", library=(1, 4, 1), preset=10, extra_options=option)


@pytest.mark.parametrize("option", ["auto-alt-ref", "arnr-maxframes", "arnr-strength", "lag-in-frames"])
def test_option_that_libvpx_reads_only_in_two_passes_is_refused(option):
    with pytest.raises(EncoderOptionError, match="two passes"):
        resolve("libvpx-vp9", extra_options={option: 1})


@pytest.mark.parametrize(
    ("vcodec", "options", "reason"),
    [
        ("libx265", {"x265-params": "zones=0,20,q=45/21,59,q=10"}, "another quality than"),
        ("libx264", {"x264-params": {"zones": "0,20,q=45"}}, "another quality than"),
        ("libx264", {"flags": "+ildct"}, "interlaced"),
        ("libx265", {"x265-params": {"psy-rd": "1/2"}}, "letters, digits"),
        ("libvpx-vp9", {"b": "300k", "maxrate": "300k"}, "constant bit rate"),
        ("libvpx-vp9", {"b": "300k", "minrate": "200k", "maxrate": "300k"}, "constant bit rate"),
    ],
)
def test_refusal_gives_the_true_reason(vcodec, options, reason):
    with pytest.raises(EncoderOptionError, match=reason):
        resolve(vcodec, extra_options=options)


# The report of the encoder itself.


def reported(report: str, *, vcodec: str = "libx264", **settings: Any) -> ResolvedEncoder:
    encoder = resolve(vcodec, **settings)
    return compare_with_report(encoder, ENCODERS[vcodec], parse_report(report))


def test_a_report_is_read_word_by_word():
    assert parse_report("cabac=1 no-sao wpp deblock=1:0:0") == {
        "cabac": "1",
        "sao": "0",
        "wpp": "1",
        "deblock": "1:0:0",
    }


def test_report_equal_to_the_request_has_no_reduction():
    known = reported(
        "bframes=1 vbv_maxrate=90 vbv_bufsize=80", extra_options={"bf": 2, "maxrate": "90k", "bufsize": "80k"}
    )
    assert known.reductions == ()
    assert known.config.extra_options["bf"] == 1


def test_a_setting_that_is_missing_from_the_report_is_not_taken_for_0():
    known = reported("bframes=1", g=10, extra_options={"refs": 4, "bf": 1, "weightb": 0})
    assert known.config.extra_options == {"refs": 4, "bf": 1, "weightb": 0}
    assert known.reductions == ("libx264 does not report refs, so it may not have taken effect",)


def test_a_report_corrects_what_the_plan_did_not_know():
    corrected = reported("bframes=1 ref=6", g=10, extra_options={"refs": 16, "bf": 1})
    assert corrected.config.extra_options == {"refs": 6, "bf": 1}
    assert corrected.reductions == ("libx264 used refs=6 instead of 16, by its own report",)
