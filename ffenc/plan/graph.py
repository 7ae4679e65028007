"""Build ffmpeg's arguments with ffmpeg-python's graphs.  The only module that imports it."""

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
    # Other distributions install the import name "ffmpeg" too; the last one installed wins.
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
    """Return the URL of a local file; no name is then read as an option, a protocol or a pattern."""
    return f"file:{Path(path).absolute()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of a command.

    Attributes:
        url: what to read.
        options: options before ``-i``.
        stream: specifier of the video stream.
        filters: filters for its frames before they are joined with those of the other inputs.
    """

    url: str
    options: tuple[Option, ...] = ()
    stream: str = "v:0"
    filters: tuple[Filter, ...] = ()


STRICT: tuple[Option, ...] = (("err_detect", "explode"), ("flags", "-output_corrupt"))
"""Options that make damage an error.  Without the second, H.264 outputs frames before it has recovered from a seek."""


def file_input(
    path: Path, demuxer: str, *options: Option, stream: str = VIDEO, filters: tuple[Filter, ...] = ()
) -> Input:
    """Return an input that is one local file; with a named demuxer, no file is read as a playlist."""
    whitelist: Option = ("protocol_whitelist", "file")
    return Input(url=file_url(path), options=(whitelist, ("f", demuxer), *options), stream=stream, filters=filters)


def seek_options(time_s: Fraction | None) -> tuple[Option, ...]:
    """Return the options that start reading at a timestamp of the container; None reads from the start."""
    if time_s is None:
        return ()
    # An accurate seek would add the container's start time a second time.
    return ("seek_timestamp", "1"), ("noaccurate_seek", None), ("ss", f"{float(time_s):.6f}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonFilter:
    """A filter that compares two videos and writes its result to a file.

    Attributes:
        filter: its name and options, the file among them.
        original_first: its first input, which it also outputs, is the original; otherwise the encoded video.
    """

    filter: Filter
    original_first: bool = False


def measuring_argv(
    binary: Path | str, encoded: Input, original: Input, comparisons: Sequence[ComparisonFilter]
) -> tuple[str, ...]:
    """Return a command that decodes two videos once, compares them with every filter, and writes no video.

    Args:
        encoded: the encoded video.
        original: the frames it was encoded from.
        comparisons: filters in order; those with ``original_first`` come last.
    """
    frames, source = (
        _chain(ffmpeg.input(_utf8(part.url), **_keywords(part.options))[part.stream], part.filters)
        for part in (encoded, original)
    )
    copies = source.filter_multi_output("split", len(comparisons))
    for number, comparison in enumerate(comparisons):
        name, arguments = comparison.filter
        pair = [copies[number], frames] if comparison.original_first else [frames, copies[number]]
        frames = ffmpeg.filter(pair, name, **{key: _utf8(value) for key, value in arguments.items()})
    target = ffmpeg.output(frames, "pipe:1", format="null")
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
    separate: bool = False,
) -> tuple[str, ...]:
    """Return a complete ffmpeg command.

    Args:
        inputs: their video streams are concatenated.
        video: filters over the joined frames; without any, the stream is taken as it is.
        output_options: options of the encoder and the muxer.
        audio: a further input; all its streams that match its specifier follow the video.
        global_options: e.g. hardware devices.
        skip_errors: skip what cannot be read instead of ending there: for live inputs, and to find damage.
        separate: each video stream becomes a stream of the output instead; ``video`` has to be empty.
        keep_timestamps: filters see the timestamps of the container instead of times from the start of the input.

    Returns:
        The argument vector.  Standard output carries ``-progress`` reports unless the output itself goes there.
    """
    nodes = [ffmpeg.input(_utf8(part.url), **_keywords(part.options)) for part in inputs]
    videos = [_chain(node[part.stream], part.filters) for node, part in zip(nodes, inputs, strict=True)]
    if not separate:
        videos = [_chain(videos[0] if len(videos) == 1 else ffmpeg.concat(*videos, v=1, a=0), video)]
    leading = _leading(output, global_options, loglevel=loglevel, skip_errors=skip_errors)
    if keep_timestamps:
        leading.append("-copyts")
    if audio is not None:
        videos.append(ffmpeg.input(_utf8(audio.url), **_keywords(audio.options))[audio.stream])
    target = ffmpeg.output(*videos, _utf8(output), **_keywords(output_options))
    return (str(binary), *leading, *map(_names, ffmpeg.get_args(target)))


def restart_clock(fps: Fraction) -> Filter:
    """Return a filter that gives frame k the timestamp k/fps instead of its own.

    The output must have the same rate in ``-r``, which makes it exact.  A ``fps`` filter would do so too, but drops the last
    frames in FFmpeg 4.2, because ``setpts`` does not move the end of the stream.
    """
    return "setpts", {"expr": f"N*{fps.denominator}/({fps.numerator}*TB)"}


def _chain(node: Any, filters: Iterable[Filter]) -> Any:
    for name, arguments in filters:
        node = node.filter(name, **{key: _utf8(value) for key, value in arguments.items()})
    return node


def _leading(output: str, global_options: Sequence[Option], *, loglevel: str, skip_errors: bool) -> list[str]:
    # -y: the output is a temporary file that ffenc created.  Without -xerror ffmpeg skips what it cannot read and exits
    # with status 0.
    xerror = [] if skip_errors else ["-xerror"]
    leading = ["-hide_banner", "-nostdin", "-loglevel", loglevel, "-nostats", *xerror, "-y"]
    if not output.startswith("pipe:"):
        leading += ["-progress", "pipe:1"]
    for name, value in global_options:
        leading += [f"-{name}"] if value is None else [f"-{name}", value]
    return leading


def _keywords(options: Iterable[Option]) -> dict[str, str | None]:
    # ffmpeg-python names -f "format", expects a pair for video_size, and passes on the other names, sorted.
    return {_KEYWORDS.get(name, name): None if value is None else _utf8(value) for name, value in options}


def _utf8(text: str) -> str:
    """Return a text with one character per byte: ffmpeg-python needs valid UTF-8, and file names may not be."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _names(argument: str) -> str:
    """Undo `_utf8`."""
    return argument.encode("latin-1").decode("utf-8", "surrogateescape")


_KEYWORDS = {"f": "format", "video_size": "s"}
