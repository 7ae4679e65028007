"""Rows of the software encoders.

Sources: the options' own help texts and wrappers in FFmpeg 4.2 to 9.0, and measurements on FFmpeg 4.2.2, 5.1.9, 7.0.2,
8.1.2 and 9.0.2.  Where a row states what a listing cannot show, the comment says how it was found.
"""

from __future__ import annotations

from ffenc.encoders import parameters
from ffenc.encoders.spec import ByVersion, EncoderSpec, FastDecode, Gop, Preset, Quality, Threads

_X26X_PRESETS = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
)
_RATE_CONTROL = frozenset({"b", "maxrate", "bufsize"})
# What the encoders built on FFmpeg's own mpegvideo code read.
_MPEGVIDEO = _RATE_CONTROL | {
    "minrate", "bt", "qmin", "qmax", "qdiff", "qcomp", "qblur", "i_qfactor", "i_qoffset", "trellis", "mbd", "cmp",
    "subcmp", "mbcmp", "flags", "slices", "lumi_mask", "dark_mask", "tcplx_mask", "scplx_mask", "p_mask",
}  # fmt: skip
_INTER_MPEGVIDEO = _MPEGVIDEO | {
    "bf", "b_qfactor", "b_qoffset", "me_range", "subq", "dia_size", "keyint_min", "bidir_refine", "last_pred",
}  # fmt: skip

LIBX264 = EncoderSpec(
    name="libx264",
    codec="h264",
    quality=Quality(options=("crf",), crf=(0, 51), values=(0, 51)),
    preset=Preset(option="preset", names=_X26X_PRESETS),
    threads=Threads(option="threads"),
    fast_decode=FastDecode(option="tune", value="fastdecode"),
    generic=_RATE_CONTROL
    | {
        "minrate", "bf", "refs", "keyint_min", "qmin", "qmax", "qdiff", "qcomp", "qblur", "i_qfactor", "b_qfactor",
        "me_range", "subq", "trellis", "cmp", "flags", "slices", "rc_init_occupancy", "bt",
    },
    text_options={
        "tune": r"(film|animation|grain|stillimage|psnr|ssim|fastdecode|zerolatency)"
        r"([,.](film|animation|grain|stillimage|psnr|ssim|fastdecode|zerolatency))*",
        "profile": r"baseline|main|high|high10|high422|high444",
        "level": r"1b|[1-6](\.?[0-3])?",
        "psy-rd": r"\d+(\.\d+)?([:,]\d+(\.\d+)?)?",
        "deblock": r"-?\d([:,]-?\d)?",
        "partitions": r"none|all|(p8x8|p4x4|b8x8|i8x8|i4x4)(,(p8x8|p4x4|b8x8|i8x8|i4x4))*",
        "wpredp": r"[0-2]",
    },
    parameters={"x264-params": parameters.X264},
    complaints=(r"Error parsing option '.+'",),
)  # fmt: skip

LIBX265 = EncoderSpec(
    name="libx265",
    codec="hevc",
    quality=Quality(options=("crf",), crf=(0, 51), values=(0, 51)),
    preset=Preset(option="preset", names=_X26X_PRESETS),
    threads=Threads(option="threads"),  # x265's frame threads
    fast_decode=FastDecode(option="tune", value="fastdecode"),
    generic=_RATE_CONTROL
    | {
        "bf",
        "refs",
        "keyint_min",
        "qmin",
        "qmax",
        "qdiff",
        "qcomp",
        "qblur",
        "i_qfactor",
        "b_qfactor",
        "flags",
    },
    text_options={
        "tune": r"psnr|ssim|grain|fastdecode|zerolatency|animation",
        "profile": r"main|main10|main12|mainstillpicture|main-intra|main10-intra|main12-intra|main422-10|"
        r"main422-10-intra|main422-12|main422-12-intra|main444-8|main444-intra|main444-10|main444-10-intra|"
        r"main444-12|main444-12-intra",
    },
    parameters={"x265-params": parameters.X265},
    # Apple's players take HEVC in MP4 only under this tag; FFmpeg's default is hev1.
    tags={"mp4": "hvc1", "mov": "hvc1"},
    minimum_size=ByVersion((((0,), 16),)),
    complaints=(r"Unknown option: \S+", r"Invalid value for \S+", r"Error setting (preset|profile|tune)"),
)

LIBSVTAV1 = EncoderSpec(
    name="libsvtav1",
    codec="av1",
    quality=Quality(
        options=("crf",),
        crf=(0, 63),
        values=(0, 63),
        whole=True,
        # FFmpeg's option is an integer in every build; SVT itself takes fractions since 4 (1.4 to 3.1 print an error
        # and encode at their default of 35).
        fraction_option="svtav1-params:crf",
        fraction_since=(4,),
        unset_below=1,  # the wrapper only passes crf > 0
    ),
    preset=Preset(option="preset", default=12),
    gop=Gop(one_since_libavcodec=60),  # FFmpeg 5.1's wrapper only passes g > 1
    threads=Threads(
        option="svtav1-params:lp",
        # Number of processors before SVT 3, a level of parallelism since; 7 and more are cut to 6 there.
        highest=ByVersion((((0,), None), ((3,), 6))),
    ),
    fast_decode=FastDecode(
        option="svtav1-params:fast-decode",
        highest=ByVersion((((0,), 1), ((2,), 2))),
        highest_preset=ByVersion((((0,), 10), ((2,), None))),
    ),
    # SVT ignores bf, refs, flags and qmin/qmax beside crf; measured by comparing the files.
    generic=frozenset({"maxrate", "bufsize", "level", "b"}),
    parameters={"svtav1-params": parameters.SVT_AV1},
    muxers=("mp4",),
    minimum_size=ByVersion((((0,), 64), ((3,), 2))),
    library_version=r"SVT-AV1 Encoder Lib v(\d+(?:\.\d+)+)",
    complaints=(
        r"Error parsing option \S+: .*",
        r"Svt\[(warn|error)\]: .*(not supported|is only supported).*",
    ),
)

LIBAOM_AV1 = EncoderSpec(
    name="libaom-av1",
    codec="av1",
    # Up to FFmpeg 4.2 the default bit rate caps crf unless it is set to 0.
    quality=Quality(options=("crf",), crf=(0, 63), values=(0, 63), whole=True, companions={"b": "0"}),
    preset=Preset(option="cpu-used"),
    # With a GOP of 2 and look-ahead, FFmpeg 9.0.2's libaom crashes ("smooth_filter_noise") and 5.1's files are 2.6
    # times larger (measured at 176x144); longer GOPs gain from the look-ahead.
    gop=Gop(companions={"lag-in-frames": "0"}, companions_up_to=2),
    threads=Threads(option="threads", companions={"row-mt": "1"}),
    generic=_RATE_CONTROL | {"minrate", "keyint_min", "qmin", "qmax", "profile", "level", "flags"},
    parameters={"aom-params": parameters.AOM},
    muxers=("mp4",),
    minimum_size=ByVersion((((0,), 16),)),
)

LIBRAV1E = EncoderSpec(
    name="librav1e",
    codec="av1",
    quality=Quality(options=("qp",), crf=(0, 63), values=(0, 255), whole=True),
    preset=Preset(option="speed"),
    threads=Threads(option="threads"),
    generic=frozenset({"b", "keyint_min", "qmin", "qmax"}),
    parameters={"rav1e-params": parameters.RAV1E},
    muxers=("mp4",),
    minimum_size=ByVersion((((0,), 16),)),
    complaints=(r"Invalid value for .+",),
)

LIBVPX_VP9 = EncoderSpec(
    name="libvpx-vp9",
    codec="vp9",
    quality=Quality(options=("crf",), crf=(0, 63), values=(0, 63), whole=True, companions={"b": "0"}),
    preset=Preset(option="cpu-used"),
    threads=Threads(option="threads", companions={"row-mt": "1"}),
    generic=_RATE_CONTROL | {"minrate", "keyint_min", "qmin", "qmax", "profile", "slices", "flags"},
    muxers=("mp4",),
)

LIBOPENH264 = EncoderSpec(
    name="libopenh264",
    codec="h264",
    # It has no crf; its default "quality" rate control with both ends of the quantiser at one value behaves like it
    # (measured on 9.0.2: sizes fall steadily from 20 to 40).
    quality=Quality(
        options=("qmin", "qmax"), crf=(1, 51), values=(1, 51), whole=True, companions={"rc_mode": "quality"}
    ),
    threads=Threads(option="threads"),
    generic=_RATE_CONTROL | {"slices"},
    minimum_size=ByVersion((((0,), 16),)),
)

FFV1 = EncoderSpec(
    name="ffv1",
    codec="ffv1",
    threads=Threads(option="threads"),
    generic=frozenset({"level", "slices", "flags"}),
    muxers=("mov",),  # no MP4 tag exists on any build, and Matroska rounds time stamps to 1 ms
)

MPEG4 = EncoderSpec(
    name="mpeg4",
    codec="mpeg4",
    quality=Quality(options=("q",), crf=(0, 51), values=(1, 31)),
    threads=Threads(option="threads"),
    generic=_INTER_MPEGVIDEO,
)

MJPEG = EncoderSpec(
    name="mjpeg",
    codec="mjpeg",
    quality=Quality(options=("q",), crf=(0, 51), values=(2, 31)),
    threads=Threads(option="threads"),
    gop=None,
    intra_only=True,
    generic=_MPEGVIDEO,
    # Builds list the limited-range formats too, but then refuse them as non-standard.
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
"""Every software row; within a codec the better encoder stands first."""
