"""The listings of one FFmpeg as a value; `ffenc.ffmpeg.capability_probe` makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ffenc.errors import CapabilityError
from ffenc.ffmpeg.listing import EncoderHelp, EncoderListing, FFmpegVersion, PixelFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """The listings of one FFmpeg.  A listed encoder does not necessarily work on this machine."""

    ffmpeg: Path
    """The executable."""
    version: FFmpegVersion
    encoders: Mapping[str, EncoderListing]
    """Every video encoder, by name."""
    pixel_formats: Mapping[str, PixelFormat]
    """Every pixel format, by name."""
    helps: Mapping[str, EncoderHelp]
    """Options and pixel formats of the requested encoders that this FFmpeg has."""
    library_versions: Mapping[str, tuple[int, ...]]
    """Version of the library behind each requested encoder; missing if unknown."""

    def help(self, encoder: str) -> EncoderHelp:
        """Return the options and pixel formats of an encoder.

        Raises:
            CapabilityError: this FFmpeg has no such encoder, or its help was not requested.
        """
        if encoder in self.helps:
            return self.helps[encoder]
        if encoder in self.encoders:
            raise CapabilityError(
                f"the options of {encoder} are not known: name it in probe_capabilities(encoders=...)"
            )
        raise CapabilityError(f"{self.ffmpeg} ({self.version.text}) has no video encoder {encoder}")
