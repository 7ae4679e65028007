"""The shape of the code: who may import whom, what is public, and where encoders may be named."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ffenc
from ffenc.encoders.table import ENCODERS

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "ffenc").rglob("*.py"))
SOURCES = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))

VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "core", "manager", "misc", "tools"}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_every_module_imports_only_what_lies_below_it():
    pytest.importorskip("importlinter")
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"
    done = subprocess.run([sys.executable, "-c", lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_public_names_are_sorted_complete_and_served():
    assert ffenc.__all__ == sorted(ffenc.__all__)
    assert set(ffenc.__all__) == set(ffenc._MODULES)
    for name, module in ffenc._MODULES.items():
        assert getattr(ffenc, name) is getattr(importlib.import_module(f"ffenc.{module}"), name)
    assert set(dir(ffenc)) == {*ffenc.__all__, "__version__"}


def test_a_type_checker_sees_the_names_that_are_served():
    (checked,) = (node for node in tree(ROOT / "ffenc/__init__.py").body if isinstance(node, ast.If))
    imported = {
        alias.name: statement.module.removeprefix("ffenc.")
        for statement in checked.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    assert imported == ffenc._MODULES


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'encode_frame'"):
        _ = ffenc.encode_frame


def test_a_proof_needs_no_extra():
    hidden = ("PIL", "pyarrow", "altair", "jinja2", "bjontegaard", "distributed", "cv2")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({hidden}))\n"
        "import ffenc.cli.commands.video.prove; from ffenc.proof.subject import texture; texture(1)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_plain_import_loads_nothing_it_does_not_need():
    code = "import ffenc, sys; print(*sorted(m for m in sys.modules if m.split('.')[0] in {'numpy', 'pydantic', 'ffmpeg'}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@SOURCES
def test_no_encoder_is_named_outside_the_rows(path):
    if path.parent.name == "encoders":
        return
    module = tree(path)
    prose = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    named = [
        (node.lineno, node.value)
        for node in ast.walk(module)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in prose
        # An encoder of the same name as its codec ("mpeg4") is the codec's name, which ffprobe prints.
        and node.value in ENCODERS
        and ENCODERS[node.value].codec != node.value
    ]
    assert named == []


@SOURCES
def test_everything_public_says_what_it_is(path):
    undocumented = [name for name, node in public(tree(path)) if not ast.get_docstring(node)]
    assert undocumented == []


def public(module: ast.Module) -> Iterator[tuple[str, ast.Module | ast.ClassDef | ast.FunctionDef]]:
    """The module, its classes and functions, and the methods of its classes, as far as their names are public."""
    yield "module", module
    for node in module.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                methods = (child for child in node.body if isinstance(child, ast.FunctionDef))
                yield from ((f"{node.name}.{m.name}", m) for m in methods if not m.name.startswith("_"))


@SOURCES
def test_a_module_is_named_for_what_it_does(path):
    assert path.stem not in VAGUE_NAMES
    assert path.parent.name not in VAGUE_NAMES


@SOURCES
def test_nothing_is_swallowed(path):
    """An ``except Exception`` or a bare ``except`` has to raise or to do something."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler) and (
            node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException"))
        ):
            assert not all(isinstance(child, ast.Pass | ast.Continue | ast.Break) for child in node.body), node.lineno


@SOURCES
def test_nothing_is_printed_outside_the_command_line(path):
    calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    if "cli" not in path.parts:
        assert [call.lineno for call in calls if call.func.id == "print"] == []


@SOURCES
def test_thread_pools_come_from_one_module(path: Path):
    names = {alias.name for node in ast.walk(tree(path)) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert "ThreadPoolExecutor" not in names or path == ROOT / "ffenc" / "threads.py"
