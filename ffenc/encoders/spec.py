"""Define a row of the encoder table: the properties of an encoder that FFmpeg's listings lack.

A row never repeats what is listed (pixel formats, option types, ranges, choices).  It names the option and the scale of
each config field, and the options that the encoder is known to ignore.

``"svtav1-params:lp"`` means the key ``lp`` of the dictionary option ``svtav1-params``.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Generic, TypeAlias, TypeVar

from ffenc.encoders.proven import RUN

T = TypeVar("T")

Version: TypeAlias = tuple[int, ...]
"""A dotted version as numbers, e.g. ``(1, 4, 1)``."""


@dataclass(frozen=True, slots=True)
class ByVersion(Generic[T]):
    """A value that changed with the version of the library behind an encoder.

    Attributes:
        steps: ascending (first version, value); the first value is also that of older and unknown versions.
    """

    steps: tuple[tuple[Version, T], ...]

    def at(self, version: Version | None) -> T:
        """Return the value for ``version``; the oldest one for None."""
        value = self.steps[0][1]
        for since, later in self.steps:
            if version is not None and version >= since:
                value = later
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How ``crf``, the abstract quality, is passed to this encoder.

    Attributes:
        options: options that get the mapped value.
        crf: lowest and highest crf accepted.
        values: their values on the encoder's scale, linear between them; equal to ``crf`` if the encoder's scale is crf.
        whole: the encoder takes only integers.  If the scales are equal, a fractional crf is refused; otherwise the mapped
            value is rounded.
        floor: lowest mapped value.
        fraction_option: option for a fractional crf that ``options`` do not take; None if the encoder takes none.
        fraction_since: first version of the library with ``fraction_option``.
        companions: further options that the quality option needs.
        unset_below: lower values mean "not set" to the encoder and are refused.
        excludes: options (or ``option:key``) that have no effect together with the quality option, or disable it.
        replaced_by: options among ``excludes`` that control the rate; they replace a default crf.
        lossless: switches that make the encoder lossless; they replace a default crf too.
        since_libavcodec: first libavcodec major version whose wrapper reads ``options``; older ones ignore them.
    """

    options: tuple[str, ...]
    crf: tuple[float, float]
    values: tuple[float, float]
    whole: bool = False
    floor: float | None = None
    fraction_option: str | None = None
    fraction_since: Version = ()
    companions: Mapping[str, str] = field(default_factory=dict)
    unset_below: float = 0
    excludes: tuple[str, ...] = ("b", "qp", "cq", "q", "global_quality")
    replaced_by: tuple[str, ...] = ("b", "qp", "cq", "q", "global_quality")
    lossless: tuple[str, ...] = ()
    since_libavcodec: int = 0

    @property
    def one_to_one(self) -> bool:
        """Whether the encoder's scale is crf."""
        return self.crf == self.values

    def value(self, crf: float) -> float:
        """Map a crf (within `crf`) to the encoder's own scale."""
        if self.one_to_one:
            return crf
        (first, last), (low, high) = self.crf, self.values
        mapped = low + (crf - first) * (high - low) / (last - first)
        if self.floor is not None:
            mapped = max(self.floor, mapped)
        return round(mapped) if self.whole else round(mapped, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class BitRate:
    """Bit rate for an encoder without constant quality, instead of FFmpeg's default of 200 kbit/s.

    Attributes:
        bits_per_pixel: average bits per pixel of a long GOP.
        short_gop: a GOP of ``g`` frames gets ``1 + short_gop / g`` times as many bits.
    """

    bits_per_pixel: float
    short_gop: float

    def bits_per_s(self, *, width: int, height: int, fps: Fraction, g: int | None) -> int:
        """Return the bit rate of a video."""
        factor = 1 + self.short_gop / g if g else 1
        return round(self.bits_per_pixel * width * height * float(fps) * factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How ``preset`` is passed to this encoder.

    Attributes:
        option: the FFmpeg option.
        default: value of an unset preset; None leaves it to the encoder.
        names: accepted names, if the listing prints none (for FFmpeg the option is a free string).
        names_only: numbers are refused, because their presets differ between FFmpeg versions.
        compared: two presets with different streams for a proof, the faster first; empty: all that are listed.
    """

    option: str
    default: int | str | None = None
    names: tuple[str, ...] = ()
    names_only: bool = False
    compared: tuple[int | str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gop:
    """How ``g`` is passed to this encoder.

    Attributes:
        option: the FFmpeg option.
        one_since_libavcodec: first libavcodec major version whose wrapper passes ``g=1`` on; for older ones it means "not
            set".
        companions: defaults for a short GOP, which the user can override (``bf=0``, for random access).
        companions_up_to: longest GOP that needs them; None: any.
        closed: options that make every keyframe a place to start decoding, for any ``g``.  Without them, frames shown
            before a keyframe are stored after it and are lost when decoding starts there.
        one: text for ``g=1``; None: ``1``.
        forced: options without which decoding cannot start at a forced keyframe.
        exact: keyframes are at 0, g, 2g, ... and nowhere else.  Otherwise the encoder may add some (at scene cuts) and
            counts from each of them, so that keyframes are at most ``g`` frames apart.
        follows_forced: whether the encoder writes a keyframe at a forced one, by library version.
    """

    option: str = "g"
    one_since_libavcodec: int = 0
    one: str | None = None
    forced: Mapping[str, str] = field(default_factory=dict)
    exact: bool = False
    follows_forced: ByVersion[bool] = ByVersion((((0,), True),))
    companions: Mapping[str, str] = field(default_factory=dict)
    companions_up_to: int | None = None
    closed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads:
    """How ``encoder_threads`` is passed to this encoder.

    Attributes:
        option: option for the number.
        companions: further options that it needs.
        highest: largest number with a distinct effect, by library version; None: no limit.
    """

    option: str
    companions: Mapping[str, str] = field(default_factory=dict)
    highest: ByVersion[int | None] = ByVersion((((0,), None),))


@dataclass(frozen=True, slots=True, kw_only=True)
class FastDecode:
    """How ``fast_decode`` above 0 is passed to this encoder.

    Attributes:
        option: the option.
        value: a fixed text (``"fastdecode"``), or None for the level itself.
        highest: highest level known, by library version.
        highest_preset: numeric presets above it ignore the option, by library version; None: no limit.
        smallest_area: smaller frames ignore the option, by library version: width times height in pixels, each rounded up
            to a multiple of 8.
    """

    option: str
    value: str | None = None
    highest: ByVersion[int] = ByVersion((((0,), 2),))
    highest_preset: ByVersion[int | None] = ByVersion((((0,), None),))
    smallest_area: ByVersion[int] = ByVersion((((0,), 0),))


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterString:
    """A dictionary option such as ``x264-params``, whose keys FFmpeg passes on unread.

    Attributes:
        keys: accepted keys; all others are refused, for example those that name files.
        owned: keys that a config field or argument sets, and its name.
        ranges: numeric keys that the library silently clamps, and the range.
        refused: harmful keys, and why.
    """

    keys: frozenset[str]
    owned: Mapping[str, str] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting of the library behind an encoder, which may have several names on the command line.

    Attributes:
        options: its names: FFmpeg options, or ``option:key``.
        negations: names that switch it off, such as ``x264-params:no-cabac``.
        default: its default value, as in `numbers`; None if unknown.
        by_preset, by_tune: values that presets and tunes set instead.
        numbers: names of its values, and the values in the library's report.
        reported: its name in the library's report, see `EncoderSpec.report`; None if the report has other values.
        unit: divisor of the value in the report.
    """

    options: tuple[str, ...]
    negations: tuple[str, ...] = ()
    default: str | None = None
    by_preset: Mapping[str, str] = field(default_factory=dict)
    by_tune: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)
    reported: str | None = None
    unit: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit that other settings put on a setting: it is reduced, or refused if it would be reduced to 0.

    Attributes:
        setting: a name in `EncoderSpec.settings`.
        values: limited values; empty means every value but 0.
        beside: other settings, and their values for which the limit applies; ``""`` means "not set".
        highest: highest effective value; 0 means none.
        highest_from: (setting, divisor, shift) from whose value ``highest`` is computed.
        contradiction: refuse the setting even if it would be reduced to more than 0.
        why: the reason in messages, without a final period.
    """

    setting: str
    values: tuple[str, ...] = ()
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    highest: int = 0
    highest_from: tuple[str, int, int] | None = None
    contradiction: bool = False
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Settings with which an encoder writes frames that differ grossly from those it was given.

    Attributes:
        bits: affected bit depth.
        quality_below: lower values of crf (or quantizer) are affected.
        quantizers: further options that set the quantizer on the scale of crf.
        rate, floor: the option for a bit rate, which may use any quantizer, and the option for the lowest quantizer; "" if
            bit rates are not affected.
        g_above: only longer GOPs are affected.
        fastest_preset: the fastest preset without damage, by library version; None if all are fine.
        way_out: setting to use instead of another preset or quality.
    """

    bits: int
    quality_below: float
    quantizers: tuple[str, ...] = ()
    rate: str = ""
    floor: str = ""
    g_above: int = 0
    fastest_preset: ByVersion[int | None]
    way_out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Safeguard:
    """An option without which an encoder damages frames; the user cannot set it then.

    Attributes:
        option, value: the option.
        why: what happens without it, for messages.
        width: width of the widest affected frame; None: every width.
        before: first version of the library that does not need it; None: every version needs it.  An unknown version is taken
            for an affected one.
    """

    option: str
    value: str
    why: str
    width: int | None = None
    before: Version | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareDevice:
    """A family of hardware encoders, and its command-line arguments.

    Attributes:
        name: nvenc, vaapi, ...
        platforms: values of `sys.platform` on which it exists.
        nodes: glob patterns of its device files on Linux.  Without a match no trial is made; empty: always try.
        init: arguments before the input for a chosen device, with ``{device}`` as its placeholder.
        default_init: arguments before the input without a chosen device; None: a device is required.
        device_pattern: regular expression for the config's ``device``; empty: FFmpeg offers no choice.  Without a choice,
            device files are tried in turn.
        device_option: option of the encoder for the device, instead of ``init``.
        encoder_options: options without which the encoder does not use the hardware.
        upload: filters that move a frame to the device, after the conversion to ``formats``.
        formats: pixel format of the stream -> software format to feed the encoder with.
        needs: requirements, for messages.
    """

    name: str
    platforms: tuple[str, ...]
    nodes: tuple[str, ...] = ()
    init: tuple[tuple[str, str], ...] = ()
    default_init: tuple[tuple[str, str], ...] | None = ()
    device_pattern: str = ""
    device_option: str = ""
    encoder_options: Mapping[str, str] = field(default_factory=dict)
    upload: tuple[str, ...] = ()
    formats: Mapping[str, str] = field(default_factory=dict)
    needs: str

    @property
    def takes_node(self) -> bool:
        """Whether the command line names the device file."""
        return self.device_pattern.startswith("/dev/")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSpec:
    """One encoder of FFmpeg.

    Attributes:
        name: FFmpeg's encoder name.
        codec: the bitstream standard it writes, as ffprobe names it.
        quality, preset, gop, threads, fast_decode: how the config's fields are passed to it; None: it has no such setting.
        bit_rate: used if ``crf`` has no effect and the user sets no bit rate.
        intra_only: every frame is a keyframe, for any ``g``.
        generic: FFmpeg's generic encoder options that this encoder reads; it ignores the others silently.
        generic_since: those of ``generic`` that older wrappers ignore, and the first libavcodec version that reads them.
        flags: names of the generic option ``flags`` that this encoder reads.
        ranges: numeric options, its own or generic, that it silently clamps, and the range.
        refused: options that do harm or cannot take effect here, and why.
        needs: options that it silently ignores unless another one is set, and that one.
        since: options that older versions of its library ignore, and the first version that does not.
        constant_rate_only: options that take effect only at a constant bit rate: equal ``b``, ``minrate`` and ``maxrate``.
        if_listed: options of this row that are set only if this FFmpeg lists them; not every version has them.
        text_options: regular expressions for its free string options; other strings are refused.
        parameters: its dictionary options.
        muxers: containers that can hold its stream with exact timestamps, the default first.  FFmpeg writes AV1 and VP9
            into MP4 but not into MOV.
        tags: FourCC per muxer, if fewer players support the default one.
        safeguards: options without which frames are damaged.
        minimum_size: smallest width and height, by library version.
        minimum_width: smallest width, if it is more than the smallest height.
        library_version: regular expression for the version of the library in the encoder's log.
        complaints: regular expressions of log lines that report an ignored option.
        pixel_formats: accepted formats, if the listing lacks them.
        keeps_alpha: the stream has alpha; other encoders accept formats with alpha and drop it.
        profiles: pixel formats of each profile; other formats would silently give another profile.
        settings: settings of its library that other settings limit, or that its report contains.
        limits: those limits, in the order in which the library applies them.
        report: regular expression for the settings that the library writes into its stream, as words ``name=value``.
        damage: settings that damage frames.
        stored_as: pixel formats that have another name after decoding, without loss.
        reorders: packets can be stored in another order than frames are shown (B-frames), unless ``bf=0`` is set.
        device: the hardware it needs; None: software.
        forks: rows of other wrappers that FFmpeg lists by the same name, by an option that only they list.
    """

    name: str
    codec: str
    quality: Quality | None = None
    bit_rate: BitRate | None = None
    preset: Preset | None = None
    gop: Gop | None = Gop()
    threads: Threads | None = None
    fast_decode: FastDecode | None = None
    intra_only: bool = False
    generic: frozenset[str] = frozenset()
    generic_since: Mapping[str, Version] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    since: Mapping[str, Version] = field(default_factory=dict)
    constant_rate_only: frozenset[str] = frozenset()
    if_listed: frozenset[str] = frozenset()
    text_options: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, ParameterString] = field(default_factory=dict)
    muxers: tuple[str, ...] = ("mp4", "mov")
    tags: Mapping[str, str] = field(default_factory=dict)
    safeguards: tuple[Safeguard, ...] = ()
    minimum_size: ByVersion[int] = ByVersion((((0,), 2),))
    minimum_width: int = 0
    library_version: str | None = None
    complaints: tuple[str, ...] = ()
    pixel_formats: tuple[str, ...] = ()
    keeps_alpha: bool = False
    profiles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()
    report: str | None = None
    damage: tuple[Damage, ...] = ()
    stored_as: Mapping[str, str] = field(default_factory=dict)
    reorders: bool = True
    device: HardwareDevice | None = None
    forks: Mapping[str, EncoderSpec] = field(default_factory=dict)

    def as_listed(self, options: Container[str]) -> EncoderSpec:
        """Return the row for an FFmpeg that lists these options: this one, or the fork to which one of them belongs."""
        return next((fork for option, fork in self.forks.items() if option in options), self)

    def device_refusal(self, wanted: str) -> str | None:
        """Return why this encoder does not take a config's ``device``, or None if it does."""
        device = self.device
        if device is None:
            return f"{self.name} uses no device; leave device unset"
        if not device.device_pattern:
            return f"FFmpeg offers no choice of device for {self.name}; leave device unset"
        if not re.fullmatch(device.device_pattern, wanted):
            example = (
                "a device file, such as /dev/dri/renderD128" if device.takes_node else "the number of a GPU, such as 0"
            )
            return f"device={wanted!r} is not a device of {self.name}; it takes {example}"
        return None

    @property
    def never_run(self) -> bool:
        """Whether it is written from FFmpeg's documentation and sources only: no proof from such hardware is known."""
        return self.device is not None and self.name not in RUN
