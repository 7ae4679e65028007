"""Describe the machine and the versions of the software that a benchmark uses."""

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
from ffenc.version import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Identifies an FFmpeg build.

    Attributes:
        version: version text.
        digest: hash of the output of ``-version``: version, configuration and libraries.
    """

    version: str
    digest: str


def ffmpeg_build(binaries: Binaries) -> Build:
    """Identify the build of an ffmpeg executable."""
    output = run_tool([binaries.ffmpeg, "-version"]).stdout
    text = output.decode(errors="replace")
    version_text = parse_version(text, origin=binaries.ffmpeg).text
    return Build(version=version_text, digest=hashlib.sha256(output).hexdigest()[:12])


def describe_machine(packages: Iterable[str] = ("numpy",)) -> dict[str, str]:
    """Return processor, memory, system, and the versions of Python, ffenc and other packages.

    Args:
        packages: names of distributions; a missing one is reported as "not installed".
    """
    found = {
        "processor": f"{os.cpu_count()} x {_processor()}",
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "ffenc": __version__,
    }
    return found | {package: installed_version(package) or "not installed" for package in packages}


def installed_version(package: str) -> str | None:
    """Return the version of a Python package; None if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def memory_directory(size_bytes: int, fallback: Path) -> Path:
    """Return a directory in memory if it has room, else ``fallback``."""
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
        return "unknown"
    return f"{size_bytes / 2**30:.1f} GiB"
