"""The measured effect of an option: on a measured build, between two builds, and outside of them."""

from __future__ import annotations

import pytest

from ffenc.encoders import option_effects
from ffenc.encoders.generic import GENERIC_OPTIONS
from ffenc.encoders.option_effects import MeasuredBuild, MeasuredEncoder, effect_of, kind_of, measured_builds
from ffenc.encoders.software import SOFTWARE

BUILDS = pytest.mark.parametrize("build", measured_builds(), ids=lambda build: build.name)


def build(name, libavcodec, library=None, **options):
    table = MeasuredEncoder(library=library, setup="", contexts=("base",), options=options)
    return MeasuredBuild(name=name, libavcodec=libavcodec, encoders={"enc": table})


ACTS, IGNORED = {"0": "same", "1": "acts"}, {"0": "same", "1": "same"}
OLD, MIDDLE, NEW = (58, 54, 100), (60, 31, 102), (63, 1, 102)


@pytest.fixture
def tables(monkeypatch):
    def use(*builds):
        monkeypatch.setattr(option_effects, "measured_builds", lambda: builds)

    return use


@pytest.mark.parametrize(
    ("outcomes", "kind"),
    [
        ({"0": "acts", "1": "same"}, "acts"),
        ({"0": "same", "1": "acts (slow)"}, "acts"),
        ({"0": "same", "1": "-> 3"}, "acts"),
        ({"0": "same", "1": "same", "2": "refused"}, "ignored"),
        ({"0": "=> 3", "5": "=> 3"}, "ignored"),
        ({"0": "=> 3", "1": "=> 3", "2": "=> 3 (slow: as given)"}, "ignored"),
        ({"0": "same", "1": "=> 0 (transform: as given)", "2": "refused"}, "unknown"),
        ({"0": "refused", "1": "crashes"}, "refused"),
        ({"0": "same", "1": "refused"}, "unknown"),
        ({"0": "same", "1": "unclear", "2": "same"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_option_is_ignored_if_at_least_two_values_have_no_effect(outcomes, kind):
    assert kind_of(outcomes) == kind


@pytest.mark.parametrize(
    ("old", "new", "here", "kind"),
    [
        (IGNORED, ACTS, OLD, "ignored"),
        (IGNORED, ACTS, NEW, "acts"),
        (IGNORED, ACTS, MIDDLE, "unknown"),
        (IGNORED, IGNORED, MIDDLE, "ignored"),
        (IGNORED, IGNORED, (58, 20, 100), "unknown"),
        (IGNORED, IGNORED, (64, 0, 0), "unknown"),
        (ACTS, ACTS, MIDDLE, "acts"),
    ],
)
def test_effect_between_two_measured_builds_needs_both_to_agree(tables, old, new, here, kind):
    tables(build("old", OLD, option=old), build("new", NEW, option=new))
    assert effect_of("enc", "option", "1", libavcodec=here).kind == kind


@pytest.mark.parametrize(
    ("libavcodec", "library", "kind"),
    [
        (OLD, (1, 4), "ignored"),
        (NEW, (4, 2), "acts"),
        (OLD, (4, 2), "acts"),
        (NEW, (2, 0), "unknown"),
        (MIDDLE, (1, 4), "ignored"),
        (MIDDLE, None, "unknown"),
    ],
)
def test_known_library_version_decides_before_libavcodec(tables, libavcodec, library, kind):
    tables(build("old", OLD, (1, 4), option=IGNORED), build("new", NEW, (4, 2), option=ACTS))
    assert effect_of("enc", "option", "1", libavcodec=libavcodec, library=library).kind == kind


def test_table_without_a_library_version_is_skipped_for_a_known_library(tables):
    tables(build("old", OLD, (1, 4), option=IGNORED), build("new", NEW, option=IGNORED))
    assert effect_of("enc", "option", "1", libavcodec=MIDDLE, library=(2, 0)).kind == "unknown"
    assert effect_of("enc", "option", "1", libavcodec=MIDDLE).kind == "ignored"


def test_build_that_did_not_measure_an_option_is_skipped(tables):
    tables(build("old", OLD), build("middle", MIDDLE, option=IGNORED), build("new", NEW, option=IGNORED))
    assert effect_of("enc", "option", "1", libavcodec=(59, 0, 0)).kind == "unknown"
    assert effect_of("enc", "option", "1", libavcodec=(62, 0, 0)).measured_on == ("middle", "new")


def test_a_negated_key_is_that_key(tables):
    tables(build("old", OLD, **{"params:sao": IGNORED}))
    assert effect_of("enc", "params:no-sao", "1", libavcodec=OLD).kind == "ignored"


def test_value_clamped_in_every_context_is_reduced(tables):
    tables(build("old", OLD, option={"1": "acts", "99": "-> 16", "20": "-> 9 (g=2: 1)"}))
    effects = {value: effect_of("enc", "option", value, libavcodec=OLD) for value in ("1", "99", "20")}
    assert {value: (effect.kind, effect.effective) for value, effect in effects.items()} == {
        "1": ("acts", None),
        "99": ("reduced", "16"),
        "20": ("acts", None),
    }


def test_unmeasured_encoder_or_option_has_unknown_effect(tables):
    tables(build("old", OLD, option=ACTS))
    assert effect_of("other", "option", "1", libavcodec=OLD).kind == "unknown"
    assert effect_of("enc", "other", "1", libavcodec=OLD).kind == "unknown"


# Generic options that act and that a row leaves out anyway.
_OF_A_BIT_RATE = dict.fromkeys(
    ("bufsize", "i_qfactor", "keyint_min", "maxrate", "minrate", "qcomp", "qdiff", "qmax", "qmin", "rc_init_occupancy"),
    "it only counts at a bit rate",
)
LEFT_OUT = {
    "libaom-av1": _OF_A_BIT_RATE,
    "librav1e": _OF_A_BIT_RATE,
    "mpeg4": _OF_A_BIT_RATE,
    "mjpeg": _OF_A_BIT_RATE,
    "libx264": {
        "cmp": "every value but one switches chroma-me off, whatever it says",
        "b_qfactor": "it only counts without mbtree, which is x264's default",
    },
}


@BUILDS
def test_rows_and_tables_agree_on_which_generic_options_are_read(build):
    for row in SOFTWARE:
        table = build.encoders.get(row.name)
        if table is None:
            continue
        read = {name for name in row.generic if build.libavcodec >= row.generic_since.get(name, ())}
        # An encoder's own option may have the name of a generic one.
        names = (set(GENERIC_OPTIONS) & set(table.options)) - {"profile", "level"} - set(row.refused)
        acting = {name for name in names if kind_of(table.options[name]) == "acts"}
        assert acting - set(LEFT_OUT.get(row.name, {})) <= read, row.name
        assert read & names <= acting, row.name
