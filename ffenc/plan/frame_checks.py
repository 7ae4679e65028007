"""Check the size and pixel format of frames, and define ffenc's colour convention.

Colour is BT.601 with limited range at every size, because decoders that ignore tags assume it.  The filter graph converts
to it and the stream is tagged with it, so that decoders that read tags show the same.
"""

from __future__ import annotations

import re

from ffenc.encoders.spec import EncoderSpec
from ffenc.encoders.table import ENCODERS, find_encoder
from ffenc.errors import FrameSizeError, PixelFormatError
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.listing import EncoderHelp
from ffenc.plan.graph import Filter
from ffenc.plan.options import InstalledEncoder, nearest_name

MATRIX = "bt601"
"""The scale filter's name of the matrix."""

MATRIX_TAG = "smpte170m"
"""The tag of the same matrix in the stream."""

_LARGEST_SIDE = 16383  # pixels; encoders and FFmpeg's own size check fail at 16384
_FULL_RANGE = re.compile(r"^(yuvj|gray|ya|gbr|rgb|bgr|0rgb|0bgr|argb|abgr|monob|monow|pal8)")
_NO_MATRIX = re.compile(r"^(gbr|rgb|bgr|0rgb|0bgr|argb|abgr|gray|ya|monob|monow|pal8)")
_ALPHA = re.compile(r"^(yuva|ya\d|rgba|bgra|argb|abgr|gbrap|ayuv|vuya$|uyva|pal8)")
_BITS = re.compile(r"(?:p|gray|ya|gbrp|gbrap)(9|10|12|14|16)(?:le|be|msb)|^p\d(10|12|16)(?:le|be)$")


def bit_depth(pix_fmt: str) -> int:
    """Return the bits of one sample: 10 for ``yuv420p10le``, 8 if the name has no number (FFmpeg before 5 lists none)."""
    found = _BITS.search(pix_fmt)
    return int(found[1] or found[2]) if found else 8


def has_alpha(pix_fmt: str) -> bool:
    """Return whether a pixel format has an alpha channel."""
    return bool(_ALPHA.match(pix_fmt))


def color_range(pix_fmt: str) -> str:
    """Return ``"pc"`` for formats that libswscale treats as full range (yuvj..., grey, RGB), else ``"tv"``."""
    return "pc" if _FULL_RANGE.match(pix_fmt) else "tv"


def has_matrix(pix_fmt: str) -> bool:
    """Return whether a format has chroma, which a matrix converts from RGB."""
    return not _NO_MATRIX.match(pix_fmt)


def chroma_steps(pix_fmt: str) -> tuple[int, int]:
    """Return the number of pixels that share one chroma sample, horizontally and vertically."""
    if "420" in pix_fmt or pix_fmt.startswith(("nv12", "nv21", "p010", "p012", "p016")):
        return 2, 2
    if "422" in pix_fmt or pix_fmt.startswith(("nv16", "nv20", "p210", "p216")):
        return 2, 1
    if "440" in pix_fmt:
        return 1, 2
    if "411" in pix_fmt:
        return 4, 1
    return (4, 4) if "410" in pix_fmt else (1, 1)


_OTHER_LAYOUTS = {
    "nv12": "yuv420p", "nv21": "yuv420p", "nv16": "yuv422p", "nv20le": "yuv422p10le", "p010le": "yuv420p10le",
}  # fmt: skip
"""Pixel formats that differ from another one only in memory layout, and the format of their stream."""


def stored_pixel_format(pix_fmt: str, spec: EncoderSpec) -> tuple[str, ...]:
    """Return the pixel formats that a stream of ``pix_fmt`` can have after decoding without loss.

    A full-range format (``yuvj420p``) is a pixel format with a tag, which not every codec and container stores.
    """
    stored = _OTHER_LAYOUTS.get(pix_fmt, pix_fmt)
    names = [stored, *([spec.stored_as[pix_fmt]] if pix_fmt in spec.stored_as else [])]
    limited = [name.replace("yuvj", "yuv") for name in names]
    full = [name.replace("yuv", "yuvj") for name in limited if name in ("yuv420p", "yuv422p", "yuv444p", "yuv440p")]
    return tuple(dict.fromkeys([*names, *limited, *full]))


def check_frame_format(
    encoder: InstalledEncoder, capabilities: Capabilities, pix_fmt: str, *, size: tuple[int, int], muxer: str
) -> str:
    """Check that the encoder takes frames of this format and size into this container.

    Returns:
        The software pixel format to feed the encoder with.

    Raises:
        PixelFormatError: unknown, or not listed by the encoder (ffmpeg would convert silently).
        FrameSizeError: too small, too large, or an odd side although pixels share chroma samples.
    """
    spec = encoder.spec
    feed = _check_pix_fmt(encoder, capabilities, pix_fmt)
    if has_alpha(pix_fmt) and not spec.keeps_alpha:
        keeping = [row for row in ENCODERS.values() if row.keeps_alpha]
        hint = ", ".join(f"{row.name} into .{row.muxers[0]}" for row in keeping)
        raise PixelFormatError(
            f"{encoder.name} into {muxer} loses the alpha of pix_fmt={pix_fmt!r} silently; choose a format without alpha, or "
            f"an encoder that keeps it ({hint})",
            pix_fmt=pix_fmt,
            alternatives=tuple(row.name for row in keeping),
        )
    if muxer not in spec.muxers:
        raise PixelFormatError(
            f"{encoder.name} cannot be stored in {muxer} with exact timestamps; use a file name ending in "
            + " or ".join(f".{name}" for name in spec.muxers),
            pix_fmt=pix_fmt,
        )
    _check_size(encoder, pix_fmt, *size)
    return feed


def accepted_pixel_formats(
    capabilities: Capabilities, listing: EncoderHelp, spec: EncoderSpec
) -> tuple[str, ...] | None:
    """Return the pixel formats that this encoder's stream can have; None if only the encoder knows, at run time."""
    if spec.device and spec.device.upload:
        return tuple(name for name in spec.device.formats if name in (spec.pixel_formats or spec.device.formats))
    listed = listing.pixel_formats
    if listed is not None:
        known = capabilities.pixel_formats
        listed = tuple(name for name in listed if name not in known or not known[name].hardware)
    if spec.pixel_formats:
        listed = tuple(name for name in spec.pixel_formats if listed is None or name in listed)
    if listed is not None and spec.device:
        streams = (stream for stream, feed in spec.device.formats.items() if feed in listed)
        listed = tuple(dict.fromkeys((*streams, *listed)))
    return listed


def _check_pix_fmt(encoder: InstalledEncoder, capabilities: Capabilities, pix_fmt: str) -> str:
    spec = encoder.spec
    accepted = accepted_pixel_formats(capabilities, encoder.listing, spec)
    if pix_fmt not in capabilities.pixel_formats:
        near = nearest_name(pix_fmt, capabilities.pixel_formats)
        hint = f"; did you mean {near!r}?" if near else ""
        raise PixelFormatError(
            f"this FFmpeg has no pixel format {pix_fmt!r}{hint}", pix_fmt=pix_fmt, accepted=accepted or ()
        )
    if accepted is not None and pix_fmt not in accepted:
        others = _software_encoders_taking(pix_fmt, capabilities)
        names = [row.name if "mp4" in row.muxers else f"{row.name} (into .{row.muxers[0]})" for row in others]
        hint = f"; vcodecs that take {pix_fmt} here: {', '.join(names)}" if names else ""
        raise PixelFormatError(
            f"{encoder.name} of this FFmpeg does not take pix_fmt={pix_fmt!r}; it takes {', '.join(accepted)}{hint}",
            pix_fmt=pix_fmt,
            accepted=accepted,
            alternatives=tuple(row.name for row in others),
        )
    return spec.device.formats.get(pix_fmt, pix_fmt) if spec.device else pix_fmt


def _software_encoders_taking(pix_fmt: str, capabilities: Capabilities) -> list[EncoderSpec]:
    """Return the software encoders that take a pixel format, among those whose listings are known."""
    rows = (find_encoder(name) for name in capabilities.helps)
    return [
        row
        for row in rows
        if row is not None
        and row.device is None
        and pix_fmt in (accepted_pixel_formats(capabilities, capabilities.help(row.name), row) or ())
    ]


def _check_size(encoder: InstalledEncoder, pix_fmt: str, width: int, height: int) -> None:
    across, down = chroma_steps(pix_fmt)
    if width % across or height % down:
        raise FrameSizeError(
            f"{width}x{height} does not fit {pix_fmt}: its width must be a multiple of {across} and its height of {down}; "
            "crop or pad the frames, or choose a pix_fmt without shared chroma (yuv444p)",
            width=width,
            height=height,
        )
    spec = encoder.spec
    smallest = spec.minimum_size.at(encoder.library)
    narrowest = max(smallest, spec.minimum_width)
    if width < narrowest or height < smallest or max(width, height) > _LARGEST_SIDE:
        least = f"; the width is at least {narrowest}" if narrowest > smallest else ""
        raise FrameSizeError(
            f"{encoder.name} does not take {width}x{height} here; each side must have {smallest} to {_LARGEST_SIDE} "
            f"pixels{least}",
            width=width,
            height=height,
        )


FULL_CHROMA = "bicubic+accurate_rnd+full_chroma_int"
"""``flags`` of an exact conversion: the default flags darken colours by about one level, some by three."""

# Filters that apply each EXIF orientation (CIPA DC-008, tag 274).
_UPRIGHT: dict[int, tuple[Filter, ...]] = {
    1: (),
    2: (("hflip", {}),),
    3: (("hflip", {}), ("vflip", {})),
    4: (("vflip", {}),),
    5: (("transpose", {"dir": "cclock_flip"}),),
    6: (("transpose", {"dir": "clock"}),),
    7: (("transpose", {"dir": "clock_flip"}),),
    8: (("transpose", {"dir": "cclock"}),),
}


def upright_filters(orientation: int, pix_fmt: str) -> tuple[Filter, ...]:
    """Return filters that apply the EXIF orientation of images and remove it from the metadata.

    FFmpeg 9 otherwise passes the orientation on to the output, and players rotate a second time.

    Args:
        orientation: of EXIF, 1 to 8.
        pix_fmt: pixel format for rotating; it must keep all information of the images.
    """
    forget: Filter = ("sidedata", {"mode": "delete"})
    turn = _UPRIGHT[orientation]
    if not turn:
        return (forget,)
    # Planes of unequal size cannot be transposed, and ffmpeg would choose a format by itself.
    return (forget, ("scale", {"flags": FULL_CHROMA}), ("format", {"pix_fmts": pix_fmt}), *turn)
