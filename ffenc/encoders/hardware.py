"""Rows of the hardware encoders, and of the devices they run on.

Built from FFmpeg's help texts (4.1 to 9.0) and sources (5.1.9, 7.1.5, 9.0.2).  None of these encoders has been run by
us on its hardware: every `HardwareDevice` says so in ``never_run``, and ``ffenc probe`` and the README repeat it.
Whether one works is decided by a trial on the machine at hand, never by this table.
"""

from __future__ import annotations

from collections.abc import Mapping

from ffenc.encoders.spec import ByVersion, EncoderSpec, Gop, HardwareDevice, Preset, Quality

_NV12: Mapping[str, str] = {"yuv420p": "nv12", "nv12": "nv12"}
_NV12_P010: Mapping[str, str] = {**_NV12, "yuv420p10le": "p010le", "p010le": "p010le"}
_RENDER_NODES = ("/dev/dri/renderD*",)

NVENC = HardwareDevice(
    name="nvenc",
    platforms=("linux", "win32"),
    # Jetson's own encoder is another one (v4l2m2m); WSL hands the GPU through /dev/dxg.
    nodes=("/dev/nvidia[0-9]*", "/dev/nvidiactl", "/dev/dxg"),
    formats={"yuv420p10le": "p010le"},
    needs="an NVIDIA GPU with an NVENC engine (A100 and H100 have none) and its driver",
)
VAAPI = HardwareDevice(
    name="vaapi",
    platforms=("linux",),
    nodes=_RENDER_NODES,
    init=(("init_hw_device", "vaapi=ffenc:{node}"), ("filter_hw_device", "ffenc")),
    upload=("hwupload",),
    formats=_NV12_P010,
    needs="/dev/dri/renderD* with a VA-API driver that encodes",
)
QSV = HardwareDevice(
    name="qsv",
    platforms=("linux", "win32"),
    nodes=_RENDER_NODES,
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
    needs="macOS; constant quality needs Apple silicon",
)
V4L2M2M = HardwareDevice(
    name="v4l2m2m",
    platforms=("linux",),
    nodes=("/dev/video*",),
    needs="a V4L2 memory-to-memory encoder (Raspberry Pi up to 4, many ARM boards)",
)
VULKAN = HardwareDevice(
    name="vulkan",
    platforms=("linux", "win32"),
    nodes=(*_RENDER_NODES, "/dev/nvidia[0-9]*"),
    init=(("init_hw_device", "vulkan=ffenc"), ("filter_hw_device", "ffenc")),
    upload=("hwupload",),
    formats=_NV12_P010,
    needs="a GPU whose Vulkan driver has the video encode extensions",
)

DEVICES = (VIDEOTOOLBOX, NVENC, VAAPI, QSV, AMF, V4L2M2M, VULKAN)
"""Every device family, in the order ``auto`` prefers them; the platform decides which exist."""

# Short GOPs and B-frames do not go together: with g=2 NVENC's GOP is shorter than its P-frame interval, and VA-API's
# default of two B-frames makes random access slower.  extra_options may say otherwise.
_NO_B_FRAMES = Gop(companions={"bf": "0"})
_RATE = frozenset({"b", "maxrate", "bufsize", "bf"})
# A constant quantiser leaves nothing for a rate control to do.
_RATE_ONLY = ("b", "maxrate", "bufsize", "qp", "cq", "q", "global_quality")
_HVC1 = {"mp4": "hvc1", "mov": "hvc1"}
# Only NVENC, on new hardware, lists a format of 10 bits for H.264 and means it.
_EIGHT_BITS = ("yuv420p", "nv12")
# Smallest picture that every generation of the family is said to take; not verified on hardware.
_SMALLEST = ByVersion((((0,), 128),))


def _row(
    codec: str,
    device: HardwareDevice,
    quality: Quality | None,
    *,
    preset: Preset | None = None,
    gop: Gop = _NO_B_FRAMES,
    generic: frozenset[str] = _RATE,
    pixel_formats: tuple[str, ...] = (),
) -> EncoderSpec:
    return EncoderSpec(
        name=f"{codec}_{device.name}",
        codec=codec,
        quality=quality,
        preset=preset,
        gop=gop,
        generic=generic,
        tags=_HVC1 if codec == "hevc" else {},
        muxers=("mp4", "mov") if codec in ("h264", "hevc") else ("mp4",),
        minimum_size=_SMALLEST,
        pixel_formats=pixel_formats or (_EIGHT_BITS if codec == "h264" and device is not NVENC else ()),
        device=device,
    )


def _nvenc(codec: str, highest: int) -> EncoderSpec:
    # cq is the scale nearest to x264's crf (LeRobot's constqp with the same number is far from it); 0 means
    # automatic, and without b=0 a default of 2 Mbit/s caps it.
    quality = Quality(
        options=("cq",),
        crf=(0, highest),
        values=(0, highest),
        unset_below=0.01,
        companions={"rc": "vbr", "b": "0"},
    )
    generic = _RATE | {"refs", "qmin", "qmax"}
    return _row(codec, NVENC, quality, preset=Preset(option="preset", names_only=True), generic=generic)


def _constant_quantiser(options: tuple[str, ...], *, codec: str, mode: dict[str, str]) -> Quality:
    if codec in ("av1", "vp9"):
        # These count the quantiser index, 0 to 255, where crf counts to 63.
        return Quality(
            options=options,
            crf=(0, 63),
            values=(0, 255),
            whole=True,
            unset_below=0.13,
            companions=mode,
            excludes=_RATE_ONLY,
        )
    return Quality(
        options=options, crf=(0, 51), values=(0, 51), whole=True, unset_below=1, companions=mode, excludes=_RATE_ONLY
    )


def _vaapi(codec: str) -> EncoderSpec:
    # av1_vaapi and vp9_vaapi have no qp option; there the generic one carries it.
    option = "global_quality" if codec in ("av1", "vp9") else "qp"
    quality = _constant_quantiser((option,), codec=codec, mode={"rc_mode": "CQP"})
    return _row(
        codec,
        VAAPI,
        quality,
        preset=Preset(option="compression_level"),
        generic=_RATE | {"compression_level", "slices"},
    )


def _qsv(codec: str) -> EncoderSpec:
    # global_quality selects ICQ, whose scale is 1 to 51 for every codec, as long as no maxrate is set.
    quality = Quality(
        options=("global_quality",), crf=(0, 51), values=(0, 51), whole=True, unset_below=1, excludes=_RATE_ONLY
    )
    preset = Preset(option="preset", names_only=True)
    return _row(codec, QSV, quality, preset=preset, generic=_RATE | {"refs", "slices"})


def _amf(codec: str, options: tuple[str, ...]) -> EncoderSpec:
    quality = _constant_quantiser(options, codec=codec, mode={"rc": "cqp"})
    gop = Gop() if codec == "hevc" else _NO_B_FRAMES  # its HEVC encoder has no B-frames at all
    return _row(codec, AMF, quality, preset=Preset(option="quality", names_only=True), gop=gop)


def _videotoolbox(codec: str) -> EncoderSpec:
    # LeRobot's formula, q = 100 - 2 crf, at least 1; FFmpeg's scale runs the other way, 100 is best.
    quality = Quality(options=("q",), crf=(0, 51), values=(100, -2), floor=1, excludes=_RATE_ONLY)
    return _row(codec, VIDEOTOOLBOX, quality, gop=Gop())


def _v4l2m2m(codec: str) -> EncoderSpec:
    # It has a bit rate and nothing else; its listing prints no pixel formats, the driver decides.
    return _row(
        codec,
        V4L2M2M,
        None,
        gop=Gop(),
        generic=frozenset({"b", "qmin", "qmax", "profile", "level"}),
        pixel_formats=("yuv420p", "nv12"),
    )


def _vulkan(codec: str) -> EncoderSpec:
    quality = _constant_quantiser(("qp",), codec=codec, mode={"rc_mode": "cqp"})
    return _row(codec, VULKAN, quality, preset=Preset(option="quality"))


HARDWARE = (
    _videotoolbox("h264"),
    _videotoolbox("hevc"),
    _nvenc("h264", 51),
    _nvenc("hevc", 51),
    _nvenc("av1", 63),
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
    _v4l2m2m("h264"),
    _v4l2m2m("hevc"),
    _v4l2m2m("vp8"),
    _vulkan("h264"),
    _vulkan("hevc"),
    _vulkan("av1"),
)
"""Every hardware row, in `DEVICES` order."""
