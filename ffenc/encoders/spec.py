"""The shape of a row: what FFmpeg's listings cannot tell about an encoder.

A row never repeats what the probe says (pixel formats, option types, ranges, choices).  It says which option
carries which config field, in which scale, and where an encoder is known to ignore what it is given.

An option written ``"svtav1-params:lp"`` means the key ``lp`` inside the dictionary option ``svtav1-params``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")

Version: TypeAlias = tuple[int, ...]
"""A dotted version as numbers, e.g. ``(1, 4, 1)``."""


@dataclass(frozen=True, slots=True)
class ByVersion(Generic[T]):
    """A value that changed with the version of the library behind an encoder.

    Attributes:
        steps: (first version, value) pairs, ascending; the first pair holds for every older and unknown version.
    """

    steps: tuple[tuple[Version, T], ...]

    def at(self, version: Version | None) -> T:
        """The value that holds for ``version``; the oldest one, which promises least, if it is not known."""
        value = self.steps[0][1]
        for since, later in self.steps:
            if version is not None and version >= since:
                value = later
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How ``crf``, the abstract quality, reaches this encoder.

    Attributes:
        options: every one of them gets the mapped value.
        crf: lowest and highest crf that can be asked for.
        values: what these two become; between them the mapping is linear.  Equal to ``crf`` for an encoder that
            speaks in crf itself.
        whole: the encoder takes whole numbers only.  Where the mapping is one to one a fractional crf is refused,
            elsewhere the mapped value is rounded.
        floor: the mapped value never goes below it.
        fraction_option: option that takes a fractional crf where ``options`` do not, and since which version of
            the library; None if there is none.
        companions: further options without which the quality option does not hold.
        unset_below: crf values below this are taken for "not set" by the encoder, and so refused.
        excludes: options (or ``option:key``) that do nothing beside the quality option, or beside which it does nothing.
        replaced_by: of these, the ones that control the rate themselves.  A crf left at its default gives way to them.
        lossless: switches that make the encoder lossless, and so replace the quality too.
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
        """True if the encoder's scale is the crf scale."""
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
    """Bit rate for an encoder that has no constant quality, or none in this FFmpeg.

    Without it, FFmpeg's default of 200 kbit/s holds.

    Attributes:
        bits_per_pixel: average bits per pixel of a long GOP.
        short_gop: a GOP of ``g`` frames gets ``1 + short_gop / g`` times as many.
    """

    bits_per_pixel: float
    short_gop: float

    def bits_per_s(self, *, width: int, height: int, fps: Fraction, g: int | None) -> int:
        """Return the bit rate of a video."""
        factor = 1 + self.short_gop / g if g else 1
        return round(self.bits_per_pixel * width * height * float(fps) * factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How ``preset`` reaches this encoder.

    Attributes:
        option: the FFmpeg option.
        default: what an unset preset means; None leaves it to the encoder.
        names: the accepted names where the listing prints none (the option is a free string for FFmpeg).
        names_only: numbers are refused, because they mean different presets in different FFmpeg versions.
    """

    option: str
    default: int | str | None = None
    names: tuple[str, ...] = ()
    names_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gop:
    """How ``g`` reaches this encoder.

    Attributes:
        option: the FFmpeg option.
        one_since_libavcodec: first libavcodec major version whose wrapper passes ``g=1`` on; older ones take it for
            "not set".
        companions: what has to go with a short GOP unless the user says otherwise (``bf=0``, for random access).
        companions_up_to: the longest GOP they are needed for; None: any.
        closed: what makes decoding possible from every keyframe on, whatever ``g`` is: without it pictures shown
            before a keyframe come after it in the stream and are lost where reading starts there.
        one: what ``g=1`` is written as; None: ``1``.
        forced: options without which a forced keyframe is a frame that decoding cannot start at.
        exact: keyframes stand at 0, g, 2g, ... and nowhere else.  Otherwise the encoder may add some (at scene cuts),
            and counts from each of them: two neighbours are at most ``g`` frames apart.
        follows_forced: whether the encoder puts a keyframe where one is forced, by library version.
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
    """How ``encoder_threads`` reaches this encoder.

    Attributes:
        option: the option that takes the number.
        companions: what has to go with it.
        highest: the largest number that is a thread count or level of its own, by library version; None: no limit.
    """

    option: str
    companions: Mapping[str, str] = field(default_factory=dict)
    highest: ByVersion[int | None] = ByVersion((((0,), None),))


@dataclass(frozen=True, slots=True, kw_only=True)
class FastDecode:
    """How ``fast_decode`` above 0 reaches this encoder.

    Attributes:
        option: the option.
        value: a fixed text (``"fastdecode"``), or None for the level itself.
        highest: the highest level known, by library version.
        highest_preset: numeric presets above it ignore the option, by library version; None: no such limit.
        smallest_area: smaller pictures ignore the option, by library version: width times height in pixels, each
            rounded up to a multiple of 8.
    """

    option: str
    value: str | None = None
    highest: ByVersion[int] = ByVersion((((0,), 2),))
    highest_preset: ByVersion[int | None] = ByVersion((((0,), None),))
    smallest_area: ByVersion[int] = ByVersion((((0,), 0),))


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterString:
    """A dictionary option such as ``x264-params``, whose keys FFmpeg hands on without knowing them.

    Attributes:
        keys: keys that may be given; all others are refused, above all those that name files.
        owned: keys that a config field or argument speaks for, and its name.
        ranges: keys of numbers that the library would cut to a range without a word, and that range.
        refused: keys that do harm here, and why.
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
        default: its value if nothing sets it, in the terms of `numbers`; None if that is not known.
        by_preset, by_tune: values that presets and tunes set instead.
        numbers: words that stand for its values, as the library's report writes them.
        reported: its name in the library's report, see `EncoderSpec.report`; None if the report has other values.
        unit: the report divides the value by this.
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
    """What is left of a setting beside others.  If nothing is left the setting is refused, else the rest takes effect.

    Attributes:
        setting: a name in `EncoderSpec.settings`.
        values: the values concerned; empty means every value but 0.
        beside: other settings and the values at which all of this holds; ``""`` stands for "not set".
        highest: what is left at most; 0 means nothing.
        highest_from: another setting that gives ``highest``: its value, divided and shifted by these two numbers.
        contradiction: refuse the setting even if something is left of it.
        why: the reason, for people, without a final period.
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
    """Settings with which an encoder writes frames that look nothing like those it was given.

    Attributes:
        bits: bit depth of the pixel formats concerned.
        quality_below: a lower crf (or quantizer) is concerned.
        quantizers: further options that set the quantizer on the scale of crf.
        rate, floor: the option that sets a bit rate, which may end in any quantizer, and the option that keeps that up; ""
            if rates are not concerned.
        g_above: shorter GOPs are not concerned.
        fastest_preset: the fastest preset without damage, by library version; None if all are fine.
        way_out: what to choose instead of another preset or quality.
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
class NarrowFrame:
    """What an encoder must be told about pictures of a few columns, to write a right stream.

    Attributes:
        width: the widest picture concerned.
        option, value: what is set for it; users cannot set it then.
    """

    width: int
    option: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareDevice:
    """A family of hardware encoders, and what has to be on the command line for it.

    Attributes:
        name: nvenc, vaapi, ...
        platforms: values of `sys.platform` it exists on.
        nodes: glob patterns of its device files on Linux; without a match there is nothing to try.  Empty: only a trial
            tells.
        init: arguments before the input for a chosen device, which ``{device}`` stands for.
        default_init: arguments before the input where no device is chosen; None: one has to be.
        device_pattern: regular expression of what the config's ``device`` can be; empty: FFmpeg offers no choice.  Device
            files are tried in turn where none is chosen.
        device_option: option of the encoder that takes the device, instead of ``init``.
        upload: filters that move a frame to the device, after the conversion to ``formats``.
        formats: pixel format of the stream -> software format the encoder is fed with.
        needs: one sentence for people.
        never_run: True: built from FFmpeg's documentation and sources, never run on such hardware by us.
    """

    name: str
    platforms: tuple[str, ...]
    nodes: tuple[str, ...] = ()
    init: tuple[tuple[str, str], ...] = ()
    default_init: tuple[tuple[str, str], ...] | None = ()
    device_pattern: str = ""
    device_option: str = ""
    upload: tuple[str, ...] = ()
    formats: Mapping[str, str] = field(default_factory=dict)
    needs: str
    never_run: bool = True

    @property
    def takes_node(self) -> bool:
        """True if the command line names the device file."""
        return self.device_pattern.startswith("/dev/")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSpec:
    """One encoder of FFmpeg.

    Attributes:
        name: FFmpeg's encoder name.
        codec: the bitstream standard it writes, as ffprobe names it.
        quality, preset, gop, threads, fast_decode: how the config's fields reach it; None: it has no such setting.
        bit_rate: sent where ``crf`` has no effect and the user gives no bit rate.
        intra_only: every frame is a keyframe whatever ``g`` says.
        generic: FFmpeg's generic encoder options that this encoder reads; the others it ignores in silence.
        generic_since: of these, the ones that older wrappers ignore, and the libavcodec version from which they count.
        flags: names of the generic option ``flags`` that this encoder reads.
        ranges: numeric options, its own or generic, that it would cut to a range without a word, and that range.
        refused: options that do harm here or cannot do what they say, and why.
        needs: options that it ignores in silence unless another one is set, and that one.
        since: options that older versions of its library take and ignore, and the first version that does not.
        constant_rate_only: options that count at a constant bit rate only: ``b``, ``minrate`` and ``maxrate`` alike.
        if_listed: options of this row that are set only where this FFmpeg lists them; not every version has them.
        text_options: what may stand in its free string options, as regular expressions; others are refused.
        parameters: its dictionary options.
        muxers: containers that can hold its stream with exact timestamps, the default first.  FFmpeg writes AV1 and
            VP9 into MP4 but not into MOV.
        tags: fourcc per muxer where the default one plays in fewer places.
        narrow_frame: an option without which pictures of a few columns come out damaged.
        minimum_size: smallest width and height, by library version.
        minimum_width: smallest width, where it is more than the smallest height.
        library_version: regular expression for the version of the library in what the encoder writes to stderr.
        complaints: regular expressions of lines by which it says that an option was ignored.
        pixel_formats: what it takes where the listing does not say.
        keeps_alpha: whether alpha is in the stream; other encoders take formats with alpha and drop it.
        profiles: pixel formats that give a stream of each profile; others would silently give another profile.
        settings: settings of its library that other settings limit, or that its report gives.
        limits: how, in the order in which the library applies them.
        report: regular expression for the settings that the library writes into its stream, as words ``name=value``.
        damage: settings that damage frames.
        stored_as: pixel formats that come back from decoding under another name, without a loss.
        reorders: whether packets can be stored in another order than frames are shown (B-frames), unless ``bf=0`` is set.
        device: the hardware it needs; None: software.
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
    narrow_frame: NarrowFrame | None = None
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
