"""Build an encoder's options from its row and a config, or raise an error for a setting that would not take effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from ffenc.config import OptionValue, VideoEncoderConfig
from ffenc.encoders.spec import Damage, Quality, Safeguard
from ffenc.encoders.table import find_encoder
from ffenc.plan.effective import Settled, given_options, is_on, settle
from ffenc.plan.frame_checks import bit_depth
from ffenc.plan.options import (
    InstalledEncoder,
    join_parameters,
    listed_value,
    nearest_name,
    number_text,
    parse_parameters,
    plain_number,
    plain_option_name,
)


@dataclass(slots=True, kw_only=True)
class OptionBuilder(InstalledEncoder):
    """The options of one encode; each method adds one field of the config and returns its effective value.

    Attributes:
        config: requested settings.
        width, height: frame size in pixels.
        fps: frame rate.
        options: text of each option on the command line.
        parameters: text of each key, by dictionary option.
        owners: options (``name`` or ``name:key``) that a field sets, and that field.
        guarded: options that prevent damage, and why.
        rivals: options that contradict a field that is set, and that field.
        switches: options that contradict a field if they are switched on, and that field.
        crf: the effective crf.
        remarks: a sentence for every default that was replaced.
    """

    config: VideoEncoderConfig
    width: int
    height: int
    fps: Fraction
    options: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, dict[str, str]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    guarded: dict[str, Safeguard] = field(default_factory=dict)
    rivals: dict[str, str] = field(default_factory=dict)
    switches: dict[str, str] = field(default_factory=dict)
    crf: float | int | None = None
    remarks: list[str] = field(default_factory=list)

    def gop(self) -> int | None:
        """``g``."""
        g = self.config.g
        gop = self.spec.gop
        option = gop.option if gop else "g"
        self.owners.update({"g": "g", option: "g"})
        for key, text in (gop.closed if gop else {}).items():
            self._set(key, text, owner="g")
        if self.spec.intra_only:
            self._refuse_if_given("g", "every frame is a keyframe, for any g; leave it unset or 1", unless=g == 1)
            return 1
        if g is None:
            return None
        if gop and g == 1 and self.libavcodec[0] < gop.one_since_libavcodec:
            raise self.error(
                "g", g, f"{self.name} of FFmpeg before libavcodec {gop.one_since_libavcodec} takes g=1 for 'not set' and "
                "writes one keyframe in all; use g=2 or more, or another encoder",
            )  # fmt: skip
        self._set(option, gop.one if gop and gop.one and g == 1 else str(g), owner="g")
        if gop and (gop.companions_up_to is None or g <= gop.companions_up_to):
            # Not owned: the user may override them.
            self.options.update({key: text for key, text in gop.companions.items() if not self._is_absent(key)})
        return g

    def forced_key_frames(self) -> None:
        """Set the options that forced keyframes need."""
        for key, text in (self.spec.gop.forced if self.spec.gop else {}).items():
            self._set(key, text, owner="forced keyframes")

    def quality(self) -> float | int | None:
        """``crf``."""
        crf = self.config.crf
        quality = self._quality_row()
        if quality is None:
            self.crf = crf if self._is_listed("crf", crf) else None
            return self.crf
        for option in (*quality.options, quality.fraction_option):
            if option:
                self.owners[option] = "crf"
        if crf is None or (not self.config.was_given("crf") and self._has_another_quality()):
            return None
        low, high = quality.crf
        accepted = f"{number_text(max(low, quality.unset_below))} to {number_text(high)}"
        if not low <= crf <= high:
            raise self.error(
                "crf", crf, f"crf={crf!r} for {self.name} is out of range, it must be {accepted}", accepted
            )
        if crf < quality.unset_below:
            raise self.error(
                "crf", crf, f"{self.name} takes a crf of {number_text(crf)} for 'not set'; use {accepted}", accepted
            )
        options = quality.options
        if quality.whole and quality.one_to_one and not float(crf).is_integer():
            options = (self._fraction_option(crf, accepted),)
        for option in options:
            self._set(option, number_text(quality.value(crf)), owner="crf")
        for key, text in quality.companions.items():
            self._set(key, text, owner="crf")
        self.rivals.update(dict.fromkeys((*quality.companions, *quality.excludes), "crf"))
        self.switches.update(dict.fromkeys(quality.lossless, "crf"))
        self.crf = crf
        return crf

    def _has_another_quality(self) -> bool:
        """Return whether an extra option sets the quality and replaces the default crf."""
        quality = self._quality_row()
        assert quality is not None
        return any(
            (name in quality.replaced_by and name in quality.excludes) or (name in quality.lossless and is_on(text))
            for name, _, text in self._given()
        )

    def _quality_row(self) -> Quality | None:
        """Return the row's quality, unless this FFmpeg is too old for it."""
        quality = self.spec.quality
        return quality if quality and self.libavcodec[0] >= quality.since_libavcodec else None

    def _fraction_option(self, crf: float, accepted: str) -> str:
        quality = self._quality_row()
        reason = f"{self.name} takes whole numbers only as crf ({accepted})"
        if quality and quality.fraction_option:
            if self.library and self.library >= quality.fraction_since:
                return quality.fraction_option
            dotted = ".".join(map(str, quality.fraction_since))
            reason += f"; its library takes fractions from version {dotted}, this one is {self._library_text()}"
        raise self.error("crf", crf, reason, accepted)

    def preset(self) -> int | str | None:
        """``preset``."""
        value = self.config.preset
        preset = self.spec.preset
        if preset is None:
            return value if self._is_listed("preset", value) else None
        self.owners[preset.option] = "preset"
        value = self._default_preset() if value is None else value
        if value is None:
            return None
        names = preset.names or (self._choices(preset.option) if preset.names_only else ())
        accepted = ", ".join(names)
        if preset.names_only and (not isinstance(value, str) or value.lstrip("-").isdigit()):
            raise self.error(
                "preset", value,
                f"preset numbers of {self.name} differ between FFmpeg versions; use a name: {accepted}", accepted,
            )  # fmt: skip
        if names and value not in names:
            near = nearest_name(str(value), names)
            hint = f"; did you mean {near!r}?" if near else ""
            raise self.error("preset", value, f"preset of {self.name} must be one of {accepted}{hint}", accepted, near)
        text = str(value) if names else self._check_listed(preset.option, value, field="preset")
        self._set(preset.option, text, owner="preset")
        return value

    def _default_preset(self) -> int | str | None:
        """Return the row's default, or the fastest preset without damage if that is slower."""
        preset = self.spec.preset
        default = preset.default if preset else None
        for damage in self._damages():
            fastest = damage.fastest_preset.at(self.library)
            if isinstance(default, int) and fastest is not None and fastest < default:
                self.remarks.append(
                    f"{self.name} takes preset {fastest} instead of the default {default}, which would damage frames of "
                    f"{damage.bits} bits at this quality"
                )
                default = fastest
        return default

    def _damages(self) -> Iterator[Damage]:
        """Yield the known damages at this quality, which need a slower preset."""
        quality = self.spec.quality
        given = {name: text for name, _, text in self._given()}
        if quality is None or any(is_on(given.get(name, "0")) for name in quality.lossless):
            return
        for damage in self.spec.damage:
            numbers = [self.crf, *(given.get(name) for name in damage.quantizers)]
            if damage.rate in given:
                numbers = [given.get(damage.floor, "0")]
            # What is not a number is refused when its own option is checked.
            known = [plain_number(number) for number in numbers if number is not None]
            lowest = min((number for number in known if number is not None), default=None)
            long_gop = self.config.g is None or self.config.g > damage.g_above
            if (
                long_gop
                and lowest is not None
                and lowest < damage.quality_below
                and bit_depth(self.config.pix_fmt) == damage.bits
            ):
                yield damage

    def fast_decode(self) -> int:
        """``fast_decode``."""
        level = self.config.fast_decode
        if level == 0:
            return 0
        fast = self.spec.fast_decode
        if fast is None:
            raise self.error("fast_decode", level, f"{self.name} has no fast-decode setting; leave fast_decode at 0")
        highest = fast.highest.at(self.library)
        if level > highest:
            raise self.error(
                "fast_decode", level,
                f"{self.name} with library version {self._library_text()} knows fast_decode 0 to {highest}", f"0 to {highest}",
            )  # fmt: skip
        limit = fast.highest_preset.at(self.library)
        preset_option = self.spec.preset.option if self.spec.preset else ""
        preset = self.options.get(preset_option, "")
        if limit is not None and preset.isdigit() and int(preset) > limit:
            raise self.error(
                "fast_decode", level, f"{self.name} with library version {self._library_text()} ignores fast_decode above "
                f"preset {limit} (this is preset {preset}); use preset {limit} or lower, or fast_decode=0",
            )  # fmt: skip
        area = (self.width + 7) // 8 * 8 * ((self.height + 7) // 8 * 8)
        smallest = fast.smallest_area.at(self.library)
        if area < smallest:
            raise self.error(
                "fast_decode", level, f"{self.name} with library version {self._library_text()} ignores fast_decode for frames "
                f"of less than {smallest} pixels, such as {self.width}x{self.height}; use fast_decode=0",
            )  # fmt: skip
        self._set(fast.option, fast.value or str(level), owner="fast_decode")
        return level

    def safeguards(self) -> None:
        """Set options without which this version of the encoder damages these frames."""
        for guard in self.spec.safeguards:
            is_fixed = guard.before is not None and self.library is not None and self.library >= guard.before
            if not is_fixed and (guard.width is None or self.width <= guard.width):
                self._set(guard.option, guard.value, owner=guard.option)
                self.guarded[guard.option] = guard

    def threads(self, count: int | None) -> None:
        """``encoder_threads``."""
        threads = self.spec.threads
        if threads is None:
            if count is not None:
                raise self.error(
                    "encoder_threads", count, f"{self.name} has no thread setting; leave encoder_threads unset"
                )
            return
        self.owners[threads.option] = "encoder_threads"
        if count is None:
            return
        highest = threads.highest.at(self.library)
        whole = isinstance(count, int) and not isinstance(count, bool)
        if not whole or count < 1 or (highest is not None and count > highest):
            accepted = "1 or more" if highest is None else f"1 to {highest}"
            raise self.error("encoder_threads", count, f"encoder_threads for {self.name} is {accepted}", accepted)
        self._set(threads.option, str(count), owner="encoder_threads")
        for key, text in threads.companions.items():
            if key not in self.guarded:
                self._set(key, text, owner="encoder_threads")

    def device(self) -> None:
        """Check ``device``, and set the encoder's options for its hardware."""
        wanted = self.config.device
        device = self.spec.device
        for key, text in (device.encoder_options if device else {}).items():
            self._set(key, text, owner="vcodec")
        if wanted is None:
            return
        if refusal := self.spec.device_refusal(wanted):
            raise self.error("device", wanted, refusal, device.device_pattern if device else "")
        if device and device.device_option:
            self._set(device.device_option, wanted, owner="device")

    def bit_rate(self) -> int | None:
        """Set the row's bit rate if neither a quality nor a bit rate was set, and return it."""
        rate, quality = self.spec.bit_rate, self._quality_row()
        if rate is None or "b" in self.options or (quality and quality.options[0] in self.options):
            return None
        bits_per_s = rate.bits_per_s(width=self.width, height=self.height, fps=self.fps, g=self.config.g)
        self.options["b"] = str(bits_per_s)
        return bits_per_s

    def extras(self) -> None:
        """``extra_options``, which must not set or contradict any of the fields above."""
        seen: dict[str, str] = {}
        for given, value in self.config.extra_options.items():
            name = plain_option_name(given)
            if name in seen:
                raise self.error(given, value, f"{given!r} and {seen[name]!r} are the same option; give it once")
            seen[name] = given
            self._check_ownership(name, given, value)
            text = self.extra_option(name, value)
            if name in self.spec.parameters:
                pairs = parse_parameters(name, text, encoder=self.name)
                for key, part in pairs.items():
                    self._check_ownership(f"{name}:{key}", f"{name}:{key}", part)
                self.parameters.setdefault(name, {}).update(pairs)
            else:
                self.options[name] = text
        self._check_needs(seen)
        self._check_profile(seen)

    def settled(self) -> Settled:
        """Return the effective ``extra_options``, limited by the fields and by each other."""
        self._check_damage()
        every = {
            **self.options,
            **{f"{name}:{key}": text for name, pairs in self.parameters.items() for key, text in pairs.items()},
        }
        preset = self.options.get(self.spec.preset.option, "") if self.spec.preset else ""
        return settle(self.spec, self.config.extra_options, every, preset=preset)

    def _check_damage(self) -> None:
        """Refuse a given preset that would damage frames."""
        preset_option = self.spec.preset.option if self.spec.preset else ""
        preset = self.options.get(preset_option, "")
        for damage in self._damages():
            fastest = damage.fastest_preset.at(self.library)
            if fastest is not None and preset.isdigit() and int(preset) > fastest:
                number = number_text(damage.quality_below)
                raise self.error(
                    "preset", self.config.preset, f"{self.name} with library version {self._library_text()} damages frames of "
                    f"{damage.bits} bits at preset {preset} with a crf or quantizer below {number}; use preset {fastest} or "
                    f"lower, a crf or quantizer of {number} or more, or {damage.way_out}",
                )  # fmt: skip

    def _given(self) -> tuple[tuple[str, str, str], ...]:
        return tuple(given_options(self.spec, self.config.extra_options))

    def _check_profile(self, given: Mapping[str, str]) -> None:
        profiles = self.spec.profiles
        profile = self.options.get("profile", "")
        if "profile" not in given or profile not in profiles or self.config.pix_fmt in profiles[profile]:
            return
        formats = ", ".join(profiles[profile])
        reason = (
            f"contradicts pix_fmt={self.config.pix_fmt!r}, which makes a stream of another profile; it needs {formats}"
            if formats else "makes every frame a keyframe, for any g; use g=1 and another profile"
        )  # fmt: skip
        raise self.error(given["profile"], profile, f"profile {profile} of {self.name} {reason}", formats)

    def _check_needs(self, given: Mapping[str, str]) -> None:
        for option, needed in self.spec.needs.items():
            if option in given and needed not in self.options:
                raise self.error(
                    given[option], self.config.extra_options[given[option]],
                    f"{self.name} ignores {given[option]!r} unless {needed!r} is set too",
                )  # fmt: skip

        rates = {self.options.get(name) for name in ("b", "minrate", "maxrate")}
        for option in sorted(self.spec.constant_rate_only & given.keys()):
            if len(rates) > 1 or None in rates:
                raise self.error(
                    given[option], self.config.extra_options[given[option]],
                    f"{self.name} reads {given[option]!r} only at a constant bit rate: set b, minrate and maxrate to one value",
                )  # fmt: skip
        for option, since in self.spec.since.items():
            if option in given and (self.library is None or self.library < since):
                raise self.error(
                    given[option], self.config.extra_options[given[option]],
                    f"{self.name} with library version {self._library_text()} ignores {given[option]!r}; leave it out",
                )  # fmt: skip

    def _check_ownership(self, option: str, given: str, value: object) -> None:
        if option in self.rivals or (option in self.switches and is_on(str(value))):
            field = (self.rivals | self.switches)[option]
            raise self.error(
                given, value, f"{given!r} contradicts {field} for {self.name}: the encoder would follow only one of them; "
                f"leave it out, or set {field} to None",
            )  # fmt: skip
        if guard := self.guarded.get(option):
            needed = f"{self.name} with library version {self._library_text()} needs {option}={guard.value}"
            raise self.error(given, value, f"{needed}: {guard.why}; leave {given!r} out")
        if option in self.owners:
            field = self.owners[option]
            raise self.error(given, value, f"{given!r} is set by {field} for {self.name}; use {field} instead")
        if option in _FORMAT_OPTIONS:
            raise self.error(
                given, value, f"{given!r} follows from {_FORMAT_OPTIONS[option]}; it cannot be set by itself"
            )

    def written(self) -> Iterator[tuple[str, str]]:
        """The options as (name, text) pairs."""
        yield from self.options.items()
        for key, pairs in self.parameters.items():
            yield key, join_parameters(pairs)

    def _set(self, option: str, text: str, *, owner: str) -> None:
        self.owners[option] = owner
        name, inside, key = option.partition(":")
        if self._is_absent(name):
            return
        if inside:
            self.parameters.setdefault(name, {})[key] = text
        else:
            self.options[name] = text

    def _is_absent(self, option: str) -> bool:
        """Return whether this version of the encoder lacks an option that the row sets."""
        return option in self.spec.if_listed and option not in self.listing.options

    def _is_listed(self, field: str, value: OptionValue | None) -> bool:
        """Set a field that the row does not define; False if it has no effect, which is an error only for a given field.

        Without a row, an option of the field's name in the encoder's own help is used.
        """
        if find_encoder(self.name) is None and field in self.listing.options:
            self.owners[field] = field
            if value is not None:
                self._set(field, self._check_listed(field, value, field=field), owner=field)
            return True
        known = [*self.listing.options, *sorted(self.spec.generic)]
        advice = "use extra_options for what it reads: " + ", ".join(known)
        self._refuse_if_given(field, f"{self.name} has no {field} setting; leave {field} unset (None), or {advice}")
        return False

    def _check_listed(self, option: str, value: OptionValue, *, field: str) -> str:
        listed = self.listing.options.get(option)
        if listed is None:
            # A generic option for a field (vaapi's compression_level): checked like one of the user's.
            return self.extra_option(option, value)
        if listed.type == "string":
            raise self.error(field, value, f"{option} of {self.name} takes free text, which ffenc does not pass on")
        return listed_value(listed, value, encoder=self.name, field=field)

    def _refuse_if_given(self, field: str, reason: str, *, unless: bool = False) -> None:
        value = getattr(self.config, field)
        if self.config.was_given(field) and value is not None and not unless:
            raise self.error(field, value, reason)

    def _choices(self, option: str) -> tuple[str, ...]:
        listed = self.listing.options.get(option)
        return tuple(choice.name for choice in listed.choices) if listed else ()

    def _library_text(self) -> str:
        return ".".join(map(str, self.library)) if self.library else "unknown"


_FORMAT_OPTIONS: Mapping[str, str] = {
    "pix_fmt": "the field pix_fmt",
    "color_range": "pix_fmt (BT.601, limited range, is what decoders assume that ignore tags)",
    "colorspace": "pix_fmt (BT.601, limited range, is what decoders assume that ignore tags)",
    "color_primaries": "pix_fmt",
    "color_trc": "pix_fmt",
}
