"""Join a config, an encoder's row and this FFmpeg's capabilities into exact encoder options, or say why not.

Pure: what the machine can do comes in as a `Capabilities` value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ffenc.config import OptionValue, VideoEncoderConfig
from ffenc.encoders.spec import EncoderSpec, Version
from ffenc.encoders.table import AUTO, CODECS, encoders_for_codec, find_encoder
from ffenc.errors import EncoderOptionError, EncoderUnavailableError
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.listing import EncoderHelp
from ffenc.plan.options import (
    extra_option,
    join_parameters,
    listed_value,
    nearest_name,
    number_text,
    parse_parameters,
    plain_option_name,
)
from ffenc.plan.picture import check_picture


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedEncoder:
    """One concrete encoder with everything that goes on its command line.

    Attributes:
        name: FFmpeg's encoder name.
        codec: bitstream standard of the stream, as ffprobe names it.
        options: (option, text) pairs for the output, without the stream specifier.
        feed_pix_fmt: software pixel format the filter graph ends in, before any upload.
        device_options: options before the input.
        upload_filters: filters that move frames to the device; empty for encoders that take them from memory.
        complaints: regular expressions of stderr lines by which the encoder says that it ignored something.
        config: the config as it takes effect: encoder named, defaults filled in, None where there is no such setting.
    """

    name: str
    codec: str
    options: tuple[tuple[str, str], ...]
    feed_pix_fmt: str
    device_options: tuple[tuple[str, str], ...] = ()
    upload_filters: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()
    config: VideoEncoderConfig


def candidate_encoders(vcodec: str) -> tuple[str, ...]:
    """The encoders whose listings are needed to resolve ``vcodec`` (which is not ``auto``)."""
    return tuple(row.name for row in encoders_for_codec(vcodec)) or (vcodec,)


def library_version_patterns(vcodec: str) -> dict[str, str]:
    """For each of `candidate_encoders`, the pattern that finds its library's version, where the row has one."""
    rows = (find_encoder(name) for name in candidate_encoders(vcodec))
    return {row.name: row.library_version for row in rows if row is not None and row.library_version}


def name_encoder(vcodec: str, capabilities: Capabilities) -> str:
    """The encoder of this FFmpeg that ``vcodec`` means.

    A codec name takes the first row of `encoders_for_codec` that this build has, never FFmpeg's own alias, which means
    another encoder in every build.

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
        raise EncoderUnavailableError(message, requested=vcodec, alternatives=hardware)
    near = nearest_name(vcodec, [*listed, *CODECS, AUTO])
    message = f"{capabilities.ffmpeg} ({capabilities.version.text}) has no video encoder {vcodec!r}"
    if near:
        message += f"; did you mean {near!r}?"
    spec = find_encoder(vcodec)
    alternatives = [
        row.name for row in encoders_for_codec(spec.codec if spec else "") if row.name in capabilities.encoders
    ] or [name for name in listed if (row := find_encoder(name)) is not None and row.device is None]
    raise EncoderUnavailableError(message, requested=vcodec, alternatives=alternatives)


def resolve_encoder(
    config: VideoEncoderConfig,
    capabilities: Capabilities,
    *,
    width: int,
    height: int,
    muxer: str = "mp4",
    encoder_threads: int | None = None,
    device_node: str | None = None,
) -> ResolvedEncoder:
    """Check every field and option of a config against this FFmpeg and write the encoder's options.

    Args:
        config: what was asked for; ``vcodec`` must not be ``auto`` any more.
        capabilities: of this FFmpeg, with the listings of `candidate_encoders`.
        width, height: picture size in pixels.
        muxer: container the stream goes into.
        encoder_threads: threads (for SVT-AV1 its ``lp``); None leaves it to the encoder.
        device_node: device file for hardware that has several, e.g. ``/dev/dri/renderD128``.

    Raises:
        EncoderUnavailableError: this FFmpeg has no such encoder.
        PixelFormatError: the encoder does not take ``pix_fmt``.
        FrameSizeError: the encoder or the pixel format does not take this size.
        EncoderOptionError: a field or option that would not take effect.
    """
    name = name_encoder(config.vcodec, capabilities)
    fold = _Fold(
        name=name,
        spec=find_encoder(name),
        listing=capabilities.help(name),
        config=config,
        libavcodec=capabilities.version.libavcodec[0],
        library=capabilities.library_versions.get(name),
    )
    spec = fold.spec
    feed = check_picture(
        config.pix_fmt,
        capabilities=capabilities,
        listing=fold.listing,
        spec=spec,
        encoder=name,
        width=width,
        height=height,
        muxer=muxer,
        library=fold.library,
    )
    effective = {
        "vcodec": name,
        "g": fold.gop(),
        "crf": fold.quality(),
        "preset": fold.preset(),
        "fast_decode": fold.fast_decode(),
    }
    fold.threads(encoder_threads)
    fold.extras()
    if capabilities.encoders[name].experimental:
        fold.options.setdefault("strict", "experimental")
    if spec and muxer in spec.tags:
        fold.options["tag"] = spec.tags[muxer]
    device = spec.device if spec else None
    return ResolvedEncoder(
        name=name,
        codec=capabilities.encoders[name].codec,
        options=tuple(fold.written()),
        feed_pix_fmt=feed,
        device_options=tuple((key, text.format(node=device_node)) for key, text in device.init) if device else (),
        upload_filters=device.upload if device else (),
        complaints=spec.complaints if spec else (),
        config=config.model_copy(update=effective),
    )


@dataclass(slots=True, kw_only=True)
class _Fold:
    """Folds one row and one config into options; each method handles one field and returns it as it takes effect."""

    name: str
    spec: EncoderSpec | None
    listing: EncoderHelp
    config: VideoEncoderConfig
    libavcodec: int
    library: Version | None
    options: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, dict[str, str]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)

    def gop(self) -> int | None:
        g = self.config.g
        if g is None:
            self.owners["g"] = "g"
            return None
        if self.spec and self.spec.intra_only:
            self._refuse_if_given("g", "every frame is a key frame whatever g says; leave it unset or 1", unless=g == 1)
            return 1
        gop = self.spec.gop if self.spec else None
        option = gop.option if gop else "g"
        if gop and g == 1 and self.libavcodec < gop.one_since_libavcodec:
            raise self._error(
                "g", g, f"{self.name} of FFmpeg before libavcodec {gop.one_since_libavcodec} takes g=1 for 'not set' and "
                "writes one key frame in all; use g=2 or more, or another encoder",
            )  # fmt: skip
        self._set(option, str(g), owner="g")
        if gop and (gop.companions_up_to is None or g <= gop.companions_up_to):
            self.options.update(gop.companions)
        return g

    def quality(self) -> float | int | None:
        crf = self.config.crf
        quality = self.spec.quality if self.spec else None
        if quality is None:
            return self._listed("crf", crf, option="crf" if self.spec is None else None)
        for option in (*quality.options, quality.fraction_option):
            if option:
                self.owners[option] = "crf"
        if crf is None:
            return None
        low, high = quality.crf
        accepted = f"{number_text(max(low, quality.unset_below))} to {number_text(high)}"
        if not low <= crf <= high:
            raise self._error("crf", crf, f"crf for {self.name} goes from {accepted}", accepted)
        if crf < quality.unset_below:
            raise self._error(
                "crf", crf, f"{self.name} takes a crf of {number_text(crf)} for 'not set'; use {accepted}", accepted
            )
        options = quality.options
        if quality.whole and quality.one_to_one and not float(crf).is_integer():
            since = quality.fraction_since
            if not quality.fraction_option or self.library is None or self.library < since:
                reason = f"{self.name} takes whole numbers only as crf ({accepted})"
                if quality.fraction_option:
                    dotted = ".".join(map(str, since))
                    reason += f"; its library takes fractions from version {dotted}, this one is {self._library_text()}"
                raise self._error("crf", crf, reason, accepted)
            options = (quality.fraction_option,)
        for option in options:
            self._set(option, number_text(quality.value(crf)), owner="crf")
        for key, text in quality.companions.items():
            self._set(key, text, owner="crf")
        for key in quality.excludes:
            self.owners.setdefault(key, "crf")
        return crf

    def preset(self) -> int | str | None:
        value = self.config.preset
        preset = self.spec.preset if self.spec else None
        if preset is None:
            return self._listed("preset", value, option="preset" if self.spec is None else None)
        self.owners[preset.option] = "preset"
        value = preset.default if value is None else value
        if value is None:
            return None
        if preset.names_only and not (isinstance(value, str) and not value.lstrip("-").isdigit()):
            raise self._error(
                "preset", value, f"preset numbers of {self.name} mean other presets in other FFmpeg versions; use a name: "
                + self._choices(preset.option),
            )  # fmt: skip
        if preset.names:
            if value not in preset.names:
                near = nearest_name(str(value), preset.names)
                hint = f"; did you mean {near!r}?" if near else ""
                accepted = ", ".join(preset.names)
                raise self._error("preset", value, f"preset of {self.name} is one of {accepted}{hint}", accepted, near)
            text = str(value)
        else:
            text = self._check_listed(preset.option, value, field="preset")
        self._set(preset.option, text, owner="preset")
        return value

    def fast_decode(self) -> int:
        level = self.config.fast_decode
        if level == 0:
            return 0
        fast = self.spec.fast_decode if self.spec else None
        if fast is None:
            raise self._error("fast_decode", level, f"{self.name} has no fast-decode setting; leave fast_decode at 0")
        highest = fast.highest.at(self.library)
        if level > highest:
            raise self._error(
                "fast_decode", level,
                f"{self.name} with library version {self._library_text()} knows fast_decode 0 to {highest}", f"0 to {highest}",
            )  # fmt: skip
        limit = fast.highest_preset.at(self.library)
        preset_option = self.spec.preset.option if self.spec and self.spec.preset else ""
        preset = self.options.get(preset_option, "")
        if limit is not None and preset.isdigit() and int(preset) > limit:
            raise self._error(
                "fast_decode", level, f"{self.name} with library version {self._library_text()} ignores fast_decode above "
                f"preset {limit} (this is preset {preset}); use preset {limit} or lower, or fast_decode=0",
            )  # fmt: skip
        self._set(fast.option, fast.value or str(level), owner="fast_decode")
        return level

    def threads(self, count: int | None) -> None:
        threads = self.spec.threads if self.spec else None
        if threads is None:
            if count is not None:
                raise self._error(
                    "encoder_threads", count, f"{self.name} has no thread setting; leave encoder_threads unset"
                )
            return
        self.owners[threads.option] = "encoder_threads"
        if count is None:
            return
        highest = threads.highest.at(self.library)
        if isinstance(count, bool) or count < 1 or (highest is not None and count > highest):
            accepted = "1 or more" if highest is None else f"1 to {highest}"
            raise self._error("encoder_threads", count, f"encoder_threads for {self.name} is {accepted}", accepted)
        self._set(threads.option, str(count), owner="encoder_threads")
        for key, text in threads.companions.items():
            self._set(key, text, owner="encoder_threads")

    def extras(self) -> None:
        seen: dict[str, str] = {}
        for given, value in self.config.extra_options.items():
            name = plain_option_name(given)
            if name in seen:
                raise self._error(given, value, f"{given!r} and {seen[name]!r} are the same option; give it once")
            seen[name] = given
            if name in self.owners:
                field = self.owners[name]
                raise self._error(given, value, f"{given!r} is set by {field} for {self.name}; use {field} instead")
            if name in _PICTURE_OPTIONS:
                raise self._error(
                    given, value, f"{given!r} follows from {_PICTURE_OPTIONS[name]}; it cannot be set by itself"
                )
            text = extra_option(name, value, encoder=self.name, spec=self.spec, listing=self.listing)
            if self.spec and name in self.spec.parameters:
                self.parameters.setdefault(name, {}).update(parse_parameters(name, text, encoder=self.name))
            else:
                self.options[name] = text

    def written(self) -> Iterator[tuple[str, str]]:
        for key, text in (self.spec.defaults if self.spec else {}).items():
            self.options.setdefault(key, text)
        yield from self.options.items()
        for key, pairs in self.parameters.items():
            yield key, join_parameters(pairs)

    def _set(self, option: str, text: str, *, owner: str) -> None:
        self.owners[option] = owner
        name, inside, key = option.partition(":")
        if inside:
            self.parameters.setdefault(name, {})[key] = text
        else:
            self.options[name] = text

    def _listed(self, field: str, value: OptionValue | None, *, option: str | None) -> OptionValue | None:
        """A field for an encoder without a row (or without that setting): only what its own help lists."""
        if option and option in self.listing.options:
            self.owners[option] = field
            if value is not None:
                self._set(option, self._check_listed(option, value, field=field), owner=field)
            return value
        advice = "use extra_options for its own options: " + ", ".join(self.listing.options)
        self._refuse_if_given(field, f"{self.name} has no {field} setting; leave {field} unset (None), or {advice}")
        return None

    def _check_listed(self, option: str, value: OptionValue, *, field: str) -> str:
        listed = self.listing.options.get(option)
        if listed is None:
            # A generic option that carries a field (vaapi's compression_level): checked like one of the user's.
            return extra_option(option, value, encoder=self.name, spec=self.spec, listing=self.listing)
        if listed.type == "string":
            raise self._error(field, value, f"{option} of {self.name} takes free text, which ffenc does not pass on")
        return listed_value(listed, value, encoder=self.name, field=field)

    def _refuse_if_given(self, field: str, reason: str, *, unless: bool = False) -> None:
        value = getattr(self.config, field)
        if self.config.was_given(field) and value is not None and not unless:
            raise self._error(field, value, reason)

    def _choices(self, option: str) -> str:
        listed = self.listing.options.get(option)
        return ", ".join(choice.name for choice in listed.choices) if listed else "none is listed"

    def _library_text(self) -> str:
        return ".".join(map(str, self.library)) if self.library else "unknown"

    def _error(
        self, option: str, value: object, message: str, accepted: str = "", near: str | None = None
    ) -> EncoderOptionError:
        return EncoderOptionError(
            message, option=option, value=value, encoder=self.name, accepted=accepted, nearest=near
        )


_PICTURE_OPTIONS: Mapping[str, str] = {
    "pix_fmt": "the field pix_fmt",
    "color_range": "pix_fmt (BT.601, limited range, is what decoders assume that ignore tags)",
    "colorspace": "pix_fmt (BT.601, limited range, is what decoders assume that ignore tags)",
    "color_primaries": "pix_fmt",
    "color_trc": "pix_fmt",
}
