"""Look up encoders: by name, by codec, and in the order that ``auto`` tries them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ffenc.encoders.hardware import DEVICES, HARDWARE
from ffenc.encoders.software import LIBSVTAV1, SOFTWARE
from ffenc.encoders.spec import ByVersion, EncoderSpec, HardwareDevice

AUTO = "auto"
"""The ``vcodec`` for the first hardware encoder that works here."""

ENCODERS: Mapping[str, EncoderSpec] = MappingProxyType({row.name: row for row in SOFTWARE + HARDWARE})
"""Every row by FFmpeg's encoder name."""

CODECS: tuple[str, ...] = tuple(dict.fromkeys(row.codec for row in SOFTWARE if row.codec != row.name))
"""Codec names that mean the best software encoder of this codec in this build."""

AUTO_CODECS = ("h264", "hevc", "av1", "vp9")
"""Codecs in the order in which ``auto`` tries them on each device: the most widely supported first."""


def find_encoder(name: str) -> EncoderSpec | None:
    """Return the row of an encoder, or None."""
    return ENCODERS.get(name)


def encoder_row(name: str) -> EncoderSpec:
    """Return the row of an encoder; an unknown encoder gets one by which only a bit rate and its own listing count."""
    return ENCODERS.get(name) or EncoderSpec(
        name=name, codec="", generic=frozenset({"b"}), minimum_size=ByVersion((((0,), 1),))
    )


def encoders_for_codec(codec: str) -> tuple[EncoderSpec, ...]:
    """Return the software rows of a codec, best first; empty if ``codec`` is not in `CODECS`."""
    return tuple(row for row in SOFTWARE if row.codec == codec and codec in CODECS)


def auto_candidates(platform: str) -> tuple[EncoderSpec, ...]:
    """Return the hardware rows of a platform (a value of `sys.platform`), in the order in which ``auto`` tries them."""
    return tuple(
        row
        for device in DEVICES
        if platform in device.platforms
        for codec in AUTO_CODECS
        for row in HARDWARE
        if row.device is device and row.codec == codec
    )


def auto_fallbacks() -> tuple[EncoderSpec, ...]:
    """Return the software rows that ``auto`` falls back to, LeRobot's default first."""
    rest = (row for codec in ("h264", "hevc", "av1") for row in encoders_for_codec(codec))
    return (LIBSVTAV1, *(row for row in rest if row is not LIBSVTAV1))


def platform_rows(platform: str) -> tuple[EncoderSpec, ...]:
    """Return the rows of a platform (a value of `sys.platform`): hardware in the order of ``auto``, then software."""
    return (*(row for row in HARDWARE if row.device and platform in row.device.platforms), *SOFTWARE)


def device_of(name: str) -> HardwareDevice | None:
    """Return the hardware that an encoder needs; None for software and for unknown encoders."""
    row = ENCODERS.get(name)
    return None if row is None else row.device
