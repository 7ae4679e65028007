"""Write the tables of all measured builds as a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ffenc.encoders.generic import GENERIC_OPTIONS
from ffenc.encoders.option_effects import MeasuredBuild, MeasuredEncoder, kind_of, measured_builds
from ffenc.encoders.software import SOFTWARE
from ffenc.encoders.spec import EncoderSpec
from tools.option_table.contexts import CONTEXTS, Context

PAGE = Path(__file__).parents[2] / "docs" / "options.md"

_MARKS = {"acts": "yes", "ignored": "**no**", "refused": "error", "unknown": "?", "": ""}
_INTRODUCTION = """\
# Encoder options, as measured

<!-- Written by `make option-table`; edit tools/option_table/page.py instead. -->

FFmpeg accepts many options that an encoder then ignores. To find them, a short clip was encoded with and without each option of
the software encoders, on several FFmpeg builds. The streams were compared, and so were the settings that the encoders report.

ffenc refuses an option that the FFmpeg in use ignores. For an FFmpeg version that was not measured, it uses the nearest
measured builds before and after it. If these disagree, ffenc accepts the option.

`make option-table FFMPEG=/path/to/ffmpeg` measures another build, or what changed since the last run.

| mark | meaning |
|---|---|
| yes | some value changes the stream |
| **no** | no tested value changes the stream, in any context listed below the table; ffenc refuses it |
| error | the encoder refuses every tested value |
| ? | the encoder reports the setting, but the stream was the same in every context |
| (empty) | this build does not have the option |

The last column lists the context that an option needs, and values that the encoder replaces. `16 → 9 (g=2: 1)` means that the
encoder reported 9 instead of 16, and 1 in the context g=2. `option:key` is a key of a dictionary option. The result for a key
also applies to `no-key`.

The tables omit free text and options that a config field sets (`crf`, `preset`, `g`, threads). ffenc may still refuse an option
that acts, because it causes damage here, for example by dropping frames.
"""


def page() -> str:
    """Return the page, from the saved tables."""
    builds = measured_builds()
    parts = [_INTRODUCTION, "".join(_build_lines(builds))]
    parts += [_section(row, builds) for row in SOFTWARE if any(row.name in build.encoders for build in builds)]
    return "\n".join(parts)


def _build_lines(builds: Sequence[MeasuredBuild]) -> Iterator[str]:
    yield "| build | libavcodec | options | yes | no | error | ? |\n|---|---|---|---|---|---|---|\n"
    for build in builds:
        kinds = [kind_of(tried) for encoder in build.encoders.values() for tried in encoder.options.values()]
        counts = " | ".join(str(kinds.count(kind)) for kind in ("acts", "ignored", "refused", "unknown"))
        yield f"| {build.name} | {'.'.join(map(str, build.libavcodec))} | {len(kinds)} | {counts} |\n"


def _section(row: EncoderSpec, builds: Sequence[MeasuredBuild]) -> str:
    having = [build for build in builds if row.name in build.encoders]
    tables = {build.name: build.encoders[row.name] for build in having}
    names = sorted({option for table in tables.values() for option in table.options})
    marks = {name: [_mark(table, name) for table in tables.values()] for name in names}
    ignored = [name for name in names if set(marks[name]) == {_MARKS["ignored"]}]
    unread = [name for name in ignored if name in GENERIC_OPTIONS or name == "flags"]
    lines = [f"## {row.name}\n", f"| option | {' | '.join(tables)} | |", "|---" * (len(tables) + 2) + "|"]
    for name in names:
        if name not in unread:
            cells = " | ".join(marks[name])
            lines.append(
                f"| `{name}` | {cells} | {_remarks([table.options.get(name, {}) for table in tables.values()])} |"
            )
    if unread:
        lines.append(f"\nGeneric FFmpeg options that this encoder ignores on every build: {_code(unread)}.")
    lines.append(f"\nContexts: {'; '.join(_contexts(row.name, tables.values()))}.\n")
    return "\n".join(lines)


def _mark(table: MeasuredEncoder, option: str) -> str:
    return _MARKS[kind_of(table.options[option])] if option in table.options else ""


def _remarks(columns: Sequence[Mapping[str, str]]) -> str:
    """Return the contexts needed and the values replaced, each once."""
    needed = {
        match[1]
        for tried in columns
        for outcome in tried.values()
        if (match := re.fullmatch(r"acts \((.+)\)", outcome))
    }
    everywhere = any(outcome == "acts" for tried in columns for outcome in tried.values())
    remarks = [] if everywhere else [f"seen with: {', '.join(sorted(needed))}"] if needed else []
    replaced = {
        f"{value} → {outcome[3:]}": None
        for tried in columns
        for value, outcome in tried.items()
        if outcome[:2] in ("->", "=>")
    }
    crashing = {value: None for tried in columns for value, outcome in tried.items() if outcome in ("crashes", "hangs")}
    if replaced:
        remarks.append("; ".join(replaced))
    if crashing:
        remarks.append(f"crashes in some build: {', '.join(crashing)}")
    return ". ".join(remarks)


def _contexts(encoder: str, tables: Iterable[MeasuredEncoder]) -> Iterator[str]:
    used = {name for table in tables for name in table.contexts}
    for name, context in CONTEXTS[encoder].items():
        if name in used:
            yield f"{name} ({_settings(context)})"


def _settings(context: Context) -> str:
    fields = [f"{name}={value}" for name, value in (*context.config.items(), *context.options.items())]
    return f"{context.clip} clip, " + " ".join(f"`{part}`" for part in fields)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
