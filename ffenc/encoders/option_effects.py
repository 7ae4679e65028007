"""Look up the measured effect of every option of the software encoders, by FFmpeg build.

``measured/`` has one table for each FFmpeg, made by ``python -m tools.option_table``.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ffenc.encoders.spec import Version

MEASURED = Path(__file__).with_name("measured")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredEncoder:
    """One encoder of one FFmpeg.

    Attributes:
        library: version of the library behind it, if known.
        setup: digest of the contexts.
        contexts: names of the settings with which options were tried.
        options: outcome of each tried value, by option or ``option:key``.
    """

    library: Version | None
    setup: str
    contexts: tuple[str, ...]
    options: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredBuild:
    """One FFmpeg.

    Attributes:
        name: its version.
        libavcodec: version of its libavcodec.
        encoders: by name.
    """

    name: str
    libavcodec: Version
    encoders: Mapping[str, MeasuredEncoder]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionEffect:
    """The measured effect of an option in one FFmpeg.

    Attributes:
        kind: ``acts``; ``reduced``: the encoder uses `effective` instead, with any other settings; ``ignored``: no value had an
            effect in any context; ``refused``: the encoder refuses every tried value; ``unknown``: not measured, or builds
            or contexts differ.
        effective: the value that the encoder uses instead.
        measured_on: names of the builds.
    """

    kind: Literal["acts", "reduced", "ignored", "refused", "unknown"]
    effective: str | None = None
    measured_on: tuple[str, ...] = ()


_UNKNOWN = OptionEffect(kind="unknown")


def effect_of(
    encoder: str, option: str, value: str, *, libavcodec: Version, library: Version | None = None
) -> OptionEffect:
    """Return the effect of a value of an option, ``name`` or ``name:key``, in one FFmpeg.

    A build counts as measured if its libavcodec, and the library behind the encoder if known, match a table.  Between two
    tables both must have the same effect; before the first and after the last it is unknown.
    """
    measured = option.replace(":no-", ":")
    deciding = _deciding(encoder, measured, libavcodec, library)
    effects = {_effect(build.encoders[encoder].options[measured], value) for build in deciding}
    if len(effects) != 1:
        return _UNKNOWN
    kind, effective = effects.pop()
    return OptionEffect(kind=kind, effective=effective, measured_on=tuple(build.name for build in deciding))


def _deciding(encoder: str, option: str, libavcodec: Version, library: Version | None) -> tuple[MeasuredBuild, ...]:
    """Return the table of this build, else the nearest older and newer ones, else none."""
    builds = [
        build for build in measured_builds() if encoder in build.encoders and option in build.encoders[encoder].options
    ]
    for build in builds:
        if build.libavcodec == libavcodec and build.encoders[encoder].library == library:
            return (build,)

    def age(build: MeasuredBuild) -> Version:
        # The effect of an option depends on the library more than on FFmpeg's wrapper.
        return (build.encoders[encoder].library or ()) if library else build.libavcodec

    here = library or libavcodec
    if library:
        builds = [build for build in builds if build.encoders[encoder].library]
    older, newer = [b for b in builds if age(b) <= here], [b for b in builds if age(b) >= here]
    if not older or not newer:
        return ()
    return max(older, key=age), min(newer, key=age)


def _effect(
    outcomes: Mapping[str, str], value: str
) -> tuple[Literal["acts", "reduced", "ignored", "refused", "unknown"], str | None]:
    kind = kind_of(outcomes)
    outcome = outcomes.get(value, "")
    if kind == "acts" and outcome[:3] in ("-> ", "=> ") and "(" not in outcome:
        return "reduced", outcome[3:]
    return kind, None


def kind_of(outcomes: Mapping[str, str]) -> Literal["acts", "ignored", "refused", "unknown"]:
    """Return the effect of an option, by the outcomes of all tried values."""
    if acts(outcomes):
        return "acts"
    seen = list(outcomes.values())
    if seen and set(seen) <= {"refused", "crashes", "hangs"}:
        return "refused"
    # A single value without effect may be the default.  A reported setting may be used in a way that no context showed.
    without_effect = [
        outcome for outcome in seen if outcome == "same" or (outcome.startswith("=>") and "as given" not in outcome)
    ]
    return "ignored" if len(without_effect) > 1 and "unclear" not in seen else "unknown"


@functools.cache
def measured_builds() -> tuple[MeasuredBuild, ...]:
    """Return every measured FFmpeg, oldest libavcodec first."""
    builds = (load_build(path) for path in MEASURED.glob("*.json"))
    return tuple(sorted(builds, key=lambda build: build.libavcodec))


def load_build(path: Path) -> MeasuredBuild:
    """Read the table of one FFmpeg."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return MeasuredBuild(
        name=document["ffmpeg"],
        libavcodec=_version(document["libavcodec"]),
        encoders={name: _encoder(table) for name, table in document["encoders"].items()},
    )


def save_build(build: MeasuredBuild, path: Path) -> None:
    """Write the table of one FFmpeg, sorted, one option per line."""
    document = {
        "ffmpeg": build.name,
        "libavcodec": _dotted(build.libavcodec),
        "encoders": {
            name: {
                "library": _dotted(table.library) if table.library else None,
                "setup": table.setup,
                "contexts": ", ".join(table.contexts),
                "options": {option: outcomes_text(tried) for option, tried in sorted(table.options.items())},
            }
            for name, table in sorted(build.encoders.items())
        },
    }
    path.parent.mkdir(exist_ok=True)
    waiting = path.with_suffix(f".{os.getpid()}.part")
    waiting.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    waiting.replace(path)


def outcomes_text(outcomes: Mapping[str, str]) -> str:
    """Write ``{"0": "acts", "1": "same"}`` as ``0 acts; 1 same``."""
    return "; ".join(f"{value} {outcome}" for value, outcome in outcomes.items())


def acts(outcomes: Mapping[str, str]) -> bool:
    """Return whether a value changed the stream, even if the encoder used another value than the one given."""
    return any(outcome.startswith(("acts", "->")) for outcome in outcomes.values())


def _encoder(table: Mapping[str, Any]) -> MeasuredEncoder:
    return MeasuredEncoder(
        library=_version(table["library"]) if table["library"] else None,
        setup=table["setup"],
        contexts=tuple(table["contexts"].split(", ")),
        options={option: _outcomes(text) for option, text in table["options"].items()},
    )


def _outcomes(text: str) -> dict[str, str]:
    pairs = (part.partition(" ") for part in text.split("; ") if part)
    return {value: outcome for value, _, outcome in pairs}


def _version(text: str) -> Version:
    return tuple(int(part) for part in text.split("."))


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
