"""Replace the video functions of the installed LeRobot, either all or none, and restore them."""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import sys
import threading
from collections.abc import Callable, Iterable
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

NOT_INSTALLED = (
    "LeRobot is not installed in this Python environment; install it with: "
    f"pip install 'lerobot[dataset]=={VERSIONS[-1]}'"
)
"""Error message that names the supported version."""

_lock = threading.RLock()
_bound: list[_Bound] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Whether LeRobot uses ffenc in this process, with all versions.

    Attributes:
        installed: True if LeRobot's functions are replaced.
        lerobot: version of LeRobot; None if it is not installed.
        ffenc: version of ffenc.
        ffmpeg: version of the FFmpeg that `install` found; None if ffenc is not installed into LeRobot.
        bound: full names of the replaced functions and classes.
        has_pyav: True if LeRobot's own readers can use PyAV.
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
    """A replaced attribute with its original value."""

    binding: Binding
    original: Any
    replacement: Any


def install(*, save_in_background: bool = False) -> Status:
    """Replace LeRobot's video functions with ffenc's in every module that imported them.

    A second call only changes ``save_in_background``.

    Args:
        save_in_background: let ``save_episode`` of a streaming recorder return at once, and save the episode while the next
            one is recorded.  The next ``save_episode`` or ``finalize`` raises its error.

    Raises:
        LeRobotError: LeRobot is not installed, its version is not supported, or one of its functions is not as expected.
            Nothing was replaced.
        BinaryNotFoundError: no ffmpeg was found.
    """
    with _lock:
        Saver.enabled = save_in_background
        if not _bound:
            version = _checked_version()
            find_binaries()
            provide_pyav()
            prepared = [_prepare(binding, version) for binding in BINDINGS if version in binding.versions]
            copies = _copies([each.original for each in prepared])
            try:
                for each in prepared:
                    _bound.append(each)
                    _set(each.binding, each.replacement, copies.pop(id(each.original), ()))
            except BaseException:
                uninstall()
                raise
        return status()


def uninstall() -> None:
    """Restore LeRobot's own functions; does nothing if they were not replaced."""
    with _lock:
        Saver.enabled = False
        copies = _copies([each.replacement for each in _bound])
        while _bound:
            each = _bound.pop()
            _set(each.binding, each.original, copies.pop(id(each.replacement), ()))


def status() -> Status:
    """Return the current state and all versions."""
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
    """Return the version of LeRobot, or None if it is not installed."""
    try:
        return importlib.metadata.version("lerobot")
    except importlib.metadata.PackageNotFoundError:
        return None


def original(name: str) -> Any:
    """Return LeRobot's own function or class of a full name that is replaced.

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
        raise LeRobotError(NOT_INSTALLED)
    if version not in VERSIONS:
        raise LeRobotError(
            f"ffenc does not support LeRobot {version}; supported: {', '.join(VERSIONS)}. Install a supported version, or "
            "run LeRobot's own command"
        )
    return version


def _prepare(binding: Binding, version: str) -> _Bound:
    """Find an attribute in LeRobot and check its signature; nothing is replaced yet."""
    try:
        owner, name = _owner(binding)
        found = inspect.getattr_static(owner, name)
    except (ImportError, AttributeError) as err:
        raise LeRobotError(
            f"LeRobot {version} has no {binding.name} ({err}), so ffenc cannot replace it; use LeRobot's own command"
        ) from err
    function: Any = found
    if isinstance(found, classmethod):
        function = found.__func__
    elif isinstance(found, property):
        function = found.fget
    seen = signature_text(function)
    if seen != binding.signature:
        raise LeRobotError(
            f"{binding.name} of LeRobot {version} takes ({seen}) and not ({binding.signature}), so ffenc cannot replace it; "
            "use LeRobot's own command"
        )
    replacement = binding.load()
    if binding.wraps:
        replacement = _wrapped(function, replacement)
    if isinstance(found, classmethod | property):
        replacement = type(found)(replacement)
    return _Bound(binding, found, replacement)


def _wrapped(own: Callable[..., Any], wrapper: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(own)
    def replaced(*arguments: Any, **options: Any) -> Any:
        return wrapper(own, *arguments, **options)

    return replaced


def _owner(binding: Binding) -> tuple[Any, str]:
    owner: Any = import_module(binding.module)
    *classes, name = binding.attribute.split(".")
    for part in classes:
        owner = getattr(owner, part)
    return owner, name


def _set(binding: Binding, value: object, copies: Iterable[tuple[ModuleType, str]]) -> None:
    owner, name = _owner(binding)
    setattr(owner, name, value)
    if isinstance(owner, ModuleType):
        for module, copied in copies:
            setattr(module, copied, value)


def _copies(values: Iterable[object]) -> dict[int, list[tuple[ModuleType, str]]]:
    """Return, by the ``id`` of each value, every module-level name in the process that refers to it, as (module, name)."""
    found: dict[int, list[tuple[ModuleType, str]]] = {id(value): [] for value in values}
    for module in list(sys.modules.values()):
        if not isinstance(module, ModuleType) or module.__name__.startswith("ffenc."):
            continue
        for name, held in list(vars(module).items()):
            if id(held) in found:
                found[id(held)].append((module, name))
    return found
