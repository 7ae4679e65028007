"""Test installation into LeRobot: it replaces all functions or none, and uninstall restores them."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ffenc.errors import DependencyError, LeRobotError
from ffenc.lerobot import bindings, installation, pyav_stand_in
from ffenc.lerobot.bindings import BINDINGS, Binding, signature_text

OWN = {
    "lerobot.tools": """
def measure(path, *, exact=False): return "LeRobot"
class Writer:
    def add(self, row): return ["LeRobot", row]
    @classmethod
    def of(cls, info): return (cls.__name__, info)
""",
    "lerobot.copies": "from lerobot.tools import measure, measure as again, Writer",
    "lerobot.utils": "",
    "lerobot.utils.import_utils": "_require_package_cache = {}",
}

REPLACEMENTS = """
def measure(path, *, exact=False): return "ffenc"
def add(own, self, row): return [*own(self, row), "ffenc"]
def of(own, cls, info): return (*own(cls, info), "ffenc")
"""

TABLE = (
    Binding(module="lerobot.tools", attribute="measure", signature="path, *, exact=", replacement="fakes:measure"),
    Binding(module="lerobot.tools", attribute="Writer.add", signature="self, row", replacement="fakes:add", wraps=True),
    Binding(module="lerobot.tools", attribute="Writer.of", signature="cls, info", replacement="fakes:of", wraps=True),
)


@pytest.fixture
def lerobot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """Provide a fake LeRobot 0.6.1 with a few modules, and a table of bindings for it."""
    for name, source in {"lerobot": "", **OWN, "ffenc.lerobot.fakes": REPLACEMENTS}.items():
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(source, vars(module))
    versions = {"lerobot": "0.6.1"}
    monkeypatch.setattr(importlib.metadata, "version", lambda name: versions[name])
    monkeypatch.setattr(installation, "BINDINGS", TABLE)
    monkeypatch.setattr(installation, "find_binaries", lambda: None)
    monkeypatch.setattr(installation, "status", lambda: None)
    monkeypatch.setattr(installation, "provide_pyav", lambda: None)
    yield sys.modules["lerobot.tools"]
    installation.uninstall()


def test_all_imported_names_are_replaced_and_restored(lerobot: ModuleType) -> None:
    copies: Any = sys.modules["lerobot.copies"]
    installation.install()
    assert lerobot.measure("x") == copies.measure("x") == copies.again("x") == "ffenc"
    assert copies.Writer().add(1) == ["LeRobot", 1, "ffenc"]
    assert copies.Writer.of(2) == ("Writer", 2, "ffenc")
    assert installation.original("lerobot.tools.measure")("x") == "LeRobot"
    installation.install()
    assert copies.Writer().add(1) == ["LeRobot", 1, "ffenc"]  # not wrapped twice
    installation.uninstall()
    installation.uninstall()
    assert lerobot.measure("x") == copies.measure("x") == copies.again("x") == "LeRobot"
    assert copies.Writer().add(1) == ["LeRobot", 1]
    assert copies.Writer.of(2) == ("Writer", 2)
    with pytest.raises(LookupError):
        installation.original("lerobot.tools.measure")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signature": "path"}, r"takes \(path, \*, exact=\) and not \(path\)"),
        ({"attribute": "weigh"}, "has no lerobot.tools.weigh"),
        ({"module": "lerobot.moved"}, "has no lerobot.moved.measure"),
    ],
)
def test_nothing_is_replaced_if_one_function_is_not_as_expected(
    lerobot: ModuleType, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], message: str
) -> None:
    monkeypatch.setattr(installation, "BINDINGS", (TABLE[1], replace(TABLE[0], **change)))  # type: ignore[arg-type]
    with pytest.raises(LeRobotError, match=message):
        installation.install()
    assert lerobot.Writer().add(1) == ["LeRobot", 1]


def test_unsupported_version_is_refused(lerobot: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.7.0")
    with pytest.raises(LeRobotError, match=r"ffenc does not support LeRobot 0\.7\.0; supported: 0\.6"):
        installation.install()
    assert lerobot.measure("x") == "LeRobot"


def test_missing_lerobot_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(LeRobotError, match=r"LeRobot is not installed .* 'lerobot\[dataset\]==0\.6\.1'"):
        installation.install()
    assert str(installation.status()).startswith("LeRobot (not installed) does not run on ffenc")


def test_replacements_have_the_expected_signatures() -> None:
    for binding in BINDINGS:
        if not binding.wraps:
            assert signature_text(binding.load()) == binding.signature, binding.name
        assert set(binding.versions) <= set(bindings.VERSIONS)
    assert len({binding.name for binding in BINDINGS}) == len(BINDINGS)


def test_pyav_stand_in(lerobot: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "av" or name.startswith("av.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "av", None)  # as if it were not installed
    before = set(sys.modules)
    try:
        pyav_stand_in.provide_pyav()
        import av  # type: ignore[import-not-found]

        assert pyav_stand_in.is_stand_in(av)
        assert av.logging.WARNING == 24
        assert av.video.plane.VideoPlane | None  # an annotation
        assert not isinstance(3, av.VideoFrame)
        assert not hasattr(av.VideoFrame, "pict_type")
        assert importlib.util.find_spec("av") is not None
        assert sys.modules["lerobot.utils.import_utils"]._require_package_cache == {"av": True}
        for use in (lambda: av.open("x.mp4"), lambda: av.codec.Codec("h264", "w"), lambda: av.VideoFrame(1, 2)):
            with pytest.raises(DependencyError, match="PyAV is not installed"):
                use()
        with pytest.raises(AttributeError, match="PyAV is not installed"):
            _ = av.filter
        with pytest.raises(ImportError):
            from av import audio  # noqa: F401
    finally:
        for name in set(sys.modules) - before | {"av"}:
            sys.modules.pop(name, None)
