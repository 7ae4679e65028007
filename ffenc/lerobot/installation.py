"""Put ffenc into the LeRobot that is installed, all of it or nothing, and take it out again."""

from __future__ import annotations

import importlib.metadata
import inspect
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from ffenc.errors import LeRobotError
from ffenc.ffmpeg.binaries import find_binaries
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.lerobot.bindings import BINDINGS, VERSIONS, Binding, signature_text
from ffenc.lerobot.dataset_writer import Saver
from ffenc.lerobot.pyav_stand_in import is_stand_in, provide_pyav
from ffenc.version import __version__

_lock = threading.RLock()
_bound: list[_Bound] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What encodes for LeRobot in this process.

    Attributes:
        installed: whether LeRobot's functions are replaced.
        lerobot: version of LeRobot; None if it is not installed.
        ffenc: version of ffenc.
        ffmpeg: version of the FFmpeg that `install` found; None before.
        bound: full names of what is replaced.
        has_pyav: whether PyAV is there, for LeRobot's own readers.
    """

    installed: bool
    lerobot: str | None
    ffenc: str
    ffmpeg: str | None
    bound: tuple[str, ...]
    has_pyav: bool

    def __str__(self) -> str:
        if not self.installed:
            return f"LeRobot {self.lerobot or '(not installed)'} does not run on ffenc {self.ffenc}"
        reading = "" if self.has_pyav else ", without PyAV"
        return f"LeRobot {self.lerobot} encodes through ffenc {self.ffenc} and FFmpeg {self.ffmpeg}{reading}"


@dataclass(frozen=True, slots=True)
class _Bound:
    """A name that is replaced, and what it was."""

    binding: Binding
    original: Any
    replacement: Any


def install(*, save_in_background: bool = False) -> Status:
    """Replace LeRobot's video functions by ffenc's, in every module that has them; a second call replaces nothing more.

    Args:
        save_in_background: let ``save_episode`` of a streaming recorder return at once.  Its episode is saved while the next
            one is recorded; an error comes out of the next ``save_episode``, or of ``finalize``.

    Raises:
        LeRobotError: LeRobot is not installed, or is not a version whose functions are known; nothing was replaced then.
        BinaryNotFoundError: there is no ffmpeg.
    """
    with _lock:
        Saver.enabled = save_in_background
        if not _bound:
            version = _checked_version()
            find_binaries()
            provide_pyav()
            prepared = [_prepare(binding, version) for binding in BINDINGS if version in binding.versions]
            try:
                for each in prepared:
                    _bound.append(each)
                    _set(each.binding, each.original, each.replacement)
            except BaseException:
                uninstall()
                raise
        return status()


def uninstall() -> None:
    """Give LeRobot its own functions back; does nothing if they were not replaced."""
    with _lock:
        Saver.enabled = False
        while _bound:
            each = _bound.pop()
            _set(each.binding, each.replacement, each.original)


def status() -> Status:
    """Return what is replaced at the moment."""
    ffmpeg = None
    if _bound:
        ffmpeg = probe_capabilities(find_binaries().ffmpeg).version.text
    return Status(
        installed=bool(_bound),
        lerobot=installed_version(),
        ffenc=__version__,
        ffmpeg=ffmpeg,
        bound=tuple(each.binding.name for each in _bound),
        has_pyav=not is_stand_in(sys.modules.get("av")),
    )


def installed_version() -> str | None:
    """Return the version of LeRobot, None if it is not installed."""
    try:
        return importlib.metadata.version("lerobot")
    except importlib.metadata.PackageNotFoundError:
        return None


def original(name: str) -> Any:
    """Return what LeRobot had under a full name that is replaced.

    Raises:
        LookupError: the name is not replaced.
    """
    for each in _bound:
        if each.binding.name == name:
            return each.original
    raise LookupError(name)


def _checked_version() -> str:
    version = installed_version()
    if version is None:
        raise LeRobotError(
            "LeRobot is not installed in this Python environment; install it with: pip install 'lerobot[dataset]'"
        )
    if version not in VERSIONS:
        raise LeRobotError(
            f"LeRobot {version} is not known to ffenc, which runs {', '.join(VERSIONS)}; install one of these, or run "
            "LeRobot's own command"
        )
    return version


def _prepare(binding: Binding, version: str) -> _Bound:
    """Find a name in LeRobot and check that it is what the table says; nothing is replaced yet."""
    try:
        owner, name = _owner(binding)
        found = inspect.getattr_static(owner, name)
    except (ImportError, AttributeError) as err:
        raise LeRobotError(
            f"LeRobot {version} has no {binding.name} ({err}), so ffenc does not bind itself to it"
        ) from err
    function: Any = found
    if isinstance(found, classmethod):
        function = found.__func__
    elif isinstance(found, property):
        function = found.fget
    seen = signature_text(function)
    if seen != binding.signature:
        raise LeRobotError(
            f"{binding.name} of LeRobot {version} takes ({seen}) and not ({binding.signature}), so ffenc does not bind itself "
            "to it"
        )
    replacement = binding.load()
    if binding.wraps:
        replacement = replacement(function)
    if isinstance(found, classmethod | property):
        replacement = type(found)(replacement)
    return _Bound(binding, found, replacement)


def _owner(binding: Binding) -> tuple[Any, str]:
    owner: Any = import_module(binding.module)
    *classes, name = binding.attribute.split(".")
    for part in classes:
        owner = getattr(owner, part)
    return owner, name


def _set(binding: Binding, before: object, after: object) -> None:
    owner, name = _owner(binding)
    setattr(owner, name, after)
    if isinstance(owner, ModuleType):
        for module, copied in _copies(before):
            setattr(module, copied, after)


def _copies(value: object) -> Iterator[tuple[ModuleType, str]]:
    """Every module that has the object, by ``from ... import``, and under which name."""
    for module in list(sys.modules.values()):
        if not isinstance(module, ModuleType) or module.__name__.startswith("ffenc."):
            continue
        for name, held in list(vars(module).items()):
            if held is value:
                yield module, name
