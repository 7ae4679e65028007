"""Check one option and write it as FFmpeg reads it; options that are not known to take effect are refused."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from ffenc.config import OptionValue
from ffenc.encoders.generic import GENERIC_OPTIONS, GenericOption
from ffenc.encoders.option_effects import effect_of
from ffenc.encoders.spec import EncoderSpec, ParameterString, Version
from ffenc.errors import EncoderOptionError
from ffenc.ffmpeg.listing import EncoderHelp, EncoderOption

# Values of a dictionary key: no separators, no slash, so that none can name a file, and neither nan nor inf.
_PARAMETER_VALUE = re.compile(r"(?!-?(?:nan|inf)$)[A-Za-z0-9_.,+()|-]*")
_RATE = re.compile(r"(\d+(?:\.\d+)?)([kKMG]?)")
_RATE_UNITS = {"": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
_TRUE_FALSE = {"true": "1", "false": "0", "1": "1", "0": "0", "yes": "1", "no": "0", "on": "1", "off": "0"}
# Options of the ffmpeg program that are often mistaken for encoder options; each would change frames or files.
_PROGRAM_OPTIONS = frozenset({
    "r", "t", "to", "ss", "sseof", "frames", "fs", "vf", "filter", "filter_complex", "filter_script", "s", "aspect",
    "vsync", "fps_mode", "shortest", "an", "vn", "sn", "dn", "map", "f", "y", "n", "i", "c", "codec", "vcodec",
    "vframes", "vtag", "tag", "pass", "passlogfile", "vstats", "vstats_file", "attach", "dump_attachment", "bsf",
    "progress", "stats", "report", "loglevel", "force_key_frames", "copyts", "start_at_zero", "itsoffset",
    "movflags", "metadata", "disposition",
})  # fmt: skip


def number_text(value: float) -> str:
    """Return a number as short text that FFmpeg reads back exactly: ``30``, ``30.5``."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name with the most similar spelling, or None."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def plain_option_name(name: str) -> str:
    """Drop the video stream specifier: ``profile:v`` and ``profile`` are one option."""
    return re.sub(r":v(:0)?$", "", name)


@dataclass(slots=True, kw_only=True)
class InstalledEncoder:
    """An encoder as this FFmpeg has it.

    Attributes:
        name: FFmpeg's encoder name.
        spec: its row.
        listing: its options in this FFmpeg.
        libavcodec: version of this FFmpeg's libavcodec.
        library: version of the library behind the encoder, if it is known.
    """

    name: str
    spec: EncoderSpec
    listing: EncoderHelp
    libavcodec: Version
    library: Version | None

    def extra_option(self, name: str, value: object) -> str:
        """Check one of the user's extra options and return its value as text for ``-name:v``.

        Args:
            name: option name without stream specifier.
            value: as given; a mapping only for dictionary options.

        Raises:
            EncoderOptionError: unknown, ignored by this encoder, wrong type, out of range, or free text.
        """
        spec = self.spec
        parameters = spec.parameters.get(name)
        if parameters and name in self.listing.options:
            pairs = _checked_parameters(name, value, parameters, self.name)
            for key, part in pairs.items():
                self.check_measured(f"{name}:{key}", part)
            return join_parameters(pairs)
        if name in spec.refused:
            raise self.error(name, value, f"{name} of {self.name} is not passed on: {spec.refused[name]}")
        own, generic = self.listing.options.get(name), GENERIC_OPTIONS.get(name)
        flags = spec.flags if name == "flags" else frozenset()
        if own is None and not flags and (generic is None or not self._reads(name)):
            raise self._unknown(name, value)
        if isinstance(value, Mapping):
            what = f"{name} of {self.name} takes one value, not a dictionary: {dict(value)!r}"
            raise self.error(name, value, what)
        assert isinstance(value, bool | int | float | str)
        self.check_measured(name, str(value))
        if own is not None:
            return self._own_option(own, value)
        if flags:
            return _flags(name, value, sorted(flags), self.name)
        assert generic is not None
        low, high = spec.ranges.get(name, (generic.low, generic.high))
        return _generic_option(name, replace(generic, low=low, high=high), value, self.name)

    def check_measured(self, option: str, text: str) -> None:
        """Refuse an option, ``name`` or ``name:key``, that had no effect when measured on this FFmpeg or on both sides of it.

        Raises:
            EncoderOptionError: the option is ignored.
        """
        effect = effect_of(self.name, option, text, libavcodec=self.libavcodec, library=self.library)
        if effect.kind == "ignored":
            what = (
                f"{self.name} of this FFmpeg ignores {option!r} in one pass (measured on FFmpeg "
                f"{' and '.join(effect.measured_on)}: the stream is the same with and without it); leave it out"
            )
            raise self.error(option, text, what)

    def error(
        self, option: str, value: object, message: str, accepted: str = "", near: str | None = None
    ) -> EncoderOptionError:
        """Return the error for an option of this encoder."""
        return option_error(self.name, option, value, message, accepted, near)

    def _reads(self, name: str) -> bool:
        """Return whether the encoder reads an option of every codec."""
        return name in self.spec.generic and self.libavcodec >= self.spec.generic_since.get(name, ())

    def _own_option(self, option: EncoderOption, value: OptionValue) -> str:
        spec = self.spec
        if option.type in _NUMBER_TYPES or option.type in ("boolean", "flags"):
            if option.name in spec.ranges:
                low, high = spec.ranges[option.name]
                option = replace(option, minimum=low, maximum=high)
            return listed_value(option, value, encoder=self.name)
        pattern = spec.text_options.get(option.name) if option.type == "string" else None
        if pattern is None:
            advice = f"; use a dictionary option: {', '.join(spec.parameters)}" if spec.parameters else ""
            what = (
                f"{option.name} of {self.name} takes free text, which could name a file or go unread, so ffenc does not "
                f"pass it on{advice}"
            )
            raise self.error(option.name, value, what)
        text = str(value)
        if not re.fullmatch(pattern, text):
            near = nearest_name(text, re.findall(r"[a-z][a-z0-9-]+", pattern))
            raise _refused(option.name, value, self.name, f"does not fit the pattern {pattern}", pattern, near)
        return text

    def _unknown(self, name: str, value: object) -> EncoderOptionError:
        spec = self.spec
        known = [
            *self.listing.options,
            *spec.generic,
            *(["flags"] if spec.flags else []),
        ]
        near = nearest_name(name, known)
        inside = [option for option, keys in spec.parameters.items() if name in keys.keys]
        if inside:
            option = inside[0]
            reason = f"{self.name} has no option {name!r}, but {option} has a key of that name: {{{option!r}: {{{name!r}: ...}}}}"
        elif name in GENERIC_OPTIONS or name == "flags":
            reason = (
                f"{name!r} is an option of FFmpeg that {self.name} of this FFmpeg ignores, always or with other options"
            )
        elif name in _PROGRAM_OPTIONS:
            reason = (
                f"{name!r} is an option of the ffmpeg program, not of an encoder; it would change which frames or files ffenc "
                "writes"
            )
        else:
            reason = f"{self.name} of this FFmpeg has no option {name!r}" + _did_you_mean(near)
        return self.error(name, value, reason, near=near)


def listed_value(option: EncoderOption, value: OptionValue, *, encoder: str, field: str | None = None) -> str:
    """Check a value against an option of the encoder's own listing and return it as text.

    Args:
        field: the config field that it came from, if not from ``extra_options``.

    Raises:
        EncoderOptionError: wrong type, not among the choices, or out of range.
    """
    label = field or option.name
    if option.type == "boolean":
        return _boolean(label, value, encoder)
    if option.type == "flags":
        return _flags(label, value, [choice.name for choice in option.choices], encoder)
    choices = [choice.name for choice in option.choices]
    if isinstance(value, str) and value in choices:
        return value
    number = plain_number(value)
    accepted = _describe(option.minimum, option.maximum, choices)
    if option.type in _NUMBER_TYPES and number is not None:
        if option.type in _WHOLE_TYPES and not float(number).is_integer():
            raise _refused(
                label, value, encoder, f"takes whole numbers only (float values are not allowed), {accepted}", accepted
            )
        if _within(number, option.minimum, option.maximum):
            return number_text(number)
        raise _refused(label, value, encoder, f"is out of range, {accepted}", accepted)
    near = nearest_name(str(value), choices)
    what = "is not accepted (not numeric)" if option.type in _NUMBER_TYPES and not choices else "is not accepted"
    raise _refused(label, value, encoder, f"{what}, {accepted}", accepted, near)


_WHOLE_TYPES = frozenset({"int", "int64", "uint64"})
_NUMBER_TYPES = _WHOLE_TYPES | {"float", "double"}


def _generic_option(name: str, option: GenericOption, value: OptionValue, encoder: str) -> str:
    if isinstance(value, str) and value in option.choices:
        return value
    accepted = _describe(option.low, option.high, option.choices)
    if option.kind == "choice":
        raise _refused(
            name, value, encoder, f"is not accepted, {accepted}", accepted, nearest_name(str(value), option.choices)
        )
    number = _rate(value) if option.kind == "rate" else plain_number(value)
    if number is None:
        raise _refused(name, value, encoder, f"is not a number, {accepted}", accepted)
    if option.kind != "float" and not float(number).is_integer():
        raise _refused(
            name, value, encoder, f"takes whole numbers only (float values are not allowed), {accepted}", accepted
        )
    if not _within(number, option.low, option.high):
        raise _refused(name, value, encoder, f"is out of range, {accepted}", accepted)
    return number_text(number)


def parse_parameters(
    name: str, value: object, *, encoder: str, refused: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """Return a dictionary option as a dictionary, from ``{"aq-mode": 2}`` or ``"aq-mode=2:no-sao"``.

    Raises:
        EncoderOptionError: another form, an empty one, a value that could hide a separator, or a key in ``refused``.
    """
    if isinstance(value, Mapping):
        pairs = [(str(key), _parameter_text(item)) for key, item in value.items()]
    elif isinstance(value, str):
        pairs = [
            (key.strip(), text.strip() if equals else "1")
            for key, equals, text in (part.partition("=") for part in value.split(":") if part.strip())
        ]
    else:
        what = f"{name} of {encoder} takes a dictionary or text such as 'key=value:key=value', got {value!r}"
        raise option_error(encoder, name, value, what)
    if not pairs:
        raise option_error(encoder, name, value, f"{name} of {encoder} is empty, which sets nothing; leave it out")
    parsed: dict[str, str] = {}
    for key, text in pairs:
        wrong = None
        if key in refused:
            wrong = f"of {encoder} is not passed on: {refused[key]}"
        elif key in parsed:
            wrong = "is given twice"
        elif not _PARAMETER_VALUE.fullmatch(text):
            wrong = f"has the value {text!r}; ffenc passes on letters, digits and _.,+()|- only, which can name no file"
        if wrong:
            raise option_error(encoder, f"{name}:{key}", text, f"{name}: {key} {wrong}")
        parsed[key] = text
    return parsed


def _checked_parameters(name: str, value: object, parameters: ParameterString, encoder: str) -> dict[str, str]:
    pairs = parse_parameters(name, value, encoder=encoder, refused=parameters.refused)
    for key, text in pairs.items():
        if key in parameters.owned:
            field = parameters.owned[key]
            what = f"{key} in {name} belongs to {field}; set {field} instead"
            raise option_error(encoder, f"{name}:{key}", text, what)
        if key not in parameters.keys:
            near = nearest_name(key, parameters.keys)
            what = f"{name} of {encoder} has no key {key!r} that ffenc passes on" + _did_you_mean(near)
            raise option_error(encoder, f"{name}:{key}", text, what, near=near)
        low, high = parameters.ranges.get(key, (None, None))
        numbers = [plain_number(part) for part in text.split(",")]
        if not all(number is None or _within(number, low, high) for number in numbers):
            accepted = _describe(low, high, ())
            raise _refused(f"{name}:{key}", text, encoder, f"is out of range, {accepted}", accepted)
    return pairs


def join_parameters(pairs: Mapping[str, str]) -> str:
    """Return ``{"lp": "2", "tune": "0"}`` in FFmpeg's dictionary syntax: ``lp=2:tune=0``."""
    return ":".join(f"{key}={text}" for key, text in pairs.items())


def _parameter_text(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return number_text(value) if isinstance(value, int | float) else str(value)


def _did_you_mean(near: str | None) -> str:
    return f"; did you mean {near!r}?" if near else ""


def _refused(
    label: str, value: object, encoder: str, what: str, accepted: str, near: str | None = None
) -> EncoderOptionError:
    text = f"{label}={value!r} for {encoder} {what}" + _did_you_mean(near)
    return option_error(encoder, label, value, text, accepted, near)


def option_error(
    encoder: str, option: str, value: object, message: str, accepted: str = "", near: str | None = None
) -> EncoderOptionError:
    """Return the error for an option of an encoder."""
    return EncoderOptionError(message, option=option, value=value, encoder=encoder, accepted=accepted, nearest=near)


def _boolean(label: str, value: OptionValue, encoder: str) -> str:
    text = str(value).lower()
    if text == "auto" or text in _TRUE_FALSE:
        return _TRUE_FALSE.get(text, text)
    raise _refused(label, value, encoder, "is not true, false or auto", "true, false, auto")


def _flags(label: str, value: OptionValue, choices: Iterable[str], encoder: str) -> str:
    known = tuple(choices)
    text = str(value)
    names = re.findall(r"[+-]?([^+-]+)", text)
    wrong = [name for name in names if name not in known]
    if names and not wrong and re.fullmatch(r"([+-]?[^+-]+)+", text):
        return text
    accepted = ", ".join(known)
    near = nearest_name(wrong[0], known) if wrong else None
    raise _refused(label, value, encoder, f"is not a '+'-joined list of {accepted}", accepted, near)


def plain_number(value: OptionValue) -> float | None:
    """Return a number, or the number that a text is; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return float(value) if re.fullmatch(r"-?\d+(\.\d+)?", value) else None
    return value if math.isfinite(value) else None


def _rate(value: OptionValue) -> float | None:
    match = _RATE.fullmatch(str(value)) if not isinstance(value, bool) else None
    return float(match[1]) * _RATE_UNITS[match[2]] if match else None


def _within(number: float, low: float | None, high: float | None) -> bool:
    return (low is None or number >= low) and (high is None or number <= high)


def _describe(low: float | None, high: float | None, choices: Iterable[str]) -> str:
    parts = []
    if low is not None and high is not None:
        parts.append(f"a number from {number_text(low)} to {number_text(high)}")
    names = ", ".join(choices)
    if names:
        parts.append(f"one of {names}")
    return "accepted: " + (" or ".join(parts) or "nothing that ffenc can check")
