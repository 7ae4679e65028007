"""Apply the limits that an encoder's settings put on each other: raise an error, or note the effective value.

Before an encode `settle` applies the limits of the encoder's row.  After it `compare_with_report` compares the request with
the settings that the library wrote into its stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ffenc.config import Options, OptionValue
from ffenc.encoders.spec import EncoderSpec, Limit, Setting
from ffenc.errors import EncoderOptionError
from ffenc.plan.options import number_text, option_error, parse_parameters, plain_option_name

if TYPE_CHECKING:
    from ffenc.plan.resolve import ResolvedEncoder

_OFF = frozenset({"0", "none", "false", "no", "off", ""})
_ON = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One setting that the user gave.

    Attributes:
        setting: its name in `EncoderSpec.settings`.
        option: the option as the user wrote it, ``name`` or ``name:key``.
        text: its value, in the terms of the library's report.
    """

    setting: str
    option: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The effective values of the user's settings.

    Attributes:
        extra_options: the user's options with their effective values.
        requests: settings that the library should report.
        reductions: a sentence for every value that differs from the one given.
    """

    extra_options: Options
    requests: tuple[Request, ...] = ()
    reductions: tuple[str, ...] = ()


def settle(
    spec: EncoderSpec,
    extra_options: Options,
    options: Mapping[str, str],
    *,
    preset: str,
) -> Settled:
    """Apply the limits of a row to the user's options.

    Args:
        extra_options: the user's options, already checked.
        options: everything on the command line, by ``name`` or ``name:key``.

    Raises:
        EncoderOptionError: a setting would have no effect, contradicts another one, or was given twice.
    """
    requests = _requests(spec, extra_options, options)
    values = {name: _value(setting, options, preset) for name, setting in spec.settings.items()}
    values |= {name: request.text for name, request in requests.items()}
    reductions = []
    for limit in spec.limits:
        left = _left(limit, spec, values)
        if left is None:
            continue
        if (request := requests.get(limit.setting)) is not None:
            if left == 0 or limit.contradiction:
                raise _refusal(limit, request, spec, values)
            reductions.append(
                f"{spec.name} reduces {request.option}={request.text} to {left}: {limit.why}{_because(limit, values)}"
            )
            requests[limit.setting] = replace(request, text=str(left))
            extra_options = with_value(extra_options, request.option, left)
        values[limit.setting] = str(left)
    return Settled(extra_options=extra_options, requests=tuple(requests.values()), reductions=tuple(reductions))


def compare_with_report(encoder: ResolvedEncoder, spec: EncoderSpec, report: Mapping[str, str]) -> ResolvedEncoder:
    """Return the encoder as its library reports it; ``reductions`` has only those that the plan did not know.

    Args:
        report: the settings in the stream, by the library's names.
    """
    extra_options, reductions = encoder.config.extra_options, []
    for request in encoder.requests:
        setting = spec.settings[request.setting]
        if setting.reported is None:
            continue
        used = report.get(setting.reported)
        if used is None:  # x264 leaves out what is off, and older libraries what they do not know yet
            if is_on(request.text):
                reductions.append(f"{encoder.name} does not report {request.option}, so it may not have taken effect")
            continue
        if not _same_value(request.text, used, setting.unit):
            value = _number(used)
            effective = number_text(value * setting.unit) if value is not None else used
            reductions.append(
                f"{encoder.name} used {request.option}={effective} instead of {request.text}, by its own report"
            )
            extra_options = with_value(extra_options, request.option, effective)
    config = encoder.config.model_copy(update={"extra_options": extra_options})
    return replace(encoder, config=config, reductions=tuple(reductions))


def with_value(extra_options: Options, option: str, value: OptionValue) -> Options:
    """Return the options with another value of ``name`` or ``name:key``."""
    if option in extra_options:
        return {**extra_options, option: _plain(value)}
    name, _, key = option.partition(":")
    given = extra_options[name]
    if isinstance(given, Mapping):
        return {**extra_options, name: {**given, key: _plain(value)}}
    pairs = {**parse_parameters(name, given, encoder=""), key: str(value)}
    return {**extra_options, name: ":".join(f"{key}={text}" for key, text in pairs.items())}


def given_options(spec: EncoderSpec, extra_options: Options) -> Iterator[tuple[str, str, str]]:
    """Yield (name in the row, name as the user wrote it, text) of every option, and of every key of dictionary options."""
    for given, value in extra_options.items():
        name = plain_option_name(given)
        if name in spec.parameters:
            for key, text in parse_parameters(
                name, value, encoder=spec.name, refused=spec.parameters[name].refused
            ).items():
                yield f"{name}:{key}", f"{name}:{key}", text
        else:
            yield name, given, str(int(value)) if isinstance(value, bool) else str(value)


def is_on(text: str) -> bool:
    """Return whether the value of a switch means on."""
    return text.lower() not in _OFF


def _requests(spec: EncoderSpec, extra_options: Options, options: Mapping[str, str]) -> dict[str, Request]:
    names = {name: key for key, setting in spec.settings.items() for name in (*setting.options, *setting.negations)}
    requests: dict[str, Request] = {}
    for name, given, _ in given_options(spec, extra_options):
        if name not in names:
            continue
        setting = names[name]
        if setting in requests:
            what = f"{given!r} and {requests[setting].option!r} are one setting of {spec.name}; give it once"
            raise option_error(spec.name, given, options[name], what)
        text = _normal(spec.settings[setting], name, options[name])
        requests[setting] = Request(setting=setting, option=given, text=text)
    return requests


def _value(setting: Setting, options: Mapping[str, str], preset: str) -> str:
    """Return the value on the command line, else of the tune, of the preset, or the default; "" if unknown."""
    for name in (*setting.options, *setting.negations):
        if name in options:
            return _normal(setting, name, options[name])
    tunes = [setting.by_tune[tune] for tune in re.split("[,.]", options.get("tune", "")) if tune in setting.by_tune]
    return tunes[0] if tunes else setting.by_preset.get(preset, setting.default or "")


def _normal(setting: Setting, name: str, text: str) -> str:
    text = "1" if text in _ON else "0" if text in _OFF - {"none"} else text
    if name in setting.negations:
        return "0" if is_on(text) else "1"
    text = setting.numbers.get(text, text)
    number = _number(text)
    return text if number is None else number_text(number)


def _left(limit: Limit, spec: EncoderSpec, values: Mapping[str, str]) -> int | None:
    """Return the value to which a limit reduces its setting; None if the limit does not apply."""
    value = values.get(limit.setting, "")
    is_off = all(not is_on(number) or _number(number) == 0 for number in re.split("[:,]", value))
    concerned = value in limit.values if limit.values else not is_off
    if not concerned or not all(values.get(name, "") in some for name, some in limit.beside.items()):
        return None
    highest = limit.highest
    if limit.highest_from is not None:
        name, divisor, shift = limit.highest_from
        other = _number(values.get(name, ""))
        if other is None:
            return None
        highest = int(other) // divisor + shift
    number = _number(value)
    return None if number is not None and number <= highest else highest


def _refusal(limit: Limit, request: Request, spec: EncoderSpec, values: Mapping[str, str]) -> EncoderOptionError:
    what = "contradicts another option" if limit.contradiction else "would have no effect"
    text = (
        f"{request.option}={request.text} of {spec.name} {what}: {limit.why}{_because(limit, values)}; change one of them "
        "or leave it out"
    )
    return option_error(spec.name, request.option, request.text, text)


def _because(limit: Limit, values: Mapping[str, str]) -> str:
    names = dict.fromkeys([*limit.beside, *([limit.highest_from[0]] if limit.highest_from else [])])
    said = [f"{name}={values[name]}" for name in names if values.get(name)]
    return f" ({', '.join(said)})" if said else ""


def _same_value(asked: str, used: str, unit: int) -> bool:
    one, other = _number(asked), _number(used)
    if one is None or other is None:
        return asked == used or (not is_on(asked) and not is_on(used))
    return abs(one / unit - other) <= 0.01 * max(1, abs(other))


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else None


def _plain(value: OptionValue) -> OptionValue:
    number = _number(value) if isinstance(value, str) else None
    return value if number is None else int(number) if number.is_integer() else number
