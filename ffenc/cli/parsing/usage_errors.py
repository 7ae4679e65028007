"""Explain a command line that could not be read, and suggest a correct one."""

from __future__ import annotations

import difflib
import json
import re
import shlex
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import yaml  # type: ignore[import-untyped]

from ffenc.cli.parsing.arguments import ENCODER_GROUPS
from ffenc.cli.parsing.lerobot_flags import refusals
from ffenc.cli.parsing.values import load_leniently, load_value

_DICT_FLAGS = tuple(
    f"--{before}{name}.extra_options" for before in ("", "dataset.") for name in (*ENCODER_GROUPS, "depth_encoder")
)

_PAIR = re.compile(r"[\w-]+(:v)?:[^:/]+")


def explain(error: str, command: str, words: Sequence[str], *, flags: Iterable[str]) -> str:
    """Rewrite the parser's message in plain words, and suggest a correction.

    Args:
        error: the message of jsonargparse.
        command: name of the command.
        words: the words after the command.
        flags: every flag of the command.
    """
    if quoted := quoted_command(command, words):
        return (
            f"the shell took {_DICT_FLAGS[0].lstrip('-')} apart, because it is not in quotes. Write:\n"
            f"  {quoted}\nor each option by itself, as in {_DICT_FLAGS[0]}.bf=2"
        )
    if command == "record" and (refused := refusals(_flags_in(words, error))):
        return "\n".join(refused)
    flags = list(flags)
    message = _plainly(error, flags)
    known = [name for flag in flags for name in (flag, flag.replace(*ENCODER_GROUPS))]
    for name in _flags_in(words, error):
        if name == "--" or name in known or name.startswith(_DICT_FLAGS):
            continue
        # --crf is --camera_encoder.crf without its group, not a misspelt --config.
        same = [flag for flag in known if flag.rpartition(".")[2] == name.lstrip("-")]
        if near := same or difflib.get_close_matches(name, known, n=1, cutoff=0.5):
            message += f"\n{name}: did you mean {near[0]}?"
    return message


def _flags_in(words: Sequence[str], error: str) -> list[str]:
    """Return the flags on a command line, and the keys of a file that the parser refused."""
    on_the_line = [word.partition("=")[0] for word in words if word.startswith("--")]
    in_a_file = [f"--{name}" for name in re.findall(r"(?i)\b(?:accept|option|key)[a-z ]* ['\"]([\w.-]+)['\"]", error)]
    return list(dict.fromkeys((*on_the_line, *in_a_file)))


def quoted_command(command: str, words: Sequence[str]) -> str | None:
    """Return the command line with its broken dictionary joined and quoted; None if no dictionary is broken.

    If it cannot be joined, an example takes its place.
    """
    joined = _joined(words)
    if joined is None:
        return None
    flag, options, before, after = joined
    text = f"{flag}={shlex.quote(json.dumps(options))}" if options else f"""{flag}='{{"bf": 2}}'"""
    return " ".join(["ffenc", command, *map(shlex.quote, before), text, *map(shlex.quote, after)])


def quoted_words(words: Sequence[str], flags: Collection[str] = _DICT_FLAGS) -> list[str] | None:
    """Return the words with the dictionary joined; None if no dictionary is broken, or it cannot be joined.

    Args:
        words: words of the command line.
        flags: flags whose value is a dictionary.
    """
    joined = _joined(words, flags)
    if joined is None or not joined[1]:
        return None
    flag, options, before, after = joined
    return [*before, f"{flag}={json.dumps(options)}", *after]


def _joined(
    words: Sequence[str], flags: Collection[str] = _DICT_FLAGS
) -> tuple[str, dict[str, Any], list[str], list[str]] | None:
    """Return the flag of a broken dictionary, its items, and the words before and after it; None if none is broken.

    Without quotes, the shell splits ``extra_options={"tune": "film", "bf": 2}`` into the words ``extra_options={tune:``,
    ``film,``, ``bf:`` and ``2}``. Without the spaces it makes two flags, ``extra_options=tune:film`` and
    ``extra_options=bf:2``.
    """
    kept: list[str] = []
    options: dict[str, Any] = {}
    place = 0
    rest = list(words)
    flag, others = "", False
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name not in flags:
            kept.append(word)
            continue
        if not equals and rest:
            value = rest.pop(0)
            while _PAIR.fullmatch(value) and rest and _PAIR.fullmatch(rest[0]):
                options |= _options_in(value)
                value = rest.pop(0)
        while value.startswith("{") and value.count("{") > value.count("}") and rest and not rest[0].startswith("--"):
            value += f" {rest.pop(0)}"
        others = others or flag not in ("", name)
        flag, place = name, place or len(kept)
        options |= _options_in(value)
    if not flag or _is_whole(words, flag):
        return None
    # With two broken dictionaries it is unknown which item belongs to which.
    return flag, {} if others else options, kept[:place], kept[place:]


def _is_whole(words: Sequence[str], flag: str) -> bool:
    """Return whether the shell left the dictionary intact, so that the error has another cause."""
    for number, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == flag:
            value = value if equals else "".join(words[number + 1 : number + 2])
            return '"' in value or _is_dictionary(load_leniently(value))
    return False


def _options_in(text: str) -> dict[str, Any]:
    read = load_leniently(text)
    if _is_dictionary(read):
        return dict(read)
    inner = text.strip().removeprefix("{").removesuffix("}")
    if "{" in inner:
        return {}
    found = {}
    for part in inner.split(","):
        # "profile:v: high" has its own colon in the name, "profile:v:high" too.
        name, colon, value = part.partition(": ") if ": " in part else part.rpartition(":")
        if colon:
            found[name.strip()] = load_leniently(value.strip())
    return found


def _is_dictionary(value: object) -> bool:
    # {bf:2} without a blank is a key "bf:2" without a value to YAML.
    return isinstance(value, dict) and bool(value) and None not in value.values()


def _no_dictionary(found: re.Match[str]) -> str:
    text = found[1]
    try:
        load_value(text)
        reason = ""
    except (yaml.YAMLError, ValueError) as err:
        # YAML errors repeat the text; their problem is the short reason.
        reason = f"; it cannot be read: {getattr(err, 'problem', None) or err}"
    return f"expected a dictionary, such as '{{name: value}}', but got {text}{reason}"


def _plainly(error: str, flags: Collection[str]) -> str:
    """Remove the names of Python's types and of the parser's keys."""
    error = re.sub(r'Parser key "([^"]+)":\s*', r"--\1: ", error)
    error = re.sub(r"<class '(\w+)'>", r"\1", error)
    error = re.sub(r"Expected a dict\. Got value: (.*)", _no_dictionary, error)
    start, required, names = error.partition("arguments are required: ")
    if required:
        names = ", ".join(f"--{name}" if f"--{name}" in flags else name.upper() for name in names.split(", "))
        return f"{start.lower()}{required}{names}"
    return error[:1].lower() + error[1:]
