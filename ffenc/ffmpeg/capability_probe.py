"""Ask an FFmpeg for its listings, in parallel, and cache the answers on disk.

One process answers one question, because FFmpeg ignores every information option but the first.  It takes 2 ms for a static
build and 60 to 300 ms for Debian's, which links about 200 libraries (measured).  So the text that FFmpeg printed is cached,
one file per executable; a better parser needs no new cache.

An answer is valid while real path, size and modification time of the executable stay the same.  So must the time of
``/etc/ld.so.cache``, which changes whenever a shared library is installed: an encoder library can be replaced without
ffmpeg.  `ffenc.ffmpeg.machine_cache` names the folder; answers that are lost there are asked again later.
"""

from __future__ import annotations

import logging
import os
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from ffenc.errors import ProbeError, ProcessDiedError, ProcessError
from ffenc.ffmpeg.binaries import find_ffmpeg
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.listing import (
    parse_encoder_help,
    parse_encoders,
    parse_pix_fmts,
    parse_version,
)
from ffenc.ffmpeg.machine_cache import load_document, save_document
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.threads import ThreadPool

logger = logging.getLogger(__name__)

Question = tuple[str, ...]
"""The arguments that make FFmpeg answer."""

_FORMAT = 1
_VERSION: Question = ("-version",)
_ENCODERS: Question = ("-encoders",)
_PIX_FMTS: Question = ("-pix_fmts",)
_PROCESSES = 8
_STDERR_SHOWN = 2000
_LINKER_CACHE = Path("/etc/ld.so.cache")
_DOTTED = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})(?:\.([0-9]{1,6}))?")

# Values by executable and question set; a race of threads only computes one twice.
_memo: dict[tuple[object, ...], Capabilities] = {}


def probe_capabilities(
    ffmpeg: str | Path | None = None,
    *,
    encoders: Sequence[str] = (),
    library_versions: Mapping[str, str] | None = None,
    use_cache: bool = True,
    timeout_s: float = 20.0,
) -> Capabilities:
    r"""Ask an FFmpeg for its version, video encoders, pixel formats, and the options of some encoders.

    Args:
        ffmpeg: the executable; None to search, see `ffenc.ffmpeg.binaries`.
        encoders: encoders whose options are needed, by their own names (``libx264``, not ``h264``).
        library_versions: for each encoder whose library's version is needed, a regular expression whose group finds it in
            the encoder's log, such as ``r"SVT-AV1 Encoder Lib v(\S+)"``.  Listings lack it, so one small frame is encoded.
        use_cache: read and write cached answers.
        timeout_s: most seconds for each answer.

    Raises:
        BinaryNotFoundError: ffmpeg was not found.
        ProcessError: it cannot be started, dies, or does not end in time.
        ProbeError: its output is not FFmpeg's.
    """
    path, _ = find_ffmpeg(ffmpeg)
    names, patterns = tuple(dict.fromkeys(encoders)), dict(library_versions or {})
    ask = partial(_ask_all, path, timeout_s=timeout_s)
    read = partial(_read, path, names=names, patterns=patterns)
    questions = [_VERSION, _ENCODERS, _PIX_FMTS, *map(_help_question, names), *map(_library_question, patterns)]
    if not use_cache:
        return read(ask(questions))

    identity = _identity(path)
    key = (path, *identity, names, *sorted(patterns.items()))
    if key in _memo:
        return _memo[key]
    name = _cache_name(path)
    texts = remembered = _load(name, identity)
    missing = [question for question in questions if _key(question) not in remembered]
    if missing:
        texts = remembered | ask(missing)
    try:
        capabilities = read(texts)
    except ProbeError:
        if not remembered:
            raise
        logger.debug("%s has unreadable answers; asking again", name)
        missing, texts = questions, ask(questions)
        capabilities = read(texts)
    if missing:
        save_document(name, identity, {"texts": texts})
    _memo[key] = capabilities
    return capabilities


def _help_question(encoder: str) -> Question:
    return "-h", f"encoder={encoder}"


def _library_question(encoder: str) -> Question:
    # Not lavfi's test sources, which a build may lack.  One frame, because SVT-AV1 1.4.1 in FFmpeg 5.1.9 never ends if its
    # input is empty (measured), and ignores SIGTERM then.
    source = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "64x64", "-framerate", "25", "-i", "/dev/zero")
    sink = ("-frames:v", "1", "-c:v", encoder, "-strict", "experimental", "-f", "null", "-")
    return source + sink


def _key(question: Question) -> str:
    return " ".join(question)


def _ask_all(ffmpeg: Path, questions: Iterable[Question], *, timeout_s: float) -> dict[str, str]:
    """Return the answers by `_key`, without those of failed encodes."""
    questions = list(questions)
    with ThreadPool(_PROCESSES, thread_name_prefix="ffenc-probe") as pool:
        answers = pool.map(partial(_ask, ffmpeg, timeout_s=timeout_s), questions)
        return {_key(q): text for q, text in zip(questions, answers, strict=True) if text is not None}


def _ask(ffmpeg: Path, question: Question, *, timeout_s: float) -> str | None:
    argv = (str(ffmpeg), "-hide_banner", "-nostdin", *question)
    if "-c:v" in question:
        try:
            return run_tool(argv, timeout_s=timeout_s).stderr
        except ProcessError as err:
            logger.debug("the version of an encoder's library is unknown: %s", err)
            return None
    # The exit status is 0 even for an unknown encoder.  But an incomplete listing must not be used.
    output = run_tool(argv, timeout_s=timeout_s, check=False)
    text = output.stdout.decode(errors="replace")
    if output.returncode < 0 or (output.returncode != 0 and not text.strip()):
        raise ProcessDiedError(
            f"{ffmpeg} failed with the option {_key(question)}",
            argv=argv,
            returncode=output.returncode,
            stderr_tail=output.stderr[-_STDERR_SHOWN:],
        )
    return text


def _read(ffmpeg: Path, texts: Mapping[str, str], *, names: Sequence[str], patterns: Mapping[str, str]) -> Capabilities:
    encoders = parse_encoders(texts[_key(_ENCODERS)], origin=ffmpeg)
    helps = {}
    for name in names:
        encoder_help = parse_encoder_help(texts[_key(_help_question(name))], name, origin=ffmpeg)
        if encoder_help is not None:
            helps[name] = encoder_help
    library_versions = {}
    for name, pattern in patterns.items():
        if version := _library_version(texts.get(_key(_library_question(name)), ""), pattern):
            library_versions[name] = version
        else:
            logger.debug("%s: the version of the library behind %s is unknown", ffmpeg, name)
    return Capabilities(
        ffmpeg=ffmpeg,
        version=parse_version(texts[_key(_VERSION)], origin=ffmpeg),
        encoders={name: row for name, row in encoders.items() if row.media_type == "video"},
        pixel_formats=parse_pix_fmts(texts[_key(_PIX_FMTS)], origin=ffmpeg),
        helps=helps,
        library_versions=library_versions,
    )


def _library_version(text: str, pattern: str) -> tuple[int, ...] | None:
    found = re.search(pattern, text)
    dotted = _DOTTED.search(found[1]) if found else None
    return tuple(int(part) for part in dotted.groups() if part) if dotted else None


def _identity(ffmpeg: Path) -> list[str | int]:
    """Return the values that must be unchanged for a cached answer to be valid."""
    try:
        real = ffmpeg.resolve()
        status = real.stat()
    except OSError as err:
        raise ProbeError(f"{ffmpeg} disappeared: {err}", path=ffmpeg) from err
    try:
        libraries_ns = _LINKER_CACHE.stat().st_mtime_ns
    except OSError:
        libraries_ns = 0  # not a system with the GNU linker
    # JSON cannot hold a file name that is not UTF-8; as Latin-1 every name has a distinct text.
    return [_FORMAT, os.fsencode(real).decode("latin-1"), status.st_size, status.st_mtime_ns, libraries_ns]


def _cache_name(ffmpeg: Path) -> str:
    # Two paths with one checksum only overwrite each other's file: the identity contains the path.
    return f"capabilities-{zlib.crc32(os.fsencode(ffmpeg.resolve())):08x}.json"


def _load(name: str, identity: list[str | int]) -> dict[str, str]:
    """Return the cached answers for this executable; empty without a valid file."""
    texts = load_document(name, identity).get("texts")
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        return {}
    return texts
