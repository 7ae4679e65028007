"""Check and resolve LeRobot's encoder settings with ffenc's FFmpeg.

LeRobot's dataclasses are not replaced, because its command line is generated from them.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from fractions import Fraction
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.encoders.lerobot_names import DEFAULT_ENCODER
from ffenc.encoders.table import encoder_row, find_encoder
from ffenc.errors import CapabilityError, EncoderUnavailableError, PixelFormatError
from ffenc.ffmpeg.binaries import find_binaries
from ffenc.frames import FrameFormat
from ffenc.plan.encode import RawFrames
from ffenc.plan.frame_checks import accepted_pixel_formats
from ffenc.plan.options import listed_value
from ffenc.plan.resolve import name_encoder
from ffenc.video import encoder_options
from ffenc.video.run_context import RunContext
from ffenc.video.selection import capabilities_for, examine_encoders

logger = logging.getLogger(__name__)

BACKENDS = ("pyav", "ffmpeg")
"""Accepted values of ``video_backend``; ffenc encodes through ffmpeg with either."""

_FILLED_PRESET = 12  # LeRobot: LIBSVTAV1_DEFAULT_PRESET
_FIELDS_IN_OPTIONS = ("g", "crf", "preset")
_reading_stored: ContextVar[bool] = ContextVar("reading_stored", default=False)


def ffenc_config(config: Any) -> VideoEncoderConfig:
    """Translate LeRobot's dataclass; only fields that differ from their defaults count as set.

    Args:
        config: ``RGBEncoderConfig``, ``DepthEncoderConfig`` or their base; None means LeRobot's defaults for RGB.

    Raises:
        ValueError: a value is invalid, independent of the FFmpeg build.
    """
    if config is None:
        return VideoEncoderConfig()
    model = DepthEncoderConfig if hasattr(config, "depth_min") else VideoEncoderConfig
    given = {name: value for name, value in _differing(config).items() if name in model.model_fields}
    given |= {name: _number(given[name]) for name in _FIELDS_IN_OPTIONS if name in given}
    if "extra_options" in given:
        options = dict(given["extra_options"] or {})
        for name in _FIELDS_IN_OPTIONS:
            # LeRobot passes such an option to the encoder if its field is None.
            if name in options and getattr(config, name) is None:
                given[name] = _number(options.pop(name))
        given["extra_options"] = options
    try:
        return model(**given)
    except ValidationError as err:
        wrong = "; ".join(
            f"{'.'.join(map(str, each['loc'][:1])) or 'settings'}: {each['msg']}" for each in err.errors()
        )
        raise ValueError(f"{type(config).__name__}: {wrong}") from err


def _differing(config: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that differ from their defaults."""
    values = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        factory = field.default_factory
        default = field.default if factory is dataclasses.MISSING else factory()
        # LeRobot fills in its default preset of SVT-AV1, which is also ffenc's.
        is_filled = field.name == "preset" and config.vcodec == DEFAULT_ENCODER and value == _FILLED_PRESET
        if value != default and not is_filled:
            values[field.name] = value
    return values


def _number(value: Any) -> Any:
    """Return the number of a text, as an int if it is whole; LeRobot accepts numbers in any form.  Return others unchanged."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = float(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


@contextmanager
def value_errors() -> Iterator[None]:
    """Convert capability errors to ValueError, which LeRobot's callers expect."""
    try:
        yield
    except CapabilityError as err:
        if isinstance(err, ValueError):
            raise
        raise ValueError(str(err)) from err


def available(encoders: Sequence[str] | str) -> list[str]:
    """Return the encoders that ffenc's FFmpeg has; replaces ``detect_available_encoders_pyav``."""
    return list(encoder_options.available_encoders([encoders] if isinstance(encoders, str) else encoders))


def get_codec(own: Callable[[str], Any], vcodec: str) -> Any:
    """Return PyAV's codec only if ffenc can encode with the encoder of this name; wraps the function of this name."""
    row = find_encoder(vcodec)
    usable = _working_hardware((vcodec,)) if row is not None and row.device is not None else available(vcodec)
    return own(vcodec) if usable else None


def detect(self: Any, encoders: Sequence[str] | str) -> list[str]:
    """Return the encoders that are available; replaces ``VideoEncoderConfig.detect_available_encoders``."""
    return available(encoders) if self.video_backend in BACKENDS else []


def resolve_vcodec(self: Any) -> None:
    """Check the name of the encoder, and resolve ``auto`` by trial; replaces ``VideoEncoderConfig.resolve_vcodec``.

    Raises:
        ValueError: LeRobot does not know the name, or this FFmpeg does not have the encoder.
    """
    known = import_module("lerobot.configs.video")
    self.vcodec = known.VIDEO_CODECS_ALIASES.get(self.vcodec, self.vcodec)
    if self.vcodec not in known.VALID_VIDEO_CODECS:
        raise ValueError(
            f"Invalid vcodec {self.vcodec!r}; LeRobot accepts {', '.join(sorted(known.VALID_VIDEO_CODECS))}"
        )
    if self.video_backend not in BACKENDS:
        raise ValueError(f"unknown video_backend {self.video_backend!r}; expected {' or '.join(BACKENDS)}")
    if self.vcodec == "auto":
        self.vcodec = _working_hardware(tuple(known.HW_VIDEO_CODECS)) or DEFAULT_ENCODER
        if self.vcodec == DEFAULT_ENCODER:
            logger.warning(
                "no hardware encoder works here, encoding with %s; `ffenc probe` shows the reasons", DEFAULT_ENCODER
            )
    if not available(self.vcodec):
        with value_errors():
            name_encoder(self.vcodec, capabilities_for(self.vcodec, find_binaries()))


@functools.cache
def _working_hardware(names: tuple[str, ...]) -> str | None:
    """Return the first hardware encoder whose trial succeeds; the recorder repeats the trial with the real frame size."""
    rows = tuple(row for row in map(find_encoder, names) if row is not None)
    width, height = encoder_options.NOMINAL_SIZE
    for candidate in examine_encoders(
        VideoEncoderConfig(),
        RawFrames(frames=FrameFormat(width=width, height=height), fps=Fraction(30)),
        RunContext(binaries=find_binaries()),
        encoders=rows,
    ):
        if candidate.works:
            logger.info("%s works", candidate.encoder)
            return candidate.encoder
        logger.info("%s does not work: %s", candidate.encoder, candidate.reason)
    return None


def validate(self: Any) -> None:
    """Check every setting against ffenc's FFmpeg; replaces ``VideoEncoderConfig.validate``.

    Settings that are read back from a dataset are not checked, because stream copy does not use them.

    Raises:
        ValueError: a setting is invalid or would not take effect.
    """
    if _reading_stored.get():
        return
    # LeRobot's own rules, so that it can read back what `info.json` stores.
    check_parameters(self.vcodec, self.pix_fmt, self.get_codec_options(), self._DEFAULT_CHANNELS)
    with value_errors():
        encoder_options.encoder_options(ffenc_config(self))


def _check_channels(pix_fmt: str, channels: int | None) -> None:
    if channels is not None and (has := pixel_format_channels(pix_fmt)) < channels:
        raise PixelFormatError(
            f"pix_fmt={pix_fmt!r} has only {has} component(s) but the source data has {channels} channel(s)",
            pix_fmt=pix_fmt,
        )


def from_video_info(own: Callable[..., Any], cls: type, video_info: Mapping[str, Any] | None) -> Any:
    """Read settings back from ``info.json`` without checking them; wraps ``VideoEncoderConfig.from_video_info``."""
    token = _reading_stored.set(True)
    try:
        return own(cls, video_info)
    finally:
        _reading_stored.reset(token)


@functools.cache
def pixel_format_channels(pix_fmt: str) -> int:
    """Return the number of components of a pixel format; replaces ``get_pix_fmt_channels``."""
    return encoder_options.pixel_format_channels(pix_fmt)


def check_parameters(vcodec: str, pix_fmt: str, codec_options: Mapping[str, Any], channels: int | None = None) -> None:
    """Check options that LeRobot has already translated; replaces ``check_video_encoder_parameters_pyav``.

    Raises:
        ValueError: the encoder is unknown, or does not accept the pixel format, ``g`` or another option.
    """
    with value_errors():
        capabilities = capabilities_for(vcodec, find_binaries())
        try:
            name = name_encoder(vcodec, capabilities)
        except EncoderUnavailableError as err:
            raise ValueError(f"Codec {vcodec!r} is not available in the FFmpeg build: {err}") from err
        listing = capabilities.help(name)
        # Hardware encoders accept formats that they do not list, because ffenc converts and uploads them.
        accepted = accepted_pixel_formats(capabilities, listing, encoder_row(name))
        if accepted and pix_fmt not in accepted:
            raise PixelFormatError(
                f"pix_fmt={pix_fmt!r} is not supported by {name}; accepted: {', '.join(accepted)}",
                pix_fmt=pix_fmt,
                accepted=accepted,
            )
        _check_channels(pix_fmt, channels)
        g = codec_options.get("g", 1)
        if isinstance(g, bool) or not isinstance(g, int) or g < 1:
            raise ValueError(f"g={g!r} must be a positive integer for codec {vcodec!r}")
        for option, value in codec_options.items():
            if option in listing.options and listing.options[option].type not in ("string", "dictionary"):
                listed_value(listing.options[option], value, encoder=name)
