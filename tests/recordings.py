"""Capabilities of builds that are not here, from what they printed once (``tests/recorded``)."""

from __future__ import annotations

import functools
import re
from dataclasses import replace
from pathlib import Path

from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.listing import EncoderOption, parse_encoder_help, parse_encoders, parse_pix_fmts, parse_version

RECORDED = Path(__file__).parent / "recorded"

SVT_VERSIONS = {"5.1.9-deb": (1, 4, 1), "8.0": (3, 1, 0), "9.0.2": (4, 2, 0)}
"""SVT-AV1 behind the recorded builds, as it prints itself; no listing has it."""

AOM_VERSIONS = {"4.2.2": (1, 0, 0), "5.1.9-deb": (3, 6, 0), "7.0.2": (3, 2, 0), "9.0.2": (3, 15, 1)}
"""libaom behind the recorded builds, as far as it is known."""


@functools.cache
def recorded(build: str) -> Capabilities:
    """Everything a recorded build lists; its path is the neutral ``ffmpeg``."""
    folder = RECORDED / build
    version, encoders, pix_fmts = (
        (folder / f"{name}.stdout.txt").read_text(encoding="utf-8") for name in ("version", "encoders", "pix_fmts")
    )
    helps = {}
    for file in sorted(folder.glob("h_encoder_*.txt")):
        text = file.read_text(encoding="utf-8")
        for name in re.findall(r"^Encoder (\S+) \[", text, re.MULTILINE):
            helps[name] = parse_encoder_help(text, name)
    return Capabilities(
        ffmpeg=Path("ffmpeg"),
        version=parse_version(version),
        encoders={name: row for name, row in parse_encoders(encoders).items() if row.media_type == "video"},
        pixel_formats=parse_pix_fmts(pix_fmts),
        helps={name: found for name, found in helps.items() if found is not None},
        library_versions={
            encoder: versions[build]
            for encoder, versions in (("libsvtav1", SVT_VERSIONS), ("libaom-av1", AOM_VERSIONS))
            if build in versions
        },
    )


BUILDS = tuple(sorted(folder.name for folder in RECORDED.iterdir()))


def with_option(capabilities: Capabilities, encoder: str, name: str) -> Capabilities:
    """An FFmpeg whose listing of an encoder has one more option, a whole number of any size."""
    option = EncoderOption(
        name=name, type="int", minimum=None, maximum=None, default=None, choices=(), deprecated=False, help=""
    )
    listing = capabilities.helps[encoder]
    more = replace(listing, options={**listing.options, name: option})
    return replace(capabilities, helps={**capabilities.helps, encoder: more})
