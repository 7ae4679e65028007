"""What is printed in the manner of ``libavutil/opt.c`` and ``fftools`` is read back as it was; nothing else crashes."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ffenc.errors import ProbeError
from ffenc.ffmpeg.listing import (
    EncoderHelp,
    EncoderListing,
    EncoderOption,
    OptionChoice,
    PixelFormat,
    parse_encoder_help,
    parse_encoders,
    parse_pix_fmts,
    parse_version,
)

RECORDED = [
    path.read_text(encoding="utf-8") for path in sorted((Path(__file__).parents[1] / "recorded").glob("*/*.txt"))
]
C_BOUNDS = {
    "INT_MIN": -(2.0**31),
    "INT_MAX": 2.0**31 - 1,
    "UINT32_MAX": 2.0**32 - 1,
    "I64_MIN": -(2.0**63),
    "I64_MAX": 2.0**63,
    "-FLT_MAX": -3.4028234663852886e38,
    "FLT_MAX": 3.4028234663852886e38,
}

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_:.+-]{0,25}", fullmatch=True)
# Printable ASCII in one line, which may speak of ranges and defaults of its own.
prose = st.lists(
    st.sampled_from(
        ["(from 1 to 3)", "(default auto)", '(default "x")', "(0 to 51, 0 means automatic)", "E..V.......", "-"]
    )
    | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
    max_size=4,
).map(lambda words: " ".join(words).strip())
bounds = st.sampled_from(sorted(C_BOUNDS)) | st.floats(allow_nan=False).map(lambda value: f"{value:g}")
whole_numbers = st.integers(-(2**31), 2**31 - 1)


@st.composite
def choices(draw, *, numbered: bool) -> tuple[OptionChoice, ...]:
    values = whole_numbers if numbered else st.none()
    found = st.builds(OptionChoice, name=names, value=values)
    return tuple(draw(st.lists(found, max_size=3)))


@st.composite
def options(draw, *, old: bool) -> tuple[EncoderOption, str]:
    """An option and how it is printed."""
    kind = draw(st.sampled_from(["int", "int64", "float", "double", "boolean", "flags", "string", "dictionary"]))
    text, low, high = draw(prose), None, None
    words: tuple[OptionChoice, ...] = ()
    if kind in ("int", "flags", "boolean"):
        words = draw(choices(numbered=kind == "int" and not old))
    if kind in ("string", "dictionary"):
        value = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
        default = draw(st.none() | value.filter(lambda value: '(default "' not in value))
        if default is None:
            # FFmpeg itself does not tell such a help from a default.
            text = text.replace('")', "")
        printed = "" if default is None else f' (default "{default}")'
    elif kind == "boolean":
        default = draw(st.sampled_from(["true", "false", "auto"]))
        printed = f" (default {default})"
    else:
        default = draw(st.sampled_from([word.name for word in words]) if words else whole_numbers.map(str))
        printed = f" (default {default})"
    if kind in ("int", "int64", "float", "double"):
        low, high = draw(bounds), draw(bounds)
        printed = f" (from {low} to {high}){printed}"
    deprecated = draw(st.booleans()) and not old
    option = EncoderOption(
        name=draw(names),
        type=kind,
        minimum=None if low is None else C_BOUNDS.get(low) or float(low),
        maximum=None if high is None else C_BOUNDS.get(high) or float(high),
        default=default,
        choices=words,
        deprecated=deprecated,
        help=text,
    )
    flags = "E..V....." if old else "E..V......" + ("P" if deprecated else ".")
    lines = [f"  -{option.name:<17} {f'<{kind}>':<12} {flags}{f' {text}' if text else ''}{printed}"]
    for word in words:
        number = "" if word.value is None else str(word.value)
        lines.append(f"     {word.name:<15} {number:<12} {flags}{draw(st.sampled_from(['', ' ', ' said so']))}")
    return option, "\n".join(lines)


@st.composite
def helps(draw) -> tuple[EncoderHelp, str]:
    """An encoder and what ``-h encoder=`` prints of it, in the manner of 4.2 or of later versions."""
    pairs = draw(st.lists(options(old=draw(st.booleans())), max_size=5, unique_by=lambda pair: pair[0].name))
    pixel_formats = draw(st.none() | st.lists(names, min_size=1, max_size=4).map(tuple))
    devices = draw(st.lists(names, max_size=2, unique=True).map(tuple))
    found = EncoderHelp(
        name=draw(names),
        description=draw(prose),
        pixel_formats=pixel_formats,
        options={option.name: option for option, _ in pairs},
        hardware_devices=devices,
    )
    lines = [
        f"Encoder {found.name} [{found.description}]:",
        "    General capabilities: ",
        "    Threading capabilities: none",
    ]
    if devices:
        lines.append("    Supported hardware devices: " + "".join(f"{device} {device} " for device in devices))
    if pixel_formats is not None:
        lines.append("    Supported pixel formats: " + " ".join(pixel_formats))
    if pairs:
        lines += [f"{found.name} encoder AVOptions:", *(text for _, text in pairs)]
    return found, "\n".join(lines) + "\n"


@given(st.lists(helps(), min_size=1, max_size=3, unique_by=lambda pair: pair[0].name), st.booleans())
def test_help_is_read_back(printed, farewell):
    text = "\n".join(block for _, block in printed) + "\n" + "\n\nExiting with exit code 0\n" * farewell
    for found, _ in printed:
        assert parse_encoder_help(text, found.name) == found


@st.composite
def pixel_formats(draw, *, old: bool) -> PixelFormat:
    hardware = draw(st.booleans())
    depths = draw(st.lists(st.integers(1, 64), min_size=1, max_size=4))
    return PixelFormat(
        name=draw(names),
        components=0 if hardware else len(depths),
        bits_per_pixel=0 if hardware else sum(depths),
        depths=() if hardware or old else tuple(depths),
        input=draw(st.booleans()),
        output=draw(st.booleans()),
        hardware=hardware,
    )


def as_row(found: PixelFormat, *, old: bool) -> str:
    flags = f"{'.I'[found.input]}{'.O'[found.output]}{'.H'[found.hardware]}.."
    if old:
        return f"{flags} {found.name:<16}       {found.components}            {found.bits_per_pixel:2}"
    depths = "-".join(map(str, found.depths)) or "0"
    return f"{flags} {found.name:<20}   {found.components}           {found.bits_per_pixel:4}      {depths}"


@given(st.data(), st.booleans())
def test_pixel_formats_are_read_back(data, old):
    rows = data.draw(st.lists(pixel_formats(old=old), min_size=1, max_size=5, unique_by=lambda found: found.name))
    header = "Pixel formats:\nI.... = Supported Input  format for conversion\nFLAGS NAME NB_COMPONENTS BITS_PER_PIXEL\n"
    text = header + "-----\n" + "".join(as_row(row, old=old) + "\n" for row in rows)
    assert parse_pix_fmts(text) == {row.name: row for row in rows}


listings = st.builds(
    EncoderListing,
    name=names,
    codec=names,
    media_type=st.sampled_from(["video", "audio", "subtitle"]),
    experimental=st.booleans(),
    description=prose.filter(lambda text: not text.endswith(")")),
)


@given(
    st.lists(listings, min_size=1, max_size=5, unique_by=lambda found: found.name),
    st.sampled_from(["VFSXBD", "V....."]),
)
def test_encoders_are_read_back(rows, flags):
    text = "Encoders:\n V..... = Video\n ------\n"
    for row in rows:
        experimental = "X" if row.experimental else "."
        text += f" {row.media_type[0].upper()}{flags[1:3]}{experimental}{flags[4:]} {row.name:<20} {row.description}"
        text += f" (codec {row.codec})\n" if row.codec != row.name else "\n"
    assert parse_encoders(text) == {row.name: row for row in rows}


@st.composite
def damaged_listings(draw) -> str:
    """A real listing with a piece replaced by something else."""
    text = draw(st.sampled_from(RECORDED))
    start = draw(st.integers(0, len(text)))
    stop = draw(st.integers(start, min(start + 2000, len(text))))
    return (
        text[:start]
        + draw(st.text() | st.sampled_from(["\n", "9" * 5000, "(from a to b) (default", "٣"]))
        + text[stop:]
    )


@pytest.mark.parametrize(
    "parse",
    [
        parse_version,
        parse_encoders,
        parse_pix_fmts,
        lambda text: parse_encoder_help(text, "libx264"),
        lambda text: parse_encoder_help(text, "h264_nvenc"),
    ],
    ids=["version", "encoders", "pix_fmts", "libx264", "h264_nvenc"],
)
@given(text=st.text() | damaged_listings())
def test_any_text_is_read_or_refused(parse, text):
    with contextlib.suppress(ProbeError):
        parse(text)
