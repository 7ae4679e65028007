"""What one FFmpeg lists, as a value; `ffenc.ffmpeg.capability_probe` asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ffenc.errors import CapabilityError
from ffenc.ffmpeg.listing import EncoderHelp, EncoderListing, FFmpegVersion, PixelFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What one FFmpeg lists.  That an encoder is listed does not mean that it works on this machine."""

    ffmpeg: Path
    """The executable that was asked."""
    version: FFmpegVersion
    encoders: Mapping[str, EncoderListing]
    """Every video encoder, by name."""
    pixel_formats: Mapping[str, PixelFormat]
    """Every pixel format, by name."""
    helps: Mapping[str, EncoderHelp]
    """Options and pixel formats of the encoders asked for, as far as this FFmpeg has them."""
    library_versions: Mapping[str, tuple[int, ...]]
    """Encoder to the version of the library behind it, where asked for; absent where it could not be learned."""

    def help(self, encoder: str) -> EncoderHelp:
        """Options and pixel formats of an encoder.

        Raises:
            CapabilityError: this FFmpeg has no such encoder, or it was not asked about it.
        """
        if encoder in self.helps:
            return self.helps[encoder]
        if encoder in self.encoders:
            raise CapabilityError(
                f"the options of {encoder} are not known: name it in probe_capabilities(encoders=...)"
            )
        raise CapabilityError(f"{self.ffmpeg} ({self.version.text}) has no video encoder {encoder}")
