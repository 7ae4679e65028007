"""Arguments as FFmpeg reads them, through ffmpeg-python's graphs.  The only module that imports it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import ffmpeg

from ffenc.errors import DependencyError

if not hasattr(ffmpeg, "get_args"):
    # Other distributions install the import name "ffmpeg" too, and the last one installed wins.
    _owners = ", ".join(sorted(set(packages_distributions().get("ffmpeg", ["an unknown package"]))))
    raise DependencyError(
        f"the module 'ffmpeg' ({ffmpeg.__file__}) is not ffmpeg-python's; it is provided by: {_owners}. "
        "Uninstall the others, then: pip install --force-reinstall ffmpeg-python"
    )

Option = tuple[str, str | None]
"""(name without dash, value) of one FFmpeg option; None for a switch that takes no value."""

VIDEO = "V:0"
"""Stream specifier of the first video stream that is not an attached picture."""

Filter = tuple[str, Mapping[str, str]]
"""(name, named arguments) of one FFmpeg filter."""


def file_url(path: Path | str) -> str:
    """A local file such that no name is taken for an option, a protocol or a pattern."""
    return f"file:{Path(path).absolute()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of a command.

    Attributes:
        url: what to read.
        options: written before it.
        stream: specifier of the video stream.
        filters: what its pictures go through before they are joined with those of the other inputs.
    """

    url: str
    options: tuple[Option, ...] = ()
    stream: str = "v:0"
    filters: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonFilter:
    """A filter that compares two videos and writes what it finds into a file.

    Attributes:
        filter: its name and options, the file among them.
        original_first: whether its first input is the original, which it then hands on; else the encoded one.
    """

    filter: Filter
    original_first: bool = False


def measuring_argv(
    binary: Path | str, encoded: Input, original: Input, meters: Sequence[ComparisonFilter]
) -> tuple[str, ...]:
    """A command that decodes two videos once, sends them through every meter, and writes no video.

    Args:
        binary: the executable.
        encoded: what was encoded.
        original: what it was made from.
        meters: one after the other; those that hand the original on come last.
    """
    pictures, source = (
        _chain(ffmpeg.input(_utf8(part.url), **_keywords(part.options))[part.stream], part.filters)
        for part in (encoded, original)
    )
    copies = source.filter_multi_output("split", len(meters))
    for number, meter in enumerate(meters):
        name, arguments = meter.filter
        pair = [copies[number], pictures] if meter.original_first else [pictures, copies[number]]
        pictures = ffmpeg.filter(pair, name, **{key: _utf8(value) for key, value in arguments.items()})
    target = ffmpeg.output(pictures, "pipe:1", format="null")
    return (
        str(binary),
        *_leading("pipe:1", (), loglevel="warning", skip_errors=False),
        *map(_names, ffmpeg.get_args(target)),
    )


def ffmpeg_argv(
    binary: Path | str,
    *,
    inputs: Sequence[Input],
    video: Iterable[Filter] = (),
    output: str,
    output_options: Iterable[Option],
    audio: Input | None = None,
    global_options: Sequence[Option] = (),
    loglevel: str = "warning",
    skip_errors: bool = False,
    keep_timestamps: bool = False,
) -> tuple[str, ...]:
    """A whole ffmpeg command.

    Args:
        binary: the executable.
        inputs: their video streams are joined one after the other.
        video: filters over the joined pictures; none at all means that the stream is taken as it is.
        output: url.
        output_options: encoder, muxer and the like.
        audio: a further input, all of whose streams of its kind follow the video.
        global_options: e.g. hardware devices.
        loglevel: what it says on standard error.
        skip_errors: leave out what cannot be read and go on, rather than end there: for live inputs, and to find out what
            is damaged.
        keep_timestamps: filters see the timestamps of the container instead of times from the start of the input.

    Returns:
        The argument vector; ``-progress pipe:1`` is part of it, so standard output carries progress unless the
        output itself goes there.
    """
    nodes = [ffmpeg.input(_utf8(part.url), **_keywords(part.options)) for part in inputs]
    pictures = [_chain(node[part.stream], part.filters) for node, part in zip(nodes, inputs, strict=True)]
    joined = pictures[0] if len(pictures) == 1 else ffmpeg.concat(*pictures, v=1, a=0)
    streams = [_chain(joined, video)]
    leading = _leading(output, global_options, loglevel=loglevel, skip_errors=skip_errors)
    if keep_timestamps:
        leading.append("-copyts")
    if audio is not None:
        streams.append(ffmpeg.input(_utf8(audio.url), **_keywords(audio.options))[audio.stream])
    target = ffmpeg.output(*streams, _utf8(output), **_keywords(output_options))
    return (str(binary), *leading, *map(_names, ffmpeg.get_args(target)))


def restart_clock(fps: Fraction) -> Filter:
    """A filter after which picture k stands at k/fps, whatever timestamps came in.

    The output has to state the same rate with ``-r``, which makes it exact.  (A ``fps`` filter would do so too, but in
    FFmpeg 4.2 it drops the last pictures, because ``setpts`` does not move the end of the stream.)
    """
    return "setpts", {"expr": f"N*{fps.denominator}/({fps.numerator}*TB)"}


def _chain(node: Any, filters: Iterable[Filter]) -> Any:
    for name, arguments in filters:
        node = node.filter(name, **{key: _utf8(value) for key, value in arguments.items()})
    return node


def _leading(output: str, global_options: Sequence[Option], *, loglevel: str, skip_errors: bool) -> list[str]:
    # -y: the output is a temporary file that ffenc has created itself.  -xerror: without it ffmpeg skips what it cannot
    # read and still ends with status 0.
    leading = [
        "-hide_banner",
        "-nostdin",
        "-loglevel",
        loglevel,
        "-nostats",
        *([] if skip_errors else ["-xerror"]),
        "-y",
    ]
    if not output.startswith("pipe:"):
        leading += ["-progress", "pipe:1"]
    for name, value in global_options:
        leading += [f"-{name}"] if value is None else [f"-{name}", value]
    return leading


def _keywords(options: Iterable[Option]) -> dict[str, str | None]:
    # ffmpeg-python spells -f "format", takes video_size for a pair, and writes the rest as it comes, sorted by name.
    return {_KEYWORDS.get(name, name): None if value is None else _utf8(value) for name, value in options}


def _utf8(text: str) -> str:
    """Return a text that has UTF-8, which ffmpeg-python needs, also of a name that is not UTF-8: each byte is one character."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _names(argument: str) -> str:
    """Undo `_utf8`."""
    return argument.encode("latin-1").decode("utf-8", "surrogateescape")


_KEYWORDS = {"f": "format", "video_size": "s"}
