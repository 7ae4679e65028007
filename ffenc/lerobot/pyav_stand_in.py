"""Provide a stand-in for PyAV, so that LeRobot can be imported without it.

At import, LeRobot refers to a log level and some classes of ``av``.  The stand-in has these.  Any attempt to use PyAV raises
an error with the reason.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

from ffenc.errors import DependencyError

_REASON = (
    "PyAV is not installed, and this part of LeRobot needs it; ffenc encodes, joins and measures videos without it, and reads "
    "them with --dataset.video_backend=ffmpeg. Install it with: pip install av"
)


class _Unavailable:
    """A class of PyAV that works in annotations and isinstance, but cannot be instantiated."""

    def __new__(cls, *_: Any, **__: Any) -> NoReturn:
        raise DependencyError(_REASON)


class _StandIn(ModuleType):
    """A module whose missing attributes raise an error with the reason."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise _MissingError(f"{self.__name__}.{name}: {_REASON}")


class _MissingError(AttributeError):
    """A missing attribute of PyAV; an AttributeError, so ``hasattr`` returns False and ``from av import`` fails."""


def is_stand_in(module: object) -> bool:
    """Return whether a module is the stand-in."""
    return isinstance(module, _StandIn)


def provide_pyav() -> None:
    """Put the stand-in into ``sys.modules`` if PyAV cannot be imported, and make LeRobot consider PyAV installed."""
    try:
        module = import_module("av")
    except ImportError:
        module = _install_stand_in()
    if is_stand_in(module):
        # LeRobot looks for the metadata of the package, which the stand-in does not have.
        import_module("lerobot.utils.import_utils")._require_package_cache["av"] = True  # noqa: SLF001


def _unusable(*_: Any, **__: Any) -> NoReturn:
    raise DependencyError(_REASON)


def _no_op(*_: Any, **__: Any) -> None:
    """Ignore PyAV's log settings."""


def _class(name: str) -> type:
    return type(name, (_Unavailable,), {"__module__": "av"})


def _install_stand_in() -> ModuleType:
    video_frame = _class("VideoFrame")
    contents: dict[str, dict[str, Any]] = {
        "av": {
            "open": _unusable,
            "time_base": 1_000_000,
            "VideoFrame": video_frame,
            "VideoFormat": _class("VideoFormat"),
            "__version__": "0",
        },
        "av.logging": {
            "ERROR": 16, "WARNING": 24, "INFO": 32,
            "restore_default_callback": _no_op, "set_level": _no_op,
        },
        "av.codec": {"Codec": _class("Codec")},
        "av.option": {"Option": _class("Option")},
        "av.video": {},
        "av.video.frame": {"VideoFrame": video_frame},
        "av.video.plane": {"VideoPlane": _class("VideoPlane")},
    }  # fmt: skip
    modules = {name: _StandIn(name, _REASON) for name in contents}
    for name, module in modules.items():
        module.__spec__ = ModuleSpec(name, loader=None, is_package=True)
        module.__path__ = []
        vars(module).update(contents[name])
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
    sys.modules.update(modules)
    return modules["av"]
