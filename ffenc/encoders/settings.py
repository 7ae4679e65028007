"""The settings of x264 and x265: names, defaults by preset and tune, and the limits that they put on each other.

x264 and x265 change values silently, but write the values that they use into the stream.  This table was read from streams
of FFmpeg 4.2.2 and 9.0.2, with every preset and tune.  After every encode the same report is compared with the request
(`ffenc.plan.effective`).  So if this table has a gap, the error comes late, but the recorded settings are never wrong.
"""

from __future__ import annotations

from collections.abc import Mapping

from ffenc.encoders.spec import Limit, Setting

PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
)  # fmt: skip


def _by_preset(text: str) -> dict[str, str]:
    """Return one value per preset, from the fastest on."""
    return dict(zip(PRESETS, text.split(), strict=True))


_B_FRAMES = ("b_adapt", "b_bias", "direct", "weightb")
_ME = {str(number): name for number, name in enumerate(("dia", "hex", "umh", "esa", "tesa"))}
_NO_B_FRAMES = "B-frames are off"


def _x264(key: str, *options: str, reported: str = "", **more: object) -> Setting:
    """Return a setting with the key ``key`` in ``x264-params``, reported under that name with underscores unless given."""
    names = (*options, *(f"x264-params:{part}" for part in key.split()))
    return Setting(options=names, reported=reported or key.split(maxsplit=1)[0].replace("-", "_"), **more)  # type: ignore[arg-type]


X264: Mapping[str, Setting] = {
    "g": Setting(options=("g",), default="250", reported="keyint"),
    "tune": Setting(options=("tune",)),
    "profile": Setting(options=("profile",)),
    "qp": Setting(options=("qp",), reported="qp"),
    "maxrate": Setting(options=("maxrate",), reported="vbv_maxrate", unit=1000),
    "bufsize": Setting(options=("bufsize",), reported="vbv_bufsize", unit=1000),
    "crf_max": Setting(options=("crf_max",), reported="crf_max"),
    "nal-hrd": Setting(
        options=("nal-hrd",), numbers={"0": "none", "1": "vbr", "2": "cbr"}, default="none", reported="nal_hrd"
    ),
    "bframes": _x264(
        "bframes",
        "bf",
        default="3",
        by_preset=_by_preset("0 3 3 3 3 3 3 3 8 16"),
        by_tune={"zerolatency": "0", "animation": "5"},
    ),
    "b_pyramid": _x264("b-pyramid", "b-pyramid", default="2", numbers={"none": "0", "strict": "1", "normal": "2"}),
    "b_adapt": _x264("b-adapt", "b_strategy"),
    "b_bias": _x264("b-bias", "b-bias"),
    "direct": _x264(
        "direct", "direct-pred", numbers={"none": "0", "spatial": "1", "temporal": "2", "auto": "3"}, default="1"
    ),
    "weightb": _x264("weightb", "weightb", negations=("x264-params:no-weightb",)),
    "weightp": _x264(
        "weightp",
        "weightp",
        "wpredp",
        default="2",
        numbers={"none": "0", "simple": "1", "smart": "2"},
        by_preset=_by_preset("0 1 1 1 1 2 2 2 2 2"),
        by_tune={"fastdecode": "0"},
    ),
    "keyint_min": _x264("min-keyint", "keyint_min", reported="keyint_min"),
    "ref": _x264("ref", "refs"),
    "mixed_ref": _x264("mixed-refs", "mixed-refs", reported="mixed_ref", negations=("x264-params:no-mixed-refs",)),
    "me": _x264(
        "me",
        "motion-est",
        "me_method",
        default="hex",
        numbers=_ME,
        by_preset=_by_preset("dia dia hex hex hex hex hex umh umh tesa"),
    ),
    "me_range": _x264("merange", "me_range", reported="me_range"),
    "subme": _x264("subme", "subq", default="7", by_preset=_by_preset("0 1 2 4 6 7 8 9 10 11")),
    "trellis": _x264("trellis", "trellis", default="1", by_preset=_by_preset("0 0 0 1 1 1 2 2 2 2")),
    "psy": _x264("psy", "psy", default="1", negations=("x264-params:no-psy",), by_tune={"psnr": "0", "ssim": "0"}),
    "psy-rd": Setting(options=("psy-rd", "x264-params:psy-rd")),
    "cabac": _x264(
        "cabac",
        "coder",
        default="1",
        negations=("x264-params:no-cabac",),
        by_tune={"fastdecode": "0"},
        by_preset=_by_preset("0 1 1 1 1 1 1 1 1 1"),
        numbers={"ac": "1", "cabac": "1", "vlc": "0", "cavlc": "0"},
    ),
    "8x8dct": _x264(
        "8x8dct",
        "8x8dct",
        default="1",
        negations=("x264-params:no-8x8dct",),
        by_preset=_by_preset("0 1 1 1 1 1 1 1 1 1"),
    ),
    "mbtree": _x264(
        "mbtree",
        "mbtree",
        default="1",
        negations=("x264-params:no-mbtree",),
        by_tune={"zerolatency": "0"},
        by_preset=_by_preset("0 0 1 1 1 1 1 1 1 1"),
    ),
    "rc_lookahead": _x264(
        "rc-lookahead",
        "rc-lookahead",
        default="40",
        by_tune={"zerolatency": "0"},
        by_preset=_by_preset("0 0 10 20 30 40 50 60 60 60"),
    ),
    "aq-mode": Setting(
        options=("aq-mode", "x264-params:aq-mode"),
        default="1",
        by_preset=_by_preset("0 1 1 1 1 1 1 1 1 1"),
        numbers={"none": "0", "variance": "1", "autovariance": "2", "autovariance-biased": "3"},
    ),
    "aq-strength": Setting(options=("aq-strength", "x264-params:aq-strength"), default="1", by_tune={"psnr": "0"}),
    "qpmin": _x264("qpmin", "qmin", default="0"),
    "qpmax": _x264("qpmax", "qmax", default="69"),
    "qpstep": _x264("qpstep", "qdiff", default="4"),
    "qcomp": _x264("qcomp", "qcomp"),
    "cplxblur": Setting(options=("cplxblur",)),
    "nr": _x264("nr", "noise_reduction"),
    "slices": _x264("slices", "slices"),
    "slices_max": _x264("slices-max"),
    "slice_max_size": _x264("slice-max-size", "slice-max-size"),
    "slice_max_mbs": _x264("slice-max-mbs"),
    "sliced_threads": _x264("sliced-threads"),
    "lookahead_threads": _x264("lookahead-threads"),
    "scenecut": _x264("scenecut", "sc_threshold", negations=("x264-params:no-scenecut",)),
    "fast_pskip": _x264("fast-pskip", "fast-pskip", negations=("x264-params:no-fast-pskip",)),
    "chroma_me": _x264("chroma-me", negations=("x264-params:no-chroma-me",)),
    "decimate": _x264("dct-decimate", reported="decimate", negations=("x264-params:no-dct-decimate",)),
    "constrained_intra": _x264("constrained-intra"),
    "bluray_compat": _x264("bluray-compat", "bluray-compat"),
}
"""Settings of x264, mostly by their name in its report."""

_BASELINE = {"profile": ("baseline",)}
_CONSTANT_QP = {"qp": tuple(map(str, range(70)))}

X264_LIMITS: tuple[Limit, ...] = (
    Limit(setting="bframes", beside=_BASELINE, why="profile baseline has no B-frames"),
    Limit(
        setting="bframes",
        highest_from=("g", 1, -1),
        why="x264 uses at most g - 1 B-frames, those between two keyframes",
    ),
    Limit(setting="b_pyramid", beside={"bframes": ("0", "1")}, why="x264 needs two B-frames in a row for it"),
    *(Limit(setting=name, beside={"bframes": ("0",)}, why=_NO_B_FRAMES) for name in _B_FRAMES),
    Limit(setting="direct", values=("temporal",), beside={"subme": ("0",)}, why="x264 refuses temporal at subme=0"),
    Limit(setting="keyint_min", highest_from=("g", 2, 1), why="x264 keeps keyframes at most g / 2 + 1 apart by force"),
    Limit(setting="weightp", beside=_BASELINE, why="profile baseline has no weighted prediction"),
    Limit(
        setting="weightp", values=("2",), beside={"bluray_compat": ("1",)}, highest=1, why="bluray-compat allows no more"
    ),
    Limit(setting="ref", beside={"bluray_compat": ("1",)}, highest=6, why="bluray-compat allows no more"),
    Limit(setting="ref", beside={"g": ("1",)}, highest=1, why="there are only keyframes"),
    Limit(setting="cabac", beside=_BASELINE, why="profile baseline has no CABAC"),
    Limit(setting="8x8dct", beside={"profile": ("baseline", "main")}, why="only profile high and above have it"),
    Limit(
        setting="profile", values=("high",), beside={"8x8dct": ("0",)},
        why="without 8x8dct, which preset ultrafast turns off, the stream is of a lower profile",
    ),
    Limit(
        setting="profile", values=("main",), beside={"cabac": ("0",), "bframes": ("0",), "weightp": ("0",)},
        why="without CABAC, B-frames and weighted prediction the stream is of a lower profile",
    ),
    Limit(setting="mixed_ref", beside={"ref": ("1",)}, why="only one reference frame is used"),
    Limit(
        setting="me_range",
        beside={"me": ("dia", "hex")},
        highest=16,
        why="x264 searches no further with motion-est dia or hex; umh and esa do",
    ),
    Limit(
        setting="me", values=("tesa",), beside={"subme": ("0", "1")}, why="x264 uses esa instead at subme (subq) 0 and 1"
    ),
    Limit(setting="subme", values=("10", "11"), beside={"trellis": ("0", "1")}, highest=9, why="10 and 11 need trellis=2"),
    Limit(
        setting="subme", values=("10", "11"), beside={"aq-mode": ("0",)}, highest=9,
        why="10 and 11 need adaptive quantisation (aq-mode)",
    ),
    Limit(setting="psy-rd", beside={"psy": ("0",)}, why="psychovisual optimisations are off (psy=0)"),
    Limit(
        setting="psy-rd", beside={"subme": ("0", "1", "2", "3", "4", "5"), "trellis": ("0",)},
        why="it needs subme (subq) 6 or more, or trellis",
    ),
    Limit(setting="mbtree", beside={"rc_lookahead": ("0",)}, why="look-ahead is off (rc-lookahead=0)"),
    Limit(setting="mbtree", beside={"g": ("1",)}, why="there are only keyframes (g=1)"),
    Limit(
        setting="rc_lookahead", beside={"mbtree": ("0",), "bufsize": ("",), "b_adapt": ("",)},
        why="with mbtree off and no bufsize nothing looks ahead",
    ),
    Limit(
        setting="rc_lookahead", beside={"bufsize": ("",)}, highest_from=("g", 1, 0),
        why="x264 looks ahead no further than the next keyframe",
    ),
    Limit(setting="aq-strength", beside={"aq-mode": ("0",)}, why="adaptive quantisation is off (aq-mode=0)"),
    Limit(setting="aq-mode", beside={"aq-strength": ("0", "0.0")}, why="its strength is 0 (aq-strength)"),
    *(
        Limit(setting=name, beside=_CONSTANT_QP, why="qp leaves nothing to decide")
        for name in ("qpmin", "qpmax", "qpstep", "qcomp", "cplxblur", "crf_max", "mbtree", "aq-mode", "aq-strength",
                     "maxrate", "bufsize", "nal-hrd")
    ),
    Limit(setting="qpmin", highest_from=("qpmax", 1, 0), contradiction=True, why="qmin is above qmax"),
    Limit(setting="qpstep", highest_from=("qpmax", 1, 0), why="x264 takes no larger step than qmax"),
    Limit(setting="slices_max", beside={"slices": ("",), "slice_max_size": ("",), "slice_max_mbs": ("",)},
          why="it limits slices, slice-max-size or slice-max-mbs"),
)  # fmt: skip
"""The limits of `x264_validate_parameters`, read from reports."""


def _x265(key: str, *options: str, reported: str = "", **more: object) -> Setting:
    """Return a setting with the key ``key`` in ``x265-params``, reported under that name unless given."""
    names = (*options, f"x265-params:{key}")
    negations = (f"x265-params:no-{key}",)
    return Setting(options=names, negations=negations, reported=reported or key, **more)  # type: ignore[arg-type]


X265: Mapping[str, Setting] = {
    "g": Setting(options=("x265-params:keyint",), default="250", reported="keyint"),
    "tune": Setting(options=("tune",)),
    "profile": Setting(options=("profile",)),
    "maxrate": Setting(options=("maxrate",), reported="vbv-maxrate", unit=1000),
    "bufsize": Setting(options=("bufsize",), reported="vbv-bufsize", unit=1000),
    "qp": Setting(options=("qp",)),
    "lossless": _x265("lossless", default="0"),
    "bframes": _x265(
        "bframes",
        "bf",
        default="4",
        by_preset=_by_preset("3 3 4 4 4 4 4 8 8 8"),
        by_tune={"zerolatency": "0", "animation": "6"},
    ),
    "b-pyramid": _x265("b-pyramid"),
    "b-adapt": Setting(options=("x265-params:b-adapt",)),
    "bframe-bias": _x265("bframe-bias"),
    "weightb": _x265("weightb"),
    "min-keyint": _x265("min-keyint", "keyint_min"),
    "ref": _x265("ref", "refs"),
    "merange": _x265("merange"),
    "subme": _x265("subme"),
    "rd": _x265("rd", default="3", by_preset=_by_preset("2 2 2 2 2 3 4 6 6 6")),
    "rdoq-level": _x265("rdoq-level", default="0", by_preset=_by_preset("0 0 0 0 0 0 2 2 2 2")),
    "psy-rd": _x265("psy-rd"),
    "psy-rdoq": _x265("psy-rdoq"),
    "ssim-rd": _x265("ssim-rd", default="0"),
    "rect": _x265("rect", default="0", by_preset=_by_preset("0 0 0 0 0 0 1 1 1 1")),
    "amp": _x265("amp"),
    "tskip": _x265("tskip", default="0", by_preset=_by_preset("0 0 0 0 0 0 0 0 0 1")),
    "tskip-fast": _x265("tskip-fast"),
    "ctu": _x265("ctu", default="64", by_preset=_by_preset("32 32 64 64 64 64 64 64 64 64")),
    "max-tu-size": _x265("max-tu-size"),
    "qg-size": _x265("qg-size"),
    "min-cu-size": _x265("min-cu-size"),
    "max-merge": _x265("max-merge"),
    "limit-refs": _x265("limit-refs"),
    "limit-modes": _x265("limit-modes"),
    "tu-inter-depth": _x265("tu-inter-depth"),
    "tu-intra-depth": _x265("tu-intra-depth"),
    "rskip": Setting(options=("x265-params:rskip",), default="1"),
    "rskip-edge-threshold": Setting(options=("x265-params:rskip-edge-threshold",)),
    "sao": _x265(
        "sao", default="1", by_preset=_by_preset("0 0 1 1 1 1 1 1 1 1"), by_tune={"fastdecode": "0", "grain": "0"}
    ),
    "sao-non-deblock": _x265("sao-non-deblock"),
    "selective-sao": _x265("selective-sao"),
    "limit-sao": _x265("limit-sao"),
    "rc-lookahead": _x265("rc-lookahead", default="20"),
    "lookahead-slices": _x265("lookahead-slices"),
    "scenecut": _x265("scenecut"),
    "aq-mode": _x265("aq-mode", default="2", by_preset=_by_preset("1 1 2 2 2 2 2 2 2 2"), by_tune={"grain": "0"}),
    "aq-strength": _x265("aq-strength"),
    "cutree": _x265("cutree"),
    "qpmin": _x265("qpmin", "qmin", default="0"),
    "qpmax": _x265("qpmax", "qmax", default="69"),
    "qpstep": _x265("qpstep", "qdiff"),
    "qcomp": _x265("qcomp", "qcomp"),
    "cbqpoffs": _x265("cbqpoffs"),
    "crqpoffs": _x265("crqpoffs"),
    "nr-intra": _x265("nr-intra"),
    "nr-inter": _x265("nr-inter"),
    "early-skip": _x265("early-skip"),
    "b-intra": _x265("b-intra"),
    "cu-lossless": _x265("cu-lossless"),
    "constrained-intra": _x265("constrained-intra"),
    "strong-intra-smoothing": _x265("strong-intra-smoothing"),
    "signhide": _x265("signhide"),
    "rdpenalty": _x265("rdpenalty"),
    "weightp": _x265("weightp"),
    "aud": _x265("aud"),
    "repeat-headers": _x265("repeat-headers"),
}
"""Settings of x265, by the names of its keys."""

_LOSSLESS = {"lossless": ("1",)}

X265_LIMITS: tuple[Limit, ...] = (
    Limit(setting="bframes", beside={"g": ("1",)}, why="there are only keyframes (g=1)"),
    Limit(setting="b-pyramid", beside={"bframes": ("0", "1")}, why="it needs two B-frames in a row"),
    *(
        Limit(setting=name, beside={"bframes": ("0",)}, why=_NO_B_FRAMES)
        for name in ("b-adapt", "bframe-bias", "weightb")
    ),
    Limit(setting="amp", beside={"rect": ("0",)}, why="it needs rect"),
    Limit(setting="tskip-fast", beside={"tskip": ("0",)}, why="it needs tskip"),
    Limit(setting="psy-rdoq", beside={"rdoq-level": ("0",)}, why="it needs an rdoq-level"),
    Limit(setting="psy-rd", beside={"ssim-rd": ("1",)}, why="ssim-rd replaces it"),
    Limit(setting="rskip-edge-threshold", beside={"rskip": ("0", "1")}, why="it needs rskip=2"),
    Limit(setting="max-tu-size", highest_from=("ctu", 1, 0), why="a transform is at most as large as a coding unit (ctu)"),
    Limit(setting="qg-size", highest_from=("ctu", 1, 0), why="a quantisation group is at most as large as a coding unit (ctu)"),
    *(
        Limit(setting=name, beside={"sao": ("0",)}, why="sample-adaptive offsets are off (sao)")
        for name in ("sao-non-deblock", "selective-sao", "limit-sao")
    ),
    Limit(setting="aq-strength", beside={"aq-mode": ("0",)}, why="adaptive quantisation is off (aq-mode=0)"),
    *(
        Limit(setting=name, beside=_LOSSLESS, why="lossless leaves nothing to decide")
        for name in ("qpmin", "qpmax", "qpstep", "qcomp", "aq-mode", "aq-strength", "cutree", "qg-size", "cbqpoffs",
                     "crqpoffs", "maxrate", "bufsize", "qp")
    ),
    Limit(setting="qpmin", highest_from=("qpmax", 1, 0), contradiction=True, why="qmin is above qmax"),
)  # fmt: skip
"""The limits of x265, read from reports."""
