"""Rows of the hardware encoders, and of the devices they run on.

Written from FFmpeg's help texts (4.1 to 9.0) and sources (4.3.7, 5.1.9, 7.1.5, 8.1.2, 9.0.2); a row from another source
names it.  No help text was available for VideoToolbox, RKMPP, nvmpi, D3D12 and Media Foundation.  ffenc's authors have no
such hardware: see ``EncoderSpec.never_run``, ``ffenc probe --prove`` and docs/hardware.md.  A trial on the machine decides
whether one works, never this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ffenc.encoders.spec import BitRate, ByVersion, EncoderSpec, Gop, HardwareDevice, Preset, Quality

_NV12: Mapping[str, str] = {"yuv420p": "nv12", "nv12": "nv12"}
_NV12_P010: Mapping[str, str] = {**_NV12, "yuv420p10le": "p010le", "p010le": "p010le"}
_RENDER_NODES = ("/dev/dri/renderD*",)
_RENDER_NODE = r"/dev/dri/renderD\d+"

NVENC = HardwareDevice(
    name="nvenc",
    platforms=("linux", "win32"),
    # Jetson has another encoder, see V4L2M2M; WSL passes the GPU through /dev/dxg.
    nodes=("/dev/nvidia[0-9]*", "/dev/nvidiactl", "/dev/dxg"),
    device_pattern=r"\d+",
    device_option="gpu",
    formats={"yuv420p10le": "p010le"},
    needs="an NVIDIA GPU with an NVENC engine (A100 and H100 have none) and its driver; in a container also "
    "NVIDIA_DRIVER_CAPABILITIES=video",
)
VAAPI = HardwareDevice(
    name="vaapi",
    platforms=("linux",),
    nodes=_RENDER_NODES,
    init=(("init_hw_device", "vaapi=ffenc:{device}"), ("filter_hw_device", "ffenc")),
    default_init=None,
    device_pattern=_RENDER_NODE,
    upload=("hwupload",),
    formats=_NV12_P010,
    needs="/dev/dri/renderD* with a VA-API driver that encodes",
)
QSV = HardwareDevice(
    name="qsv",
    platforms=("linux", "win32"),
    nodes=_RENDER_NODES,
    # Without a child device FFmpeg up to 5.1 only looks for the i915 driver, and every version takes the first GPU.
    init=(("init_hw_device", "qsv=ffenc,child_device={device}"),),
    device_pattern=_RENDER_NODE,
    formats=_NV12_P010,
    needs="an Intel GPU with its media driver and runtime",
)
AMF = HardwareDevice(
    name="amf",
    platforms=("linux", "win32"),
    nodes=_RENDER_NODES,
    formats={"yuv420p10le": "p010le"},
    needs="an AMD GPU with the AMF runtime (libamfrt64.so.1)",
)
VIDEOTOOLBOX = HardwareDevice(
    name="videotoolbox",
    platforms=("darwin",),
    formats={"yuv420p10le": "p010le"},
    needs="macOS; constant quality needs Apple silicon and FFmpeg 5 or newer",
)
V4L2M2M = HardwareDevice(
    name="v4l2m2m",
    platforms=("linux",),
    nodes=("/dev/video*",),
    needs="a V4L2 memory-to-memory encoder, as in a Raspberry Pi up to 4 and some ARM boards; use software on a Raspberry Pi 5, "
    "which has no encoder, and on a Jetson without nvmpi encoders",
)
VULKAN = HardwareDevice(
    name="vulkan",
    platforms=("linux", "win32"),
    nodes=(*_RENDER_NODES, "/dev/nvidia[0-9]*"),
    init=(("init_hw_device", "vulkan=ffenc:{device}"), ("filter_hw_device", "ffenc")),
    default_init=(("init_hw_device", "vulkan=ffenc"), ("filter_hw_device", "ffenc")),
    device_pattern=r"\d+",
    upload=("hwupload",),
    formats=_NV12_P010,
    needs="a GPU whose Vulkan driver has the video encode extensions",
)
RKMPP = HardwareDevice(
    name="rkmpp",
    platforms=("linux",),
    # Rockchip's MPP library opens one of them: the first on new kernels, the second on old ones.
    nodes=("/dev/mpp_service", "/dev/vpu_service"),
    needs="a Rockchip board with its vendor kernel and MPP library, and permission to open /dev/mpp_service",
)
NVMPI = HardwareDevice(
    name="nvmpi",
    platforms=("linux",),
    # JetPack 6 has the first, JetPack 4 and 5 the second (NvVideoEncoder.cpp of NVIDIA's samples).
    nodes=("/dev/v4l2-nvenc", "/dev/nvhost-msenc"),
    needs="a Jetson with an encoder (an Orin Nano has none) and an FFmpeg with the jetson-ffmpeg patch",
)
D3D12VA = HardwareDevice(
    name="d3d12va",
    platforms=("win32",),
    # The device is the number of an adapter; FFmpeg's hwcontext_d3d12va.c takes the default one for a number too high.
    init=(("init_hw_device", "d3d12va=ffenc:{device}"), ("filter_hw_device", "ffenc")),
    default_init=(("init_hw_device", "d3d12va=ffenc"), ("filter_hw_device", "ffenc")),
    device_pattern=r"\d+",
    upload=("hwupload",),
    formats=_NV12_P010,
    needs="Windows and a GPU whose driver has Direct3D 12 video encoding",
)
MEDIA_FOUNDATION = HardwareDevice(
    name="mf",
    platforms=("win32",),
    # Without it, Media Foundation takes Microsoft's software encoder.
    encoder_options={"hw_encoding": "1"},
    formats=_NV12,  # drivers' encoders take nv12; the one that takes yuv420p is the software encoder
    needs="Windows and a driver that registers a hardware encoder with Media Foundation",
)

DEVICES = (VIDEOTOOLBOX, NVENC, VAAPI, QSV, AMF, VULKAN, RKMPP, NVMPI, D3D12VA, MEDIA_FOUNDATION, V4L2M2M)
"""Every device family, in the order ``auto`` prefers them; the platform decides which exist.

A vendor's own interface comes before one for every vendor (D3D12, Media Foundation).  V4L2 comes last: it has no constant
quality, and some drivers ignore ``g``.
"""

# B-frames conflict with short GOPs: with g=2 NVENC's GOP is shorter than its P-frame interval, and VA-API's default of two
# B-frames slows random access.  extra_options can override this.
_NO_B_FRAMES = {"bf": "0"}
_SHORT_GOP = Gop(companions=_NO_B_FRAMES, exact=True)
_RATE = frozenset({"b", "maxrate", "bufsize", "bf"})
# A constant quantiser disables rate control.
_RATE_ONLY = ("b", "maxrate", "bufsize", "qp", "cq", "q", "global_quality")
_HVC1 = {"mp4": "hvc1", "mov": "hvc1"}
# Only NVENC, on new hardware, really supports the 10-bit format that it lists for H.264.
_EIGHT_BITS = ("yuv420p", "nv12")
# Smallest side that any generation of a family is reported to take; the trial decides.
_SMALLEST = ByVersion((((0,), 32),))
# Chosen for good quality, not measured on hardware; an intra frame is assumed to need three times the bits of another.
_BIT_RATE = BitRate(bits_per_pixel=0.15, short_gop=2)


def _row(
    codec: str,
    device: HardwareDevice,
    quality: Quality | None,
    *,
    gop: Gop = _SHORT_GOP,
    generic: frozenset[str] = _RATE,
    pixel_formats: tuple[str, ...] = (),
    **more: Any,
) -> EncoderSpec:
    """Return a row with the properties that all hardware encoders of a codec share; ``more`` are other fields of it."""
    return EncoderSpec(
        name=f"{codec}_{device.name}",
        codec=codec,
        quality=quality,
        gop=gop,
        generic=generic,
        tags=_HVC1 if codec == "hevc" else {},
        muxers=("mp4", "mov") if codec in ("h264", "hevc") else ("mp4",),
        minimum_size=_SMALLEST,
        pixel_formats=pixel_formats or (_EIGHT_BITS if codec == "h264" and device is not NVENC else ()),
        reorders="bf" in gop.companions,  # the others have no B-frames by default
        device=device,
        **more,
    )


def _nvenc(codec: str, highest: int, *, minimum_width: int) -> EncoderSpec:
    # cq is the scale closest to x264's crf (LeRobot's constqp with the same number is far from it).  0 means automatic,
    # and without b=0 a default of 2 Mbit/s limits it.
    scale, mode = (0, highest), {"rc": "vbr", "b": "0"}
    quality = Quality(options=("cq",), crf=scale, values=scale, unset_below=0.01, companions=mode)
    # NVENC refuses a GOP that is not longer than the number of B-frames + 1; 0 means "intra only" to the wrapper.
    gop = Gop(companions=_NO_B_FRAMES, exact=True, one="0", forced={"forced-idr": "1"})
    return _row(
        codec,
        NVENC,
        quality,
        preset=Preset(option="preset", names_only=True),
        gop=gop,
        generic=_RATE | {"refs", "qmin", "qmax"},
        minimum_width=minimum_width,
    )


def _constant_quantiser(options: tuple[str, ...], *, codec: str, mode: dict[str, str]) -> Quality:
    crf, values, unset_below = (0, 51), (0, 51), 1.0
    if codec in ("av1", "vp9"):
        # Their scale is the quantiser index, 0 to 255; crf ends at 63.
        crf, values, unset_below = (0, 63), (0, 255), 0.13
    return Quality(
        options=options,
        crf=crf,
        values=values,
        whole=True,
        unset_below=unset_below,
        companions=mode,
        excludes=_RATE_ONLY,
    )


# These wrappers use FFmpeg's default factor of -0.8 as 0.8: keyframes get a lower quantiser than requested, and at g=2 half
# of all frames are larger.
_EVEN_QUANTISER = {"av1": {"i_qfactor": "1"}}


def _vaapi(codec: str) -> EncoderSpec:
    # av1_vaapi and vp9_vaapi have no qp option and use the generic one.
    option = "global_quality" if codec in ("av1", "vp9") else "qp"
    mode = {"rc_mode": "CQP", **_EVEN_QUANTISER.get(codec, {})}
    return _row(
        codec,
        VAAPI,
        _constant_quantiser((option,), codec=codec, mode=mode),
        preset=Preset(option="compression_level"),
        generic=_RATE | {"compression_level", "slices"},
    )


def _qsv(codec: str) -> EncoderSpec:
    # global_quality selects ICQ, whose scale is 1 to 51 for every codec, as long as no maxrate is set.
    quality = Quality(
        options=("global_quality",), crf=(0, 51), values=(0, 51), whole=True, unset_below=1, excludes=_RATE_ONLY
    )
    forced = {} if codec == "vp9" else {"forced_idr": "1"}
    return _row(
        codec,
        QSV,
        quality,
        preset=Preset(option="preset", names_only=True),
        gop=Gop(companions=_NO_B_FRAMES, exact=True, forced=forced),
        generic=_RATE | {"refs", "slices"},
        if_listed=frozenset(forced),
    )


def _amf(codec: str, options: tuple[str, ...]) -> EncoderSpec:
    # Its HEVC encoder has no B-frames at all, and in FFmpeg 4.3 it makes only every 60th GOP start with an IDR frame.
    companions = {"gops_per_idr": "1"} if codec == "hevc" else _NO_B_FRAMES
    return _row(
        codec,
        AMF,
        _constant_quantiser(options, codec=codec, mode={"rc": "cqp"}),
        preset=Preset(option="quality", names_only=True),
        gop=Gop(companions=companions, exact=True, forced={"forced_idr": "1"}),
        generic=_RATE - {"bf"} if codec == "hevc" else _RATE,
        # FFmpeg 7.1's av1_amf has no qp_b.
        if_listed=frozenset({"qp_b", "gops_per_idr", "forced_idr"}),
    )


def _videotoolbox(codec: str) -> EncoderSpec:
    # LeRobot's formula, q = 100 - 2 crf, at least 1; on FFmpeg's scale 100 is best.  FFmpeg 4 ignores it.
    quality = Quality(options=("q",), crf=(0, 51), values=(100, -2), floor=1, excludes=_RATE_ONLY, since_libavcodec=59)
    return _row(codec, VIDEOTOOLBOX, quality, gop=Gop(exact=True), bit_rate=_BIT_RATE)


def _v4l2m2m(codec: str) -> EncoderSpec:
    # It has only a bit rate.  Its listing prints no pixel formats, because the driver decides.
    return _row(
        codec,
        V4L2M2M,
        None,
        gop=Gop(exact=True),
        bit_rate=_BIT_RATE,
        generic=frozenset({"b", "qmin", "qmax", "profile", "level"}),
        pixel_formats=("yuv420p", "nv12"),
        complaints=(r"Failed to set (gop size|bit rate|\w+ (profile|level)|\w+ video quantizer scale)",),
    )


def _vulkan(codec: str) -> EncoderSpec:
    mode = {"rc_mode": "cqp", **_EVEN_QUANTISER.get(codec, {})}
    quality = _constant_quantiser(("qp",), codec=codec, mode=mode)
    return _row(codec, VULKAN, quality, preset=Preset(option="quality"))


def _rkmpp(codec: str) -> EncoderSpec:
    """Return the row of FFmpeg 8.1 and newer (libavcodec/rkmppenc.c), and that of the fork nyanmisaka/ffmpeg-rockchip."""
    rates = frozenset({"b", "minrate", "maxrate", "bufsize"})
    # FFmpeg's wrapper has no constant quality and does not pass forced keyframes on.
    upstream = _row(
        codec,
        RKMPP,
        None,
        gop=Gop(exact=True, follows_forced=ByVersion((((0,), False),))),
        bit_rate=_BIT_RATE,
        generic=rates,
        pixel_formats=_EIGHT_BITS,
    )
    # With rc_mode=CQP of the fork, every frame gets qp_init, whatever the other limits are.
    quality = Quality(
        options=("qp_init",),
        crf=(0, 51),
        values=(0, 51),
        whole=True,
        companions={"rc_mode": "CQP"},
        excludes=(*_RATE_ONLY, "minrate", "qp_min", "qp_max", "qp_min_i", "qp_max_i"),
    )
    fork = replace(
        upstream,
        quality=quality,
        gop=Gop(exact=True),
        refused={} if codec == "h264" else {"tier": "the fork reads it from level 4 on only"},
    )
    return replace(upstream, forks={"qp_init": fork})


def _nvmpi(codec: str) -> EncoderSpec:
    """Return a row from the wrapper that jetson-ffmpeg adds to FFmpeg (libavcodec/nvmpi_enc.c)."""
    refused = {"bf": "the wrapper gives packets equal decoding and display times, which B-frames cannot have"}
    if codec == "hevc":
        refused |= dict.fromkeys(("profile", "level"), "the wrapper lists the values of H.264 only")
    return _row(
        codec,
        NVMPI,
        None,
        preset=Preset(option="preset", names_only=True),
        # It sets both of the encoder's intervals, of I-frames and of IDR frames, and passes no forced keyframe on.
        gop=Gop(exact=True, follows_forced=ByVersion((((0,), False),))),
        bit_rate=_BIT_RATE,
        generic=frozenset({"b", "maxrate", "bufsize", "refs", "qmin", "qmax"}),
        needs={"maxrate": "rc", "qmin": "qmax", "qmax": "qmin"},
        refused=refused,
        pixel_formats=("yuv420p",),
    )


def _d3d12va(codec: str) -> EncoderSpec:
    """Return a row from libavcodec/d3d12va_encode*.c: HEVC is new in FFmpeg 7.1, H.264 and AV1 in 8.1."""
    # The qp of av1_d3d12va ends at 52 in its listing, but its scale is that of AV1, 0 to 255.
    option = "global_quality" if codec == "av1" else "qp"
    return _row(codec, D3D12VA, _constant_quantiser((option,), codec=codec, mode={"rc_mode": "CQP"}))


def _media_foundation(codec: str) -> EncoderSpec:
    """Return a row from libavcodec/mfenc.c: H.264 and HEVC are in FFmpeg 4.3 and newer, AV1 in 8.1 and newer."""
    # 100 is best; a straight line, not measured.  Old wrappers do not pass g on, and the newer ones do not notice a driver
    # that refuses it; the trial does.  The wrapper sets 0 B-frames unless told otherwise.
    quality = Quality(
        options=("quality",),
        crf=(0, 51),
        values=(100, 0),
        whole=True,
        companions={"rate_control": "quality"},
        excludes=_RATE_ONLY,
    )
    return _row(
        codec,
        MEDIA_FOUNDATION,
        quality,
        gop=Gop(exact=True),
        bit_rate=_BIT_RATE,
        generic=frozenset({"b", "bf"}),
        pixel_formats=_EIGHT_BITS,
    )


HARDWARE = (
    _videotoolbox("h264"),
    _videotoolbox("hevc"),
    # The widths are those of NVIDIA's error reports; the heights are smaller.
    _nvenc("h264", 51, minimum_width=145),
    _nvenc("hevc", 51, minimum_width=129),
    _nvenc("av1", 63, minimum_width=128),
    _vaapi("h264"),
    _vaapi("hevc"),
    _vaapi("av1"),
    _vaapi("vp9"),
    _qsv("h264"),
    _qsv("hevc"),
    _qsv("av1"),
    _qsv("vp9"),
    _amf("h264", ("qp_i", "qp_p", "qp_b")),
    _amf("hevc", ("qp_i", "qp_p")),
    _amf("av1", ("qp_i", "qp_p", "qp_b")),
    _vulkan("h264"),
    _vulkan("hevc"),
    _vulkan("av1"),
    _rkmpp("h264"),
    _rkmpp("hevc"),
    _nvmpi("h264"),
    _nvmpi("hevc"),
    _d3d12va("h264"),
    _d3d12va("hevc"),
    _d3d12va("av1"),
    _media_foundation("h264"),
    _media_foundation("hevc"),
    _media_foundation("av1"),
    _v4l2m2m("h264"),
    _v4l2m2m("hevc"),
)
"""Every hardware row, in `DEVICES` order."""
