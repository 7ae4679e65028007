"""Rows of the software encoders.

Sources: the help texts and wrappers in FFmpeg 4.2 to 9.0, and measurements on FFmpeg 4.2.2, 5.1.9, 7.0.2, 8.1.2 and 9.0.2.
Comments say how the properties were found that no listing shows.
"""

from __future__ import annotations

from ffenc.encoders import parameters, settings
from ffenc.encoders.spec import ByVersion, Damage, EncoderSpec, FastDecode, Gop, Preset, Quality, Safeguard, Threads

_VBV = frozenset({"b", "maxrate", "bufsize"})
# x264 and x265 ignore each of these without the other, with or without a line on stderr.
_VBV_NEEDS = {"maxrate": "bufsize", "bufsize": "maxrate", "rc_init_occupancy": "bufsize"}
# Options that the encoders built on FFmpeg's mpegvideo code read with a fixed quantiser.
_MPEGVIDEO = frozenset({"b", "qmin", "qmax", "trellis", "slices"})
_MPEGVIDEO_REFUSED = {
    **dict.fromkeys(("skip_threshold", "skip_factor", "skip_exp", "skip_cmp"), "it would drop frames"),
    "error_rate": "it would damage the stream on purpose",
    "ps": "it is for packets on a network",
    "rc_buf_aggressivity": "FFmpeg itself calls it useless",
}
_NO_SIDE_DATA = "frames carry no such data here"

_X264_420 = ("yuv420p", "yuvj420p", "nv12", "nv21")

LIBX264 = EncoderSpec(
    name="libx264",
    codec="h264",
    quality=Quality(options=("crf",), crf=(0, 51), values=(0, 51)),
    preset=Preset(option="preset", names=settings.PRESETS, compared=("ultrafast", "faster")),
    threads=Threads(option="threads"),
    fast_decode=FastDecode(option="tune", value="fastdecode"),
    # All of these appear in the settings that x264 writes into the stream (4.2 to 9.0); bt, minrate, qblur, b_qfactor and
    # most flags do not, and only one bit of cmp is used.
    generic=_VBV
    | {
        "bf", "refs", "keyint_min", "qmin", "qmax", "qdiff", "qcomp", "i_qfactor", "me_range", "subq", "trellis", "slices",
        "rc_init_occupancy",
    },
    needs={**_VBV_NEEDS, "crf_max": "bufsize", "nal-hrd": "bufsize"},
    # x264 clamps numbers to these silently, and -1 means "not set".
    ranges={
        "aq-mode": (0, 3), "aq-strength": (0, 3), "b-bias": (-90, 100), "b-pyramid": (0, 2), "b_strategy": (0, 2),
        "chromaoffset": (-12, 12), "cplxblur": (0, 999), "crf_max": (0, 51), "direct-pred": (0, 3),
        "me_method": (0, 4), "motion-est": (0, 4), "noise_reduction": (0, 65536), "qdiff": (2, 50), "qmax": (0, 69),
        "qmin": (0, 69), "qp": (0, 69),
        "rc-lookahead": (0, 250), "sc_threshold": (0, 100_000), "weightp": (0, 2),
    },
    refused={
        "cmp": "x264 reads only whether chroma counts, which is chroma-me in x264-params",
        "fastfirstpass": "ffenc encodes in one pass",
        "forced-idr": "no keyframe is forced",
        "flags": "interlaced coding (ildct, ilme) would split progressive frames, an open GOP (-cgop) cannot be read from every "
        "keyframe, loop is the option deblock, and the others change no frame",
        "intra-refresh": "it would replace the keyframes that g asks for",
        "mb_info": _NO_SIDE_DATA,
        "ssim": "it only prints a number",
        "udu_sei": _NO_SIDE_DATA,
    },
    text_options={
        "tune": r"(film|animation|grain|stillimage|psnr|ssim|fastdecode|zerolatency)"
        r"([,.](film|animation|grain|stillimage|psnr|ssim|fastdecode|zerolatency))*",
        "profile": r"baseline|main|high|high10|high422|high444",
        "level": r"1b|1\.?3|[1-6](\.?[0-2])?",
        "psy-rd": r"(10|\d(\.\d+)?)([:,](10|\d(\.\d+)?))?",
        "deblock": r"-?[0-6]([:,]-?[0-6])?",
        "partitions": r"none|all|(p8x8|p4x4|b8x8|i8x8|i4x4)(,(p8x8|p4x4|b8x8|i8x8|i4x4))*",
        "wpredp": r"[0-2]",
    },
    parameters={"x264-params": parameters.X264},
    # Decoders have no grey H.264: it comes back with empty chroma (4.2 to 9.0).
    stored_as={"gray": "yuv420p", "gray10le": "yuv420p10le"},
    # It writes the requested level into the stream, whether the stream complies with it or not.
    complaints=(r"Error parsing option '.+'", r"x264.*\bignor(ed|ing)\b", r"x264.* > level limit"),
    # x264 writes the lowest profile that has the tools it uses; the option only forbids the tools that a profile lacks.
    profiles={
        **dict.fromkeys(("baseline", "main"), _X264_420),
        "high": (*_X264_420, "gray"),
        "high10": ("yuv420p10le", "gray10le"),
        "high422": ("yuv422p", "yuvj422p", "nv16", "yuv422p10le", "nv20le"),
        "high444": ("yuv444p", "yuvj444p", "yuv444p10le"),
    },
    settings=settings.X264,
    limits=settings.X264_LIMITS,
    report=r"x264 - core [ -~]*?options: ([ -~]+)",
)  # fmt: skip

_X265_INTRA = (
    "mainstillpicture", "main-intra", "main10-intra", "main12-intra", "main422-10-intra", "main422-12-intra", "main444-intra",
    "main444-10-intra", "main444-12-intra",
)  # fmt: skip

LIBX265 = EncoderSpec(
    name="libx265",
    codec="hevc",
    quality=Quality(
        options=("crf",),
        crf=(0, 51),
        values=(0, 51),
        excludes=("b", "qp", "cq", "q", "global_quality"),
        lossless=("x265-params:lossless",),
    ),
    preset=Preset(option="preset", names=settings.PRESETS, compared=("ultrafast", "faster")),
    # FFmpeg 4.2's wrapper ignores g and writes a single keyframe; x265's own key works in every build.  Its default is the
    # open GOP.
    gop=Gop(option="x265-params:keyint", closed={"x265-params:open-gop": "0"}),
    # FFmpeg's threads are x265's frame threads; the work is done by a pool, which by default has all processors.
    threads=Threads(option="x265-params:pools"),
    fast_decode=FastDecode(option="tune", value="fastdecode"),
    generic=_VBV
    | {"bf", "refs", "keyint_min", "qmin", "qmax", "qdiff", "qcomp", "i_qfactor", "b_qfactor", "rc_init_occupancy"},
    # Since FFmpeg 4.3 (libavcodec 58.91) the wrapper reads these; in 4.2 it ignores them.
    generic_since=dict.fromkeys(
        ("bf", "refs", "keyint_min", "qmin", "qmax", "qdiff", "qcomp", "i_qfactor", "b_qfactor"), (58, 91)
    ),
    needs=_VBV_NEEDS,
    ranges={"qcomp": (0.5, 1), "qmin": (0, 69), "qmax": (0, 69), "qp": (0, 51)},
    refused={
        "a53cc": _NO_SIDE_DATA,
        "dolbyvision": _NO_SIDE_DATA,
        "flags": "ffenc closes every GOP (cgop), and the others change no frame",
        "forced-idr": "no keyframe is forced",
        "udu_sei": _NO_SIDE_DATA,
    },
    text_options={
        "tune": r"psnr|ssim|grain|fastdecode|zerolatency|animation",
        "profile": r"main|main10|main12|mainstillpicture|main-intra|main10-intra|main12-intra|main422-10|"
        r"main422-10-intra|main422-12|main422-12-intra|main444-8|main444-intra|main444-10|main444-10-intra|"
        r"main444-12|main444-12-intra",
    },
    parameters={"x265-params": parameters.X265},
    profiles={
        "main": ("yuv420p", "yuvj420p", "gray"),
        "main10": ("yuv420p10le", "gray10le"),
        "main12": ("yuv420p12le", "gray12le"),
        "main422-10": ("yuv422p", "yuvj422p", "yuv422p10le"),
        "main422-12": ("yuv422p12le",),
        "main444-8": ("yuv444p", "yuvj444p", "gbrp"),
        "main444-10": ("yuv444p10le", "gbrp10le"),
        "main444-12": ("yuv444p12le", "gbrp12le"),
        **dict.fromkeys(_X265_INTRA, ()),
    },
    settings=settings.X265,
    limits=settings.X265_LIMITS,
    report=r"x265 \(build [ -~]*?options: ([ -~]+)",
    # Apple's players accept HEVC in MP4 only with this tag; FFmpeg's default is hev1.
    tags={"mp4": "hvc1", "mov": "hvc1"},
    # A frame with a single column of coding units (64x64 each) decodes to another one than x265 reconstructed, by its own
    # checksums: 4.2.2 to 9.0.2, 8 and 12 bits, lossless or not.  With smaller units there are two columns.
    safeguards=(
        Safeguard(
            width=64,
            option="x265-params:ctu",
            value="32",
            why="larger coding units damage frames of at most 64 pixels width",
        ),
    ),
    # Frames smaller than one coding unit fail with some presets and crash some builds (34x34 in 5.1.9 and 8.1.2).
    minimum_size=ByVersion((((0,), 64),)),
    complaints=(
        r"Unknown option: \S+",
        r"Invalid value for \S+",
        r"Error setting (preset|profile|tune)",
        # The exceptions are lines that it prints with default settings.
        r"x265 \[warning\]: (?!Source height < 720p|No thread pool|Too few rows|hevc-aq).*([Dd]isabl|ignored|requires?\b)",
    ),
)

LIBSVTAV1 = EncoderSpec(
    name="libsvtav1",
    codec="av1",
    quality=Quality(
        options=("crf",),
        crf=(0, 63),
        values=(0, 63),
        whole=True,
        # FFmpeg's option is an integer in every build; SVT takes fractions since 4 (1.4 to 3.1 print an error and encode
        # at their default of 35).
        fraction_option="svtav1-params:crf",
        fraction_since=(4,),
        unset_below=1,  # the wrapper only passes crf > 0
        excludes=("b", "qp", "qmin", "qmax"),
        lossless=("svtav1-params:lossless",),
    ),
    preset=Preset(option="preset", default=12, compared=(12, 5)),
    # FFmpeg 5.1's wrapper only passes g > 1.  SVT 1.4.1 ignores forced keyframes, 3.0 and later write them.
    gop=Gop(one_since_libavcodec=60, follows_forced=ByVersion((((0,), False), ((3,), True)))),
    threads=Threads(
        option="svtav1-params:lp",
        # Number of processors before SVT 3; since then a level of parallelism, clamped to 6.
        highest=ByVersion((((0,), None), ((3,), 6))),
    ),
    # Measured by comparing files with and without it: SVT 1.4.1, 3.0.0, 4.1 and 4.2, 320x240 to 1920x1080 (SVT 2 is assumed
    # to be like 3).  Since 3 the smallest resolution class, which includes 640x480, and fast presets ignore it.
    fast_decode=FastDecode(
        option="svtav1-params:fast-decode",
        highest=ByVersion((((0,), 1), ((2,), 2))),
        highest_preset=ByVersion((((0,), 10), ((2,), 7), ((4,), 8))),
        smallest_area=ByVersion((((0,), 0), ((2,), 0x4CE00))),
    ),
    # Fast presets drop the high bits of large coefficients: a mean error of 45 levels of 255 in the worst frame at crf 1, 3
    # at crf 20, and no more than slow presets from 28 on (320x240 and 640x480, SVT 1.4.1 and 4.2; 4.1 is not affected, 2 to
    # 4.0 are assumed to be like 4.2).  See tests/integration/test_damage.py.
    damage=(
        Damage(
            bits=10,
            quality_below=30,
            quantizers=("qp",),
            rate="b",
            floor="qmin",
            way_out="pix_fmt=yuv420p",
            fastest_preset=ByVersion((((0,), 11), ((2,), 7), ((4, 1), None), ((4, 2), 7))),
        ),
        # At crf 1 and 2 the stream cannot be decoded, and at 3 frames are too bad (640x480, moving test frames, SVT 4.1 and
        # 4.2, presets 12 and 13; 1.4.1 is not affected).
        Damage(
            bits=8,
            quality_below=8,
            quantizers=("qp",),
            g_above=2,
            way_out="g=2",
            fastest_preset=ByVersion((((0,), None), ((2,), 10))),
        ),
    ),
    # It ignores bf, refs and flags in every mode.
    generic=_VBV | {"qmin", "qmax", "level"},
    needs={"bufsize": "maxrate"},
    ranges={"level": (20, 73), "qmin": (0, 63), "qmax": (0, 63), "qp": (1, 63)},
    refused={
        "dolbyvision": _NO_SIDE_DATA,
        "flags": "an open GOP (-cgop) cannot be read from every keyframe, and the others change no frame",
        "profile": "it follows from pix_fmt",
    },
    # SVT 1.4.1 accepts these and writes the same stream.
    since={"tier": (2,), "sc_detection": (2,)},
    parameters={"svtav1-params": parameters.SVT_AV1},
    muxers=("mp4",),
    minimum_size=ByVersion((((0,), 64), ((3,), 4))),
    library_version=r"SVT-AV1 Encoder Lib v(\d+(?:\.\d+)+)",
    complaints=(
        r"Error parsing option \S+: .*",
        r"Svt\[(warn|error)\]: .*(not supported|only supported|will be forced|(is|be) ignored)",
    ),
)

# libvpx uses alternate reference frames and their options only in two passes (USE_ALTREF_FOR_ONE_PASS is off; measured: the
# packets are the same without them).
_TWO_PASSES = dict.fromkeys(
    ("auto-alt-ref", "arnr-maxframes", "arnr-strength", "arnr-type", "enable-tpl", "lag-in-frames"),
    "libvpx uses it only in two passes, and ffenc encodes in one",
)

# With a fixed quality these are fatal or have no effect.
_RATE_ONLY = ("b", "minrate", "undershoot-pct", "overshoot-pct", "minsection-pct", "maxsection-pct")

LIBAOM_AV1 = EncoderSpec(
    name="libaom-av1",
    codec="av1",
    # Up to FFmpeg 4.2 the default bit rate limits crf unless it is set to 0.
    quality=Quality(
        options=("crf",),
        crf=(0, 63),
        values=(0, 63),
        whole=True,
        companions={"b": "0"},
        excludes=_RATE_ONLY,
        lossless=("aom-params:lossless",),
    ),
    preset=Preset(option="cpu-used", compared=(8, 3)),
    # With a GOP of 2 and look-ahead, FFmpeg 9.0.2's libaom crashes ("smooth_filter_noise") and 5.1's files are 2.6 times
    # larger (measured at 176x144); longer GOPs benefit from the look-ahead.
    gop=Gop(companions={"lag-in-frames": "0"}, companions_up_to=2),
    threads=Threads(option="threads", companions={"row-mt": "1"}),
    # libaom 1.0.0 (FFmpeg 4.2.2) has threads for rows by default, and they race: two encodes of the same frames differ, and
    # decoders reject frames (at 160x128 in nearly every file, at 320x240 in one of six).  3.2.0 to 3.15.1 do not.
    safeguards=(
        Safeguard(
            option="row-mt",
            value="0",
            before=(3, 2),
            why="several threads for the rows of a frame write damaged streams",
        ),
    ),
    if_listed=frozenset({"row-mt"}),
    generic=frozenset({"b", "qmin", "qmax"}),
    ranges={"qmin": (0, 63), "qmax": (0, 63)},
    refused={
        "dolbyvision": _NO_SIDE_DATA,
        "drop-threshold": "it would drop frames",
        "profile": "it follows from pix_fmt",
        "still-picture": "it would make every frame a keyframe, for any g",
    },
    parameters={"aom-params": parameters.AOM},
    muxers=("mp4",),
    minimum_size=ByVersion((((0,), 16),)),
    library_version=r"\[libaom-av1 @ \w+\] v?(\d+(?:\.\d+)+)",
    complaints=(r"Failed to set \S+ codec control",),
)

LIBRAV1E = EncoderSpec(
    name="librav1e",
    codec="av1",
    quality=Quality(options=("qp",), crf=(0, 63), values=(0, 255), whole=True),
    preset=Preset(option="speed", compared=(10, 8)),
    gop=Gop(follows_forced=ByVersion((((0,), False),))),
    threads=Threads(option="threads"),
    generic=frozenset({"b", "keyint_min"}),
    parameters={"rav1e-params": parameters.RAV1E},
    muxers=("mp4",),
    minimum_size=ByVersion((((0,), 16),)),
    complaints=(r"Invalid value for .+",),
)

LIBVPX_VP9 = EncoderSpec(
    name="libvpx-vp9",
    codec="vp9",
    quality=Quality(
        options=("crf",),
        crf=(0, 63),
        values=(0, 63),
        whole=True,
        companions={"b": "0"},
        excludes=(*_RATE_ONLY, "corpus-complexity"),
        lossless=("lossless",),
    ),
    preset=Preset(option="cpu-used", compared=(8, 2)),
    threads=Threads(option="threads", companions={"row-mt": "1"}),
    generic=frozenset({"b", "minrate", "maxrate", "bufsize", "qmin", "qmax"}),
    constant_rate_only=frozenset({"maxrate", "bufsize"}),
    ranges={"qmin": (0, 63), "qmax": (0, 63), "tune": (0, 1)},
    refused={
        **_TWO_PASSES,
        "profile": "it follows from pix_fmt",
        "drop-threshold": "it would drop frames",
        "quality": "it is another name of deadline",
        "speed": "it is another name of cpu-used, which is the field preset",
        "vp8flags": "it is for VP8",
    },
    muxers=("mp4",),
    complaints=(r"Failed to set \S+ codec control",),
)

LIBOPENH264 = EncoderSpec(
    name="libopenh264",
    codec="h264",
    # It has no crf.  Its default "quality" rate control with equal limits of the quantiser behaves like it (measured on
    # 9.0.2: sizes decrease steadily from 20 to 40).
    quality=Quality(
        options=("qmin", "qmax"), crf=(1, 51), values=(1, 51), whole=True, companions={"rc_mode": "quality"}
    ),
    threads=Threads(option="threads"),
    generic=frozenset({"b", "slices"}),
    refused={"allow_skip_frames": "it would drop frames"},
    minimum_size=ByVersion((((0,), 16),)),
)

FFV1 = EncoderSpec(
    name="ffv1",
    codec="ffv1",
    gop=Gop(follows_forced=ByVersion((((0,), False),))),
    threads=Threads(option="threads"),
    generic=frozenset({"level", "slices"}),
    ranges={"level": (0, 3)},
    keeps_alpha=True,
    muxers=("mov",),  # FFmpeg before 8 has no MP4 tag for it, and Matroska rounds timestamps to 1 ms
    stored_as={"rgb48le": "gbrp16le", "rgba64le": "gbrap16le"},
)

MPEG4 = EncoderSpec(
    name="mpeg4",
    codec="mpeg4",
    quality=Quality(options=("q",), crf=(0, 51), values=(1, 31)),
    threads=Threads(option="threads"),
    generic=_MPEGVIDEO | {"mbd", "cmp", "subcmp", "mbcmp", "me_range", "profile", "level"},
    flags=frozenset({"mv4", "qpel", "aic"}),
    ranges={"qmin": (1, 31), "qmax": (1, 31), "profile": (0, 15), "level": (0, 15)},
    refused={
        **_MPEGVIDEO_REFUSED,
        "bf": "it has no closed GOP, so frames before a keyframe would be lost if reading starts there",
    },
)

MJPEG = EncoderSpec(
    name="mjpeg",
    codec="mjpeg",
    quality=Quality(options=("q",), crf=(0, 51), values=(2, 31)),
    threads=Threads(option="threads"),
    gop=None,
    intra_only=True,
    generic=_MPEGVIDEO,
    ranges={"qmin": (1, 31), "qmax": (1, 31)},
    refused=_MPEGVIDEO_REFUSED,
    # Builds also list the limited-range formats, but refuse them as non-standard.
    pixel_formats=("yuvj420p", "yuvj422p", "yuvj444p"),
)

SOFTWARE = (
    LIBX264,
    LIBX265,
    LIBSVTAV1,
    LIBAOM_AV1,
    LIBRAV1E,
    LIBVPX_VP9,
    LIBOPENH264,
    FFV1,
    MPEG4,
    MJPEG,
)
"""Every software row; within a codec the better encoder comes first."""
