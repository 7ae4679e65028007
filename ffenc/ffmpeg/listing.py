"""Parse what FFmpeg prints about itself: version, encoders, pixel formats and encoder options.

Pure: text in, values out.  The formats are those of ``show_encoders``, ``show_pix_fmts`` and ``show_help_codec`` in
``fftools`` and of ``opt_list`` in ``libavutil/opt.c``, FFmpeg 4.1 to 9.0.  Comments at the patterns note the changes.

A listing without any readable line raises `ProbeError`.  A single unreadable line is logged at DEBUG and skipped, so that
a future FFmpeg stays usable.  ``origin`` is the executable, for the error's message.
"""

from __future__ import annotations

import hashlib
import logging
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ffenc.errors import ProbeError

MediaType = Literal["video", "audio", "subtitle", "data", "attachment"]

logger = logging.getLogger(__name__)

_MEDIA_TYPES: dict[str, MediaType] = {
    "V": "video",
    "A": "audio",
    "S": "subtitle",
    "D": "data",
    "T": "attachment",
}

# libavutil/opt.c, log_value(): the bounds of C types are printed by name, everything else with "%g".
_NAMED_NUMBERS: dict[str, int | float] = {
    "INT_MAX": 2**31 - 1,
    "INT_MIN": -(2**31),
    "UINT32_MAX": 2**32 - 1,
    "I64_MAX": 2**63 - 1,
    "I64_MIN": -(2**63),
}
for _sign, _factor in (("", 1), ("-", -1)):
    _NAMED_NUMBERS[f"{_sign}FLT_MAX"] = _factor * 3.4028234663852886e38
    _NAMED_NUMBERS[f"{_sign}FLT_MIN"] = _factor * 1.1754943508222875e-38
    _NAMED_NUMBERS[f"{_sign}DBL_MAX"] = _factor * sys.float_info.max
    _NAMED_NUMBERS[f"{_sign}DBL_MIN"] = _factor * sys.float_info.min

# Only these types print a range (opt_list()); in the help of other types "(from a to b)" is prose.
_RANGED_TYPES = frozenset({"int", "int64", "unsigned", "uint64", "float", "double", "rational"})
# opt.c, log_default(): only the defaults of these types are in quotes, so "(default auto)" at the end of a string's help
# is prose.
_QUOTED_TYPES = frozenset({"string", "dictionary", "color", "image_size", "video_rate", "channel_layout"})

_VERSION = re.compile(r"^\w+ version (\S.*?) +Copyright\b", re.MULTILINE)
# "58. 54.100": minor and micro are padded with spaces.
_LIBAVCODEC = re.compile(r"^ *libavcodec +([0-9]{1,4})\. *([0-9]{1,4})\. *([0-9]{1,4}) /", re.MULTILINE)
_RELEASE = re.compile(r"n?([0-9]{1,3})\.([0-9]{1,3})(?![0-9])")

_ENCODERS_START = re.compile(r"^ -{6} *$", re.MULTILINE)
_ENCODER_ROW = re.compile(r" ([VASDT])[F.][S.]([X.])[B.][D.] (\S+) *(.*)")
_CODEC_NAME = re.compile(r" ?\(codec (\S+)\)$")

_PIX_FMTS_START = re.compile(r"^-{5} *$", re.MULTILINE)
# 5.0 added the column of bit depths and changed the widths of the others.
_PIX_FMT_ROW = re.compile(
    r"([I.])([O.])([H.])[P.][B.] +(\S+) +([0-9]{1,3}) +([0-9]{1,5})(?: +([0-9]{1,3}(?:-[0-9]{1,3})*))? *"
)

_HELP_START = re.compile(r"^Encoder (\S+) \[(.*)\]: *$", re.MULTILINE)
_HELP_REFUSAL = re.compile(r"^Codec '.*' is (?:not recognized|known) ", re.MULTILINE)
# 4.2 prints nine flag letters, 4.4 eleven ("T", then "P" for deprecated).  A name longer than its column pushes the rest
# to the right.  Arrays (7.1) are in brackets with no space after them.
_OPTION_ROW = re.compile(r"  -(\S+) +(?:<([a-z0-9_]+)> +|\[<([a-z0-9_]+)> *\] *)([A-Z.]{9,11})(?: (.*))?")
# From 4.4 on (not in 4.2) the number is printed, only for constants of an int option.
_CHOICE_ROW = re.compile(r"     (\S+)(?: +(-?[0-9]{1,20}))? +([A-Z.]{9,11})(?: (.*))?")
_DEFAULT = re.compile(r"(.*)\(default ([^()\"]*)\)")
_QUOTED_DEFAULT = re.compile(r"(.*)\(default \"(.*)\"\)")
_RANGE = re.compile(r"(.*)\(from (\S+) to (\S+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class FFmpegVersion:
    """The version that ``-version`` prints."""

    text: str
    """As printed: ``"5.1.9-0+deb12u1"``, ``"N-47683-g0e8eb07980-static"``."""
    libavcodec: tuple[int, int, int]
    """Version of libavcodec, the one number that every build prints."""
    digest: str = field(default="", compare=False)
    """Hash of all that ``-version`` prints: version, configuration and libraries; it identifies the build."""

    @property
    def release(self) -> tuple[int, int] | None:
        """(major, minor) of the release; None before 4.0.

        A build between releases has no number in its text.  Its major number follows from libavcodec's (58 is 4.x, and
        both have increased together since), and its minor number is assumed to be 0.
        """
        if match := _RELEASE.match(self.text):
            return int(match[1]), int(match[2])
        if self.libavcodec[0] >= 58:
            return self.libavcodec[0] - 54, 0
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderListing:
    """One line of ``-encoders``.  A listed encoder does not necessarily work on this machine."""

    name: str
    codec: str
    """The bitstream standard it writes, such as ``h264``."""
    media_type: MediaType
    experimental: bool
    """Whether FFmpeg refuses it without ``-strict experimental``."""
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """One line of ``-pix_fmts``."""

    name: str
    components: int
    """Number of components; 0 for a hardware format."""
    bits_per_pixel: int
    """Padding not counted; 0 for a hardware format."""
    depths: tuple[int, ...]
    """Bits of each component; empty for a hardware format and before 5.0, which does not print them."""
    input: bool
    """Whether the scaler can read it."""
    output: bool
    """Whether the scaler can write it."""
    hardware: bool
    """Whether it is a surface on a device, not bytes in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionChoice:
    """A named value of an option."""

    name: str
    value: int | None
    """The number of that name; None if not printed (up to 4.2, and flags)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderOption:
    """One option of an encoder."""

    name: str
    type: str
    """FFmpeg's word: ``int``, ``float``, ``boolean``, ``string``, ``dictionary``, ``flags``, ...; ``int array``."""
    minimum: float | None
    """Least value; None if no range is printed.  FFmpeg prints six digits: ``1.07374e+09`` is 2**30."""
    maximum: float | None
    """Greatest value; None if no range is printed."""
    default: str | None
    """As printed, without quotes: a number or the name of a choice; None if nothing is printed."""
    choices: tuple[OptionChoice, ...]
    deprecated: bool
    """Never set by 4.1 and 4.2, which do not print it."""
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderHelp:
    """The answer to ``-h encoder=NAME``."""

    name: str
    description: str
    pixel_formats: tuple[str, ...] | None
    """Formats it takes, including hardware formats; None if not printed, because it decides at run time."""
    options: Mapping[str, EncoderOption]
    """Its own video options by name, in the order printed, without the generic options of every codec."""
    hardware_devices: tuple[str, ...]
    """Device types it can work with, such as ``cuda``."""


def parse_version(text: str, *, origin: str | Path = "listing") -> FFmpegVersion:
    """Read the output of ``-version`` of ffmpeg or ffprobe.

    Raises:
        ProbeError: it has no version line or no line of libavcodec.
    """
    version, libavcodec = _VERSION.search(text), _LIBAVCODEC.search(text)
    if version is None or libavcodec is None:
        missing = "version line" if version is None else "line of libavcodec"
        raise _unreadable("-version", f"no {missing}", text, origin)
    major, minor, micro = (int(part) for part in libavcodec.groups())
    digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:12]
    return FFmpegVersion(text=version[1], libavcodec=(major, minor, micro), digest=digest)


def parse_encoders(text: str, *, origin: str | Path = "listing") -> dict[str, EncoderListing]:
    """Read the output of ``-encoders``: encoders of every media type by name, in the order printed.

    Raises:
        ProbeError: it has no encoder.
    """
    found = {}
    # The legend above the line of dashes looks like rows: " V..... = Video".
    for line in _rows_after(_ENCODERS_START, text):
        if (match := _ENCODER_ROW.fullmatch(line)) is None:
            _note_unread("-encoders", line)
            continue
        media_type, experimental, name, description = match.groups()
        # The codec is printed only if its name differs from the encoder's.
        codec = _CODEC_NAME.search(description)
        found[name] = EncoderListing(
            name=name,
            codec=codec[1] if codec else name,
            media_type=_MEDIA_TYPES[media_type],
            experimental=experimental == "X",
            description=(description[: codec.start()] if codec else description).rstrip(),
        )
    if not found:
        raise _unreadable("-encoders", "no encoder", text, origin)
    return found


def parse_pix_fmts(text: str, *, origin: str | Path = "listing") -> dict[str, PixelFormat]:
    """Read the output of ``-pix_fmts``: pixel formats by name, in the order printed.

    Raises:
        ProbeError: it has no pixel format.
    """
    found = {}
    for line in _rows_after(_PIX_FMTS_START, text):
        if (match := _PIX_FMT_ROW.fullmatch(line)) is None:
            _note_unread("-pix_fmts", line)
            continue
        reads, writes, hardware, name, components, bits, depths = match.groups()
        found[name] = PixelFormat(
            name=name,
            components=int(components),
            bits_per_pixel=int(bits),
            # For a hardware format, which has no components, FFmpeg prints one depth of 0.
            depths=tuple(map(int, depths.split("-"))) if depths and depths != "0" else (),
            input=reads == "I",
            output=writes == "O",
            hardware=hardware == "H",
        )
    if not found:
        raise _unreadable("-pix_fmts", "no pixel format", text, origin)
    return found


def parse_encoder_help(text: str, name: str, *, origin: str | Path = "listing") -> EncoderHelp | None:
    """Read the output of ``-h encoder=NAME``.

    The exit status is 0 even for an unknown name.  For the name of a codec (``h264``) all its encoders are printed, so only
    the block of exactly this encoder is read.

    Returns:
        None if this build has no such encoder.

    Raises:
        ProbeError: the text is not the help of an encoder.
    """
    starts = list(_HELP_START.finditer(text))
    for index, start in enumerate(starts):
        if start[1] == name:
            end = starts[index + 1].start() if index + 1 < len(starts) else len(text)
            return _parse_block(name, start[2], text[start.end() : end].split("\n"))
    if starts or _HELP_REFUSAL.search(text):
        return None
    raise _unreadable(f"-h encoder={name}", "neither an encoder nor a refusal", text, origin)


def _parse_block(name: str, description: str, lines: list[str]) -> EncoderHelp:
    pixel_formats: tuple[str, ...] | None = None
    devices: tuple[str, ...] = ()
    options: dict[str, EncoderOption] = {}
    for line, choices in _with_choices(lines):
        stripped = line.strip()
        if stripped.startswith("Supported pixel formats:"):
            pixel_formats = tuple(stripped.partition(":")[2].split())
        elif stripped.startswith("Supported hardware devices:"):
            # One word for each way to pass frames, so that a device may be named twice.
            devices = tuple(dict.fromkeys(stripped.partition(":")[2].split()))
        elif match := _OPTION_ROW.fullmatch(line):
            # If two options have one name, FFmpeg sets the first (av_opt_find2).
            if match[4][0] == "E" and match[4][3] == "V" and match[1] not in options:
                options[match[1]] = _parse_option(match, choices)
        elif line.startswith("  -"):
            _note_unread(f"-h encoder={name}", line)
    return EncoderHelp(
        name=name,
        description=description,
        pixel_formats=pixel_formats,
        options=options,
        hardware_devices=devices,
    )


def _with_choices(lines: list[str]) -> list[tuple[str, list[OptionChoice]]]:
    """Return each line that is not a choice, with the choices printed below it."""
    paired: list[tuple[str, list[OptionChoice]]] = []
    for line in lines:
        if paired and (match := _CHOICE_ROW.fullmatch(line)):
            value = None if match[2] is None else int(match[2])
            paired[-1][1].append(OptionChoice(name=match[1], value=value))
        else:
            paired.append((line, []))
    return paired


def _parse_option(match: re.Match[str], choices: list[OptionChoice]) -> EncoderOption:
    name, plain, element, flags, rest = match.groups()
    kind = plain or f"{element} array"
    text, default = (rest or "").rstrip(), None
    if found := (_QUOTED_DEFAULT if kind in _QUOTED_TYPES else _DEFAULT).fullmatch(text):
        text, default = found[1].rstrip(), found[2]
        if kind not in _QUOTED_TYPES:
            default = str(_NAMED_NUMBERS.get(default, default))
    minimum = maximum = None
    # The help text may mention ranges; the real one is last.
    if kind in _RANGED_TYPES and (found := _RANGE.fullmatch(text)):
        text, minimum, maximum = found[1].rstrip(), _number(found[2]), _number(found[3])
    return EncoderOption(
        name=name,
        type=kind,
        minimum=minimum,
        maximum=maximum,
        default=default,
        choices=tuple(choices),
        deprecated=flags[10:] == "P",
        help=text,
    )


def _number(text: str) -> float | None:
    if text in _NAMED_NUMBERS:
        return float(_NAMED_NUMBERS[text])
    try:
        return float(text)
    except ValueError:
        return None


def _rows_after(start: re.Pattern[str], text: str) -> list[str]:
    match = start.search(text)
    return [row for row in text[match.end() :].split("\n") if row] if match else []


def _note_unread(what: str, line: str) -> None:
    logger.debug("a line of %s could not be read: %r", what, line)


def _unreadable(what: str, lack: str, text: str, origin: str | Path) -> ProbeError:
    seen = text.strip()[:200] or "nothing"
    return ProbeError(f"{origin}: the output of {what} has {lack}; it begins with {seen!r}", path=Path(origin))
