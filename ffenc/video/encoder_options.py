"""Resolve a config without frames, and list the encoders and pixel formats of this FFmpeg."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.errors import EncoderUnavailableError, PixelFormatError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.frame_rate import FrameRate, parse_frame_rate
from ffenc.frames import FrameFormat
from ffenc.plan.encode import RawFrames
from ffenc.plan.options import nearest_name
from ffenc.plan.resolve import ResolvedEncoder, name_encoder
from ffenc.video.planning import plan_for
from ffenc.video.run_context import RunContext

TypedOption: TypeAlias = int | float | str

NOMINAL_SIZE = (1280, 720)
"""(width, height) used while the size of the frames is unknown; no encoder or setting refuses it."""


def encoder_options(
    config: VideoEncoderConfig,
    size: tuple[int, int] | None = None,
    *,
    fps: FrameRate = 30,
    encoder_threads: int | None = None,
    binaries: Binaries | None = None,
) -> Mapping[str, TypedOption]:
    """Return the options that this FFmpeg's encoder gets for a config.

    Args:
        config: encoder settings.
        size: (width, height) of the frames; None checks everything but the size.
        fps: frame rate.
        encoder_threads: threads of the encoder; None leaves it to the encoder.
        binaries: the executables; found by `find_binaries` if None.

    Returns:
        Values by option, in the order of the command line: int or float where the text is a number.

    Raises:
        CapabilityError: the encoder or one of the settings is not available here, or would not take effect.
    """
    resolved = resolved_encoder(config, size, fps=fps, encoder_threads=encoder_threads, binaries=binaries)
    return MappingProxyType({name: _typed(text) for name, text in resolved.options})


def resolved_encoder(
    config: VideoEncoderConfig,
    size: tuple[int, int] | None = None,
    *,
    fps: FrameRate = 30,
    encoder_threads: int | None = None,
    binaries: Binaries | None = None,
) -> ResolvedEncoder:
    """Return the encoder behind `encoder_options`, with its name and the config as it takes effect."""
    width, height = size or NOMINAL_SIZE
    layout = config.layout if isinstance(config, DepthEncoderConfig) else "rgb"
    frames = RawFrames(frames=FrameFormat(width=width, height=height, layout=layout), fps=parse_frame_rate(fps))
    context = RunContext(binaries=binaries or find_binaries(), encoder_threads=encoder_threads)
    return plan_for(config, frames, None, context).encoder


def available_encoders(names: Iterable[str] | None = None, *, binaries: Binaries | None = None) -> tuple[str, ...]:
    """Return the encoders that this FFmpeg lists; only `select_encoder` tests whether hardware works.

    Args:
        names: encoders, or codecs (``h264``), which count if this FFmpeg has a software encoder for them; None: all
            encoders.
        binaries: the executables; found by `find_binaries` if None.

    Returns:
        Those of the names that are available, in their order.
    """
    capabilities = probe_capabilities((binaries or find_binaries()).ffmpeg)
    if names is None:
        return tuple(capabilities.encoders)
    found = []
    for name in names:
        try:
            name_encoder(name, capabilities)
        except EncoderUnavailableError:
            continue
        found.append(name)
    return tuple(found)


def pixel_format_channels(pix_fmt: str, *, binaries: Binaries | None = None) -> int:
    """Return the number of components of a pixel format: 3 for ``yuv420p``, 1 for ``gray12le``.

    Raises:
        PixelFormatError: this FFmpeg has no such format.
    """
    formats = probe_capabilities((binaries or find_binaries()).ffmpeg).pixel_formats
    if pix_fmt not in formats:
        near = nearest_name(pix_fmt, formats)
        hint = f"; did you mean {near!r}?" if near else ""
        raise PixelFormatError(f"this FFmpeg has no pixel format {pix_fmt!r}{hint}", pix_fmt=pix_fmt, accepted=())
    return formats[pix_fmt].components


def _typed(text: str) -> TypedOption:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
