"""Join a config, an encoder's row and this FFmpeg's capabilities into exact encoder options, or say why not.

Pure: what the machine can do comes in as a `Capabilities` value.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ffenc.config import VideoEncoderConfig
from ffenc.encoders.profiles import stored_profiles
from ffenc.encoders.spec import EncoderSpec, Gop, HardwareDevice
from ffenc.encoders.table import AUTO, CODECS, encoder_row, encoders_for_codec, find_encoder
from ffenc.errors import EncoderUnavailableError
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.plan.effective import Request
from ffenc.plan.frame_checks import check_frame_format, stored_pixel_format
from ffenc.plan.option_builder import OptionBuilder
from ffenc.plan.options import nearest_name


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedStream:
    """Properties that the encoded stream must have; the written file is checked against them.

    Attributes:
        pix_fmts: accepted names of its pixel format after decoding.
        g: most frames from one keyframe to the next; None: any number.
        exact: keyframes are at 0, g, 2g, ... and nowhere else.
        follows_forced: keyframes are also at forced frames.
        reorders: packets can be stored in another order than frames are shown (B-frames).
        profiles: accepted profiles, as ffprobe names them; empty: any.
        bits_per_s: bit rate set by the encoder's row; None if a quality or the user's bit rate applies.
    """

    pix_fmts: tuple[str, ...]
    g: int | None = None
    exact: bool = False
    follows_forced: bool = True
    reorders: bool = True
    profiles: tuple[str, ...] = ()
    bits_per_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedEncoder:
    """One encoder with everything that goes on its command line.

    Attributes:
        name: FFmpeg's encoder name.
        codec: bitstream standard of the stream, as ffprobe names it.
        options: (option, text) pairs for the output, without the stream specifier.
        feed_pix_fmt: software pixel format at the end of the filter graph, before any upload.
        device_options: options before the input.
        upload_filters: filters that move frames to the device; empty for encoders that take them from memory.
        complaints: regular expressions of stderr lines that report an ignored option.
        config: the effective config: encoder named, defaults filled in, None for settings that the encoder lacks, extra
            options as limited by other settings.
        reductions: a sentence for every extra option whose effective value differs from the one given, and for a default
            preset that was replaced because it would damage frames.
        requests: extra options that the encoder's library reports in the stream.
        expected: properties that its stream must have.
    """

    name: str
    codec: str
    options: tuple[tuple[str, str], ...]
    feed_pix_fmt: str
    device_options: tuple[tuple[str, str], ...] = ()
    upload_filters: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()
    config: VideoEncoderConfig
    reductions: tuple[str, ...] = ()
    requests: tuple[Request, ...] = ()
    expected: ExpectedStream


def candidate_encoders(vcodec: str) -> tuple[str, ...]:
    """Return the encoders whose listings are needed to resolve ``vcodec`` (which is not ``auto``)."""
    return tuple(row.name for row in encoders_for_codec(vcodec)) or (vcodec,)


def library_version_patterns(vcodec: str) -> dict[str, str]:
    """Return for each of `candidate_encoders` the pattern that finds its library's version, if its row has one."""
    rows = (find_encoder(name) for name in candidate_encoders(vcodec))
    return {row.name: row.library_version for row in rows if row is not None and row.library_version}


def name_encoder(vcodec: str, capabilities: Capabilities) -> str:
    """Return the encoder of this FFmpeg for ``vcodec``.

    A codec name takes the first row of `encoders_for_codec` that this build has.  FFmpeg's own alias is never used: it
    differs between builds.

    Raises:
        EncoderUnavailableError: unknown here, or ``auto``, which needs a trial (`ffenc.video.selection`).
    """
    if vcodec == AUTO:
        raise EncoderUnavailableError("'auto' has to be resolved by a trial before a plan is made", requested=vcodec)
    candidates = candidate_encoders(vcodec)
    for name in candidates:
        if name in capabilities.encoders:
            return name
    listed = sorted(capabilities.encoders)
    if vcodec in CODECS:
        row_names = ", ".join(candidates)
        hardware = [name for name in listed if capabilities.encoders[name].codec == vcodec]
        message = (
            f"{capabilities.ffmpeg} ({capabilities.version.text}) has no software encoder for {vcodec}; looked for "
            f"{row_names}"
        )
        raise EncoderUnavailableError(message, requested=vcodec, alternatives=tuple(hardware))
    near = nearest_name(vcodec, [*listed, *CODECS, AUTO])
    message = f"{capabilities.ffmpeg} ({capabilities.version.text}) has no video encoder {vcodec!r}"
    if near:
        message += f"; did you mean {near!r}?"
    spec = find_encoder(vcodec)
    alternatives = [
        row.name for row in encoders_for_codec(spec.codec if spec else "") if row.name in capabilities.encoders
    ] or [name for name in listed if (row := find_encoder(name)) is not None and row.device is None]
    raise EncoderUnavailableError(message, requested=vcodec, alternatives=tuple(alternatives))


def resolve_encoder(
    config: VideoEncoderConfig,
    capabilities: Capabilities,
    *,
    width: int,
    height: int,
    fps: Fraction = Fraction(30),
    muxer: str = "mp4",
    encoder_threads: int | None = None,
    device_node: str | None = None,
    forced_key_frames: bool = False,
) -> ResolvedEncoder:
    """Check every field and option of a config against this FFmpeg and write the encoder's options.

    Args:
        config: encoder settings; ``vcodec`` is not ``auto``.
        capabilities: of this FFmpeg, with the listings of `candidate_encoders`.
        width, height: frame size in pixels.
        fps: frame rate; only a bit rate depends on it.
        encoder_threads: threads (for SVT-AV1 its ``lp``); None leaves it to the encoder.
        device_node: device file for hardware that has several, e.g. ``/dev/dri/renderD128``; the config's ``device``
            takes precedence.
        forced_key_frames: keyframes are forced at given frames.

    Raises:
        EncoderUnavailableError: this FFmpeg has no such encoder.
        PixelFormatError: the encoder does not take ``pix_fmt``.
        FrameSizeError: the encoder or the pixel format does not take this size.
        EncoderOptionError: a field or option that would not take effect.
    """
    name = name_encoder(config.vcodec, capabilities)
    listing = capabilities.help(name)
    builder = OptionBuilder(
        name=name,
        spec=encoder_row(name).as_listed(listing.options),
        listing=listing,
        config=config,
        width=width,
        height=height,
        fps=fps,
        libavcodec=capabilities.version.libavcodec,
        library=capabilities.library_versions.get(name),
    )
    spec = builder.spec
    feed = check_frame_format(builder, capabilities, config.pix_fmt, size=(width, height), muxer=muxer)
    effective: dict[str, object] = {
        "vcodec": name,
        "g": (g := builder.gop()),
        "crf": builder.quality(),
        "preset": builder.preset(),
        "fast_decode": builder.fast_decode(),
    }
    builder.safeguards()
    builder.threads(encoder_threads)
    builder.device()
    if forced_key_frames:
        builder.forced_key_frames()
    builder.extras()
    settled = builder.settled()
    bits_per_s = builder.bit_rate()
    effective["extra_options"] = (
        settled.extra_options if bits_per_s is None else {**settled.extra_options, "b": bits_per_s}
    )
    if capabilities.encoders[name].experimental:
        builder.options.setdefault("strict", "experimental")
    if muxer in spec.tags:
        builder.options["tag"] = spec.tags[muxer]
    device = spec.device
    return ResolvedEncoder(
        name=name,
        codec=capabilities.encoders[name].codec,
        options=tuple(builder.written()),
        feed_pix_fmt=feed,
        device_options=_device_options(name, device, chosen=config.device, node=device_node) if device else (),
        upload_filters=device.upload if device else (),
        complaints=spec.complaints,
        config=config.model_copy(update=effective),
        reductions=(*builder.remarks, *settled.reductions),
        requests=settled.requests,
        expected=_expected(config.pix_fmt, spec, builder, g=g, bits_per_s=bits_per_s),
    )


def _expected(
    pix_fmt: str, spec: EncoderSpec, builder: OptionBuilder, *, g: int | None, bits_per_s: int | None
) -> ExpectedStream:
    gop, options = spec.gop or Gop(), builder.options
    return ExpectedStream(
        pix_fmts=stored_pixel_format(pix_fmt, spec),
        g=g,
        exact=gop.exact,
        follows_forced=gop.follows_forced.at(builder.library),
        reorders=options["bf"] != "0" if "bf" in options else spec.reorders,
        profiles=stored_profiles(spec.codec, options["profile"]) if "profile" in options else (),
        bits_per_s=bits_per_s,
    )


def _device_options(
    name: str, device: HardwareDevice, *, chosen: str | None, node: str | None
) -> tuple[tuple[str, str], ...]:
    used = chosen or (node if device.takes_node else None)
    if used is not None:
        return tuple((key, text.format(device=used)) for key, text in device.init)
    if device.default_init is None:
        raise EncoderUnavailableError(f"{name} needs {device.needs}; no device file was named", requested=name)
    return device.default_init
