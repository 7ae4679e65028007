"""What the command line imports before a command runs. It decides how long ``--help`` takes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ffenc.cli.command_tree import COMMANDS

PARSING = {"jsonargparse", "yaml"}
CONFIG = {"pydantic"}
HEAVY = PARSING | CONFIG | {"numpy", "rich", "ffmpeg", "pyarrow", "orjson", "shtab", "distributed", "altair"}


def modules_after(*words: str) -> set[str]:
    """Return the modules that ``ffenc`` has imported at its end."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from ffenc.cli.main import main\n"
        f"sys.exit(main({list(words)!r}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (["--version"], set()),
        (["--help"], set()),
        (["completion", "--help"], PARSING),
        (["info", "--help"], PARSING | CONFIG),
        (["encode", "--help"], PARSING | CONFIG),
        (["jobs", "run", "--help"], PARSING | CONFIG),
        (["record", "--help"], PARSING | CONFIG),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_help_imports_only_what_it_prints(words: list[str], allowed: set[str]) -> None:
    loaded = modules_after(*words)
    assert {module for module in HEAVY if module in loaded} <= allowed
    commands = {
        module.removeprefix("ffenc.cli.commands.") for module in loaded if module.startswith("ffenc.cli.commands.")
    }
    assert commands & {row.module for row in COMMANDS.values()} == set()
    libraries = (
        "ffenc.video",
        "ffenc.plan",
        "ffenc.jobs.perform",
        "ffenc.jobs.run",
        "ffenc.streaming",
        "ffenc.dataset.recording",
        "ffenc.bench",
    )
    assert sorted(module for module in loaded if module.startswith(libraries)) == []


def test_only_the_command_that_runs_is_imported() -> None:
    loaded = modules_after("verify", "--codes")
    assert {row.module for row in COMMANDS.values() if f"ffenc.cli.commands.{row.module}" in loaded} == {
        "dataset.verify"
    }
