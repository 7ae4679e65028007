"""What was measured on: the processor, the system, the versions of all that takes part."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.listing import parse_version
from ffenc.ffmpeg.process.ffmpeg_process import run_tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One FFmpeg, so that rows of another one are not taken for its own.

    Attributes:
        version: as it prints it.
        digest: of all that ``-version`` prints: the version, how it was configured, and every library.
    """

    version: str
    digest: str


def ffmpeg_build(binaries: Binaries) -> Build:
    """Ask an FFmpeg who it is."""
    said = run_tool([binaries.ffmpeg, "-version"]).stdout
    text = said.decode(errors="replace")
    version_text = parse_version(text, origin=binaries.ffmpeg).text
    return Build(version=version_text, digest=hashlib.sha256(said).hexdigest()[:12])


def describe_machine(packages: Iterable[str] = ("ffenc", "numpy")) -> dict[str, str]:
    """Processor, memory, system, and the versions of some Python packages.

    Args:
        packages: names of distributions; one that is missing is said to be so.
    """
    found = {
        "processor": f"{os.cpu_count()} x {_processor()}",
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    return found | {package: installed_version(package) or "not installed" for package in packages}


def installed_version(package: str) -> str | None:
    """The version of a Python package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def memory_directory(size_bytes: int, fallback: Path) -> Path:
    """A directory whose files are kept in memory, if it has room; else ``fallback``, and the page cache has to do."""
    shared = Path("/dev/shm")  # noqa: S108  # nothing is shared through it; the file names are our own directory's
    if not shared.is_dir():
        return fallback
    status = os.statvfs(shared)
    return shared if status.f_bavail * status.f_frsize > 2 * size_bytes else fallback


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model")))
    return next(names, platform.processor() or platform.machine())


def _memory() -> str:
    try:
        size_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return "not known"
    return f"{size_bytes / 2**30:.1f} GiB"
